# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may push: a user with a password, as the registry (htpasswd) and its clients (config.json) know it."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bcrypt

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.ownership import labelled

# The Secret, in the registry's namespace.
NAME = "registry-login"
USER = "workshop"
PASSWORD_BYTES = 24


@dataclass(frozen=True)
class Login:
    """A user's name and password, and the password's bcrypt hash."""

    user: str
    password: str
    hashed: str

    @classmethod
    def made(cls) -> Login:
        """Make a password at random."""
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        return cls(USER, password, bcrypt.hashpw(password.encode(), bcrypt.gensalt()).decode())

    @property
    def is_whole(self) -> bool:
        """Whether the hash is the password's."""
        try:
            return bool(self.password) and bcrypt.checkpw(self.password.encode(), self.hashed.encode())
        except ValueError:
            return False

    def docker_config(self, addresses: Sequence[str]) -> str:
        """Give it as Docker's config.json, for several names of the registry.

        >>> Login("u", "p", "").docker_config(["127.0.0.1:5000"])
        '{"auths": {"127.0.0.1:5000": {"auth": "dTpw"}}}'
        """
        auth = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return json.dumps({"auths": {address: {"auth": auth} for address in dict.fromkeys(addresses)}})

    @staticmethod
    def write(path: Path, config: str, *, dry_run: bool) -> bool:
        """Write it for its owner alone; tell whether that changes anything."""
        try:
            if path.is_file() and path.read_text() == config and path.stat().st_mode & 0o077 == 0:
                return False
            if not dry_run:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                unfinished = path.with_name(f".{path.name}.{os.getpid()}")
                unfinished.touch(0o600)
                unfinished.write_text(config)
                for made in (path.parent, unfinished):  # by root, for who has typed sudo
                    os.chown(made, int(os.environ.get("SUDO_UID") or -1), -1)
                unfinished.rename(path)
        except OSError as error:
            raise WorkshopError(f"The registry's login cannot be written to {path}: {error.strerror}.") from error
        return True


class Logins:
    """The login that is kept in a namespace."""

    def __init__(self, api: Api, namespace: str, room: str) -> None:
        self._api = api
        self._path = f"/api/v1/namespaces/{namespace}/secrets"
        self._room = room

    def find(self) -> Login | None:
        """Give it; None when there is none, or one that cannot be used."""
        data = (self._api.find(f"{self._path}/{NAME}") or {}).get("data") or {}
        name, password, htpasswd = (_decoded(data.get(key)) for key in ("username", "password", "htpasswd"))
        login = Login(name, password, htpasswd.strip().removeprefix(f"{name}:"))
        return login if name and login.is_whole else None

    def write(self, login: Login) -> None:
        """Keep a login instead of what is there."""
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": NAME},
            "type": "kubernetes.io/basic-auth",
            "stringData": {
                "username": login.user,
                "password": login.password,
                "htpasswd": f"{login.user}:{login.hashed}\n",
            },
        }
        self._api.delete(f"{self._path}/{NAME}")
        self._api.create(self._path, labelled(secret, self._room))


def _decoded(value: str | None) -> str:
    try:
        return base64.b64decode(value or "", validate=True).decode()
    except ValueError:
        return ""
