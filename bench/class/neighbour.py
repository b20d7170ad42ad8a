"""What one student's place takes from another's: the p99 of requests, alone and beside an attack."""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
import statistics
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any
from urllib.parse import urlsplit

import yaml
from room import LOAD, Room, busy

# Of an attack: pods up to the quota, as many requests as are answered, as many connections to the API server; and the
# time in which it is noticed.
REPLICAS, SENDERS, CONNECTIONS, NOTICED_SECONDS = 12, 64, 8, 45
SCALE = ("scale", "deployment/aleph-v01")
DELETE = ("delete", "pods", "--selector=app=aleph", "--wait=false", "--grace-period=0", "--force")
SEND = ("--target=aleph=http://aleph/name", "--target=beth=http://beth/name")
# load: runaway replicas and requests; pods: whose pods come and go; api, exec: questions and commands without end.
ATTACKS = ("load", "pods", "api", "exec")


def neighbour(room: Room, attack: str, seconds: int, rate: int) -> dict[str, Any]:
    """Measure one student's requests: alone, while another one's place does all that it can, and alone again."""
    quiet, other = [student for student in room.students if student["state"] == "ready"][:2]

    def p99(time_of: int = seconds) -> dict[str, Any]:
        sent = ("run", "--target=aleph=http://aleph/name", f"--rate={rate}", f"--seconds={time_of}")
        told = json.loads(room.kubectl(f"--namespace={quiet['namespace']}", *LOAD, *sent))["targets"]["aleph"]
        return {**told["latency_ms"], "sent": told["sent"], "failed": told["failed"]}

    alone = [p99(), p99()]
    attacker = Attacker(room, other["kubeconfig"], NOTICED_SECONDS + 2 * seconds + 30)
    at_work = attacker.begin(attack)
    before = p99(NOTICED_SECONDS)
    processors = busy(5)
    beside = [p99(), p99()]
    for each in at_work:
        each.join()
    room.kubectl(*SCALE, "--replicas=1", kubeconfig=other["kubeconfig"])
    time.sleep(2 * NOTICED_SECONDS)
    alone += [p99(), p99()]
    base, there = (statistics.mean(each["p99"] for each in some) for some in (alone, beside))
    moved = round(100 * (there / base - 1), 1)
    return {
        "attack": attack, "attacked": attacker.done, "alone": alone, "before_it_is_noticed": before,
        "beside": beside, "p99_moved_percent": moved, "processors_meanwhile": processors,
    }  # fmt: skip


class Attacker:
    """A student with a kubeconfig who means no good.

    Attributes:
        done: how often it was typed or asked, of what is done without end.
    """

    def __init__(self, room: Room, kubeconfig: str, seconds: int) -> None:
        """Know whose kubeconfig it is, and how long it takes."""
        self.room, self.kubeconfig, self.seconds, self.done = room, kubeconfig, seconds, 0

    def begin(self, attack: str) -> list[threading.Thread]:
        """Begin one of ATTACKS; give what ends when it is over."""
        if attack in ("api", "exec"):
            what = self._ask if attack == "api" else self._run_in_pod
            pods = self.room.kubectl("get", "pods", "--selector=app=aleph", "--output=name", kubeconfig=self.kubeconfig)
            return [self._thread(self._again, what, pods.split()[0]) for _ in range(CONNECTIONS)]
        self._typed(*SCALE, f"--replicas={REPLICAS}")
        if attack == "pods":
            return [self._thread(self._again, self._typed, *DELETE)]
        return [self._thread(self._typed, *LOAD, "run", *SEND, f"--concurrency={SENDERS}", f"--seconds={self.seconds}")]

    def _thread(self, what: Callable[..., None], *words: Any) -> threading.Thread:
        thread = threading.Thread(target=what, args=words)
        thread.start()
        return thread

    def _again(self, what: Callable[..., None], *words: str) -> None:
        # What asks has no part in what is measured: it runs when nothing else wants a processor.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            what(*words)
            self.done += 1

    def _typed(self, *words: str) -> None:
        with suppress(CalledProcessError):  # it is held to its limits, and may lose a pod by it
            self.room.kubectl(*words, kubeconfig=self.kubeconfig)

    def _ask(self, _: str) -> None:
        """Ask for all of the place, a hundred times over one connection."""
        with suppress(OSError, http.client.HTTPException):
            connection, path, headers = self._connection()
            for _ in range(100):
                for kind in ("pods", "events", "services"):
                    connection.request("GET", f"{path}/{kind}", headers=headers)
                    connection.getresponse().read()
            connection.close()

    def _run_in_pod(self, pod: str) -> None:
        """Run a command that ends at once, and wait until it has: a WebSocket (RFC 6455), of which nothing is kept."""
        with suppress(OSError, http.client.HTTPException):
            connection, path, headers = self._connection()
            upgrade = {
                "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
                "Sec-WebSocket-Protocol": "v4.channel.k8s.io",
            }  # fmt: skip
            name = pod.removeprefix("pod/")
            connection.request(
                "GET", f"{path}/pods/{name}/exec?command=true&stdout=true&container=aleph", headers=headers | upgrade
            )
            while connection.sock.recv(4096):
                pass
            connection.close()

    def _connection(self) -> tuple[http.client.HTTPSConnection, str, dict[str, str]]:
        told = yaml.safe_load(Path(self.kubeconfig).read_text())
        cluster, context = told["clusters"][0]["cluster"], told["contexts"][0]["context"]
        trusted = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        address = urlsplit(cluster["server"])
        connection = http.client.HTTPSConnection(str(address.hostname), address.port, timeout=30, context=trusted)
        return (
            connection,
            f"/api/v1/namespaces/{context['namespace']}",
            {"Authorization": f"Bearer {told['users'][0]['user']['token']}"},
        )
