# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the `door_certificate` action plugin."""

DOCUMENTATION = r"""
module: door_certificate
short_description: Make sure of the certificate that the door shows
description:
  - Makes a CA of the room's own and a certificate of it (P-256, good for 365 days) in the files C(ca.crt), C(ca.key),
    C(door.crt) and C(door.key) of a directory; the keys are readable by their owner alone. What is there is kept,
    unless it cannot be used, is for other hosts, is not of this CA, or ends within 60 days.
  - With a certificate of the user's own nothing is made; it is judged.
  - Runs on the controller.
options:
  directory:
    description: Where the files are.
    type: path
    required: true
  host:
    description: The name or IPv4 address that people type, which a certificate of the user's own must be for.
    type: str
    required: true
  further_hosts:
    description: Others that one of the room's own is for; C(localhost) and C(127.0.0.1) are added.
    type: list
    elements: str
    default: []
  certificate:
    description: PEM file of a certificate of the user's own, with those between it and a known CA.
    type: path
    default: ""
  key:
    description: PEM file of its private key, without a passphrase.
    type: path
    default: ""
  room:
    description: The room's name, which the CA is called by; C(workshop_name) unless given.
    type: str
attributes:
  check_mode:
    support: full
    description: Nothing is made.
author: The workshop's maintainers
"""

EXAMPLES = r"""
- name: Make sure of the door's certificate
  istio_games.workshop.door_certificate:
    directory: ~/.local/state/istio-workshop/workshop/door
    host: 127.0.0.1
"""

RETURN = r"""
made:
  description: What was made anew, of C(CA) and C(certificate).
  type: list
  elements: str
  returned: success
certificate_file:
  description: The certificate that the door shows.
  type: str
  returned: success
key_file:
  description: Its key.
  type: str
  returned: success
ca_file:
  description: The CA that browsers and programs need to know; empty with a certificate of the user's own.
  type: str
  returned: success
"""
