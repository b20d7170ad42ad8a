# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `image_digests` action plugin."""

DOCUMENTATION = r"""
module: image_digests
short_description: Look up which images were built
description:
  - Gives each image's digest, so that a Deployment changes exactly when its image's contents do. It is the one that was
    written down when the image was built (M(istio_games.workshop.kaniko_build)), whatever the registry's tag names by
    now; of an image that was not built here, the registry's.
  - Fails when a tag does not exist, and names those that do. Runs on the controller.
options:
  images:
    description: The images, as NAME:TAG.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - istio_games.workshop.images
  - istio_games.workshop.cluster
attributes:
  check_mode:
    support: full
    description: A missing image is a warning then, since it may be what would have been built.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Look the images up
  istio_games.workshop.image_digests:
    kubeconfig: ~/.kube/config
    registry: http://127.0.0.1:32000
    images: ["istio-games-aleph:0.1"]
"""

RETURN = r"""
digests:
  description: Digest by image.
  type: dict
  returned: success
"""
