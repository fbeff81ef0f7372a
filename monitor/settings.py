"""All settings: one class, read from the environment (prefix ``MONITOR_``) and a ``.env`` file."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from monitor.files import open_private
from monitor.masking import masked, public_url, remember_secrets, secrets_of_url
from monitor.urls import normalized

HUB = "https://huggingface.co"


MIN_KEY_CHARS = 32
"""Of a key that is kept in a file: a shorter one was cut off, or could be guessed."""
MIN_RETENTION_DAYS = 60
"""Longer than anything that is still worked on: an announcement waits 45 days for its release."""


class SettingsError(ValueError):
    """A setting that cannot be used: one line that names the variable and the fix."""


class Settings(BaseSettings):
    """The settings in force. Raises pydantic's ValidationError; use :func:`load` for one clear line instead."""

    model_config = SettingsConfigDict(
        env_prefix="MONITOR_",
        env_file=".env",
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    database_url: str = Field("sqlite:///hub-monitor.db", description="SQLite file or postgresql+psycopg://…")
    database_prepared_statements: bool = Field(
        True, description="use prepared statements on PostgreSQL; set to false behind PgBouncer in transaction mode"
    )
    broker_url: str = Field(
        "memory://", description="redis://… for several workers; memory:// runs everything in one process"
    )
    hf_endpoint: str = Field(
        HUB, validation_alias=AliasChoices("HF_ENDPOINT", "hf_endpoint"), description="URL of the Hub to monitor"
    )
    hf_token: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("HF_TOKEN", "hf_token"),
        description="Hub access token; raises the Hub's rate limit",
    )
    hub_interval: float = Field(
        60,
        gt=0,
        le=86_400,
        description="seconds between polls; minimum seconds between two sweeps of one namespace",
    )
    launch_window: float | None = Field(
        None,
        ge=0,
        le=86_400,
        description="seconds within which a family's repositories are one launch; one hour, "
        "or sixty hub intervals where that is less",
    )
    feed_interval: float = Field(300, gt=0, le=86_400, description="minimum seconds between two reads of one feed")
    hub_requests_per_window: int = Field(
        400, ge=1, le=100_000, description="maximum requests to the Hub in any 5 minutes"
    )
    files_per_window: int = Field(
        700, ge=0, le=100_000, description="maximum requests for repository files in any 5 minutes; 0 reads none"
    )
    heartbeat_url: SecretStr | None = Field(
        None,
        description="URL requested with GET after each round in which both polls of the Hub succeeded; may be private",
    )
    labs_file: Path | None = Field(None, description="file with your own labs, merged over the built-in registry")
    lenses_dir: Path | None = Field(
        None, description="folder with your own lenses (`*.toml`): definitions of shares, added to the built-in ones"
    )
    feeds: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        None, description="comma-separated feed URLs that replace the registry's; set to an empty value for no feeds"
    )
    hub_webhook_secret: SecretStr | None = Field(
        None, description="secret of the Hub's webhook; without it POST /hooks/hub returns 403"
    )
    slack_bot_token: SecretStr | None = Field(None, description="bot token (xoxb-…) used to post messages")
    slack_signing_secret: SecretStr | None = Field(None, description="verifies requests from Slack")
    slack_client_id: str | None = Field(None, description="for “Add to Slack”")
    slack_client_secret: SecretStr | None = Field(None, description="for “Add to Slack”")
    slack_api_url: str = Field("https://slack.com/api/", description="base URL of Slack's Web API")
    telegram_bot_token: SecretStr | None = Field(
        None, description="token of a Telegram bot (123456:ABC…), used to post messages"
    )
    telegram_api_url: str = Field(
        "https://api.telegram.org", description="URL of Telegram's Bot API, or of your own Bot API server"
    )
    smtp_url: SecretStr | None = Field(None, description="smtp://user:pass@host:587?starttls=true or smtps://…")
    email_from: str | None = Field(None, description="sender address of emails")
    email_rate: float | None = Field(None, gt=0, le=10_000, description="maximum emails per second, across all workers")
    dkim_key: Path | None = Field(
        None, description="file with the RSA private key (PEM) that signs emails; needs the extra `dkim`"
    )
    dkim_selector: str = Field(
        "hub-monitor",
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$",
        description="DKIM selector: the name of the key in the DNS",
    )
    bounce_url: SecretStr | None = Field(
        None, description="mailbox that receives bounces: imaps://user:pass@host/INBOX or imap://…?starttls=true"
    )
    public_url: str = Field(
        "http://127.0.0.1:8000",
        description="base URL of links in emails and messages; if not set, `up` and `demo` use `--host` and `--port`",
    )
    secret_key: SecretStr | None = Field(
        None,
        description="signs links and encrypts tokens; comma-separated keys: the first is used, the others can still "
        "read; generated on first start and stored next to the embedded database",
    )
    admin_token: SecretStr | None = Field(
        None, description="bearer token of the administration API; without it that API returns 403"
    )
    mcp_token: SecretStr | None = Field(
        None,
        description="given to `hub-monitor mcp` by a client that may write: must be the value of MONITOR_ADMIN_TOKEN",
    )
    requests_per_minute: int = Field(
        600,
        ge=0,
        le=1_000_000,
        description="maximum requests per client per minute to the API, pages, feeds and exports; 0: no limit",
    )
    keep_past_days: int = Field(
        0,
        ge=0,
        le=36_500,
        description="days for which earlier values can be queried (`as_of`): older values, changes to releases of no "
        "lab, and daily adoption figures are deleted; 0: keep everything",
    )
    adoption_daily_days: int = Field(
        90,
        ge=0,
        le=36_500,
        description="days for which a release's downloads, likes and derivatives are kept day by day; older ones are "
        "kept week by week (and as they were at the end of each month); 0: day by day for ever",
    )
    adoption_weekly_days: int = Field(
        730,
        ge=0,
        le=36_500,
        description="days for which they are kept week by week; older ones are kept month by month; 0: week by week "
        "for ever",
    )
    keep_deliveries_days: int = Field(
        400, ge=0, le=36_500, description="days to keep deliveries that were sent or have failed for good; 0: for ever"
    )
    keep_feed_texts_days: int = Field(
        180, ge=0, le=36_500, description="days to keep the summaries of feed entries; 0: for ever"
    )
    concurrent_exports: int = Field(
        4, ge=1, le=100, description="maximum concurrent exports per web process; further requests get 503"
    )
    export_files_mb: int = Field(
        512,
        ge=0,
        le=1_000_000,
        description="megabytes of the temporary directory for complete exports of each web process, of which readers"
        " take ranges; 0: no ranges",
    )
    reader_timeout: float = Field(
        30,
        gt=0,
        le=3_600,
        description="seconds after which a client that stops reading a response is disconnected",
    )
    query_timeout: float = Field(
        10,
        gt=0,
        le=3_600,
        description="seconds after which a read query to the database is cancelled and answered with 503",
    )
    trusted_proxies: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        None,
        description="comma-separated addresses or networks of proxies whose X-Forwarded-For is trusted; "
        "otherwise each proxy counts as one client",
    )
    allow_private_targets: bool = Field(
        False, description="allow feeds and outgoing webhooks to reach private and loopback addresses"
    )

    @field_validator("feeds", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(_listed(value))
        return value

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, values: dict[str, Any]) -> dict[str, Any]:
        """An empty variable is as one that is not set, but of ``feeds``, where it means none."""
        return {name: value for name, value in values.items() if value != "" or name in {"feeds", "MONITOR_FEEDS"}}

    @field_validator("keep_past_days", "keep_deliveries_days", "keep_feed_texts_days")
    @classmethod
    def _not_too_short(cls, value: int) -> int:
        if 0 < value < MIN_RETENTION_DAYS:
            raise ValueError(f"must be 0, or at least {MIN_RETENTION_DAYS} days")
        return value

    @field_validator("hf_endpoint", "public_url", "slack_api_url", "telegram_api_url")
    @classmethod
    def _http_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be an http:// or https:// URL")
        return value if value.endswith("/api/") else value.rstrip("/")

    @field_validator("telegram_bot_token")
    @classmethod
    def _bot_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[0-9]{1,20}:[\w-]{20,100}", value.get_secret_value(), re.ASCII):
            raise ValueError("must be a token as @BotFather shows it: 123456:ABC…")
        return value

    @field_validator("heartbeat_url")
    @classmethod
    def _heartbeat(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                parts = urlsplit(value.get_secret_value())
                usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
            except ValueError:
                usable = False
            if not usable:
                raise ValueError("must be an http:// or https:// URL")
        return value

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("must begin with sqlite:/// or postgresql+psycopg://")
        return value if value.startswith("sqlite") else normalized(value)

    @field_validator("broker_url")
    @classmethod
    def _broker(cls, value: str) -> str:
        if not value.startswith(("memory://", "redis://", "rediss://")):
            raise ValueError("must be memory:// or redis://…")
        return normalized(value)

    @field_validator("smtp_url")
    @classmethod
    def _smtp(cls, value: SecretStr | None) -> SecretStr | None:
        return _server_url(value, "smtp")

    @field_validator("bounce_url")
    @classmethod
    def _imap(cls, value: SecretStr | None) -> SecretStr | None:
        return _server_url(value, "imap")

    @field_validator("secret_key")
    @classmethod
    def _some_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _listed(value.get_secret_value()):
            raise ValueError("contains no key")
        return value

    @field_validator("feeds")
    @classmethod
    def _feed_urls(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for url in value or ():
            if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
                raise ValueError(f"{public_url(url)!r} is not an http:// or https:// URL")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for one in value or ():
            try:
                ip_network(one, strict=False)
            except ValueError:
                raise ValueError(f"{one!r} is not an IP address or network (like 10.0.0.0/8)") from None
        return value

    @model_validator(mode="after")
    def _memory_needs_one_process(self) -> Self:
        if self.smtp_url is not None and self.email_from is None:
            raise ValueError("MONITOR_EMAIL_FROM must be set with MONITOR_SMTP_URL")
        return self

    @model_validator(mode="after")
    def _prepares_none_behind_a_pooler(self) -> Self:
        url = self.database_url
        if url.startswith("postgresql") and not self.database_prepared_statements and "prepare_threshold=" not in url:
            self.database_url = f"{url}{'&' if '?' in url else '?'}prepare_threshold=none"
        return self

    @model_validator(mode="after")
    def _hides_secrets(self) -> Self:
        """Makes all texts for people hide the secrets of these settings (:func:`monitor.masking.masked`)."""
        for value in self.__dict__.values():
            for one in value if isinstance(value, tuple) else (value,):
                if isinstance(one, SecretStr):
                    remember_secrets(_parts_of_secret(one.get_secret_value()))
                elif isinstance(one, str):
                    remember_secrets(secrets_of_url(one))
        return self

    @property
    def settle_window(self) -> float:
        """Seconds within which a family's repositories are one launch, and for which emails wait for more of them."""
        return self.launch_window if self.launch_window is not None else min(3_600.0, 60 * self.hub_interval)

    @property
    def embedded(self) -> bool:
        """True where everything runs in one process (the memory broker)."""
        return self.broker_url.startswith("memory://")

    @property
    def rate_limit_storage(self) -> str:
        """Where rate limits are counted, a URI of the limits library: in this process, or in Redis for all workers."""
        return "memory://" if self.embedded else self.broker_url

    @property
    def sqlite_path(self) -> Path | None:
        """The SQLite file, or None on PostgreSQL and for an in-memory database."""
        if not self.database_url.startswith("sqlite:///"):
            return None
        path = self.database_url.removeprefix("sqlite:///").partition("?")[0]
        return Path(path) if path and path != ":memory:" else None

    def signing_keys(self) -> tuple[str, ...]:
        """The keys that sign links and seal tokens, newest first: what the first signs, all of them read.

        The setting, else the key stored next to the embedded database (made if missing). Raises SettingsError if there
        is no place to store one (PostgreSQL without ``MONITOR_SECRET_KEY``).
        """
        if self.secret_key is not None:
            return tuple(_listed(self.secret_key.get_secret_value()))
        if self.sqlite_path is None:
            raise SettingsError("MONITOR_SECRET_KEY: must be set where the database is not an SQLite file")
        return (_kept_key(self.sqlite_path.with_suffix(".key")),)

    def signing_key(self) -> str:
        """The newest of them, which signs. Raises as they do."""
        return self.signing_keys()[0]

    def described(self) -> list[tuple[str, str, bool]]:
        """(variable, value in force with secrets masked, whether it differs from the default), in order."""
        rows = []
        for name, info in type(self).model_fields.items():
            value = getattr(self, name)
            rows.append((variable(name), _shown(value), value != info.default))
        return rows


def _shown(value: Any) -> str:
    """A setting's value for people: secrets and the passwords of URLs are masked."""
    if isinstance(value, SecretStr):
        return "********"
    if isinstance(value, tuple):
        return ", ".join(map(public_url, value))  # of feeds, any part of the query may be a secret
    return "" if value is None else masked(value) if isinstance(value, str) else str(value)


def _parts_of_secret(secret: str) -> list[str]:
    """A secret, and what of it may stand in a text without the rest: each key of several, a URL's password or path."""
    if "://" not in secret:
        return [secret, *_listed(secret)]
    _, slash, path = secret.partition("://")[2].rpartition("@")[2].partition("/")
    return [secret, *secrets_of_url(secret), slash + path]


def _server_url(value: SecretStr | None, scheme: str) -> SecretStr | None:
    if value is None:
        return None
    url = value.get_secret_value()
    if not url.startswith((f"{scheme}://", f"{scheme}s://")):
        raise ValueError(f"must begin with {scheme}:// or {scheme}s://")
    return SecretStr(normalized(url))


def _listed(value: str) -> list[str]:
    """The parts of a comma-separated value."""
    return [part.strip() for part in value.split(",") if part.strip()]


def variable(field: str) -> str:
    """The environment variable of a field of :class:`Settings`."""
    return field.upper() if field.startswith("hf_") else f"MONITOR_{field.upper()}"


def load(**overrides: Any) -> Settings:
    """The settings from the environment; raises SettingsError, one line that names the variable."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError("; ".join(_line(item) for item in error.errors())) from None


def _line(item: Any) -> str:
    message = str(item["msg"]).removeprefix("Value error, ")
    if not item["loc"]:
        return message
    field = str(item["loc"][0])
    return f"{variable(field.lower().removeprefix('monitor_'))}: {message[0].lower()}{message[1:]}"


def _kept_key(path: Path) -> str:
    """The key in ``path``, made there on first use, readable by its owner alone. Raises SettingsError."""
    try:
        if not path.exists():
            _make_key(path)
        key = path.read_text("utf-8").strip()
    except OSError as error:
        raise SettingsError(f"MONITOR_SECRET_KEY: cannot keep a key in {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        key = ""
    if len(key) < MIN_KEY_CHARS:
        raise SettingsError(
            f"MONITOR_SECRET_KEY: {path} holds no key of at least {MIN_KEY_CHARS} characters: restore it from a "
            "backup, or delete it for a new key (links in emails that were sent, and sealed tokens, are lost then)"
        )
    return key


def _make_key(path: Path) -> None:
    """Writes a new key to ``path``, unless another process has; it appears there with its whole content."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open_private(part, "x", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(48))
        with suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink(missing_ok=True)
