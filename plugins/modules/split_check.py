# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `split_check` action plugin."""

DOCUMENTATION = r"""
module: split_check
short_description: Measure with real requests how they are split between versions, and judge it
description:
  - Lets the load client's pod send requests through its own proxy, counts the versions that answer, and compares them
    with what was asked for by an exact binomial test. Every request must be answered well.
  - A verdict is C(honoured), C(not honoured) or C(too few requests). The false-alarm rate of a measurement is 0.001,
    and a split that is 10 points off is found with 99 percent; so many requests are sent unless the number is given.
  - What looks dishonoured by chance is measured once more, and only that counts. So a verdict is a false alarm once in
    a million times, and finds such a split with 98 percent.
  - A failed request is explained by the response flag in the log of the caller's proxy. Runs on the controller.
options:
  checks:
    description: What to measure.
    type: list
    elements: dict
    required: true
    suboptions:
      service:
        description: The Service that is asked.
        type: str
        required: true
      name:
        description: Who asks, for people.
        type: str
        required: true
      expect:
        description: Whole percent by version, 100 in all, of one version or two.
        type: dict
        required: true
      headers:
        description: Headers of the requests.
        type: dict
        default: {}
      requests:
        description: How many requests to send, instead of the number that a verdict takes.
        type: int
  fail:
    description: Whether a verdict other than C(honoured), or a failed request, fails the task.
    type: bool
    default: true
extends_documentation_fragment:
  - istio_games.workshop.cluster.application
attributes:
  check_mode:
    support: full
    description: Sends nothing.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: See that half of the requests go to the new version
  istio_games.workshop.split_check:
    kubeconfig: ~/.kube/config
    namespace: staging
    checks:
      - {service: aleph, name: everybody, expect: {"0.1": 50, "0.3": 50}}
"""

RETURN = r"""
checks:
  description:
    - For each check the number of requests, answers by version, failures with their explanation, latencies in
      milliseconds, the verdict with its p-value, how many more requests are needed, and all of it in one sentence.
  type: list
  returned: success or a verdict that fails
"""
