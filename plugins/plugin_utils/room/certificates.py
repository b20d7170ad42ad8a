# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the door shows a browser: a certificate of a CA of the room's own, or one that the user gives."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    CertificatePublicKeyTypes,
    PrivateKeyTypes,
    PublicKeyTypes,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.paths import expanded
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import files

# Browsers take no certificate of more than 398 days. One that has less left than this is made anew.
CERTIFICATE_DAYS, LEAST_DAYS = 365, 60
CA_DAYS = 3650
# Clocks differ.
BEFORE = datetime.timedelta(hours=1)
# Names by which this machine always reaches its own room.
LOCAL = ("localhost", "127.0.0.1")


class CertificateError(WorkshopError, ValueError):
    """A certificate or key that the door cannot use. The message is one sentence for people."""


@dataclass(frozen=True)
class Pair:
    """A certificate, with those that it was signed by, and its key."""

    chain: Sequence[x509.Certificate]
    key: PrivateKeyTypes

    @property
    def certificate(self) -> x509.Certificate:
        """The one that a server shows first."""
        return self.chain[0]

    @property
    def names(self) -> set[str]:
        """The host names and addresses that it is for."""
        try:
            found = self.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return set()
        addresses = map(str, found.get_values_for_type(x509.IPAddress))
        return {*(name.lower() for name in found.get_values_for_type(x509.DNSName)), *addresses}

    @property
    def matches(self) -> bool:
        """Whether the key is the certificate's."""
        return _public(self.key.public_key()) == _public(self.certificate.public_key())

    def is_for(self, name: str) -> bool:
        """Tell whether it is for a host; `*.example.org` is for door.example.org and not for a.door.example.org."""
        wanted = name.lower()
        return bool({wanted, f"*.{wanted.partition('.')[2]}"} & self.names) and wanted != ""

    def days_left(self, now: datetime.datetime) -> float:
        """Give how long it is still good for; negative when it has ended."""
        return (self.certificate.not_valid_after_utc - now) / datetime.timedelta(days=1)


def read(certificate: Path, key: Path) -> Pair:
    """Read a certificate with its key, from PEM files.

    Raises:
        CertificateError: one cannot be read, or they do not belong together.
    """
    shown, kept = _bytes(certificate), _bytes(key)
    try:
        chain = x509.load_pem_x509_certificates(shown)
    except ValueError as error:
        raise CertificateError(f"{certificate} is no certificate in PEM form.") from error
    try:
        secret = serialization.load_pem_private_key(kept, password=None)
    except TypeError as error:
        raise CertificateError(f"{key} is a key with a passphrase, which the door cannot ask for.") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"{key} is no private key in PEM form.") from error
    pair = Pair(chain, secret)
    if not pair.matches:
        raise CertificateError(f"{key} is not the key of the certificate {certificate}.")
    return pair


def fault(certificate: str, key: str, host: str) -> str:
    """Say in a sentence why a certificate of the user's own cannot be used, with what to type; empty when it can.

    Args:
        certificate: its PEM file, with the CA certificates between it and a known one; empty for one of the room's own.
        key: the PEM file of its private key.
        host: the name or address that people type.
    """
    if bool(certificate) != bool(key):
        lacking, given = ("key", "certificate") if certificate else ("certificate", "key")
        return (
            f"workshop_door_{given} is given without workshop_door_{lacking}, but they belong together: give both with "
            "-e workshop_door_certificate=FILE -e workshop_door_key=FILE, or neither."
        )
    if not certificate:
        return ""
    remedy = "correct workshop_door_certificate and workshop_door_key, or leave both out for one of the room's own."
    try:
        pair = read(expanded(certificate), expanded(key))
    except CertificateError as error:
        return f"{str(error).rstrip('.')}: {remedy}"
    now = datetime.datetime.now(datetime.UTC)
    first, last = pair.certificate.not_valid_before_utc, pair.certificate.not_valid_after_utc
    if not first <= now <= last:
        days = f"from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
        return f"The certificate {certificate} is good {days}, and not now: {remedy}"
    if not pair.is_for(host):
        names = ", ".join(sorted(pair.names)) or "no host"
        return (
            f"The certificate {certificate} is for {names}, and workshop_door_host is {host!r}: give the name that "
            "people will type with -e workshop_door_host=NAME, or another certificate."
        )
    return ""


@dataclass(frozen=True)
class OwnCertificates:
    """A CA of the room's own and a certificate of it, in files; the keys are their owner's alone."""

    directory: Path
    room: str

    @property
    def ca(self) -> tuple[Path, Path]:
        """The CA's certificate and key."""
        return self.directory / "ca.crt", self.directory / "ca.key"

    @property
    def door(self) -> tuple[Path, Path]:
        """The door's certificate and key."""
        return self.directory / "door.crt", self.directory / "door.key"

    def ensure(self, hosts: Iterable[str], *, dry_run: bool, now: datetime.datetime | None = None) -> list[str]:
        """Make what is missing, unusable, for other hosts or about to end; say what, a word each.

        Args:
            hosts: names and addresses that people type; this machine's own are added.
            dry_run: make nothing.
            now: the time, unless it is this moment.
        """
        moment = now or datetime.datetime.now(datetime.UTC)
        wanted = list(dict.fromkeys(name for name in (*hosts, *LOCAL) if name))
        authority = self._usable(*self.ca, moment, CERTIFICATE_DAYS + LEAST_DAYS)
        made = [] if authority else ["CA"]
        if authority is None:
            authority = _authority(self.room, moment)
            if not dry_run:
                _write(self.ca, authority)
        door = self._usable(*self.door, moment, LEAST_DAYS)
        if door is None or door.names != {name.lower() for name in wanted} or not _signed_by(door, authority):
            made.append("certificate")
            if not dry_run:
                _write(self.door, _signed(authority, wanted, moment))
        return made

    @staticmethod
    def _usable(certificate: Path, key: Path, now: datetime.datetime, least_days: int) -> Pair | None:
        try:
            pair = read(certificate, key)
        except CertificateError:
            return None
        # A key that others could read is no secret any more.
        private = key.stat().st_mode & 0o077 == 0
        return pair if private and pair.days_left(now) >= least_days else None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{path} cannot be read ({error.strerror}).") from error


def _public(key: PublicKeyTypes | CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _signed_by(pair: Pair, authority: Pair) -> bool:
    try:
        pair.certificate.verify_directly_issued_by(authority.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime.datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BEFORE)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _authority(room: str, now: datetime.datetime) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _common_name(f"Istio workshop, room {room}")
    certificate = (
        _builder(subject, key, now, CA_DAYS)
        .issuer_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Pair([certificate], key)


def _signed(authority: Pair, hosts: Sequence[str], now: datetime.datetime) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _builder(_common_name("The workshop's door"), key, now, CERTIFICATE_DAYS)
        .issuer_name(issuer.subject)
        .add_extension(x509.SubjectAlternativeName([_name(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(_issuer_key(authority), hashes.SHA256())
    )
    return Pair([certificate], key)


def _issuer_key(authority: Pair) -> CertificateIssuerPrivateKeyTypes:
    assert isinstance(authority.key, ec.EllipticCurvePrivateKey)  # made by us
    return authority.key


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host.lower())


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(paths: tuple[Path, Path], pair: Pair) -> None:
    certificate, key = paths
    chain = b"".join(item.public_bytes(serialization.Encoding.PEM) for item in pair.chain)
    secret = pair.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    # It holds what browsers must trust, too.
    certificate.parent.mkdir(parents=True, exist_ok=True)
    files.replace(key, secret.decode())
    files.replace(certificate, chain.decode())
    certificate.chmod(0o644)
