"""Tokens that let devices in: `apt_` tokens of an installer and registration tokens of one named device. Pure.

A live token holds the claim `token.live`, which enrolling refers to; that it is used once only is a claim of the
device that used it (`devices.py`). So the token's own stream is never waited for, and hears of its use afterwards.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from schemas.base import Envelope
from schemas.provisioning.messages import (
    CreateProvisioningToken,
    MintRegistrationToken,
    ProvisioningTokenCreated,
    ProvisioningTokenRevoked,
    RegistrationTokenMinted,
    RevokeProvisioningToken,
    TokenUsed,
    UseToken,
)
from streams.decision import Claim, Reference, Refusal

TokenCommand = CreateProvisioningToken | MintRegistrationToken | RevokeProvisioningToken | UseToken
TokenEvent = ProvisioningTokenCreated | RegistrationTokenMinted | ProvisioningTokenRevoked | TokenUsed


class Token(msgspec.Struct, frozen=True, tag=True):
    """A token as it is decided on."""

    id: str = ""
    single_use: bool = False
    revoked: bool = False
    spent: bool = False


def decide(token: Token, command: TokenCommand) -> tuple[TokenEvent, ...] | Refusal:
    match command:
        case CreateProvisioningToken():
            return Refusal("conflict") if token.id else (ProvisioningTokenCreated(**msgspec.structs.asdict(command)),)
        case MintRegistrationToken():
            return Refusal("conflict") if token.id else (RegistrationTokenMinted(**msgspec.structs.asdict(command)),)
        case RevokeProvisioningToken():
            return revoke(token)
        case UseToken(device=device):
            return (TokenUsed(device=device, spent=token.single_use),) if token.id else ()
        case _:
            assert_never(command)


def revoke(token: Token) -> tuple[TokenEvent, ...] | Refusal:
    if not token.id:
        return Refusal("unknown")
    if token.spent:
        return Refusal("token.used", "The token has been used.", "id")
    if token.revoked:
        return Refusal("invalid_state", "The token is already revoked.", "id")
    return (ProvisioningTokenRevoked(),)


def apply(token: Token, event: TokenEvent, meta: Envelope) -> Token:
    match event:
        case ProvisioningTokenCreated(single_use=single_use):
            return Token(id=meta.stream, single_use=single_use)
        case RegistrationTokenMinted():
            return Token(id=meta.stream, single_use=True)
        case ProvisioningTokenRevoked():
            return msgspec.structs.replace(token, revoked=True)
        case TokenUsed(spent=spent):
            return msgspec.structs.replace(token, spent=spent)
        case _:
            assert_never(event)


def claims(token: Token) -> tuple[Claim, ...]:
    live = token.id and not token.revoked and not token.spent
    return (Claim("token.live", token.id),) if live else ()


def references(command: TokenCommand) -> tuple[Reference, ...]:
    return (Reference("device", command.device),) if isinstance(command, MintRegistrationToken) else ()
