"""Who may push: made once, kept, and told to nobody else."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.images.login import Login, Logins

PATH = "/api/v1/namespaces/registry/secrets/registry-login"


def kept(api: Any, login: Login) -> None:
    """As the API server gives what was written."""
    Logins(api, "registry", "blue").write(login)
    secret = api.objects[PATH]
    secret["data"] = {key: base64.b64encode(text.encode()).decode() for key, text in secret.pop("stringData").items()}


def test_it_is_made_once(api: Any) -> None:
    logins = Logins(api, "registry", "blue")
    assert logins.find() is None
    login = Login.made()
    assert login.is_whole
    assert login.password != Login.made().password
    kept(api, login)
    assert logins.find() == login
    assert api.objects[PATH]["metadata"]["labels"]["workshop.istio-games/room"] == "blue"
    assert base64.b64decode(api.objects[PATH]["data"]["htpasswd"]).startswith(b"workshop:$2b$")


@pytest.mark.parametrize(
    "damage", [{"password": ""}, {"password": "b3RoZXI="}, {"htpasswd": "eA=="}, {"username": None}, {"password": "%"}]
)
def test_one_that_cannot_be_used_is_none(api: Any, damage: dict[str, Any]) -> None:
    kept(api, Login.made())
    api.objects[PATH]["data"] |= damage
    assert Logins(api, "registry", "blue").find() is None
    kept(api, Login.made())
    assert Logins(api, "registry", "blue").find()


def test_its_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "registry/config.json"
    config = Login("workshop", "secret", "").docker_config(["127.0.0.1:32000", "127.0.0.1:32000", "other:1"])
    assert Login.write(path, config, dry_run=True)
    assert not path.exists()
    assert Login.write(path, config, dry_run=False)
    assert not Login.write(path, config, dry_run=False)
    assert path.stat().st_mode & 0o077 == path.parent.stat().st_mode & 0o077 == 0
    assert list(json.loads(path.read_text())["auths"]) == ["127.0.0.1:32000", "other:1"]
    path.chmod(0o644)
    assert Login.write(path, config, dry_run=False)
    assert path.stat().st_mode & 0o077 == 0
