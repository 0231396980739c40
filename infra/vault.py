"""Encryption at rest for what must be sent again: webhook secrets, private signing keys.

Ciphertext is text (Fernet: AES-128-CBC and HMAC-SHA256) and may travel in messages. Rotation: put a new key first, let
`sealed_again` pass over what is stored, then take the old key out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

if TYPE_CHECKING:
    from infra.settings import Settings


class Unsealable(ValueError):
    """No key in force made this ciphertext."""


class Vault:
    """Seals text under the first key and opens what any of the keys sealed."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("no encryption key: set secrets.encryption_keys or secrets.key_file")
        self.keys = MultiFernet([Fernet(key) for key in keys])

    def seal(self, text: str) -> str:
        """Ciphertext of `text`, different each time."""
        return self.keys.encrypt(text.encode()).decode("ascii")

    def open(self, sealed: str) -> str:
        """The text in `sealed`.

        Errors: Unsealable when it was altered or its key is gone.
        """
        try:
            return self.keys.decrypt(sealed.encode()).decode()
        except InvalidToken as problem:
            raise Unsealable("ciphertext fits no key in force") from problem

    def sealed_again(self, sealed: str) -> str:
        """The same text under the first key, as rotation wants it."""
        try:
            return self.keys.rotate(sealed.encode()).decode("ascii")
        except InvalidToken as problem:
            raise Unsealable("ciphertext fits no key in force") from problem


def open_vault(settings: Settings) -> Vault:
    """The vault of these settings; the local stack has made its key (`infra/local/keys.py`)."""
    return Vault(settings.secrets.keys())
