"""Who may write to the registry, what becomes of a damaged store, and builds that cannot run yet."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.room import ROOT, Room, get_json, wait_for

IMAGE, TAG = "istio-games-aleph", "0.3"
DIGEST = "sha256:" + "0" * 64
# What writes or deletes, by method and path.
WRITES = [
    ("POST", f"/v2/{IMAGE}/blobs/uploads/"),
    ("POST", f"/v2/{IMAGE}/blobs/uploads/?mount={DIGEST}&from=busybox"),
    ("POST", "/v2/mine/blobs/uploads/"),
    ("PATCH", f"/v2/{IMAGE}/blobs/uploads/1"),
    ("PUT", f"/v2/{IMAGE}/blobs/uploads/1?digest={DIGEST}"),
    ("PUT", f"/v2/{IMAGE}/manifests/{TAG}"),
    ("PUT", "/v2/mine/manifests/1"),
    ("DELETE", f"/v2/{IMAGE}/manifests/{TAG}"),
    ("DELETE", f"/v2/{IMAGE}/manifests/{DIGEST}"),
    ("DELETE", f"/v2/{IMAGE}/blobs/{DIGEST}"),
    ("DELETE", f"/v2/{IMAGE}/blobs/uploads/1"),
]
# Tries all of them at several addresses; prints the status of each, or None where nobody answers.
INTRUDER = """
import http.client, json, sys
found = {}
for address in sys.argv[2:]:
    for method, path in json.loads(sys.argv[1]):
        connection = http.client.HTTPConnection(address, timeout=5)
        try:
            connection.request(method, path, b"{}")
            found[f"{method} {address}{path}"] = connection.getresponse().status
        except OSError:
            found[f"{method} {address}{path}"] = None
print(json.dumps(found))
"""


def address(room: Room) -> str:
    return f"127.0.0.1:{room.registry_port}"


def login(room: Room) -> Path:
    return room.state / "registry/config.json"


def contents(room: Room) -> dict[str, str]:
    """The digest of every tag, as skopeo reads it."""
    found = {}
    for name in room.catalog():
        for tag in get_json(f"http://{address(room)}/v2/{name}/tags/list")["tags"] or []:
            done = skopeo(
                "inspect", "--tls-verify=false", "--format={{.Digest}}", f"docker://{address(room)}/{name}:{tag}"
            )
            found[f"{name}:{tag}"] = done.stdout.strip()
    return found


def skopeo(*arguments: str, user: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["skopeo", *arguments],
        user=user,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "XDG_RUNTIME_DIR": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def other(room: Room, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another program in an image that has our label, in a directory that everybody may read."""
    directory = tmp_path_factory.mktemp("other")
    done = skopeo("copy", "--src-tls-verify=false", f"docker://{address(room)}/busybox:1.35.0", f"dir:{directory}")
    assert done.returncode == 0, done.stderr
    for path in (directory, *directory.parents[:2]):
        path.chmod(0o755)
    return directory


@pytest.fixture
def untouched(room: Room) -> Iterator[None]:
    """Whatever is tried, the registry holds the same afterwards."""
    before = contents(room)
    yield
    assert contents(room) == before


@pytest.mark.ci
@pytest.mark.usefixtures("untouched")
def test_nobody_on_the_network_writes(room: Room) -> None:
    done = subprocess.run(
        ["python3", "-c", INTRUDER, json.dumps(WRITES), address(room)],
        user="nobody",
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert set(json.loads(done.stdout).values()) == {401}


@pytest.mark.ci
@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("name", [f"{IMAGE}:0.1", "mine:1"])
def test_nobody_copies_an_image_without_the_password(room: Room, other: Path, name: str) -> None:
    copy = ("copy", "--dest-tls-verify=false", f"dir:{other}", f"docker://{address(room)}/{name}")
    for user in (None, "nobody"):
        refused = skopeo(*copy, user=user)
        assert refused.returncode != 0
        assert "authentication required" in refused.stderr
    for credentials in ("workshop:", "workshop:wrong", "nobody:x"):
        assert skopeo(*copy[:1], f"--dest-creds={credentials}", *copy[1:]).returncode != 0, credentials


@pytest.mark.ci
@pytest.mark.usefixtures("untouched")
def test_no_pod_of_any_node_writes(room: Room, undo: ExitStack) -> None:
    targets = addresses(room)
    nodes = room.kubectl("get", "nodes", "--output=jsonpath={.items[*].metadata.name}").split()
    assert len(nodes) == 1 + room.workers
    for node in nodes:
        name = f"intruder-{node}"
        command = ["python3", "-c", INTRUDER, json.dumps(WRITES), *targets]
        container = {"name": "intruder", "image": f"{address(room)}/python:3.11-slim", "command": command}
        spec = {"nodeName": node, "restartPolicy": "Never", "containers": [container]}
        undo.callback(room.kubectl, "delete", "pod", name, "--wait=false", "--ignore-not-found")
        room.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
        phase = ("get", "pod", name, "--output=jsonpath={.status.phase}")
        wait_for(lambda phase=phase: room.kubectl(*phase) in ("Succeeded", "Failed"), 300)
        found = json.loads(room.kubectl("logs", name))
        assert len(found) == len(WRITES) * len(targets)
        assert set(found.values()) <= {401, None}, found
        # It did get as far as the password, through the nodes' NodePort.
        assert 401 in found.values(), found


def addresses(room: Room) -> list[str]:
    """Each node's NodePort, the Service, and every port of the pod."""
    listed = json.loads(room.kubectl("get", "nodes", "--output=json"))["items"]
    nodes = [each["address"] for node in listed for each in node["status"]["addresses"] if each["type"] == "InternalIP"]
    own = ("--namespace=registry", "--selector=app.kubernetes.io/name=registry")
    service = room.kubectl("get", "service", "--namespace=registry", "registry", "--output=jsonpath={.spec.clusterIP}")
    pod = room.kubectl("get", "pods", *own, "--output=jsonpath={.items[0].status.podIP}")
    return [
        *(f"{node}:{room.registry_port}" for node in nodes),
        *(f"{pod}:{port}" for port in (5000, 5001, 5002)),
        f"{service}:5000",
    ]


@pytest.mark.ci
def test_who_has_the_password_pushes_and_deletes_nothing(room: Room, other: Path) -> None:
    """A student pushes by hand."""
    there = f"docker://{address(room)}/mine:1"
    assert login(room).stat().st_mode & 0o077 == 0
    auth = {"REGISTRY_AUTH_FILE": str(login(room))}
    pushed = skopeo("copy", "--dest-tls-verify=false", f"dir:{other}", there, **auth)
    assert pushed.returncode == 0, pushed.stderr
    assert "mine" in room.catalog()
    refused = skopeo("delete", "--tls-verify=false", there, **auth)
    assert refused.returncode != 0
    assert "UNSUPPORTED" in refused.stderr
    # Everybody pulls.
    assert skopeo("inspect", "--tls-verify=false", there, user="nobody").returncode == 0


class Store:
    """The registry's storage, as its node has it, and one image in it."""

    def __init__(self, room: Room) -> None:
        claim = ("get", "pvc", "--namespace=registry", "registry-data", "--output=jsonpath={.spec.volumeName}")
        volume = json.loads(room.kubectl("get", "pv", room.kubectl(*claim), "--output=json"))["spec"]
        terms = volume["nodeAffinity"]["required"]["nodeSelectorTerms"]
        self._container = room.node(terms[0]["matchExpressions"][0]["values"][0])
        self._root = (volume.get("hostPath") or volume["local"])["path"] + "/docker/registry/v2"
        self._room = room

    def damage(self, script: str, image: str, tag: str) -> None:
        """Run a script in the storage, with the image's parts in its variables."""
        url = f"http://{address(self._room)}/v2/{image}/manifests/"
        accept = {
            "Accept": "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
        }
        manifest = get_json(url + tag, headers=accept)
        done = skopeo(
            "inspect", "--tls-verify=false", "--format={{.Digest}}", f"docker://{address(self._room)}/{image}:{tag}"
        )
        digests = {
            "layer": manifest["layers"][-1]["digest"],
            "config": manifest["config"]["digest"],
            "manifest": done.stdout.strip(),
        }
        variables = [f"repository=repositories/{image}", f"tag=repositories/{image}/_manifests/tags/{tag}"]
        for part, digest in digests.items():
            name = digest.removeprefix("sha256:")
            variables += [f"{part}={name}", f"{part}_blob=blobs/sha256/{name[:2]}/{name}"]
        command = f"set -e; cd {self._root}; {'; '.join(variables)}; {script}"
        subprocess.run(
            ["podman", "exec", self._container, "sh", "-c", command], check=True, capture_output=True, timeout=60
        )


def is_whole(room: Room, image: str, tag: str, directory: Path) -> bool:
    """Whether skopeo, which compares every digest, copies what was written down as built."""
    listed = json.loads(room.kubectl("get", "configmap", "--namespace=build", "images", "--output=json"))
    built = json.loads(listed["data"][f"{image}..{tag}"])["digest"]
    there = f"docker://{address(room)}/{image}"
    tagged = skopeo("inspect", "--tls-verify=false", "--format={{.Digest}}", f"{there}:{tag}").stdout.strip()
    copied = skopeo("copy", "--src-tls-verify=false", f"{there}@{built}", f"dir:{directory}")
    return tagged == built and copied.returncode == 0


# In each batch to all of DAMAGED at once, in this order.
BATCHES = [
    {
        "layer cut to nothing": "truncate -s 0 $layer_blob/data",
        "layer with wrong bytes": "printf XY | dd of=$layer_blob/data bs=1 seek=20 conv=notrunc",
        "layer lost by its repository": "rm -r $repository/_layers/sha256/$layer",
        "configuration cut to nothing": "truncate -s 0 $config_blob/data",
        "tag gone": "rm -r $tag",
    },
    {
        "manifest cut to nothing": "truncate -s 0 $manifest_blob/data",
        "manifest with wrong bytes": "printf XY | dd of=$manifest_blob/data bs=1 seek=20 conv=notrunc",
        "layer collected": "rm -r $layer_blob",
        "layer cut short": "truncate -s 100 $layer_blob/data",
        "manifest gone": "rm -r $manifest_blob",
    },
    {
        "tag of another version": "cp $repository/_manifests/tags/0.1/current/link $tag/current/link",
        "manifest lost by its repository": "rm -r $repository/_manifests/revisions/sha256/$manifest",
        "repository gone": "rm -r $repository",
        "configuration gone": "rm $config_blob/data",
        "tag cut to nothing": ": > $tag/current/link",
    },
]
DAMAGED = [
    (IMAGE, TAG),
    ("istio-games-beth", TAG),
    ("istio-games-front", TAG),
    ("istio-games-load", TAG),
    (IMAGE, "0.2"),
]


@pytest.mark.parametrize("batch", BATCHES, ids=lambda batch: ", ".join(batch))
def test_damaged_images_are_found_and_built_again(room: Room, tmp_path: Path, batch: dict[str, str]) -> None:
    for (image, tag), script in zip(DAMAGED, batch.values(), strict=True):
        Store(room).damage(script, image, tag)
    output = room.must("playbooks/build.yml").output
    for image, tag in DAMAGED:
        assert f"{image}:{tag} is built again" in output
        assert is_whole(room, image, tag, tmp_path / f"{image}-{tag}")
    assert "changed=1" not in room.must("playbooks/build.yml").output


@pytest.mark.parametrize("image", ["python:3.11-slim", "busybox:1.35.0"])
def test_a_damaged_image_of_the_nodes_is_pushed_again(room: Room, tmp_path: Path, image: str) -> None:
    name, _, tag = image.partition(":")
    Store(room).damage("truncate -s 0 $layer_blob/data", name, tag)
    if name == "python":
        refused = room.play("playbooks/build.yml")
        assert refused.code != 0
        assert "its base image python:3.11-slim cannot be had" in refused.output
    assert f"pushed {image}" in room.must("playbooks/registry.yml").output.replace("\n", " ")
    there = f"docker://{address(room)}/{image}"
    assert skopeo("copy", "--src-tls-verify=false", there, f"dir:{tmp_path}").returncode == 0
    assert "changed=1" not in room.must("playbooks/build.yml").output


@pytest.fixture
def outdated(room: Room) -> Iterator[None]:
    """What was built of an image is forgotten, as if its sources had changed; in the end it is built."""
    forget = json.dumps({"data": {f"{IMAGE}..{TAG}": None}})
    assert f"{IMAGE}..{TAG}" in room.kubectl("get", "--namespace=build", "configmap", "images", "--output=json")
    room.kubectl("patch", "--namespace=build", "configmap", "images", "--type=merge", f"--patch={forget}")
    yield
    room.must("playbooks/build.yml")


@pytest.mark.usefixtures("outdated")
class TestABuild:
    """Meets what people and clusters put in its way."""

    def test_that_a_quota_forbids_ends_with_its_reason(self, room: Room, undo: ExitStack) -> None:
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"pods": "0"}}}
        room.create({**quota, "metadata": {"name": "none", "namespace": "build"}})
        undo.callback(room.kubectl, "delete", "resourcequota", "--namespace=build", "none")
        refused = room.play("playbooks/build.yml", timeout=300)
        assert refused.code != 0
        assert f"{IMAGE}:{TAG} was not built" in refused.output
        assert "exceeded quota: none" in refused.output
        assert "aleph-0-3" not in room.kubectl("get", "jobs", "--namespace=build", "--output=name")

    def test_that_no_node_takes_ends_with_its_reason(self, room: Room, undo: ExitStack) -> None:
        nodes = room.kubectl("get", "nodes", "--output=name").split()
        undo.callback(room.kubectl, "uncordon", *nodes)
        room.kubectl("cordon", *nodes)
        refused = room.play("playbooks/build.yml", timeout=300)
        assert refused.code != 0
        assert f"{IMAGE}:{TAG} was not built: no node takes it" in refused.output

    def test_that_the_registry_refuses_for_a_while_is_tried_again(self, room: Room, undo: ExitStack) -> None:
        policy = ("--namespace=registry", "networkpolicy", "registry")
        own = json.loads(room.kubectl("get", *policy, "--output=json"))["spec"]["ingress"]
        nodes_alone = [{**rule, "from": rule["from"][:1]} for rule in own]

        def admit(rules: Any) -> None:
            room.kubectl("patch", *policy, "--type=merge", f"--patch={json.dumps({'spec': {'ingress': rules}})}")

        undo.callback(admit, own)
        admit(nodes_alone)
        running = room.start("playbooks/build.yml")
        running.when(lambda: f"{IMAGE}:{TAG}: is tried again" in running.output, 300)
        admit(own)
        assert running.wait(600).code == 0, running.output[-3000:]


@pytest.mark.ci
def test_what_editors_leave_behind_is_not_built(room: Room, undo: ExitStack) -> None:
    directory = ROOT / "services/alephbeth/aleph"
    for name in (".#aleph.py", "aleph.py~", "#aleph.py#", ".aleph.py.swp"):
        path = directory / name
        undo.callback(path.unlink)
        path.symlink_to("me@here.1:2") if name.startswith(".#") else path.write_text("x")
    assert "changed=1" not in room.must("playbooks/build.yml").output


def test_a_namespace_that_is_still_being_deleted_is_waited_for(room: Room, undo: ExitStack) -> None:
    room.must("playbooks/dockercoins.yml")
    undo.callback(room.kubectl, "delete", "namespace", "dockercoins", "--wait=false", "--ignore-not-found")
    metadata = {"name": "kept", "namespace": "dockercoins", "finalizers": ["example.com/kept"]}
    room.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    free = (
        "patch",
        "configmap",
        "--namespace=dockercoins",
        "kept",
        "--type=merge",
        '--patch={"metadata":{"finalizers":[]}}',
    )
    undo.callback(room.kubectl, *free, check=False)
    room.kubectl("delete", "namespace", "dockercoins", "--wait=false")
    running = room.start("playbooks/dockercoins.yml")
    running.when(lambda: "Namespace dockercoins: being deleted" in running.output, 300)
    threading.Timer(5, room.kubectl, free).start()
    assert running.wait(900).code == 0, running.output[-3000:]
    ready = room.kubectl(
        "get", "deployment", "--namespace=dockercoins", "redis", "--output=jsonpath={.status.readyReplicas}"
    )
    assert ready == "1"
