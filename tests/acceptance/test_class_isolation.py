"""What one student tries on another, or on the room, is refused; each attempt by name (attempts.py)."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from tests.acceptance.attempts import BY_API, BY_NETWORK, BY_PODS, Asked, Pod
from tests.acceptance.room import Room, wait_for
from tests.acceptance.student import Student, class_of_two

ATTACKER, OTHER = "student-01", "student-02"
# From a pod without a proxy, which would accept each connection by itself.
TRY = """
import socket, sys
address, _, port = sys.argv[1].rpartition(":")
try:
    socket.create_connection((address, int(port)), 5).close()
except OSError as error:
    print("refused", error)
else:
    print("reached")
"""


@pytest.fixture(scope="module")
def student(room: Room) -> Student:
    """One of two students of a class, which is made unless it is there."""
    class_of_two(room, ATTACKER, OTHER)
    return Student(room, ATTACKER)


@pytest.fixture(scope="module")
def known(room: Room, student: Student) -> dict[str, str]:
    """What an attempt names in braces: what an attacker may well find out."""

    def read(path: str, *words: str) -> str:
        return room.kubectl("get", *words, f"--output=jsonpath={{{path}}}")

    def pod(namespace: str, selector: str) -> str:
        return read(".items[0].status.podIP", "pods", "-n", namespace, "-l", selector)

    found = {name: pod(OTHER, f"app={name}") for name in ("front", "aleph", "mongo")}
    return {
        **found,
        "front service": read(".spec.clusterIP", "service/front", "-n", OTHER),
        "staging mongo": pod("staging", "app=mongo"),
        "kubernetes": read(".spec.clusterIP", "service/kubernetes", "-n", "default"),
        "node": read(".items[0].status.addresses[0].address", "nodes"),
        "node name": read(".items[0].metadata.name", "nodes"),
        "istiod": pod("istio-system", "app=istiod"),
        "registry": pod("registry", "app.kubernetes.io/name=registry"),
        "dns": pod("kube-system", "k8s-app=kube-dns"),
        "registry port": str(room.registry_port),
        "front port": str(room.front_port),
        "load": student.pod("load"),
    }


def filled(value: Any, known: dict[str, str]) -> Any:
    """Put names in the place of OTHER, OWN, NODE and LOAD."""
    if isinstance(value, dict):
        return {key: filled(item, known) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [filled(item, known) for item in value]
    names = {"OTHER": OTHER, "OWN": ATTACKER, "NODE": known["node name"], "LOAD": known["load"]}
    return (
        re.sub(r"\b(OTHER|OWN|NODE|LOAD)\b", lambda found: names[found[0]], value) if isinstance(value, str) else value
    )


@pytest.mark.parametrize("name", BY_API)
def test_the_api_refuses_to(name: str, student: Student, known: dict[str, str]) -> None:
    asked: Asked = BY_API[name]
    given = json.dumps(filled(asked.given, known)) if asked.given else None
    code, said = student.kubectl(*filled(asked.words, known), given=given)
    assert code != 0, said
    assert re.search(asked.refusal, said), said


def deployment(pod: Pod, image: str, name: str = "attempt", labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A Deployment that is right but for what the attempt changes."""
    container = {
        "name": name,
        "image": image,
        "command": ["sleep", "600"],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        **pod.container,
    }
    security = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    item = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": ATTACKER},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name, **(labels or {})}, **pod.metadata},
                "spec": {
                    "securityContext": security,
                    "terminationGracePeriodSeconds": 1,
                    "containers": [container],
                    **pod.spec,
                },
            },
        },
    }
    filled_in: dict[str, Any] = json.loads(json.dumps(item).replace('"IMAGE"', json.dumps(image)))
    return filled_in


def image_of(student: Student) -> str:
    code, said = student.kubectl(
        "get", "deployment/load", "--output=jsonpath={.spec.template.spec.containers[0].image}"
    )
    assert code == 0, said
    return said


@pytest.fixture
def attempt(student: Student) -> Iterator[Student]:
    """The student, whose attempt is cleared away."""
    yield student
    student.kubectl("delete", "deployment", "attempt", "--ignore-not-found")
    wait_for(lambda: student.kubectl("get", "pods", "--selector=app=attempt", "--output=name")[1] == "", 60)


def failure(student: Student) -> str:
    """Why the attempt's pods are not made."""
    _, said = student.kubectl("get", "deployment", "attempt", "--output=json")
    conditions = json.loads(said)["status"].get("conditions", [])
    return "".join(each["message"] for each in conditions if each["type"] == "ReplicaFailure")


def test_a_pod_that_is_right_does_run(attempt: Student) -> None:
    """Else the refusals below would prove nothing."""
    code, said = attempt.kubectl("create", "--filename=-", given=json.dumps(deployment(Pod(), image_of(attempt))))
    assert code == 0, said
    code, said = attempt.kubectl("rollout", "status", "deployment/attempt", "--timeout=90s")
    assert code == 0, said


@pytest.mark.parametrize("name", BY_PODS)
def test_no_pod_gets(name: str, attempt: Student) -> None:
    given = json.dumps(deployment(BY_PODS[name], image_of(attempt)))
    code, said = attempt.kubectl("create", "--filename=-", given=given)
    if code == 0:
        wait_for(lambda: failure(attempt), 30)
        said = failure(attempt)
    assert re.search(BY_PODS[name].refusal, said), said
    assert attempt.kubectl("get", "pods", "--selector=app=attempt", "--output=name")[1] == ""


def test_a_quota_ends_runaway_replicas(student: Student) -> None:
    try:
        student.kubectl("scale", "deployment/aleph-v01", "--replicas=100")

        def refused() -> bool:
            _, said = student.kubectl("get", "deployment/aleph-v01", "--output=json")
            return "exceeded quota" in said

        wait_for(refused, 60)
        _, pods = student.kubectl("get", "pods", "--output=name")
        assert len(pods.splitlines()) <= 20
    finally:
        student.kubectl("scale", "deployment/aleph-v01", "--replicas=1")
        student.kubectl("rollout", "status", "deployment/aleph-v01", "--timeout=120s")


def deployed(student: Student, item: Mapping[str, Any]) -> Iterator[Student]:
    """The student, while a Deployment of theirs is there, whose pods are ready first."""
    name = item["metadata"]["name"]
    code, said = student.kubectl("create", "--filename=-", given=json.dumps(item))
    assert code == 0, said
    code, said = student.kubectl("rollout", "status", f"deployment/{name}", "--timeout=90s")
    assert code == 0, said
    yield student
    student.kubectl("delete", "deployment", name)


@pytest.fixture(scope="module")
def bare(student: Student) -> Iterator[Student]:
    """The student, with a pod that has no proxy, as anybody can make one."""
    yield from deployed(
        student, deployment(Pod(), image_of(student), name="bare", labels={"sidecar.istio.io/inject": "false"})
    )


def test_a_pod_reaches_names_and_its_mesh(bare: Student, known: dict[str, str]) -> None:
    """Else the refusals below would prove nothing."""

    def reached(target: str) -> bool:
        return bare.within("bare", "python", "-c", TRY, target) == "reached"

    wait_for(lambda: reached(f"{known['dns']}:53") and reached(f"{known['istiod']}:15012"), 30)


@pytest.mark.parametrize("name", BY_NETWORK)
def test_no_pod_reaches(name: str, bare: Student, known: dict[str, str]) -> None:
    target = re.sub(r"{([^}]+)}", lambda found: known[found[1]], BY_NETWORK[name])
    assert bare.within("bare", "python", "-c", TRY, target).startswith("refused")


def test_a_fork_bomb_ends_within_its_pod(bare: Student) -> None:
    code = """
import threading
threading.stack_size(2**15)
end, number = threading.Event(), 0
try:
    while number < 5000:
        threading.Thread(target=end.wait).start()
        number += 1
except RuntimeError:
    print("refused", number)
else:
    print("begun", number)
finally:
    end.set()
"""
    said, number = bare.within("bare", "python", "-c", code).split()
    assert said == "refused"
    assert 256 < int(number) <= 512


# For half a minute, as often as it can.
FLOOD = """
import socket, struct, time
address = next(line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver"))
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.setblocking(False)
asking.connect((address, 53))
end, number = time.monotonic() + 30, 0
while time.monotonic() < end:
    number += 1
    label = b"x%d" % number
    name = bytes([len(label)]) + label + b"\\7example\\3org\\0"
    try:
        asking.send(struct.pack(">HHHHHH", number & 65535, 0x100, 1, 0, 0, 0) + name + struct.pack(">HH", 1, 1))
        asking.recv(4096)
    except OSError:
        pass
time.sleep(600)
"""
LOOK_UP = """
import socket, time
end, found, failed = time.monotonic() + 30, 0, 0
while time.monotonic() < end:
    try:
        socket.getaddrinfo("aleph", 80)
        found += 1
    except OSError:
        failed += 1
    time.sleep(0.05)
print(found, failed)
"""


def test_questions_without_end_leave_others_their_names(room: Room, attempt: Student) -> None:
    def restarts() -> str:
        path = "{.items[*].status.containerStatuses[*].restartCount}"
        selector = ("--namespace=kube-system", "--selector=k8s-app=kube-dns")
        return room.kubectl("get", "pods", *selector, f"--output=jsonpath={path}")

    before = restarts()
    item = deployment(
        Pod(container={"command": ["python", "-c", FLOOD]}),
        image_of(attempt),
        labels={"sidecar.istio.io/inject": "false"},
    )
    item["spec"]["replicas"] = 10
    code, said = attempt.kubectl("create", "--filename=-", given=json.dumps(item))
    assert code == 0, said
    wait_for(lambda: attempt.kubectl("get", "pods", "--selector=app=attempt")[1].count("Running") >= 8, 60)
    found, failed = Student(room, OTHER).within("load", "python", "-c", LOOK_UP).split()
    assert int(found) > 50
    assert failed == "0"
    assert restarts() == before


@pytest.fixture(scope="module")
def gateway(student: Student) -> Iterator[Student]:
    """The student, with a proxy that is a gateway's: no Sidecar counts for it."""
    pod = Pod(
        container={"name": "istio-proxy", "command": None, "imagePullPolicy": "IfNotPresent"},
        metadata={"annotations": {"inject.istio.io/templates": "gateway"}},
    )
    yield from deployed(student, deployment(pod, "auto", name="gateway"))


@pytest.mark.parametrize("workload", ["load", "gateway"])
def test_a_proxy_hears_of_no_other_place(workload: str, gateway: Student) -> None:
    """By istiod, of services and the addresses of their pods."""
    ask = ("exec", f"deployment/{workload}", "--container=istio-proxy", "--", "pilot-agent", "request", "GET")
    code, heard = gateway.kubectl(*ask, "config_dump?include_eds")
    assert code == 0, heard
    assert f".{ATTACKER}.svc.cluster.local" in heard
    assert f".{OTHER}." not in heard


def test_a_student_s_rule_is_none_of_the_door_s(room: Room, attempt: Student) -> None:
    """What a DestinationRule says of one's own page."""
    rule = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "attempt", "namespace": ATTACKER},
        "spec": {"host": "front", "trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": 7777}}}},
    }
    code, said = attempt.kubectl("create", "--filename=-", given=json.dumps(rule))
    assert code == 0, said
    request = ("pilot-agent", "request", "GET", "config_dump")
    try:
        own = ("exec", "deployment/load", "--container=istio-proxy", "--", *request)
        wait_for(lambda: "7777" in attempt.kubectl(*own)[1], 30)
        door = room.kubectl("exec", "--namespace=workshop-door", "deployment/workshop-door", "--", *request)
    finally:
        attempt.kubectl("delete", "destinationrule", "attempt")
    assert f"front.{ATTACKER}.svc.cluster.local" in door
    assert "7777" not in door


def test_a_student_s_route_is_none_of_the_room_s(room: Room, attempt: Student) -> None:
    """Envoy takes all routes of a port or none: one that cannot be would keep the room's own place from its stages."""
    route = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "attempt", "namespace": ATTACKER},
        "spec": {"hosts": ["nobody"], "http": [{"route": [{"destination": {"host": "aleph"}}]}]},
    }
    code, said = attempt.kubectl("create", "--filename=-", given=json.dumps(route))
    assert code == 0, said
    ask = ("exec", "deployment/load", "--container=istio-proxy", "--", "pilot-agent", "request", "GET", "config_dump")
    try:
        wait_for(lambda: f"nobody.{ATTACKER}." in attempt.kubectl(*ask)[1], 30)
        own = room.kubectl("--namespace=staging", *ask)
    finally:
        attempt.kubectl("delete", "virtualservice", "attempt")
    assert "aleph.staging.svc.cluster.local" in own
    assert f".{ATTACKER}." not in own


def test_a_zone_s_names_are_not_listed(bare: Student, known: dict[str, str]) -> None:
    """A transfer of the whole zone (AXFR), over TCP."""
    code = """
import socket, struct, sys
name = b"".join(bytes([len(part)]) + part for part in (b"cluster", b"local")) + b"\\0"
query = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + name + struct.pack(">HH", 252, 1)
with socket.create_connection((sys.argv[1], 53), 5) as asked:
    asked.sendall(struct.pack(">H", len(query)) + query)
    answer = asked.recv(4096)[2:]
print(answer[3] & 15, struct.unpack(">H", answer[6:8])[0])
"""
    status, answers = bare.within("bare", "python", "-c", code, known["dns"]).split()
    assert status != "0"
    assert answers == "0"


def test_a_push_takes_the_room_s_password(room: Room) -> None:
    url = f"http://{room.address}:{room.registry_port}/v2/attempt/blobs/uploads/"
    done = subprocess.run(
        ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--request", "POST", url],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "401"


def test_no_log_or_page_of_the_place_has_a_token(room: Room, student: Student) -> None:
    token = yaml.safe_load((room.state / "students" / ATTACKER / "kubeconfig").read_text())["users"][0]["user"]["token"]
    others = yaml.safe_load((room.state / "students" / OTHER / "kubeconfig").read_text())["users"][0]["user"]["token"]
    _, pods = student.kubectl("get", "pods", "--output=name")
    logs = [student.kubectl("logs", name, "--all-containers", "--tail=-1")[1] for name in pods.split()]
    logs += [
        student.kubectl("get", "all,configmaps,events", "--output=yaml")[1],
        (room.state / "class.json").read_text(),
    ]
    assert len(logs) > 5
    assert not [text for text in logs if token in text or others in text or "eyJhbGciOi" in text]


def test_a_token_is_of_its_place_and_ends(room: Room, student: Student) -> None:
    kubeconfig = room.state / "students" / ATTACKER / "kubeconfig"
    assert kubeconfig.stat().st_mode & 0o777 == 0o600
    code, said = student.kubectl("auth", "whoami", "--output=json")
    assert code == 0, said
    assert json.loads(said)["status"]["userInfo"]["username"] == f"system:serviceaccount:{ATTACKER}:student"
