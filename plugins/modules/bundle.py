# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `bundle` action plugin."""

DOCUMENTATION = r"""
module: bundle
short_description: Verify the workshop's bundle, or make it from package registries
description:
  - Builds everything that a room needs (binaries, images, wheels) from Go modules, Debian packages and PyPI, at pinned
    versions and checksums, into a cache that is addressed by content.
  - Runs on the controller and shows its progress. Interrupted and run again, it goes on with the first part that is
    not built yet.
  - A bundle that the cache has is compared with its lock first; an empty, cut or changed one, or one that was made of
    other pins, is named and made again, and so is a part.
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
  origin:
    description: >-
      Where the bundle may come from. V(auto) and V(packages) build what the cache does not have; with V(cache) nothing
      is built, nor with a kit, which has put it there before.
    type: str
    choices: [auto, packages, cache, kit]
    default: packages
  kit:
    description: The kit that was named; empty for none.
    type: str
    default: ""
  stamp:
    description: >-
      A file of the room's own that remembers that the bundle was verified. Without it every byte is read each time.
    type: path
  debian_mirror:
    description:
      - URLs of Debian mirrors with commas between; one that ends in C(-security) holds the security updates.
      - Empty is this machine's own apt sources, asked for the node's suite.
    type: str
    default: ""
  update_lock:
    description: Write C(lock.yml) instead of checking against it.
    type: bool
    default: false
  keep_go_caches:
    description: Keep Go's caches (8 GB) for the next build instead of deleting them when the bundle is complete.
    type: bool
    default: false
  prune:
    description:
      - Remove from the cache this user's bundles that are not this one and that no room of theirs uses, the parts of
        other pins, kits that came from a registry with other bundles, and what killed runs have left.
      - Where several users share a cache, what the others have put there stays.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Tells what would be built, and removed.
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
