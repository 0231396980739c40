"""What this dialect says and understands, without a server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter, ValidationError

from api.gateway import Refused
from api.nx import graph, problems, trees, wire
from api.nx.app import AnyCase
from api.nx.auth import Person, chosen, presented
from api.nx.identity import safe
from api.nx.problems import STATUS, Problem
from api.nx.scope import Scope, Unreadable, parse
from schemas.refusals import Code

SITE = "0190b7a4-0000-7000-8000-000000000001"
OTHER = "0190b7a4-0000-7000-8000-000000000002"
HERE = "http://here.example"
NOW = datetime(2026, 11, 21, 12, 0, 0, 5, tzinfo=UTC)


def test_every_refusal_has_an_answer() -> None:
    assert set(STATUS) == set(get_args(Code))
    problem = problems.of(Refused("still_referenced", "2 devices run the model.", "devices"))
    assert (problem.status, problem.field, problem.message) == (409, "Devices", "2 devices run the model.")


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("", Scope()),
        (f"{HERE}/cpt/ cloudSystemId=*", Scope(f"{HERE}/cpt", "*")),
        (f"cloudSystemId={{{SITE.upper()}}}", Scope(None, SITE)),
    ],
)
def test_scopes_are_read(text: str, scope: Scope) -> None:
    assert parse(text) == scope


@pytest.mark.parametrize("text", ["openid", "cloudSystemId=x", f"{HERE} {HERE}"])
def test_other_scopes_are_not(text: str) -> None:
    with pytest.raises(Unreadable):
        parse(text)


@pytest.mark.parametrize(
    ("scope", "cpt", "dev"),
    [
        (Scope(), True, True),
        (Scope(HERE, "*"), True, True),
        (Scope(HERE, SITE), True, True),
        (Scope(f"{HERE}/cpt", "*"), True, False),
        (Scope("https://api.sclbl.nxvms.com/cpt", "*"), True, False),
        (Scope("https://cloud.networkoptix.com"), True, True),
        (Scope(f"{HERE}/cp", "*"), False, False),
        (Scope("http://here.exampl"), False, False),
        (Scope(None, "*"), True, True),
        (Scope(None, SITE), False, False),
    ],
)
def test_a_scope_reaches_so_far(scope: Scope, cpt: bool, dev: bool) -> None:
    assert (scope.reaches(HERE + "/", "cpt"), scope.reaches(HERE, "dev")) == (cpt, dev)


def test_a_scope_is_narrowed_never_widened() -> None:
    wide, narrow = Scope(HERE, "*"), Scope(f"{HERE}/cpt", SITE)
    assert wide.holds(narrow)
    assert not narrow.holds(wide)
    assert not narrow.holds(Scope())
    assert not narrow.holds(Scope(f"{HERE}/cpt", OTHER))
    assert Scope().holds(wide)


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer abc", "abc"), ("bearer nxcdb-abc", "abc"), ("nxcdb-abc", "abc"), (" Bearer  abc ", "abc")],
)
def test_a_token_is_presented(header: str, token: str) -> None:
    assert presented(header) == token


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "abc", "Basic abc", "nxcdb-abc def"])
def test_no_token_is_presented(header: str | None) -> None:
    with pytest.raises(Problem):
        presented(header)


def test_without_the_pair_one_acts_in_ones_own_place() -> None:
    homes: Any = [
        {"organisation": SITE, "name": "first", "kind": "organization"},
        {"organisation": OTHER, "name": "second", "kind": "organization"},
        {"organisation": SITE, "name": "third", "kind": "channel_partner"},
    ]
    user = f"user_{SITE.replace('-', '')}"
    person = Person("a@b", user, homes, Scope())
    assert chosen(person, None, None) == homes
    assert chosen(person, "user", SITE) == homes
    assert chosen(person, "organization", f"{{{OTHER.upper()}}}") == [homes[1]]
    assert chosen(person, "channel_partner", SITE) == [homes[2]]
    for lost, kind, id in ((person, "user", OTHER), (person, "channel_partner", OTHER)):
        with pytest.raises(Problem):
            chosen(lost, kind, id)
    with pytest.raises(Problem):
        chosen(Person("a@b", user, [], Scope()), None, None)


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("https://a.example/x?y=1", True),
        ("http://127.0.0.1:3000/", True),
        ("http://localhost/x", True),
        ("http://a.example", False),
        ("https://", False),
        ("https://user@a.example", False),
        ("https://a.example/#x", False),
        ("ftp://a.example", False),
        ("http://[", False),
    ],
)
def test_codes_go_to_plain_web_addresses(address: str, good: bool) -> None:
    assert safe(address) is good


def test_query_names_are_compared_without_case() -> None:
    asked, wanted = "Limit=2&OFFSET=3&orderby=-Name&x=%2B", "limit=2&offset=3&OrderBy=-Name&x=%2B"
    assert AnyCase(FastAPI()).spelt(asked) == wanted


class File:
    inputs = [{"name": "image-", "dtype": "float32", "shape": [1, 64, 32, 3]}]  # noqa: RUF012
    outputs = [  # noqa: RUF012
        {"name": "bboxes-format:xyxysc;0:cat", "dtype": "float32", "shape": ["n", 6]},
        {"name": "alarm-0:fire;1:smoke", "dtype": "bool", "shape": [1, 2]},
    ]
    labels = ["cat"]  # noqa: RUF012
    family = "objects"
    means = None
    vars = [255.0, 255.0, 255.0]  # noqa: RUF012


def test_a_file_describes_the_model() -> None:
    told = graph.described(File())
    assert told["input_details"] == {
        "channels": 3,
        "height": 64,
        "width": 32,
        "means": [0.0, 0.0, 0.0],
        "vars": [255.0, 255.0, 255.0],
        "order": 1,
    }
    assert told["named_output"][0]["shape"] == [-1, 6]
    assert (told["boxes"], told["flags"]) == (["cat"], ["alarm", "fire", "smoke"])


def test_tensors_are_compared_without_case() -> None:
    found = graph.tensors(File.inputs)
    given = wire.TensorSpec(name="image-", data_type="float", shape=[1, 64, 32, 3])
    assert not graph.contradicted([given], found)
    assert not graph.contradicted(None, found)
    assert graph.contradicted([], found)


def test_fields_that_were_not_sent_are_not_told() -> None:
    sent = wire.FunctionFields.model_validate(
        {
            "Name": "x",
            "Alias": None,
            "SourceUrl": None,
            "EnableConversions": ["cpu"],
            "InputDriverDetails": {"width": 3, "gamma": 2},
            "OutputDriverDetails": {"postProcessing": None},
            "NamedInput": [],
            "Extra": 1,
        }
    )
    assert sent.told() == {
        "name": "x",
        "source_url": None,
        "targets": ["cpu"],
        "input_details": {"width": 3, "gamma": 2},
        "output_details": {"postProcessing": None},
    }


def test_a_function_is_as_its_document_says() -> None:
    row: dict[str, Any] = {
        **dict.fromkeys(("alias", "documentation", "status_message", "source_name", "source_url"), ""),
        "id": SITE,
        "name": "n",
        "status": "ok",
        "catalogues": [OTHER],
        "customization": "metavms",
        "input_driver": "vision",
        "input_details": {},
        "output_driver": "vision",
        "output_details": {},
        "named_input": graph.tensors(File.inputs),
        "named_output": [],
        "targets": ["cpu"],
        "conversions": [
            {"target": "cpu", "status": "ok", "message": None, "file": OTHER, "updated_at": "2026-11-21T12:00:00+00:00"}
        ],
        "device_count": 1,
        "size": 5,
        "artefact_size": None,
        "revision": 1,
        "created_at": NOW,
        "updated_at": NOW,
    }
    owner = {"UUID": SITE, "Name": "Acme", "Kind": "organization"}
    said = wire.function(row, owner, {OTHER: {"name": "Streets", "public": True}}, "")
    assert said["UpdatedAt"] == "2026-11-21T12:00:00.000005Z"
    assert (said["Catalogues"], said["Public"]) == ([{"UUID": OTHER, "Name": "Streets"}], True)
    wire.Function.model_validate(said)
    assert set(said) == {field.alias for field in wire.Function.model_fields.values()}


def test_a_pipeline_comes_back_as_it_was_put() -> None:
    child = {"modelUUID": OTHER, "chainMethod": "conditional", "condition": "fire"}
    put = trees.Pipeline.model_validate({"modelUUID": f"{{{SITE.upper()}}}", "modelNMS": 0.4, "chains": [child]})
    shown = trees.pipeline(put.neutral())
    assert shown == {
        "modelUUID": SITE,
        "modelNMS": 0.4,
        "resizingMethod": "Letterbox",
        "Preprocessor": "",
        "Postprocessor": "",
        "chains": [
            {
                "modelUUID": OTHER,
                "chainMethod": "conditional",
                "condition": "fire",
                "resizingMethod": "Letterbox",
                "Preprocessor": "",
                "Postprocessor": "",
                "chains": [],
            }
        ],
    }
    assert put.models() == {SITE, OTHER}


@pytest.mark.parametrize("child", [{"chainMethod": "conditional"}, {"chainMethod": "feature_extraction"}, {}])
def test_a_chain_says_what_it_takes(child: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        trees.Pipeline.model_validate({"modelUUID": SITE, "chains": [{"modelUUID": SITE, **child}]})


def test_an_assignment_in_every_spelling() -> None:
    adapter: TypeAdapter[list[trees.AssignRequest]] = TypeAdapter(trees.Assignments)
    for given in ({"FunctionID": SITE}, {"FunctionUUID": SITE}, [{"FunctionID": SITE}]):
        assert [one.function_id for one in adapter.validate_python(given)] == [SITE]
    bads: list[Any] = [{}, [], {"FunctionID": "x"}, 5]
    for bad in bads:
        with pytest.raises(ValidationError):
            adapter.validate_python(bad)
