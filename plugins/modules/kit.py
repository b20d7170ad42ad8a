# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `kit` action plugin."""

DOCUMENTATION = r"""
module: kit
short_description: Take a kit into the bundle's cache
description:
  - A kit is one file with a bundle and what a machine without a network needs besides; C(playbooks/export_kit.yml)
    makes it. This takes the bundle out of it, after every byte was compared with the kit's manifest.
  - A kit that is cut, changed, for another version or architecture, or not signed by O(key) is refused in one sentence,
    and nothing was changed.
  - Runs on the controller. A kit of a registry is kept in the cache; what has come of it stays when the registry breaks
    off, and the next run goes on from there.
options:
  kit:
    description: The kit's file, or C(HOST/NAME@sha256:DIGEST) for one in a registry, over HTTPS.
    type: str
    required: true
  key:
    description: minisign's public key, or the file that holds it, which the kit must be signed by; empty for any kit.
    type: str
    default: ""
  login:
    description: A file of registries' logins, as C(skopeo login --authfile) writes it; empty for none.
    type: str
    default: ""
  ca:
    description: A file of CA certificates (PEM) that the registry's is judged by; empty for this machine's own.
    type: str
    default: ""
  cache_dir:
    description: Root of the cache, made when missing.
    type: path
    required: true
  project:
    description: Directory of the checkout or the installed collection that the kit must be for.
    type: path
    required: true
  stamp:
    description: >-
      A file of the room's own that remembers that the bundle was verified, as of M(istio_games.workshop.bundle).
      Without it every byte of the bundle is read each time.
    type: path
attributes:
  check_mode:
    support: full
    description: Verifies the kit, and writes nothing; a registry's kit is got.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Take the kit
  istio_games.workshop.kit:
    kit: /media/stick/workshop.kit
    key: kit.pub
    cache_dir: ~/.cache/istio-workshop
    project: "{{ playbook_dir }}/.."
"""

RETURN = r"""
path:
  description: Directory of the kit's bundle in the cache.
  type: str
  returned: success
"""
