"""A CA of one's own is believed whichever Python looks at it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.plugins.k8s.certificates import Authority
from tests.unit.plugins.k8s.sockets import listening, says

from ansible_collections.istio_games.workshop.plugins.plugin_utils import tls
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import kit_registry
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import proof


@pytest.fixture
def new_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Contexts are as Python 3.13 makes them."""
    made = ssl.create_default_context

    def strict(cafile: str | None = None) -> ssl.SSLContext:
        context = made(cafile=cafile)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """One whose certificate says no more than that it is a CA."""
    return Authority(tmp_path, "plain", plain=True)


def shake_hands(authority: Authority, trusted: ssl.SSLContext) -> None:
    with (
        listening(says("{}"), tls=authority.server()) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=9) as connection,
        trusted.wrap_socket(connection, server_hostname="127.0.0.1"),
    ):
        pass


@pytest.mark.parametrize("trusting", [tls.trusting, proof.trusting, kit_registry.tls])
@pytest.mark.usefixtures("new_python")
def test_a_plain_ca_is_believed(authority: Authority, trusting: Callable[[str], ssl.SSLContext]) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Missing Authority Key Identifier"):
        shake_hands(authority, ssl.create_default_context(cafile=str(authority.path)))
    shake_hands(authority, trusting(str(authority.path)))


def test_another_one_is_not(authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        shake_hands(authority, tls.trusting(str(Authority(tmp_path, "other").path)))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(authority, tls.trusting(""))
