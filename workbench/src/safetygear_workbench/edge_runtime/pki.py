"""A throw-away certificate authority per state folder, and a server certificate for the hub's addresses."""

from __future__ import annotations

import datetime
import ipaddress
import logging
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = datetime.timedelta(days=1)
_SERVER_VALID = 365 * _DAY
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Certificates:
    """Files in the state folder. `authority` is what clients trust; keys have mode 0600."""

    authority: Path
    server: Path
    server_key: Path

    def server_context(self) -> ssl.SSLContext:
        """TLS 1.2 or later: azure-iot-device 2.14 offers 1.2 only."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.server, self.server_key)
        return context


def ensure_certificates(folder: Path, hosts: Sequence[str], now_s: float) -> Certificates:
    """The folder's authority, made once, and a fresh server certificate for `hosts` (names or IP addresses).

    An authority that can't be read, or that is not valid at `now_s` (a clock that was set), gives way to a new one.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority_path, authority_key_path = folder / "authority.pem", folder / "authority.key"
    now = datetime.datetime.fromtimestamp(now_s, datetime.UTC)
    kept = _kept_authority(authority_path, authority_key_path, now)
    if kept is None:
        signer = ec.generate_private_key(ec.SECP256R1())
        authority = _make_authority(signer, now)
        _write(authority_key_path, _key_pem(signer), 0o600)
        _write(authority_path, _pem(authority), 0o644)
    else:
        authority, signer = kept
    certificates = Certificates(authority_path, folder / "server.pem", folder / "server.key")
    key = ec.generate_private_key(ec.SECP256R1())
    _write(certificates.server_key, _key_pem(key), 0o600)
    _write(certificates.server, _pem(_make_server(key, authority, signer, hosts, now)), 0o644)
    return certificates


def _kept_authority(
    path: Path, key_path: Path, now: datetime.datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
    if not (path.exists() and key_path.exists()):
        return None
    try:
        authority = x509.load_pem_x509_certificate(path.read_bytes())
        signer = serialization.load_pem_private_key(key_path.read_bytes(), None)
    except ValueError:
        log.warning("the authority in %s can't be read; a new one is made", path.parent)
        return None
    if not isinstance(signer, ec.EllipticCurvePrivateKey) or authority.public_key() != signer.public_key():
        log.warning("the authority in %s has another key than the one beside it; a new one is made", path.parent)
        return None
    if not authority.not_valid_before_utc <= now <= authority.not_valid_after_utc - _SERVER_VALID:
        log.warning("the authority in %s is not valid at %s; a new one is made", path.parent, now.date())
        return None
    return authority, signer


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _make_authority(key: ec.EllipticCurvePrivateKey, now: datetime.datetime) -> x509.Certificate:
    name = _name("SafetyGear stand-in root")
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + 3650 * _DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _make_server(
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    signer: ec.EllipticCurvePrivateKey,
    hosts: Sequence[str],
    now: datetime.datetime,
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(hosts[0]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _SERVER_VALID)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    making = path.with_suffix(f"{path.suffix}.new")
    making.unlink(missing_ok=True)
    fd = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
    making.replace(path)
