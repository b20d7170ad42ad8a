# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `bundle` action plugin."""

DOCUMENTATION = r"""
module: bundle
short_description: Make the workshop's bundle from package registries
description:
  - Builds everything that a room needs (binaries, images, wheels) from Go modules, Debian packages and PyPI, at pinned
    versions and checksums, into a cache that is addressed by content.
  - Runs on the controller and shows its progress. Interrupted and run again, it goes on with the first part that is
    not built yet.
  - What the Go parts come out as is compared with C(lock.yml) in the supply directory.
options:
  supply:
    description: Directory of C(pins.yml), C(recipes.yml), C(lock.yml) and C(go/).
    type: path
    required: true
  cache_dir:
    description: Root of the cache, made when missing.
    type: path
    required: true
  update_lock:
    description: Write C(lock.yml) instead of checking against it.
    type: bool
    default: false
  keep_go_caches:
    description: Keep Go's caches (14 GB) for the next build instead of deleting them when the bundle is complete.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Tells what would be built.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Make the bundle
  istio_games.workshop.bundle:
    supply: supply
    cache_dir: ~/.cache/istio-workshop
"""

RETURN = r"""
path:
  description: Directory of the bundle, with C(bin/), C(cni/), C(images/) (an OCI layout), C(wheels/) and C(lock.json).
  type: str
  returned: success
built:
  description: Seconds by the name of each part that was built.
  type: dict
  returned: success
"""
