# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `kaniko_build` action plugin."""

DOCUMENTATION = r"""
module: kaniko_build
short_description: Build images inside the cluster with kaniko
description:
  - Builds each image whose sources, arguments or base image differ from what was built, or which the registry does not
    hold any more as it was built, one Job for each tag, and shows kaniko's progress.
  - What was built is written down in the ConfigMap C(images) of the builds' namespace, with the digest of its sources.
  - Fails at once when a build fails, with the end of kaniko's log. A Job that an interrupted run has left is followed
    or replaced. Runs on the controller.
options:
  registry:
    description: The registry's URL as the controller reaches it.
    type: str
    required: true
  push_address:
    description: The registry's HOST:PORT as pods reach it.
    type: str
    required: true
  registry_namespace:
    description: Where the registry runs; it is restarted when something broken is in the way of a push.
    type: str
    required: true
  namespace:
    description: Where the Jobs run.
    type: str
    required: true
  source:
    description: Directory of the sources, the root of each build's context.
    type: path
    required: true
  builds:
    description: The images.
    type: list
    elements: dict
    required: true
    suboptions:
      image:
        description: The image's name.
        type: str
        required: true
      tag:
        description: Its tag.
        type: str
        required: true
      dockerfile:
        description: Its Dockerfile, relative to the sources.
        type: str
        required: true
      paths:
        description: What the context holds, relative to the sources.
        type: list
        elements: str
        required: true
      build_args:
        description: Build arguments.
        type: dict
        default: {}
  job:
    description: The Job that is filled in for each build.
    type: dict
    required: true
  parallel:
    description: How many images are built side by side. Tags of one image are built one after the other.
    type: int
    default: 2
extends_documentation_fragment:
  - istio_games.workshop.cluster.room
attributes:
  check_mode:
    support: full
    description: Tells what would be built.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Build aleph
  istio_games.workshop.kaniko_build:
    kubeconfig: ~/.kube/config
    registry: http://127.0.0.1:32000
    push_address: registry.registry.svc:5000
    registry_namespace: registry
    namespace: build
    source: services
    builds:
      - image: istio-games-aleph
        tag: "0.3"
        dockerfile: Dockerfile
        paths: [Dockerfile, alephbeth/aleph, common]
        build_args: {SERVICE: alephbeth/aleph}
    job: "{{ lookup('ansible.builtin.template', 'job.yml.j2') | from_yaml }}"
"""

RETURN = r"""
built:
  description: Seconds by image that was built, NAME:TAG.
  type: dict
  returned: success
up_to_date:
  description: Images that were there already.
  type: list
  elements: str
  returned: success
"""
