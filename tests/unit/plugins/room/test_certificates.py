"""The door's certificate: of the room's own CA, kept and renewed; or the user's, judged before anything changes."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import certificates
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.certificates import OwnCertificates
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.settings import problems

NOW = datetime.datetime.now(datetime.UTC)
HOST = "door.example.org"
FILES = ("ca.crt", "ca.key", "door.crt", "door.key")


@pytest.fixture
def own(tmp_path: Path) -> OwnCertificates:
    return OwnCertificates(tmp_path / "door", "blue")


def contents(own: OwnCertificates) -> dict[str, bytes]:
    return {name: (own.directory / name).read_bytes() for name in FILES}


def modes(own: OwnCertificates) -> dict[str, int]:
    return {name: (own.directory / name).stat().st_mode & 0o777 for name in FILES}


def test_it_is_made_once_and_kept(own: OwnCertificates) -> None:
    assert own.ensure([HOST, "192.0.2.7"], dry_run=True) == ["CA", "certificate"]
    assert not own.directory.exists()
    assert own.ensure([HOST, "192.0.2.7"], dry_run=False) == ["CA", "certificate"]
    before = contents(own)
    assert own.ensure([HOST, "192.0.2.7"], dry_run=False) == []
    assert contents(own) == before
    assert modes(own) == {"ca.crt": 0o644, "ca.key": 0o600, "door.crt": 0o644, "door.key": 0o600}


def test_openssl_takes_it_for_its_hosts_alone(own: OwnCertificates) -> None:
    own.ensure([HOST, "192.0.2.7"], dry_run=False)

    def shake_hands(name: str) -> None:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(*own.door)
        client = ssl.create_default_context(cafile=str(own.ca[0]))
        client.verify_flags |= ssl.VERIFY_X509_STRICT
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        one = client.wrap_bio(to_client, to_server, server_hostname=name)
        other = server.wrap_bio(to_server, to_client, server_side=True)
        for _ in range(3):
            for side in (one, other):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue

    for name in (HOST, "192.0.2.7", "localhost", "127.0.0.1"):
        shake_hands(name)
    for name in ("evil.example", "192.0.2.8", f"a.{HOST}"):
        with pytest.raises(ssl.SSLCertVerificationError):
            shake_hands(name)


def broken_file(name: str) -> Callable[[OwnCertificates], None]:
    def spoil(own: OwnCertificates) -> None:
        (own.directory / name).write_text("x")

    return spoil


def read_by_others(own: OwnCertificates) -> None:
    own.door[1].chmod(0o644)


def of_another_ca(own: OwnCertificates) -> None:
    other = OwnCertificates(own.directory.parent / "other", "red")
    other.ensure([HOST], dry_run=False, now=NOW)
    for mine, theirs in zip(own.ca, other.ca, strict=True):
        mine.write_bytes(theirs.read_bytes())


@pytest.mark.parametrize(
    ("damage", "made"),
    [
        (broken_file("ca.crt"), ["CA", "certificate"]),
        (broken_file("ca.key"), ["CA", "certificate"]),
        (broken_file("door.crt"), ["certificate"]),
        (broken_file("door.key"), ["certificate"]),
        (lambda own: (own.directory / "ca.key").unlink(), ["CA", "certificate"]),
        (lambda own: (own.directory / "door.key").unlink(), ["certificate"]),
        (read_by_others, ["certificate"]),
        (of_another_ca, ["certificate"]),
    ],
)
def test_what_cannot_be_used_is_made_anew(
    own: OwnCertificates, damage: Callable[[OwnCertificates], None], made: list[str]
) -> None:
    own.ensure([HOST], dry_run=False)
    damage(own)
    assert own.ensure([HOST], dry_run=True) == made
    assert own.ensure([HOST], dry_run=False) == made
    assert own.ensure([HOST], dry_run=False) == []


@pytest.mark.parametrize(
    ("days", "made"),
    [
        (0, []),
        (365 - 61, []),
        (365 - 59, ["certificate"]),
        (400, ["certificate"]),
        (3650 - 426, ["certificate"]),
        (3650 - 424, ["CA", "certificate"]),
        (4000, ["CA", "certificate"]),
    ],
)
def test_it_is_renewed_before_its_end(own: OwnCertificates, days: int, made: list[str]) -> None:
    own.ensure([HOST], dry_run=False, now=NOW)
    assert own.ensure([HOST], dry_run=False, now=NOW + datetime.timedelta(days=days)) == made


def test_other_hosts_take_another_certificate_of_the_same_ca(own: OwnCertificates) -> None:
    own.ensure([HOST], dry_run=False)
    authority = own.ca[0].read_bytes()
    assert own.ensure(["other.example.org"], dry_run=False) == ["certificate"]
    assert own.ca[0].read_bytes() == authority
    assert certificates.read(*own.door).names == {"other.example.org", "localhost", "127.0.0.1"}


@pytest.fixture
def given(own: OwnCertificates) -> dict[str, str]:
    """A certificate of the user's own, as settings name it."""
    own.ensure([HOST, "*.wild.example.org", "192.0.2.7"], dry_run=False)
    certificate, key = map(str, own.door)
    return {
        "workshop_door_certificate": certificate,
        "workshop_door_key": key,
        "workshop_door_host": HOST,
    }


@pytest.mark.parametrize("host", [HOST, HOST.upper(), "192.0.2.7", "any.wild.example.org"])
def test_a_good_certificate_of_ones_own_is_taken(given: dict[str, str], host: str) -> None:
    assert problems(given | {"workshop_door_host": host}, []) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"workshop_door_key": ""}, "workshop_door_certificate is given without workshop_door_key"),
        ({"workshop_door_certificate": ""}, "workshop_door_key is given without workshop_door_certificate"),
        ({"workshop_door_certificate": "/nowhere/door.crt"}, "/nowhere/door.crt cannot be read"),
        ({"workshop_door_key": "/nowhere/door.key"}, "/nowhere/door.key cannot be read"),
        ({"workshop_door_key": "/"}, "cannot be read"),
        ({"workshop_door_certificate": "{key}"}, "is no certificate in PEM form"),
        ({"workshop_door_key": "{certificate}"}, "is no private key in PEM form"),
        ({"workshop_door_key": "{other_key}"}, "is not the key of the certificate"),
        ({"workshop_door_key": "{locked_key}"}, "is a key with a passphrase"),
        ({"workshop_door_certificate": "{old}"}, "and not now"),
        ({"workshop_door_certificate": "{early}"}, "and not now"),
        ({"workshop_door_host": "other.example.org"}, "workshop_door_host is 'other.example.org'"),
        ({"workshop_door_host": "a.b.wild.example.org"}, "workshop_door_host is 'a.b.wild.example.org'"),
        ({"workshop_door_host": "192.0.2.8"}, "workshop_door_host is '192.0.2.8'"),
    ],
)
def test_one_that_cannot_be_used_is_refused(
    given: dict[str, str], own: OwnCertificates, tmp_path: Path, changed: dict[str, str], said: str
) -> None:
    key = serialization.load_pem_private_key(own.door[1].read_bytes(), None)
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    for name, first in (("old", NOW - datetime.timedelta(days=20)), ("early", NOW + datetime.timedelta(days=10))):
        certificate = own_key_certificate(own, first, first + datetime.timedelta(days=10))
        (tmp_path / name).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    places = {
        "certificate": own.door[0],
        "key": own.door[1],
        "other_key": own.ca[1],
        "locked_key": locked,
        "old": tmp_path / "old",
        "early": tmp_path / "early",
    }
    settings = given | {name: value.format(**places) for name, value in changed.items()}
    (sentence,) = problems(settings, [])
    assert said in sentence
    assert "PRIVATE" not in sentence


def own_key_certificate(own: OwnCertificates, first: datetime.datetime, last: datetime.datetime) -> x509.Certificate:
    """Sign the door's key again, for another time."""
    door, authority = certificates.read(*own.door), certificates.read(*own.ca)
    alternatives = door.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (
        x509.CertificateBuilder()
        .subject_name(door.certificate.subject)
        .issuer_name(authority.certificate.subject)
        .public_key(door.certificate.public_key())
        .serial_number(1)
        .not_valid_before(first)
        .not_valid_after(last)
        .add_extension(alternatives, critical=False)
        .sign(certificates._issuer_key(authority), hashes.SHA256())
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "door", "door.example.org", "DOOR.example.org", "a-b.c"])
def test_a_host_is_a_name_or_an_address(host: str) -> None:
    assert problems({"workshop_door_host": host}, []) == []


@pytest.mark.parametrize(
    "host", ["", "https://door", "door:443", "door/", "a b", "-a", "a..b", "a.", "x" * 254, 7, None, "é", "a\n", "::1"]
)
def test_anything_else_is_none(host: object) -> None:
    (sentence,) = problems({"workshop_door_host": host}, [])
    assert "workshop_door_host" in sentence
    assert "-e workshop_door_host=door.example.org" in sentence
