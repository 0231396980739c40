"""Keys that a fresh machine needs before anything can sign or encrypt; drawn once, under var/keys."""

import base64
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from infra.settings import Settings


def make(settings: Settings) -> None:
    """Whatever is missing; a key that is there is never replaced."""
    signing = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    keep(settings.identity.signing_key_file, signing)
    keep(settings.secrets.key_file, base64.urlsafe_b64encode(os.urandom(32)) + b"\n")


def keep(file: Path, content: bytes) -> None:
    if file.exists():
        return
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)
