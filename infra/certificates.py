"""The CA of device certificates: checks a request for one and signs it. The device's private key never comes here."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from infra.settings import Settings

CA_YEARS = 10
RSA_BITS = 2048
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8


class InvalidRequest(ValueError):
    """Not a PKCS#10 request that a certificate may be made from; the text says why."""


class Issued(msgspec.Struct, frozen=True):
    """A certificate and what is recorded of it."""

    pem: str
    chain: str
    serial_number: str
    fingerprint: str
    subject: str
    not_before: datetime
    not_after: datetime


class Authority:
    """Signs under the CA of the settings; the local stack makes its own on first use."""

    def __init__(self, settings: Settings) -> None:
        self.days = settings.devices.certificate_days
        key_file, cert_file = settings.devices.ca_key_file, settings.devices.ca_cert_file
        if not cert_file.exists():
            create(key_file, cert_file)
        self.key = loaded(key_file)
        self.chain = cert_file.read_text(encoding="ascii")
        self.certificate = x509.load_pem_x509_certificate(self.chain.encode())

    def issue(self, request: x509.CertificateSigningRequest, device: str, organisation: str) -> Issued:
        """A client certificate for the request's key; its subject is ours, whatever the request says."""
        now = datetime.now(UTC).replace(microsecond=0)
        until = min(now + timedelta(days=self.days), self.certificate.not_valid_after_utc)
        subject = named((NameOID.COMMON_NAME, device), (NameOID.ORGANIZATION_NAME, organisation))
        usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
        made = (
            x509.CertificateBuilder(
                self.certificate.subject, subject, request.public_key(), x509.random_serial_number()
            )
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(
                x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"urn:uuid:{device}")]), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.certificate.public_key()),  # type: ignore[arg-type]
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        return Issued(
            pem=made.public_bytes(PEM).decode(),
            chain=self.chain,
            serial_number=f"{made.serial_number:x}",
            fingerprint=made.fingerprint(hashes.SHA256()).hex(),
            subject=subject.rfc4514_string(),
            not_before=made.not_valid_before_utc,
            not_after=made.not_valid_after_utc,
        )

    def made(self, certificate: x509.Certificate) -> bool:
        """Whether it was signed here."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True


def requested(pem: str) -> x509.CertificateSigningRequest:
    """The request in `pem`, signed by its own key of a good kind.

    Errors: InvalidRequest.
    """
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        signed = request.is_signature_valid
        key = request.public_key()
    except Exception as problem:
        raise InvalidRequest("is not a PKCS#10 request in PEM") from problem
    if not signed:
        raise InvalidRequest("is not signed by its own key")
    good_ec = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    if not good_ec and not (isinstance(key, rsa.RSAPublicKey) and key.key_size >= RSA_BITS):
        raise InvalidRequest(f"has a key that is neither EC P-256 nor RSA with {RSA_BITS} bits or more")
    return request


def named(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])


def create(key_file: Path, cert_file: Path) -> None:
    """A CA of our own. Processes that start at once share the key of the first; any certificate of it is good."""
    key = shared_key(key_file)
    name, now = named((NameOID.COMMON_NAME, "Sightlog device CA")), datetime.now(UTC)
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=365 * CA_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    spare = cert_file.with_suffix(f".{os.getpid()}")
    spare.write_bytes(made.public_bytes(PEM))
    spare.rename(cert_file)


def shared_key(key_file: Path) -> PrivateKey:
    """The key in the file, made whole before it appears there."""
    key_file.parent.mkdir(parents=True, exist_ok=True)
    spare = key_file.with_suffix(f".{os.getpid()}")
    spare.touch(mode=0o600)
    made = ec.generate_private_key(ec.SECP256R1())
    spare.write_bytes(made.private_bytes(PEM, PKCS8, serialization.NoEncryption()))
    with suppress(FileExistsError):
        key_file.hardlink_to(spare)
    spare.unlink()
    return loaded(key_file)


def loaded(key_file: Path) -> PrivateKey:
    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise TypeError("the CA's key is neither EC nor RSA")
    return key
