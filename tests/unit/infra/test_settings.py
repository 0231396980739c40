"""Where a setting comes from, and what wins."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from infra.settings import Settings, load


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SIGHTLOG_VAR", raising=False)


def test_nothing_set_points_home(tmp_path: Path) -> None:
    settings = load()
    assert settings.var == tmp_path / "var"
    assert settings.kafka.bootstrap == "127.0.0.1:9092"
    assert settings.postgres.api == "postgresql://sightlog_api@127.0.0.1:5433/sightlog"
    assert settings.clickhouse.url == "http://127.0.0.1:8123"
    assert settings.objects.url == (tmp_path / "var" / "objects").as_uri()
    assert settings.identity.issuer == settings.api.public_url == "http://127.0.0.1:8080"
    assert not settings.webhooks.allow_loopback_http


def test_environment_then_file_then_what_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "var").mkdir()
    remembered = {"local": {"kafka": 1, "postgres": 1, "clickhouse": 1, "api_password": "p"}}
    (tmp_path / "var" / "local.json").write_text(json.dumps(remembered))
    (tmp_path / "sightlog.toml").write_text("[local]\nkafka = 2\npostgres = 2\n")
    monkeypatch.setenv("SIGHTLOG_LOCAL__KAFKA", "3")
    settings = load()
    assert (settings.local.kafka, settings.local.postgres, settings.local.clickhouse) == (3, 2, 1)
    assert settings.postgres.api == "postgresql://sightlog_api:p@127.0.0.1:2/sightlog"


def test_one_file_named_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.toml").write_text('[kafka]\nbootstrap = "kafka.internal:9093"\nsecurity = "SSL"\n')
    monkeypatch.setenv("SIGHTLOG_CONFIG", str(tmp_path / "other.toml"))
    assert load().kafka.bootstrap == "kafka.internal:9093"


def test_a_misspelt_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sightlog.toml").write_text("[kafka]\nbootstraps = 'x'\n")
    with pytest.raises(ValidationError, match="bootstraps"):
        load()


def test_secrets_do_not_show() -> None:
    settings = Settings.model_validate(
        {"postgres": {"owner": "postgresql://o:hidden@h/d"}, "kafka": {"password": "hidden"}}
    )
    assert "hidden" not in repr(settings)


def test_it_is_frozen() -> None:
    with pytest.raises(ValidationError):
        load().kafka.bootstrap = "other"  # type: ignore[misc]
