# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `image_digests` action plugin."""

DOCUMENTATION = r"""
module: image_digests
short_description: Look images up in a registry
description:
  - Gives each image's digest, so that a Deployment changes exactly when its image's contents do.
  - Fails when a tag does not exist, and names those that do. Runs on the controller.
options:
  registry:
    description: The registry's URL.
    type: str
    required: true
  images:
    description: The images, as NAME:TAG.
    type: list
    elements: str
    required: true
attributes:
  check_mode:
    support: full
    description: A missing image is a warning then, since it may be what would have been built.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Look the images up
  istio_games.workshop.image_digests:
    registry: http://127.0.0.1:32000
    images: ["istio-games-aleph:0.1"]
"""

RETURN = r"""
digests:
  description: Digest by image.
  type: dict
  returned: success
"""
