"""The command line as an administrator uses it: what it prints, exit codes, one clear line per failure."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest

from directory.actors import Actor, Role
from directory.database import Database
from directory.membership import authenticate
from graphapi.__main__ import main
from graphapi.embedded import APP, KEYS, OWNER, READER, Access
from graphapi.searching import advice

ROOT = Path(__file__).parents[2]

NETWORK = {
    "format": "spurwechsel-network/1",
    "source": "small-town",
    "municipality": {
        "key": "town",
        "name": {"de": "Kleinstadt"},
        "ars": "120730000000",
        "coordination": "office",
    },
    "topics": [{"code": "clearing", "labels": {"de": "Clearing"}}],
    "partners": [
        {
            "key": "office",
            "kind": "MUNICIPAL_PROJECT",
            "name": "Koordination",
            "services": [
                {
                    "key": "clearing",
                    "kind": "COUNSELLING",
                    "title": {"de": "Clearing"},
                    "topics": ["clearing"],
                }
            ],
        }
    ],
    "clients": [{"key": "p1", "name": "Person 1", "phase": "CLEARING", "languages": ["ti"], "needs": []}],
}


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def variables(
    cluster: Access, empty_database_name: str, empty_keys_database: str, tmp_path: Path
) -> dict[str, str]:
    """A fresh database of this test, as an administrator would name it."""
    return {
        "COLUMNS": "100",
        "DATABASE_URL": cluster.dsn(APP, empty_database_name),
        "DATABASE_READER_URL": cluster.dsn(READER, empty_database_name),
        "DATABASE_OWNER_URL": cluster.dsn(OWNER, empty_database_name),
        "KEYS_DATABASE_URL": cluster.dsn(KEYS, empty_keys_database),
        "KEYS_DATABASE_OWNER_URL": cluster.dsn(OWNER, empty_keys_database),
        "SPURWECHSEL_DATA": str(tmp_path / "data"),
    }


@pytest.fixture
def spurwechsel(
    variables: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run the command line in this process: a process of its own takes a second to import everything."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **more: str) -> Done:
        with monkeypatch.context() as environment:
            for name, value in (variables | more).items():
                if value:
                    environment.setenv(name, value)
            capsys.readouterr()
            try:
                main(arguments)
                code = 0
            except SystemExit as ended:
                code = int(ended.code or 0)
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run


@pytest.mark.slow
def test_the_command_is_installed_and_speaks_for_itself(variables: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "graphapi", "token", "revoke", "not-an-id"],
        env=os.environ | variables | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'graphql'}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 2
    assert "TOKEN must be an id" in done.stderr
    assert "Traceback" not in done.stderr


def one_line(done: Done) -> str:
    """Return what the command said of its failure; it must be one line without a traceback."""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_help_lists_every_command(spurwechsel: Run) -> None:
    shown = spurwechsel("--help")

    assert shown.returncode == 0
    for command in ("serve", "jobs", "demo", "migrate", "token", "import", "schema"):
        assert command in shown.stdout


@pytest.mark.parametrize("command", ["serve", "jobs", "demo", "migrate", "import", "schema"])
def test_help_of_a_command_gives_an_example(spurwechsel: Run, command: str) -> None:
    assert "Example" in spurwechsel(command, "--help").stdout


@pytest.mark.slow
def test_import_twice_changes_nothing_and_a_token_acts_for_the_coordination(
    spurwechsel: Run, tmp_path: Path
) -> None:
    source = tmp_path / "network.json"
    source.write_text(json.dumps(NETWORK))

    first = spurwechsel("import", str(source), "--json")
    second = spurwechsel("import", str(source), "--json")
    exported = spurwechsel("export", str(tmp_path / "out.csv"), "--format", "csv", "--json")
    refused = spurwechsel("export", str(tmp_path / "nowhere" / "out.csv"), "--format", "csv")
    token = spurwechsel("token", "create", "--coordination", "120730000000", "--role", "LEAD")
    listed = spurwechsel("token", "list", "--coordination", "120730000000")

    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["services"]["new"] == 1
    assert json.loads(second.stdout)["services"] == {
        "new": 0,
        "changed": 0,
        "unchanged": 1,
        "skipped": 0,
        "ended": 0,
        "dependent": 0,
        "here": 0,
    }
    assert json.loads(exported.stdout)["format"] == "csv", exported.stderr
    assert (tmp_path / "out.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert refused.returncode == 1
    assert "There is no such folder" in refused.stderr
    assert token.stdout.startswith("spw_")
    assert token.stdout.strip() not in listed.stdout
    assert "command line" in listed.stdout


def test_where_there_are_several_municipalities_the_refusal_is_a_line_to_type(
    spurwechsel: Run, tmp_path: Path
) -> None:
    for ars in ("120730000000", "120640000000"):
        town = {"key": "town", "name": {"de": f"Kreis {ars}"}, "ars": ars}
        path = tmp_path / f"{ars}.json"
        path.write_text(json.dumps({"format": "spurwechsel-network/1", "source": ars, "municipality": town}))
        assert spurwechsel("import", str(path)).returncode == 0
    (tmp_path / "new list.csv").write_text("Partner;Angebot (de);Farbe\nVerein;Rat und Tat;rot\n")
    refused = spurwechsel("import", "new list.csv")
    assert refused.returncode == 1
    said, example = refused.stderr.strip().splitlines()[-2:]
    assert "120640000000 (Kreis 120640000000), 120730000000 (" in said
    command, *arguments = shlex.split(example.removeprefix("For example: "))
    assert command == "spurwechsel"
    done = spurwechsel(*arguments)
    assert done.returncode == 0, done.stderr
    assert "stand under: Kreis 120640000000 (120640000000)" in done.stdout
    assert "import the same again with --publish" in done.stdout
    assert "Not read, because nothing is known of them: new list.csv: Farbe." in done.stdout


def test_a_revoked_token_is_nobodys(spurwechsel: Run, tmp_path: Path, variables: dict[str, str]) -> None:
    async def actor() -> Actor | None:
        database = Database(variables["DATABASE_URL"], variables["DATABASE_READER_URL"])
        await database.start()
        try:
            return await authenticate(database, secret)
        finally:
            await database.stop()

    source = tmp_path / "network.json"
    source.write_text(json.dumps(NETWORK))
    spurwechsel("import", str(source))
    secret = spurwechsel("token", "create", "--coordination", "120730000000", "--role", "LEAD").stdout.strip()
    before = asyncio.run(actor())
    listed = spurwechsel("token", "list", "--coordination", "120730000000").stdout
    token_id = next(word for word in listed.replace("│", " ").split() if word.count("-") == 4)

    revoked = spurwechsel("token", "revoke", token_id)

    assert before is not None
    assert before.role is Role.LEAD
    assert revoked.returncode == 0
    assert asyncio.run(actor()) is None


@pytest.mark.slow
def test_the_search_index_is_built_compared_and_repaired(
    spurwechsel: Run, tmp_path: Path, variables: dict[str, str]
) -> None:
    (tmp_path / "network.json").write_text(json.dumps(NETWORK))
    spurwechsel("import", str(tmp_path / "network.json"), "--publish")

    without = spurwechsel("search", "verify", "--dry-run")
    built = spurwechsel("search", "rebuild")
    same = spurwechsel("search", "verify", "--dry-run")
    shutil.rmtree(Path(variables["SPURWECHSEL_DATA"]) / "search")
    again = spurwechsel("search", "verify", "--engine", "local")
    nowhere = spurwechsel("search", "rebuild", "--engine", "meilisearch")

    assert without.returncode == 1  # nothing is indexed yet, and nothing was repaired
    assert (built.returncode, "0 set aside" in built.stdout) == (0, True), built.stderr
    assert "Building the index of local" in built.stderr
    assert (same.returncode, again.returncode) == (0, 0), again.stderr
    assert nowhere.returncode == 2
    assert "meaning" in same.stdout
    assert "…" not in same.stdout  # nothing is cut on a terminal of 80 columns


def test_verify_names_what_cannot_be_indexed(
    spurwechsel: Run, tmp_path: Path, variables: dict[str, str]
) -> None:
    """By id and kind of error only; there is nothing that a repair could mend, so the command ends well."""

    async def spoil() -> None:
        connection = await asyncpg.connect(variables["DATABASE_URL"].replace("+asyncpg", ""))
        await connection.execute("UPDATE service_document SET public = '{}'")
        await connection.close()

    (tmp_path / "network.json").write_text(json.dumps(NETWORK))
    spurwechsel("import", str(tmp_path / "network.json"), "--publish")
    asyncio.run(spoil())
    assert "1 set aside" in spurwechsel("search", "rebuild").stdout

    for more in ([], ["--dry-run"]):
        found = spurwechsel("search", "verify", *more)
        assert found.returncode == 0, found.stderr
        assert found.stderr.count("local cannot index service") == 1
        counts = [line.replace("│", " ").split() for line in found.stdout.splitlines()]
        assert ["missing", "0"] in counts
        assert ["set", "aside", "1"] in counts


@pytest.mark.parametrize("command", ["verify", "rebuild"])
def test_an_engine_that_is_away_keeps_no_other_from_its_turn(
    spurwechsel: Run, variables: dict[str, str], command: str
) -> None:
    both = spurwechsel("search", command, MEILI_URL="http://127.0.0.1:1")
    index = Path(variables["SPURWECHSEL_DATA"]) / "search" / "current"
    alone = spurwechsel("search", command, "--engine", "meilisearch", MEILI_URL="http://127.0.0.1:1")

    assert both.returncode == alone.returncode == 1
    assert "local" in both.stdout
    assert "meilisearch was not" in both.stderr
    assert index.exists()
    assert "meilisearch was not" in alone.stderr
    assert "Does the server at MEILI_URL run" in alone.stderr
    assert "Traceback" not in alone.stderr


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("another process writes", "try again when it is done"),
        ("invalid_api_key", "MEILI_KEY"),
        ("missing_authorization_header", "MEILI_KEY"),
        ("no_space_left_on_device", "room on the disk"),
        ("bad_request", "older release"),
        ("invalid_settings_filterable_attributes", "older release"),
        ("404", "older release"),
        ("JSONDecodeError", "no Meilisearch"),
        ("MeilisearchCommunicationError", "MEILI_URL"),
        ("MeilisearchTimeoutError", "MEILI_URL"),
        ("503", "MEILI_URL"),
        ("there is no index", "Does it run"),
    ],
)
def test_an_engine_that_is_away_says_what_to_do(trouble: str, said: str) -> None:
    assert said in advice(trouble)


def test_migrating_a_migrated_database_changes_nothing(spurwechsel: Run) -> None:
    assert spurwechsel("migrate").returncode == 0


def test_what_is_due_is_counted_deleted_and_proved(spurwechsel: Run) -> None:
    planned, done = spurwechsel("delete-due", "--dry-run"), spurwechsel("delete-due")

    assert (planned.returncode, done.returncode) == (0, 0), planned.stderr + done.stderr
    assert "Run not made" in planned.stdout
    assert "Run not made" not in done.stdout
    assert "rules" in done.stdout


def test_the_register_is_printed_in_both_languages(spurwechsel: Run) -> None:
    for language, title in (("de", "Verzeichnis von"), ("en", "Register of")):
        assert spurwechsel("register", "--language", language).stdout.startswith(f"# {title}")
    assert json.loads(spurwechsel("register", "--format", "json").stdout)["language"] == "de"
    assert spurwechsel("register", "--format", "odt").returncode == 2


def test_the_master_key_is_a_valid_setting(spurwechsel: Run) -> None:
    key = spurwechsel("master-key").stdout.strip()

    assert spurwechsel("migrate", SPURWECHSEL_MASTER_KEY=key).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "more", "code", "said"),
    [
        (("migrate",), {"SPURWECHSEL_PORT": "0"}, 2, "SPURWECHSEL_PORT"),
        (("migrate",), {"DATABASE_OWNER_URL": ""}, 2, "DATABASE_OWNER_URL"),
        (("migrate",), {"KEYS_DATABASE_OWNER_URL": ""}, 2, "KEYS_DATABASE_OWNER_URL"),
        (("migrate",), {"DATABASE_OWNER_URL": "postgresql://o@127.0.0.1:9/d"}, 3, "cannot be reached"),
        (
            ("token", "list", "--coordination", "1207"),
            {
                "DATABASE_URL": "postgresql://a@127.0.0.1:9/d",
                "DATABASE_READER_URL": "postgresql://a@127.0.0.1:9/d",
            },
            3,
            "cannot be reached",
        ),
        (("demo",), {}, 2, "DATABASE_URL"),
        (("import", "/dev/null"), {}, 1, "Nothing that is known here"),
    ],
)
def test_a_failure_is_one_clear_line_with_its_exit_code(
    spurwechsel: Run, arguments: tuple[str, ...], more: dict[str, str], code: int, said: str
) -> None:
    done = spurwechsel(*arguments, **more)

    assert done.returncode == code, done.stderr
    assert said in one_line(done)


def test_wrong_usage_ends_with_2(spurwechsel: Run) -> None:
    assert spurwechsel("token", "create").returncode == 2
    assert spurwechsel("token", "revoke", "not-an-id").returncode == 2
    assert spurwechsel("import", "/no/such/file").returncode == 2


def test_a_production_configuration_is_never_served_by_the_embedded_postgresql(spurwechsel: Run) -> None:
    done = spurwechsel("serve", SPURWECHSEL_ENVIRONMENT="production", DATABASE_URL="", DATABASE_READER_URL="")

    assert done.returncode == 2
    assert "DATABASE_URL" in one_line(done)
