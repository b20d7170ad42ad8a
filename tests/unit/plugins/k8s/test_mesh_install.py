"""What istioctl and kubectl say of a mesh, and how they are asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import mesh_install
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.mesh_install import (
    Istioctl,
    MeshError,
    differing,
    of_another_version,
    without_proxy,
)

WEBHOOK = "admissionregistration.k8s.io.v1.ValidatingWebhookConfiguration..istio-validator"
ISTIOD = "apps.v1.Deployment.istio-system.istiod"


def part(name: str, hunk: str) -> str:
    """One object's part of what `kubectl diff` prints."""
    return f"""diff -u -N /tmp/LIVE-12/{name} /tmp/MERGED-34/{name}
--- /tmp/LIVE-12/{name}\t2026-01-01 00:00:00
+++ /tmp/MERGED-34/{name}\t2026-01-01 00:00:00
{hunk}
 kind: X
"""


@pytest.mark.parametrize(
    ("output", "names"),
    [
        ("", []),
        ("\n", []),
        (part(ISTIOD, "@@ -1,2 +1,2 @@") + part(WEBHOOK, "@@ -5,3 +5,3 @@"), [ISTIOD]),
        (part(WEBHOOK, "@@ -0,0 +1,30 @@"), [WEBHOOK]),
    ],
)
def test_objects_that_differ_are_named_and_istiods_own_changes_are_not(output: str, names: list[str]) -> None:
    assert differing(output) == names


# istioctl answers what it was asked, kubectl a difference when the environment would let another program compare.
ISTIOCTL = """#!/bin/sh
case "$*" in
  "manifest generate --filename=/dev/stdin") cat ;;
  "tag generate"*) [ -e "$KUBECONFIG" ] && echo "kind: Tag" ;;
esac
"""
KUBECTL = """#!/bin/sh
[ -z "$KUBECTL_EXTERNAL_DIFF" ] || { echo "diff by others"; exit 1; }
cat >"$0.stdin"
cat "$0.stdout" && exit 1
"""
Programs = Callable[..., Istioctl]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """istioctl and kubectl that are scripts, in a directory and with a kubeconfig whose names a shell would read."""
    home = tmp_path / "it's $(here)"
    home.mkdir()
    (home / "config").touch()
    monkeypatch.setenv("KUBECTL_EXTERNAL_DIFF", "meld")

    def make(istioctl: str = ISTIOCTL, kubectl: str = KUBECTL, stdout: str = "") -> Istioctl:
        for name, text in (("istioctl", istioctl), ("kubectl", kubectl)):
            (home / name).write_text(text)
            (home / name).chmod(0o755)
        (home / "kubectl.stdout").write_text(stdout)
        return Istioctl(str(home), str(home / "config"))

    return make


def test_what_is_generated_is_compared_whatever_the_environment_and_the_paths(
    programs: Programs, tmp_path: Path
) -> None:
    assert programs(stdout=part(ISTIOD, "@@ -1 +1 @@")).differences("kind: IstioOperator\n") == [ISTIOD]
    (given,) = tmp_path.glob("*/kubectl.stdin")
    assert given.read_text() == "kind: IstioOperator\n\n---\nkind: Tag\n"


def test_an_injector_that_is_missing_is_a_difference(programs: Programs) -> None:
    failing = ISTIOCTL.replace("[ -e", "echo 'Error: no revision' >&2; exit 1; [ -e")
    assert programs(istioctl=failing).differences("") == ["the injector of the revision default (Error: no revision)"]


@pytest.mark.parametrize(
    ("istioctl", "kubectl", "message"),
    [
        ("#!/bin/sh\necho 'Error: bad values' >&2; exit 64", KUBECTL, r"istioctl manifest generate failed: Error: bad"),
        (ISTIOCTL, "#!/bin/sh\necho 'error: no server' >&2; exit 2", r"kubectl diff .* failed: error: no server"),
        (ISTIOCTL, "#!/bin/sh\nexit 127", "it said nothing"),
        (ISTIOCTL, "#!/there/is/none", "cannot be run .* -e mesh_bin_dir="),
        ("#!/bin/sh\nexec sleep 5", KUBECTL, "has not ended within 1 s"),
    ],
)
def test_a_program_that_fails_is_a_sentence(
    programs: Programs, monkeypatch: pytest.MonkeyPatch, istioctl: str, kubectl: str, message: str
) -> None:
    monkeypatch.setattr(mesh_install, "PATIENCE", 1)
    with pytest.raises(MeshError, match=message):
        programs(istioctl, kubectl).differences("")


def pod(name: str, app: str = "", proxy: str = "initContainers") -> dict[str, Any]:
    spec = {proxy: [{"name": "istio-proxy"}]} if proxy else {}
    labels = {"app": app} if app else {}
    return {"metadata": {"name": name, "namespace": "staging", "labels": labels}, "spec": spec}


def test_only_the_applications_pods_must_have_a_proxy() -> None:
    pods = [pod("front", "front"), pod("old", "front", "containers"), pod("mine", "", ""), pod("aleph", "aleph", "")]
    (sentence,) = without_proxy(pods, ["front", "aleph"])
    assert sentence.startswith("Pod staging/aleph has no proxy: ansible-playbook playbooks/deploy.yml")


def versions(istiod: str | None = "1.31", **proxies: str) -> dict[str, Any]:
    return {
        "clientVersion": {"version": "1.31"},
        "meshVersion": [{"Component": "pilot", "Info": {"version": istiod}}] if istiod else None,
        "dataPlaneVersion": [{"ID": f"{name}.staging", "IstioVersion": version} for name, version in proxies.items()],
    }


PODS = [pod("front", "front"), pod("aleph", "aleph"), pod("mine", "", "")]


@pytest.mark.parametrize(
    ("found", "sentences"),
    [
        (versions(front="1.31", aleph="1.31"), []),
        (versions(front="1.31", aleph="1.31", theirs="1.20"), []),
        (versions(front="1.31"), ["The proxy of pod aleph.staging is not connected"]),
        (versions(front="1.30", aleph="1.31"), ["front.staging is of version 1.30, istioctl of 1.31"]),
        (versions("1.30", front="1.31", aleph="1.31"), ["istiod (pilot) is of version 1.30"]),
        (versions(None, front="1.31", aleph="1.31"), ["istiod does not answer"]),
    ],
)
def test_our_own_proxies_are_judged_and_nobody_elses(found: dict[str, Any], sentences: list[str]) -> None:
    said = of_another_version(found, PODS)
    assert len(said) == len(sentences)
    assert all(sentence in one for one, sentence in zip(said, sentences, strict=True))
