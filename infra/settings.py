"""One typed tree of settings, read at start and handed in.

Three layers, first found wins: the environment (`SIGHTLOG_KAFKA__BOOTSTRAP`), one file (`sightlog.toml` here, or the
one `SIGHTLOG_CONFIG` names), and what the local stack remembers in `var/local.json` (ports it chose, passwords it
drew). What is still missing points at the local stack on this machine.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

LOOPBACK = "127.0.0.1"
PREFIX = "SIGHTLOG_"


class Group(BaseModel):
    """Unknown names are refused: a misspelt setting must not pass as the default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Kafka(Group):
    bootstrap: str = ""
    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str | None = None
    password: SecretStr | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    replication: int = Field(default=1, ge=1)


class Postgres(Group):
    """Three roles: migrations own the tables, workers see every organisation, `api` only the one it has set."""

    owner: str = Field(default="", repr=False)
    service: str = Field(default="", repr=False)
    api: str = Field(default="", repr=False)


class ClickHouse(Group):
    url: str = ""
    database: str = "sightlog"
    user: str = "default"
    password: SecretStr = SecretStr("")
    scope: Literal["custom", "none"] = "custom"
    """How a read names its organisation to the engine: `SQL_org`, or not at all where no row policy exists."""


class Objects(Group):
    url: str = ""
    """`file:///path` or `s3://bucket/prefix`."""
    options: dict[str, str] = Field(default_factory=dict, repr=False)
    """Handed to obstore as they are: region, endpoint, keys; none needed where the machine has its own identity."""


class Api(Group):
    host: str = LOOPBACK
    port: int = 8080
    workers: int = Field(default=1, ge=1)
    public_url: str = ""


class Issuer(Group):
    """An outside OIDC issuer whose tokens are accepted."""

    issuer: str
    audience: str
    jwks_url: str | None = None
    organisation_claim: str = "org"
    role_claim: str = "role"


class Identity(Group):
    issuer: str = ""
    signing_key_file: Path = Path()
    issuers: tuple[Issuer, ...] = ()
    token_seconds: int = Field(default=3600, ge=60)
    operators: tuple[str, ...] = ()
    """E-mails of those who run the platform: only they make a catalogue public."""


class Webhooks(Group):
    allow_loopback_http: bool = False
    """An operator's switch for development: http, and addresses of this machine. Production leaves it off."""
    ports: tuple[int, ...] = (443, 8443)
    """Where a receiver may listen; with `allow_loopback_http` any port of this machine."""
    timeout_seconds: float = Field(default=15.0, ge=1, le=30)
    """Of a whole try, where an endpoint has not said otherwise."""
    source_ips: tuple[str, ...] = ()
    """CIDRs that deliveries come from, as receivers may allow them; told 14 days before they change."""
    source_ips_since: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    signature_form: Literal["hex", "prefixed", "base64"] = "hex"
    """How `X-Webhook-Signature` is written: `hex`, `sha256=` and hex, or base64."""


class Noxovision(Group):
    key_header: str = "X-API-Key"
    submits_per_minute: int = Field(default=600, ge=1)
    """For each API key and API process."""
    tasks_per_slot: int = Field(default=256, ge=1)
    """So much work a worker's slot may have queued before submits are told to come back later."""


class Inference(Group):
    slots: int = Field(default=1, ge=1)
    """Tasks that a worker has in hand at a time, each in a process of its own."""
    threads: int = Field(default=0, ge=0)
    """For decoding and ONNX Runtime in each of them; 0 shares the cores among the slots."""
    idle_seconds: float = 60.0
    """After so long without work a process ends and gives its memory back."""


class Secrets(Group):
    encryption_keys: tuple[SecretStr, ...] = ()
    """URL-safe base64 of 32 bytes each; the first encrypts, all decrypt. Empty: one a line in `key_file`."""
    key_file: Path = Path()

    def keys(self) -> tuple[str, ...]:
        """The keys, newest first."""
        if self.encryption_keys:
            return tuple(key.get_secret_value() for key in self.encryption_keys)
        return tuple(self.key_file.read_text(encoding="ascii").split())


class Devices(Group):
    """The CA of device certificates, and where devices find their door."""

    ca_cert_file: Path = Path()
    ca_key_file: Path = Path()
    certificate_days: int = Field(default=365, ge=1)
    host: str = "localhost"
    port: int = 8883
    certificate_header: str = ""
    """Where the proxy that ends mutual TLS hands on the client's certificate: as RFC 9440 has it, or PEM behind percent
    signs. It must drop what clients send under this name. Empty: certificates are not renewed over HTTP, unless the
    server itself ends TLS and says so (ASGI's TLS extension)."""


class Logs(Group):
    level: Literal["debug", "info", "warning", "error"] = "info"
    as_json: bool = Field(default=True, alias="json")


class Tracing(Group):
    endpoint: str | None = None
    """OTLP over HTTP; none switches tracing off."""


class Metrics(Group):
    """The port where each process answers `/metrics`, `/healthz`, `/readyz` (`api` also does on its own port)."""

    host: str = LOOPBACK
    streams: int = 9101
    projections: int = 9102
    inference: int = 9103
    deliveries: int = 9104
    api: int = 9105


class Local(Group):
    """The parts of the local stack; means nothing where real servers are used."""

    kafka: int = 9092
    kafka_controller: int = 9093
    postgres: int = 5433
    clickhouse: int = 8123
    superuser_password: SecretStr = SecretStr("")
    owner_password: SecretStr = SecretStr("")
    service_password: SecretStr = SecretStr("")
    api_password: SecretStr = SecretStr("")


class Settings(BaseSettings):
    """Everything a process may be told from outside."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid")

    var: Path = Path("var")
    process: str = "sightlog"
    config: Path | None = None
    kafka: Kafka = Field(default_factory=Kafka)
    postgres: Postgres = Field(default_factory=Postgres)
    clickhouse: ClickHouse = Field(default_factory=ClickHouse)
    objects: Objects = Field(default_factory=Objects)
    api: Api = Field(default_factory=Api)
    identity: Identity = Field(default_factory=Identity)
    webhooks: Webhooks = Field(default_factory=Webhooks)
    noxovision: Noxovision = Field(default_factory=Noxovision)
    inference: Inference = Field(default_factory=Inference)
    secrets: Secrets = Field(default_factory=Secrets)
    devices: Devices = Field(default_factory=Devices)
    logs: Logs = Field(default_factory=Logs)
    tracing: Tracing = Field(default_factory=Tracing)
    metrics: Metrics = Field(default_factory=Metrics)
    local: Local = Field(default_factory=Local)

    @model_validator(mode="before")
    @classmethod
    def remembered(cls, given: dict[str, Any]) -> dict[str, Any]:
        """What the local stack chose for itself fills what nobody has set."""
        var = Path(given.get("var", "var"))
        return merged(read_local(var), {**given, "var": var.absolute()})

    @model_validator(mode="after")
    def pointed_home(self) -> Self:
        """Addresses nobody has set are those of the local stack."""
        local, public = self.local, self.api.public_url or f"http://{LOOPBACK}:{self.api.port}"
        fill(self.api, public_url=public)
        fill(self.kafka, bootstrap=f"{LOOPBACK}:{local.kafka}")
        fill(
            self.postgres,
            owner=local_dsn("owner", local.owner_password, local.postgres),
            service=local_dsn("service", local.service_password, local.postgres),
            api=local_dsn("api", local.api_password, local.postgres),
        )
        fill(self.clickhouse, url=f"http://{LOOPBACK}:{local.clickhouse}")
        fill(self.objects, url=(self.var / "objects").as_uri())
        fill(self.identity, issuer=public, signing_key_file=self.var / "keys" / "signing.pem")
        fill(self.secrets, key_file=self.var / "keys" / "encryption.keys")
        keys = self.var / "keys"
        fill(self.devices, ca_cert_file=keys / "device-ca.pem", ca_key_file=keys / "device-ca.key")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, then the one file; nothing is read from a `.env` lying about."""
        file = Path(os.environ.get(f"{PREFIX}CONFIG", "sightlog.toml"))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file)


def load() -> Settings:
    """Read the settings; each process does this once, at start."""
    return Settings()


def read_local(var: Path) -> dict[str, Any]:
    """What `sightlog up` remembered in this var directory: a settings tree of the lowest rank."""
    file = var / "local.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return found


def merged(low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
    """Both trees in one; `high` wins where they meet."""
    both = {**low, **high}
    for name in low.keys() & high.keys():
        if isinstance(low[name], dict) and isinstance(high[name], dict):
            both[name] = merged(low[name], high[name])
    return both


def fill(group: Group, **defaults: object) -> None:
    """Set what is empty, before anyone has seen the frozen tree."""
    for name, value in defaults.items():
        current = getattr(group, name)
        if current in ("", Path()):
            group.__dict__[name] = value


def local_dsn(role: str, password: SecretStr, port: int) -> str:
    secret = password.get_secret_value()
    return f"postgresql://sightlog_{role}{':' + secret if secret else ''}@{LOOPBACK}:{port}/sightlog"
