"""A student's kubeconfig has the room's cluster, a token that ends, and nothing of the administrator's."""

from __future__ import annotations

import base64
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import credentials

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
SECRET = "the-administrators-key"
ADMIN: dict[str, Any] = {
    "current-context": "blue",
    "contexts": [{"name": "blue", "context": {"cluster": "blue", "user": "blue"}}],
    "clusters": [{"name": "blue", "cluster": {"server": "https://127.0.0.1:6443", "tls-server-name": "localhost"}}],
    "users": [{"name": "blue", "user": {"client-key-data": SECRET}}],
}


class Tokens:
    """Gives tokens as an API server does."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def create(self, path: str, body: Any) -> dict[str, Any]:
        self.asked.append((path, body))
        return {"status": {"token": "abc", "expirationTimestamp": "2026-11-27T12:00:00Z"}}


def test_it_is_the_student_s_alone(tmp_path: Path) -> None:
    api, anna = Tokens(), places.of_student("anna", str(tmp_path))
    assert credentials.hand_out(api, anna, ADMIN, 24) == "2026-11-27T12:00:00Z"  # type: ignore[arg-type]
    ((path, body),) = api.asked
    assert path == "/api/v1/namespaces/anna/serviceaccounts/student/token"
    assert body["spec"]["expirationSeconds"] == 24 * 3600
    file = Path(anna.kubeconfig)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert SECRET not in file.read_text()
    written = yaml.safe_load(file.read_text())
    assert written["users"] == [{"name": "anna", "user": {"token": "abc"}}]
    assert written["contexts"][0]["context"]["namespace"] == "anna"
    assert written["clusters"][0]["cluster"] == ADMIN["clusters"][0]["cluster"]


def test_a_certificate_in_a_file_goes_with_it(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(b"certificate")
    cluster = {"server": "https://a", "certificate-authority": str(tmp_path / "ca.crt")}
    admin = {**ADMIN, "clusters": [{"name": "blue", "cluster": cluster}]}
    made = credentials.kubeconfig(places.of_student("anna", ""), admin, "abc")
    assert made["clusters"][0]["cluster"] == {
        "server": "https://a",
        "certificate-authority-data": base64.b64encode(b"certificate").decode(),
    }


def test_a_kubeconfig_without_a_cluster_is_said() -> None:
    with pytest.raises(WorkshopError, match="no current context"):
        credentials.kubeconfig(places.of_student("anna", ""), {**ADMIN, "current-context": "green"}, "abc")


@pytest.mark.parametrize(
    ("left", "lasts"),
    [(timedelta(hours=2), True), (timedelta(minutes=59), False), (timedelta(hours=-2), False)],
)
def test_one_that_is_about_to_end_does_not_last(tmp_path: Path, left: timedelta, lasts: bool) -> None:
    anna = places.changed(places.of_student("anna", str(tmp_path)), expires=credentials.text_of(NOON + left))
    assert not credentials.lasts(anna, lambda: NOON), "there is no file"
    credentials.hand_out(Tokens(), anna, ADMIN, 24)  # type: ignore[arg-type]
    assert credentials.lasts(anna, lambda: NOON) is lasts


def test_one_without_a_time_does_not_last(tmp_path: Path) -> None:
    assert not credentials.lasts(places.of_student("anna", str(tmp_path)), lambda: NOON)
