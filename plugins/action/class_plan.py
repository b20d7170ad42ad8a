# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Say how many students fit. Documented in plugins/modules/class_plan.py."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import silent_nodes
from ansible_collections.istio_games.workshop.plugins.plugin_utils.paths import expanded, is_file
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import show
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import capacity, files, places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import measuring, register


class ActionModule(WorkshopAction):
    """Thin: measures, `capacity.plan`, table and file."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        cost = measuring.place_of(given["services"], given["cpu_request"], given["proxy_cpu_request"])
        rate = measuring.rate_of(given["rate"])
        measuring.share_of(given["processor_share"])
        taken = [given["namespace"]]
        silent: list[str] = []
        is_there = bool(given["kubeconfig"]) and is_file(expanded(given["kubeconfig"]))
        # Whoever makes a room is root; who plays in one need not be.
        raised = (given["inotify"], 0 if is_there and os.geteuid() else given["pid_max"])
        machine = measuring.Machine.this(given["storage"], *raised) if given["containers"] else None
        if is_there:
            found = register.read(self.api, self.room, given["namespace"], given["state_dir"])
            known = [place for place in found if not place.own]
            students = places.names(given["students"], taken, [place.name for place in known])
            room = measuring.Room(self.api)
            there = room.living([place.name for place in known if place.state != "suspended"])
            cost = room.cost(there or [given["namespace"]], cost)
            means = room.means(machine, there, given["max_pods"], cost.at_work)
            silent = sorted(silent_nodes.names(self.api))
        elif machine:
            students = places.names(given["students"], taken)
            means = measuring.without_room(machine, given["nodes"], given["max_pods"])
        else:
            return {"failed": True, "msg": "The machines of a room can be asked when it is there: make it first."}
        # One who takes all that a place can get is not to take the others'.
        runaway = cost.runaway(*measuring.most_of_place(given["quota"], given["pod_threads"]))
        means = capacity.keeping_back(means, runaway)
        planned = capacity.plan(students, cost, means, rate * cost.staged, brought=not given["max_pods"])
        refused = capacity.refusal(planned) if given["refuse"] else ""
        if silent:
            show([f"{', '.join(silent)}: no place is made on a node that does not answer."])
        if not given["refuse"]:
            show(capacity.table(planned))
        if given["file"] and is_there and not self.check_mode:
            files.replace(Path(given["file"]), json.dumps(planned, indent=2) + "\n")
        return {"plan": planned, "silent_nodes": silent, **({"failed": True, "msg": refused} if refused else {})}
