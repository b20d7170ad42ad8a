# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `bundle_verify` action plugin."""

DOCUMENTATION = r"""
module: bundle_verify
short_description: Compare every byte of a bundle with its lock
description:
  - Fails with one sentence that names the first file, link or image that is missing, empty, cut, changed or not listed.
options:
  bundle:
    description: The bundle's directory, or a link to it.
    type: path
    required: true
  stamp:
    description: The file that remembers that it was verified, which is removed where it is refused.
    type: path
attributes:
  check_mode:
    support: full
    description: Leaves what is remembered.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Verify the room's bundle
  istio_games.workshop.bundle_verify:
    bundle: ~/.local/state/istio-workshop/workshop/bundle
"""

RETURN = r"""
path:
  description: Directory of the bundle.
  type: str
  returned: success
files:
  description: How many files were compared.
  type: int
  returned: success
size:
  description: Their bytes.
  type: int
  returned: success
"""
