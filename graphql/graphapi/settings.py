"""The settings: read once from the environment and an optional ``.env``, checked, then passed as values.

This is the one place that knows the environment. Each setting's description is what the README's table and
``spurwechsel settings`` print; a test compares them.
"""

from __future__ import annotations

import base64
import binascii
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, NamedTuple, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from directory import contacts
from directory.problems import InvalidInput
from graphapi.addresses import networks
from search.meaning import trouble as meaning_trouble


class Environment(StrEnum):
    """What the program is run for."""

    DEMO = "demo"
    PRODUCTION = "production"


class SettingsRefused(Exception):
    """A setting is missing or wrong; the message names the variable and says what it must be."""


class Settings(BaseSettings):
    """All settings, immutable; see each description."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True, populate_by_name=True
    )

    environment: Annotated[
        Environment,
        Field(
            validation_alias="SPURWECHSEL_ENVIRONMENT",
            description="`demo` or `production`; production needs a PostgreSQL and a master key of its own.",
        ),
    ] = Environment.DEMO
    database_url: Annotated[
        SecretStr | None,
        Field(
            validation_alias="DATABASE_URL",
            description="PostgreSQL as the role `spurwechsel_app` (postgresql://…). "
            "Unset: an embedded PostgreSQL in the data folder.",
        ),
    ] = None
    database_reader_url: Annotated[
        SecretStr | None,
        Field(
            validation_alias="DATABASE_READER_URL",
            description="The same database as the role `spurwechsel_reader`; needed with DATABASE_URL.",
        ),
    ] = None
    database_owner_url: Annotated[
        SecretStr | None,
        Field(
            validation_alias="DATABASE_OWNER_URL",
            description="The same database as its owner; only `spurwechsel migrate` and `restore` use it.",
        ),
    ] = None
    database_backup_url: Annotated[
        SecretStr | None,
        Field(
            validation_alias="DATABASE_BACKUP_URL",
            description="The same database as a role that reads every row (BYPASSRLS); "
            "only `spurwechsel backup` uses it.",
        ),
    ] = None
    keys_database_url: Annotated[
        SecretStr | None,
        Field(
            validation_alias="KEYS_DATABASE_URL",
            description="The key database, apart from the data and from their backups, as the role "
            "`spurwechsel_keys`; needed with DATABASE_URL.",
        ),
    ] = None
    keys_database_owner_url: Annotated[
        SecretStr | None,
        Field(
            validation_alias="KEYS_DATABASE_OWNER_URL",
            description="The key database as its owner; only commands that change all of it use it "
            "(`migrate`, `master-key rotate`, `backup --keys`).",
        ),
    ] = None
    master_key: Annotated[
        SecretStr | None,
        Field(
            validation_alias="SPURWECHSEL_MASTER_KEY",
            description="32 random bytes in base64 that wrap every person's data key. "
            "Unset in the demo: made once and kept in the data folder.",
        ),
    ] = None
    new_master_key: Annotated[
        SecretStr | None,
        Field(
            validation_alias="SPURWECHSEL_NEW_MASTER_KEY",
            description="The master key to change to; only `spurwechsel master-key rotate` uses it.",
        ),
    ] = None
    data: Annotated[
        Path,
        Field(
            validation_alias="SPURWECHSEL_DATA",
            description="Folder for the search index, the embedded PostgreSQL and the demo's keys.",
        ),
    ] = Path(".data")
    host: Annotated[
        str,
        Field(validation_alias="SPURWECHSEL_HOST", description="Address that the server listens on."),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Field(
            ge=1,
            le=65535,
            validation_alias="SPURWECHSEL_PORT",
            description="Port that the server listens on.",
        ),
    ] = 8000
    workers: Annotated[
        int,
        Field(ge=1, le=64, validation_alias="SPURWECHSEL_WORKERS", description="Server processes."),
    ] = 1
    pool_size: Annotated[
        int,
        Field(
            ge=1,
            le=200,
            validation_alias="SPURWECHSEL_POOL_SIZE",
            description="Database connections per process and pool (three pools: serving, reading, keys).",
        ),
    ] = 8
    log_level: Annotated[
        str,
        Field(
            pattern="^(debug|info|warning|error)$",
            validation_alias="SPURWECHSEL_LOG_LEVEL",
            description="`debug`, `info`, `warning` or `error`.",
        ),
    ] = "info"
    smtp_url: Annotated[
        SecretStr | None,
        Field(
            validation_alias="SPURWECHSEL_SMTP_URL",
            description="Mail server: smtp://user:password@host:587 (STARTTLS, required unless the host is "
            "this machine) or smtps://…:465. Unset: no mail is sent, and every notice says so.",
        ),
    ] = None
    mail_from: Annotated[
        str | None,
        Field(
            validation_alias="SPURWECHSEL_MAIL_FROM",
            description="Address that mails come from; needed with SPURWECHSEL_SMTP_URL.",
        ),
    ] = None
    public_url: Annotated[
        str | None,
        Field(
            validation_alias="SPURWECHSEL_PUBLIC_URL",
            description="Where people reach this installation; links in mails begin with it. Needed with "
            "SPURWECHSEL_SMTP_URL, with https in production.",
        ),
    ] = None
    max_body_bytes: Annotated[
        int,
        Field(
            ge=1_000,
            le=10_000_000,
            validation_alias="SPURWECHSEL_MAX_BODY_BYTES",
            description="Largest request body in bytes; larger ones get 413.",
        ),
    ] = 200_000
    max_depth: Annotated[
        int,
        Field(
            ge=5,
            le=50,
            validation_alias="SPURWECHSEL_MAX_DEPTH",
            description="Deepest nesting of fields in an operation.",
        ),
    ] = 14
    max_cost: Annotated[
        int,
        Field(
            ge=100,
            validation_alias="SPURWECHSEL_MAX_COST",
            description="Highest cost of an operation: fields times the sizes of the lists they stand in.",
        ),
    ] = 20_000
    trusted_proxies: Annotated[
        str,
        Field(
            validation_alias="SPURWECHSEL_TRUSTED_PROXIES",
            description="Networks of your reverse proxies (`10.0.0.0/8,::1/128`): only from them "
            "X-Forwarded-For says whose attempts with codes are counted.",
        ),
    ] = ""

    meili_url: Annotated[
        str | None,
        Field(
            validation_alias="MEILI_URL",
            description="Meilisearch server that answers searches (http(s)://host[:port]), kept up by one "
            "host at a time. Unset, or while it does not answer: each host's local index does.",
        ),
    ] = None
    meili_key: Annotated[
        SecretStr | None,
        Field(
            validation_alias="MEILI_KEY",
            description="Its key with the rights to search, documents, indexes, settings and tasks; "
            "needed with MEILI_URL in production.",
        ),
    ] = None
    search_meaning: Annotated[
        bool | None,
        Field(
            validation_alias="SEARCH_MEANING",
            description="Whether searches also find by meaning, with a model that runs in the process "
            "(150 MB, about 10 ms for each service that is indexed): unset, where the extra `meaning` is "
            "installed; `true`, or the program does not start; `false`, never.",
        ),
    ] = None
    check_links: Annotated[
        bool,
        Field(
            validation_alias="SPURWECHSEL_CHECK_LINKS",
            description="Whether the jobs look by night if published websites answer (`true`). Then this "
            "machine sends requests to addresses that people have entered, to the public internet only.",
        ),
    ] = False
    link_networks: Annotated[
        str,
        Field(
            validation_alias="SPURWECHSEL_LINK_NETWORKS",
            description="Networks of your own that the check of websites may reach besides "
            "(`192.0.2.0/24`); normally none.",
        ),
    ] = ""

    session_idle_minutes: Annotated[
        int,
        Field(
            ge=5,
            le=480,
            validation_alias="SPURWECHSEL_SESSION_IDLE_MINUTES",
            description="Minutes after which a session in a browser ends when it is not used.",
        ),
    ] = 30
    session_hours: Annotated[
        int,
        Field(
            ge=1,
            le=24,
            validation_alias="SPURWECHSEL_SESSION_HOURS",
            description="Hours after which a session in a browser ends in any case.",
        ),
    ] = 12
    oidc_issuer: Annotated[
        str | None,
        Field(
            validation_alias="SPURWECHSEL_OIDC_ISSUER",
            description="The town's own sign-on (OpenID Connect issuer, https). "
            "Unset: nobody can sign in on the pages.",
        ),
    ] = None
    oidc_client_id: Annotated[
        str | None,
        Field(
            validation_alias="SPURWECHSEL_OIDC_CLIENT_ID",
            description="How this installation is registered there; the address to return to is "
            "`SPURWECHSEL_PUBLIC_URL` + `/sign-on/return`, after signing out + `/`.",
        ),
    ] = None
    oidc_client_secret: Annotated[
        SecretStr | None,
        Field(
            validation_alias="SPURWECHSEL_OIDC_CLIENT_SECRET",
            description="The secret that belongs to it; unset for a public client (PKCE is used always).",
        ),
    ] = None
    oidc_client_secret_file: Annotated[
        Path | None,
        Field(
            validation_alias="SPURWECHSEL_OIDC_CLIENT_SECRET_FILE",
            description="A file that holds this secret, instead of the variable.",
        ),
    ] = None
    demo_sign_in: Annotated[
        bool,
        Field(
            validation_alias="SPURWECHSEL_DEMO_SIGN_IN",
            description="One click signs in as a role of the demo network; `make demo` sets it, "
            "production refuses it.",
        ),
    ] = False
    web_assets: Annotated[
        Path | None,
        Field(
            validation_alias="SPURWECHSEL_WEB_ASSETS",
            description="Folder of the pages' files from packages (`spurwechsel assets` fills it). "
            "Unset: beside the Python environment.",
        ),
    ] = None
    map_tiles: Annotated[
        str | None,
        Field(
            validation_alias="SPURWECHSEL_MAP_TILES",
            description="Streets under the map of a search: address of image tiles "
            "(`https://tiles.example.org/{z}/{x}/{y}.png`). Browsers then ask that host; unset: none.",
        ),
    ] = None
    map_credit: Annotated[
        str | None,
        Field(
            max_length=200,
            validation_alias="SPURWECHSEL_MAP_CREDIT",
            description="Whose map it is, shown on it (`© OpenStreetMap`); needed with "
            "SPURWECHSEL_MAP_TILES.",
        ),
    ] = None

    @field_validator("trusted_proxies", "link_networks")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        try:
            networks(value)
        except ValueError:
            raise ValueError("must be networks like 10.0.0.0/8, separated by commas") from None
        return value

    @field_validator(
        "database_url",
        "database_reader_url",
        "database_owner_url",
        "database_backup_url",
        "keys_database_url",
        "keys_database_owner_url",
    )
    @classmethod
    def _is_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith("postgresql://"):
            raise ValueError("must begin with postgresql://")
        return value

    @field_validator("master_key", "new_master_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return value
        try:
            size = len(base64.b64decode(value.get_secret_value(), validate=True))
        except binascii.Error:
            size = 0
        if size != KEY_BYTES:
            raise ValueError("must be 32 bytes in base64; make one with: spurwechsel master-key")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _is_a_mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                mail_server(value.get_secret_value())
            except ValueError:
                raise ValueError("must be smtp://[user:password@]host[:port] or smtps://…") from None
        return value

    @field_validator("mail_from")
    @classmethod
    def _is_a_mail_address(cls, value: str | None) -> str | None:
        try:
            return None if value is None else contacts.mail(value, "value")
        except InvalidInput:
            raise ValueError("must be a mail address") from None

    @field_validator("oidc_issuer")
    @classmethod
    def _is_an_issuer(cls, value: str | None) -> str | None:
        # as its provider writes it, a slash at the end or not: the name is compared letter by letter
        if value is not None:
            cls._is_an_address(value)
        return value

    @field_validator("public_url", "meili_url")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be http(s)://host[:port][/path]")
        return value.rstrip("/")

    @field_validator("map_tiles")
    @classmethod
    def _are_tiles(cls, value: str | None) -> str | None:
        if value is None:
            return None
        named = all(part in value for part in ("{z}", "{x}", "{y}"))
        if not named or not re.fullmatch(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?/[!-~]*", value):
            raise ValueError("must be https://host[:port]/… with {z}, {x} and {y} in its path")
        return value

    @model_validator(mode="after")
    def _map_belongs_together(self) -> Self:
        if self.map_tiles is not None and not self.map_credit:
            raise ValueError("SPURWECHSEL_MAP_CREDIT must be set when SPURWECHSEL_MAP_TILES is")
        return self

    @model_validator(mode="after")
    def _sign_on_belongs_together(self) -> Self:
        production = self.environment is Environment.PRODUCTION
        if self.demo_sign_in and production:
            raise ValueError("SPURWECHSEL_DEMO_SIGN_IN must not be set in production")
        if self.oidc_issuer is None:
            return self
        if self.oidc_client_id is None:
            raise ValueError("SPURWECHSEL_OIDC_CLIENT_ID must be set when SPURWECHSEL_OIDC_ISSUER is")
        if self.public_url is None:
            raise ValueError("SPURWECHSEL_PUBLIC_URL must be set when SPURWECHSEL_OIDC_ISSUER is")
        if production and not self.oidc_issuer.startswith("https://"):
            raise ValueError("SPURWECHSEL_OIDC_ISSUER must begin with https:// in production")
        if self.oidc_client_secret is not None and self.oidc_client_secret_file is not None:
            raise ValueError("SPURWECHSEL_OIDC_CLIENT_SECRET or its file must be set, not both")
        if self.oidc_client_secret_file is not None and not self.oidc_client_secret_file.is_file():
            raise ValueError("SPURWECHSEL_OIDC_CLIENT_SECRET_FILE must name a file")
        return self

    @model_validator(mode="after")
    def _mail_belongs_together(self) -> Self:
        if self.smtp_url is not None:
            if self.mail_from is None:
                raise ValueError("SPURWECHSEL_MAIL_FROM must be set when SPURWECHSEL_SMTP_URL is")
            if self.public_url is None:
                raise ValueError("SPURWECHSEL_PUBLIC_URL must be set when SPURWECHSEL_SMTP_URL is")
        if (
            self.environment is Environment.PRODUCTION
            and self.public_url is not None
            and not self.public_url.startswith("https://")
        ):
            raise ValueError("SPURWECHSEL_PUBLIC_URL must begin with https:// in production")
        return self

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if (
            self.environment is Environment.PRODUCTION
            and self.meili_url is not None
            and self.meili_key is None
        ):
            raise ValueError("MEILI_KEY must be set when MEILI_URL is, in production")
        if self.search_meaning and (trouble := meaning_trouble()) is not None:
            raise ValueError(f"SEARCH_MEANING is true, but {trouble}")
        if self.database_url is not None and self.database_reader_url is None:
            raise ValueError("DATABASE_READER_URL must be set when DATABASE_URL is")
        if self.database_url is not None and self.keys_database_url is None:
            raise ValueError("KEYS_DATABASE_URL must be set when DATABASE_URL is")
        if self.environment is Environment.PRODUCTION:
            if self.database_url is None:
                raise ValueError(
                    "DATABASE_URL must be set in production: the embedded PostgreSQL is for demos and tests"
                )
            if self.master_key is None:
                raise ValueError("SPURWECHSEL_MASTER_KEY must be set in production")
        return self


class MailServer(NamedTuple):
    """Where mails are handed over; ``tls``: from the first byte on, ``starttls``: before anything is said."""

    host: str
    port: int
    tls: bool
    starttls: bool
    user: str | None
    password: str | None

    def __repr__(self) -> str:
        return f"MailServer({self.host}:{self.port})"


THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def mail_server(url: str) -> MailServer:
    """Return the mail server that an address names; raises ValueError.

    Mails go over the net encrypted only: smtp:// insists on STARTTLS unless the host is this machine.

    >>> mail_server("smtps://post%40example.org:s%3Aecret@mail.example.org").port
    465
    """
    parts = urlsplit(url)
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or parts.path not in {"", "/"}:
        raise ValueError(parts.scheme)
    if parts.query or parts.fragment or (parts.username is None) != (parts.password is None):
        raise ValueError("query")
    here = parts.hostname in THIS_MACHINE
    tls = parts.scheme == "smtps"
    return MailServer(
        host=parts.hostname,
        port=parts.port or (465 if tls else 25 if here else 587),
        tls=tls,
        starttls=not tls and not here,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


KEY_BYTES: Final = 32
"""Size of the master key (AES-256)."""


def read_settings(**given: object) -> Settings:
    """Read the settings; ``given`` values win over the environment.

    Raises SettingsRefused with one line that names each wrong variable; never shows a refused value.
    """
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        said = []
        for problem in error.errors(include_input=False, include_url=False):
            place = ".".join(str(part) for part in problem["loc"])
            message = problem["msg"].removeprefix("Value error, ")
            said.append(f"{place}: {message}" if place else message)
        raise SettingsRefused("; ".join(said)) from None
