"""Organisations, people, keys and sign-in: given events, when a command, then events or a refusal."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.base import Command, Envelope, Event
from schemas.tenancy.messages import (
    AddMember,
    ApiKeyCreated,
    ApiKeyRevoked,
    ChangeOrganisation,
    CloseSession,
    CreateApiKey,
    CreateOrganisation,
    CreateUser,
    MemberAdded,
    OpenSession,
    OrganisationChanged,
    OrganisationCreated,
    OrganisationPlaced,
    PlaceOrganisation,
    RemoveMember,
    RevokeApiKey,
    RotateSession,
    SecondFactorSet,
    SecondFactorUsed,
    SessionClosed,
    SessionOpened,
    SessionRotated,
    SetSecondFactor,
    UserCreated,
    UseSecondFactor,
)
from streams.decision import Claim, Refusal
from streams.tenancy.decider import INITIAL, State, apply, claims, decide

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=30)


def at(time: datetime = NOW) -> Envelope:
    return Envelope(id="c", stream="s", time=time)


def given(*events: Event) -> State:
    state = INITIAL
    for event in events:
        state = apply(state, event, at())  # type: ignore[arg-type]
    return state


ACME = OrganisationCreated(name="Acme", slug="acme")
SESSION = SessionOpened(user="u", client="3rdParty", scope="", digest="first", expires_at=LATER)


def then(state: State, command: Command, time: datetime = NOW) -> tuple[Event, ...] | Refusal:
    return decide(state, command, at(time))  # type: ignore[arg-type]


def test_an_organisation_begins_once() -> None:
    create = CreateOrganisation(name="Acme", slug="acme")
    assert then(INITIAL, create) == (ACME,)
    assert then(given(ACME), create) == Refusal("conflict")
    assert claims(given(ACME)) == (Claim("organisation.slug", "acme", "name.taken", shared=True),)


def test_settings_are_merged_and_a_repeat_is_nothing() -> None:
    change = ChangeOrganisation(name=None, settings={"batch_timeout": 5})
    changed = OrganisationChanged(name="Acme", settings={"timezone": "UTC", "batch_timeout": 5})
    assert then(given(ACME), change) == (changed,)
    assert then(given(ACME, changed), change) == ()
    assert then(INITIAL, change) == Refusal("unknown")


def test_an_address_is_one_persons_in_any_spelling() -> None:
    made = UserCreated(email="ada@example.com", name="Ada", password_hash="h")
    assert then(INITIAL, CreateUser(email="Ada@Example.com", name="Ada", password_hash="h")) == (made,)
    assert claims(given(made)) == (Claim("user.email", "ada@example.com", "email.taken"),)


def test_members() -> None:
    added = MemberAdded(user="u", role="admin")
    assert then(INITIAL, AddMember(user="u", role="admin")) == (added,)
    assert then(given(added), AddMember(user="u", role="admin")) == ()
    assert then(given(added), AddMember(user="u", role="owner")) == (MemberAdded(user="u", role="owner"),)
    assert then(INITIAL, AddMember(user="u", role="king")) == Refusal("invalid", "no such role", "role")
    assert then(INITIAL, RemoveMember(user="u")) == Refusal("unknown")


def test_a_key_is_closed_once() -> None:
    created = ApiKeyCreated(surface="iot", name="k", digest="d", prefix="sk_live_Ab12", role="admin")
    assert then(INITIAL, CreateApiKey(surface="iot", name="k", digest="d", prefix="sk_live_Ab12", role="admin")) == (
        created,
    )
    assert then(given(created), RevokeApiKey()) == (ApiKeyRevoked(),)
    assert then(given(created, ApiKeyRevoked()), RevokeApiKey()) == Refusal("unknown")


def test_a_refresh_token_serves_once() -> None:
    rotate = RotateSession(presented="first", digest="second", expires_at=LATER)
    rotated = SessionRotated(digest="second", expires_at=LATER)
    assert then(given(SESSION), rotate) == (rotated,)
    assert then(given(SESSION, rotated), rotate) == (SessionClosed(reason="reused"),), "a spent one is in two hands"


@pytest.mark.parametrize(
    ("state", "presented", "time"),
    [
        (given(SESSION), "never seen", NOW),
        (given(SESSION), "first", LATER),
        (given(SESSION, SessionClosed(reason="revoked")), "first", NOW),
        (INITIAL, "first", NOW),
    ],
)
def test_a_session_that_is_not_good(state: State, presented: str, time: datetime) -> None:
    rotate = RotateSession(presented=presented, digest="x", expires_at=LATER)
    assert then(state, rotate, time) == Refusal("session.invalid")


def test_closing_twice_is_once() -> None:
    assert then(given(SESSION), CloseSession()) == (SessionClosed(reason="revoked"),)
    assert then(given(SESSION, SessionClosed(reason="revoked")), CloseSession()) == ()
    opened = OpenSession(user="u", client="3rdParty", scope="", digest="first", expires_at=LATER)
    assert then(INITIAL, opened) == (SESSION,)


def test_an_organisation_is_under_a_partner_and_a_partner_under_nobody() -> None:
    placed, free = OrganisationPlaced(partner="p"), OrganisationPlaced()
    assert then(given(ACME), PlaceOrganisation(partner="p")) == (placed,)
    assert then(given(ACME, placed), PlaceOrganisation(partner="p")) == ()
    assert then(given(ACME, placed), PlaceOrganisation()) == (free,)
    reseller = OrganisationCreated(name="R", slug="r", kind="channel_partner")
    for state in (INITIAL, given(reseller)):
        assert then(state, PlaceOrganisation(partner="p")) == Refusal("unknown")
    refused = then(INITIAL, CreateOrganisation(name="X", slug="x", kind="club"))
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.field) == ("invalid", "kind")


def test_a_one_time_code_serves_once() -> None:
    user, on = UserCreated(email="a@b", name="A", password_hash="h"), SecondFactorSet(secret="sealed")
    assert then(given(user), SetSecondFactor(secret="sealed")) == (on,)
    assert then(given(user, on), SetSecondFactor(secret="sealed")) == ()
    assert then(given(user, on), UseSecondFactor(step=7)) == (SecondFactorUsed(step=7),)
    used = given(user, on, SecondFactorUsed(step=7))
    for step in (6, 7):
        assert then(used, UseSecondFactor(step=step)) == Refusal("token.used")
    assert then(used, UseSecondFactor(step=8)) == (SecondFactorUsed(step=8),)
    assert then(given(user, on, SecondFactorSet()), UseSecondFactor(step=9)) == Refusal("token.used")
    assert then(INITIAL, SetSecondFactor(secret="sealed")) == Refusal("unknown")
