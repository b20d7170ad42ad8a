# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `kit_export` action plugin."""

DOCUMENTATION = r"""
module: kit_export
short_description: Make a kit of a bundle
description:
  - Writes one file with a bundle, the project's Python packages for each Debian suite's Python, the Debian packages
    that a controller needs beyond a minimal system, and the collection. With it a machine makes a room without a
    network.
  - Runs on the controller, fetches from PyPI and Debian's archive, and keeps what it fetched in the cache.
  - The same bundle and packages make the same bytes. A file that already is that kit is left as it is.
options:
  file:
    description: >-
      The file to write; its directory must exist. An older kit in it is replaced when the kit is complete; what is no
      kit stays.
    type: str
    required: true
  bundle:
    description: Directory of a verified bundle, named by its key. Without it, options are judged and nothing is done.
    type: path
  cache_dir:
    description: Root of the cache.
    type: path
    required: true
  project:
    description: Directory of the checkout or the installed collection that the kit is for.
    type: path
    required: true
  suites:
    description: Debian suites that a controller may be.
    type: list
    elements: str
    default: [bookworm, trixie]
  debian_mirror:
    description:
      - URLs of Debian mirrors with commas between; where none ends in C(-security), that of the first one is taken.
      - Empty is this machine's own apt sources.
    type: str
    default: ""
  sign_key:
    description: File of minisign's secret key, without a password, that the kit is signed with; empty for none.
    type: path
    default: ""
  push:
    description: Registry and name, C(HOST/NAME) or C(HOST/NAME:TAG), that the kit is pushed to besides; empty for none.
    type: str
    default: ""
  login:
    description: A file of registries' logins, as C(skopeo login --authfile) writes it; empty for skopeo's own.
    type: str
    default: ""
  ca:
    description: A file of CA certificates (PEM) that the registry's is judged by; empty for this machine's own.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Judges the options, and writes nothing.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Make a kit
  istio_games.workshop.kit_export:
    file: /media/stick/workshop.kit
    bundle: "{{ bundle.path }}"
    cache_dir: ~/.cache/istio-workshop
    project: "{{ playbook_dir }}/.."
"""

RETURN = r"""
file:
  description: The kit.
  type: str
  returned: unless only checked
size:
  description: Its size in bytes.
  type: int
  returned: when it was not check mode
seconds:
  description: How long writing it took.
  type: float
  returned: when it was not check mode
pushed:
  description: What it is in the registry, C(HOST/NAME@sha256:DIGEST).
  type: str
  returned: when it was pushed
"""
