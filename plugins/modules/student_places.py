# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `student_places` action plugin."""

DOCUMENTATION = r"""
module: student_places
short_description: Tell which places a command is for
description:
  - A room's places are read from the cluster, where each student's namespace bears its name and state. The file
    C(class.json) in the room's state directory says the same for programs, and is written again where it differs. A
    student whose namespace is somebody else's, so that no place could be made, is remembered there alone, as failed;
    all students that are to be changed do not mean that one.
  - A student that is not there ends the task with one sentence which there are.
options:
  student:
    description:
      - The students, a name, several as a list or with commas between, or C(all).
      - The room's own place may be named too.
      - Unless given, it is the room's own place alone.
    type: raw
  students:
    description: How many students are to be made, or their names, as a list or with commas between; only to make them.
    type: raw
  purpose:
    description:
      - What the places are for. To C(use) one, any that is there may be named, and none is the room's own.
      - To C(make) some, they are named by O(students) or O(student), and need not be there; a namespace of somebody
        else's with such a name ends the task, unless it is a numbered one, which nobody has chosen.
      - To C(change) some, students that are there must be named.
      - To C(remove) some, likewise; those too of whom only files are left, because a removal was killed. C(all) may be
        nobody then.
    type: str
    choices: [use, make, change, remove]
    default: use
extends_documentation_fragment:
  - istio_games.workshop.places.register
  - istio_games.workshop.cluster.room
attributes:
  check_mode:
    support: full
    description: Leaves the file as it is.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: See which places are meant
  istio_games.workshop.student_places:
    kubeconfig: ~/.kube/config
    student: student-01,student-07
    namespace: staging
    state_dir: ~/.local/state/istio-workshop/blue
  register: meant
"""

RETURN = r"""
places:
  description:
    - The places that are meant, in the order in which they were named; C(all) is by name.
    - Each has C(name), C(namespace), C(path) (where the door has it, such as C(/student-07/)), C(directory) (its own
      files on the controller), C(kubeconfig), C(state) (C(making), C(ready), C(suspended) or C(failed)), C(cause) (why
      it failed), C(made) and C(expires) (times, RFC 3339), C(node) (that its pods are for), C(page) (its URL),
      C(own) (whether it is the room's own), C(taken) (whether it has no namespace of its own) and
      C(refused) (whether that is because none could be made, and not because it is somebody else's).
  type: list
  elements: dict
  returned: success
students:
  description: Every student's place, in the same form.
  type: list
  elements: dict
  returned: success
all:
  description: Whether O(student) is C(all), however it was typed.
  type: bool
  returned: success
"""
