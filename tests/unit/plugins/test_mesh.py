"""What istioctl and kubectl say of a mesh."""

from __future__ import annotations

from typing import Any

from ansible_collections.istio_games.workshop.plugins.filter.mesh import mesh_differences, mesh_problems

WEBHOOK = "admissionregistration.k8s.io.v1.ValidatingWebhookConfiguration..istio-validator"


def part(name: str, hunk: str) -> str:
    """One object's part of what `kubectl diff` prints."""
    return f"""diff -u -N /tmp/LIVE-12/{name} /tmp/MERGED-34/{name}
--- /tmp/LIVE-12/{name}\t2026-01-01 00:00:00
+++ /tmp/MERGED-34/{name}\t2026-01-01 00:00:00
{hunk}
 kind: X
"""


def test_no_output_is_no_difference() -> None:
    assert mesh_differences("") == []
    assert mesh_differences("\n") == []


def test_another_mesh_is_one_difference() -> None:
    assert mesh_differences("installed: nothing, wanted: 0123\n") == ["installed: nothing, wanted: 0123"]


def test_objects_that_differ_are_named_and_istiods_own_changes_are_not() -> None:
    output = part("apps.v1.Deployment.istio-system.istiod", "@@ -1,2 +1,2 @@") + part(WEBHOOK, "@@ -5,3 +5,3 @@")
    assert mesh_differences(output) == ["apps.v1.Deployment.istio-system.istiod"]


def test_a_webhook_that_is_missing_is_a_difference() -> None:
    assert mesh_differences(part(WEBHOOK, "@@ -0,0 +1,30 @@")) == [WEBHOOK]


def versions(istiod: str | None = "1.31", **proxies: str) -> dict[str, Any]:
    return {
        "clientVersion": {"version": "1.31"},
        "meshVersion": [{"Component": "pilot", "Info": {"version": istiod}}] if istiod else None,
        "dataPlaneVersion": [{"ID": f"{name}.staging", "IstioVersion": version} for name, version in proxies.items()],
    }


PODS = [{"metadata": {"name": name, "namespace": "staging"}} for name in ("front", "aleph")]


def test_a_whole_mesh_has_no_problem() -> None:
    assert mesh_problems(versions(front="1.31", aleph="1.31"), PODS) == []


def test_what_is_not_on_the_mesh_or_of_another_version_is_named() -> None:
    (missing,) = mesh_problems(versions(front="1.31"), PODS)
    assert "pod aleph.staging" in missing
    assert "playbooks/deploy.yml" in missing
    (old,) = mesh_problems(versions(front="1.30", aleph="1.31"), PODS)
    assert "front.staging is of version 1.30, istioctl of 1.31" in old
    assert "istiod does not answer" in mesh_problems(versions(None, front="1.31", aleph="1.31"), PODS)[0]
