"""Sealed text opens, altered text does not, and keys rotate."""

import pytest
from cryptography.fernet import Fernet

from infra.vault import Unsealable, Vault

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


def test_there_and_back() -> None:
    vault = Vault([OLD])
    sealed = vault.seal("whsec_ü")
    assert "whsec" not in sealed
    assert vault.seal("whsec_ü") != sealed
    assert vault.open(sealed) == "whsec_ü"


def test_rotation() -> None:
    sealed = Vault([OLD]).seal("s")
    both = Vault([NEW, OLD])
    again = both.sealed_again(sealed)
    assert both.open(sealed) == both.open(again) == "s"
    assert Vault([NEW]).open(again) == "s"
    with pytest.raises(Unsealable):
        Vault([NEW]).open(sealed)
    with pytest.raises(Unsealable):
        Vault([NEW]).sealed_again(sealed)


def test_altered() -> None:
    sealed = Vault([OLD]).seal("s")
    with pytest.raises(Unsealable):
        Vault([OLD]).open(sealed[:-4] + "AAA=")


def test_no_key_is_told_at_start() -> None:
    with pytest.raises(ValueError, match="encryption key"):
        Vault([])
