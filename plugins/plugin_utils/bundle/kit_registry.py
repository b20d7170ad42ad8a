# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asking a registry over HTTPS, with a login and a CA of one's own: by Python's own library alone."""

from __future__ import annotations

import base64
import http.client
import json
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import KitError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.paths import expanded
from ansible_collections.istio_games.workshop.plugins.plugin_utils.tls import trusting

_REGISTRY = r"(?P<host>[\w.-]+(:\d+)?)/(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
_PINNED = re.compile(_REGISTRY + r"(:[\w.-]+)?@(?P<digest>sha256:[0-9a-f]{64})", re.ASCII)
# As container tools know a registry's name from a path: by a dot or a port, or by its being this machine.
_TAGGED = re.compile(r"([\w-]+(\.[\w.-]+)?:\d+|[\w-]+(\.[\w-]+)+|localhost)/[a-z0-9._/-]+([:@].*)?")
_TIMEOUT = 30.0  # seconds without a byte
_PATIENCE = 60.0  # seconds that a registry may ask us to wait, at most
_ANSWER = 1 << 20  # bytes of a token server's answer, at most
# By OpenSSL's number: what is wrong with a certificate, and what to do.
_UNKNOWN_CA = ("is by no CA that is known here", "name the file of its CA with -e workshop_kit_ca=/path/ca.crt")
_CERTIFICATE_FAULTS = {
    **dict.fromkeys((9, 10), ("is not good at this time", "see this machine's clock (type date), or have it renewed")),
    **dict.fromkeys((62, 64), ("is for another name", "type the name that it is for")),
}
# What a registry, its storage or its token server may do to whoever asks.
BROKEN = (OSError, http.client.HTTPException, ValueError, OverflowError)


@dataclass(frozen=True)
class Reference:
    """Where a kit is in a registry: `host` (with its port), `name` and `digest` ("sha256:...")."""

    host: str
    name: str
    digest: str


def reference(text: str) -> Reference | None:
    """Read HOST/NAME@sha256:DIGEST; None: it is a file's name.

    Raises:
        KitError: it means a registry, but does not say exactly which kit.
    """
    if _is_there(text):
        return None
    if found := _PINNED.fullmatch(text):
        return Reference(found["host"], found["name"], found["digest"])
    if "@" in text or (_TAGGED.fullmatch(text) and not text.startswith(".")):
        raise KitError(
            f"workshop_kit is {text!r:.200}, which is neither a file here nor a registry's kit by its digest: a tag "
            "may be another kit tomorrow, so type HOST/NAME@sha256: and the 64 digits that export_kit.yml prints; "
            "nothing was changed."
        )
    return None


def _is_there(text: str) -> bool:
    try:
        return expanded(text).exists()
    except (OSError, ValueError):  # such as a name that is too long, or a directory that may not be read
        return "@" not in text


class BrokenOffError(Exception):
    """A transfer ended too early, or did not begin; trying again may help.

    Attributes:
        busy: whether the registry said that it cannot do it now.
        pause: seconds after which it wants to be asked again.
    """

    def __init__(self, message: str, busy: bool = False, pause: float = 0.0) -> None:
        super().__init__(message)
        self.busy, self.pause = busy, pause


class Registry:
    """The registry that a kit is in.

    Args:
        kit: which kit.
        login: a file of registries' logins, as `skopeo login` and `podman login` write it; empty: none.
        ca: a file of CA certificates (PEM) that the registry's is judged by; empty: this machine's own.

    Raises:
        KitError: the file of logins, or that of certificates, is none.
    """

    def __init__(self, kit: Reference, login: str = "", ca: str = "") -> None:
        self.kit = kit
        self._login = _login_of(kit, read_logins(login))
        self._token = ""
        handler = urllib.request.HTTPSHandler(context=tls(ca))
        self._opener = urllib.request.build_opener(handler, _NoLoginElsewhere())

    def open(self, what: str, headers: Mapping[str, str]) -> Any:
        """Ask for a manifest or a blob of the kit's repository, with a login where the registry wants one.

        Returns:
            The answer, to be closed.

        Raises:
            BrokenOffError: it does not answer now.
            KitError: it does not give it.
        """
        url = f"https://{self.kit.host}/v2/{self.kit.name}/{what}"
        for again in (True, False):
            allowed = {"Authorization": self._token} if self._token else {}
            try:
                return self._opener.open(urllib.request.Request(url, headers={**headers, **allowed}), timeout=_TIMEOUT)
            except urllib.error.HTTPError as error:
                if error.code == 401 and again:
                    self._token = self._authorization(error.headers.get("WWW-Authenticate", ""))
                    if self._token:
                        continue
                raise self._refused(error) from error
            except BROKEN as error:
                raise self._unreachable(error) from error
        raise AssertionError("asked twice")

    def _authorization(self, challenge: str) -> str:
        """The Authorization header that answers a registry's challenge; empty: there is none to give."""
        kind, _, text = challenge.partition(" ")
        if kind.lower() == "basic":
            return f"Basic {self._login}" if self._login else ""
        parameters = dict(re.findall(r'(\w+)="([^"]*)"', text))
        realm = parameters.pop("realm", "")
        if kind.lower() != "bearer" or not realm.startswith("https://"):
            return ""
        parameters.setdefault("scope", f"repository:{self.kit.name}:pull")
        request = urllib.request.Request(f"{realm}{'&' if '?' in realm else '?'}{urllib.parse.urlencode(parameters)}")
        if self._login:
            request.add_header("Authorization", f"Basic {self._login}")
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                return f"Bearer {_token(answer.read(_ANSWER))}"
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code != 429:
                return ""
            raise self._refused(error) from error
        except BROKEN as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> Exception:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            fault, remedy = _CERTIFICATE_FAULTS.get(reason.verify_code, _UNKNOWN_CA)
            return KitError(
                f"The certificate of {self.kit.host} {fault} ({reason.verify_message}): {remedy}; nothing was changed."
            )
        return BrokenOffError(str(reason) or type(reason).__name__)

    def _refused(self, error: urllib.error.HTTPError) -> Exception:
        host, code = self.kit.host, error.code
        if code in {401, 403}:
            said = "with the login that workshop_kit_login has for it" if self._login else "without a login for it"
            return KitError(
                f"The registry {host} gives nothing {said} ({code}): type skopeo login --authfile FILE "
                f"{host}, and give -e workshop_kit_login=FILE; nothing was changed."
            )
        if code == 404:
            return KitError(
                f"The registry {host} has no {self.kit.name}@{self.kit.digest}: export_kit.yml -e "
                f"kit_push={host}/{self.kit.name} prints the digest of what it pushed; nothing was changed."
            )
        if code >= 500 or code == 429:
            asked = error.headers.get("Retry-After", "")
            return BrokenOffError(f"it answers {code}", True, min(float(asked), _PATIENCE) if asked.isdecimal() else 0)
        return KitError(f"The registry {host} answers {code}; nothing was changed.")


class _NoLoginElsewhere(urllib.request.HTTPRedirectHandler):
    """A registry may send us to its storage for a blob, but not with the login that is the registry's."""

    def redirect_request(self, *arguments: Any) -> urllib.request.Request | None:
        """Follow, to HTTPS alone."""
        further = super().redirect_request(*arguments)
        if further and not further.full_url.startswith("https://"):
            raise urllib.error.URLError("it leads to a place without TLS")
        if further and further.host != arguments[0].host:
            further.remove_header("Authorization")
        return further


def tls(ca: str) -> ssl.SSLContext:
    """How a registry's certificate is judged: by a file's CA certificates; empty: by this machine's.

    Raises:
        KitError: the file holds none.
    """
    try:
        file = expanded(ca)
        if ca and file.exists() and not file.is_file():
            raise ValueError("it is no file")
        return trusting(str(file) if ca else "")
    except (OSError, ValueError) as error:
        raise KitError(
            f"workshop_kit_ca is {ca!r:.80}, but must be a file of CA certificates in PEM form ({error}); nothing "
            "was changed."
        ) from error


def read_logins(file: str) -> dict[str, str]:
    """The logins, base64 of USER:PASSWORD each, by registry or by the beginning of a name in it; empty: none.

    Raises:
        KitError: it is no file of logins.
    """
    if not file:
        return {}
    try:
        path = expanded(file)
        if path.exists() and not path.is_file():
            raise ValueError("it is no file")
        entries = json.loads(path.read_text())["auths"].items()
        logins = {_place(host): str(entry["auth"]) for host, entry in entries}
        for login in logins.values():
            base64.b64decode(login, validate=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise KitError(
            f"workshop_kit_login is {file!r:.80}, but must be a file of logins as skopeo login --authfile FILE writes "
            "it; nothing was changed."
        ) from error
    return logins


def _place(host: str) -> str:
    """What a login is for, from how some tools write it ("https://registry.example/v2/")."""
    return re.sub(r"/(v[12])?/?$", "", host.removeprefix("https://"))


def _login_of(kit: Reference, logins: Mapping[str, str]) -> str:
    """The login for what is nearest to the kit's name, as other tools choose it; empty: there is none."""
    place = f"{kit.host}/{kit.name}"
    while place and place not in logins:
        place = place.rpartition("/")[0]
    return logins.get(place, "")


def _token(answer: bytes) -> str:
    """The token in a token server's answer; raises ValueError when there is none."""
    try:
        data = json.loads(answer)
        token = data.get("token") or data["access_token"]
        if isinstance(token, str) and re.fullmatch(r"[\x21-\x7e]+", token):
            return token
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        pass
    raise ValueError("it asks for a token, and its token server gives none")
