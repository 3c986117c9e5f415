"""Wrong settings are refused at the start, by the variable's name, without showing their value."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from graphapi.settings import Environment, Settings, SettingsRefused, read_settings

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
