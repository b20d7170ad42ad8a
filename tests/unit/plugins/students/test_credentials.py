"""A student's kubeconfig has the room's cluster, a token that ends, and nothing of the administrator's."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Callable
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


def token(namespace: str = "anna", uid: str = "one") -> str:
    account = {"serviceaccount": {"name": "student", "uid": uid}}
    claims = {"sub": f"system:serviceaccount:{namespace}:student", "kubernetes.io": account}
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.c2ln"


class Tokens:
    """Gives tokens as an API server does, for the account that is there."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.account: str | None = "one"

    def create(self, path: str, body: Any) -> dict[str, Any]:
        self.asked.append((path, body))
        return {"status": {"token": token(), "expirationTimestamp": "2026-11-27T12:00:00Z"}}

    def find(self, path: str) -> dict[str, Any] | None:
        assert path == "/api/v1/namespaces/anna/serviceaccounts/student"
        return {"metadata": {"uid": self.account}} if self.account else None


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
    assert written["users"] == [{"name": "anna", "user": {"token": token()}}]
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


@pytest.mark.parametrize("name", ["ca.crt", "pki/ca.crt", "/etc/pki/ca.crt"])
def test_a_certificate_s_file_is_where_the_kubeconfig_says(tmp_path: Path, name: str) -> None:
    admin = {**ADMIN, "clusters": [{"name": "blue", "cluster": {"server": "https://a", "certificate-authority": name}}]}
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(admin))
    read = credentials.administrator(str(tmp_path / "kubeconfig"))
    assert read["clusters"][0]["cluster"]["certificate-authority"] == str(tmp_path / name)


def test_a_kubeconfig_without_a_cluster_is_said() -> None:
    with pytest.raises(WorkshopError, match="no current context"):
        credentials.kubeconfig(places.of_student("anna", ""), {**ADMIN, "current-context": "green"}, "abc")


@pytest.mark.parametrize(
    ("left", "lasts"),
    [(timedelta(minutes=59), True), (timedelta(minutes=19), False), (timedelta(hours=-2), False)],
)
def test_one_that_is_about_to_end_does_not_last(tmp_path: Path, left: timedelta, lasts: bool) -> None:
    api: Any = Tokens()
    anna = places.changed(places.of_student("anna", str(tmp_path)), expires=credentials.text_of(NOON + left))
    assert not credentials.lasts(api, anna, lambda: NOON), "there is no file"
    credentials.hand_out(api, anna, ADMIN, 24)
    assert credentials.lasts(api, anna, lambda: NOON) is lasts


def other(namespace: str) -> Callable[[Tokens, Path], Any]:
    made = credentials.kubeconfig(places.of_student(namespace, ""), ADMIN, token(namespace))
    return lambda _, file: file.write_text(yaml.safe_dump(made))


def directory(_: Tokens, file: Path) -> None:
    file.unlink()
    file.mkdir()


LOST: dict[str, Callable[[Tokens, Path], Any]] = {
    "the file is gone": lambda _, file: file.unlink(),
    "the file is empty": lambda _, file: file.write_text(""),
    "the file was cut": lambda _, file: file.write_text(file.read_text()[:-40]),
    "the file is no text": lambda _, file: file.write_bytes(b"\xff\x00"),
    "the file is a directory": directory,
    "the file is another's": other("ben"),
    "the account is another one": lambda api, _: setattr(api, "account", "two"),
    "the account is gone": lambda api, _: setattr(api, "account", None),
}


@pytest.mark.parametrize("case", LOST)
def test_one_that_is_good_for_nothing_does_not_last(tmp_path: Path, case: str) -> None:
    api: Any = Tokens()
    anna = places.changed(places.of_student("anna", str(tmp_path)), expires=credentials.text_of(NOON + timedelta(1)))
    credentials.hand_out(api, anna, ADMIN, 24)
    assert credentials.lasts(api, anna, lambda: NOON)
    LOST[case](api, Path(anna.kubeconfig))
    assert not credentials.lasts(api, anna, lambda: NOON)


def test_one_without_a_time_does_not_last(tmp_path: Path) -> None:
    assert not credentials.lasts(Tokens(), places.of_student("anna", str(tmp_path)), lambda: NOON)  # type: ignore[arg-type]
