"""Backup, erasure and restore with the real programs; rotation of the master key, killed and resumed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from directory.actors import ANONYMOUS, SYSTEM
from directory.database import Database, utc_now
from directory.models import Service
from directory.values import InterpretedLanguage, InterpretingFacts
from directory.vocabulary import InterpretingMode, ServiceKind
from graphapi.__main__ import main
from graphapi.backing_up import BackupFailed, back_up, check_apart, delete_old, restore, restore_keys, tool
from graphapi.embedded import APP, KEYS, OWNER, READER, SUPERUSER, Access
from referrals import answering, bookings, exchange, inbox
from referrals.clients import create_client, exclude, exclusion_of, find_clients, view_client
from referrals.consent import consents
from referrals.person import feedback
from referrals.personal_data import rotation
from referrals.personal_data.erasing import agree, erase_client
from referrals.personal_data.keystore import KeyStore, MasterKeyWrong
from referrals.personal_data.sealing import DataKey, MasterKey, Place, SealBroken, generate_master_key
from referrals.problems import Erased, PackageClosed
from referrals.values import Contact, Identity, Profile
from referrals.vocabulary import FeedbackAnswer, Reason, ReferralState
from tests.conftest import FOLDER
from tests.referrals.desk import Desk
from tests.referrals.town import draft, make_town

ROOT = Path(__file__).parents[2]

NAME, GIVEN, OTHER, PHONE, ADDRESS, HEALTH, CARE, QUESTION, ANSWER, WORDS, EVIDENCE = CANARIES = (
    "Kanarienvogelsang",
    "Zwitschera",
    "Kanarjenvogl",
    "+493559988776",
    "Vogelweg 17",
    "Ruecken-Kanarie-Diagnose",
    "Kanariengrossmutter pflegt",
    "Frage-Kanarie nach dem Zeugnis",
    "Antwort-Kanarie zum Zeugnis",
    "Kanarie sagt: es war gut",
    "Ordner 7",  # where give_consent says that the paper is
)


@dataclass
class Sides:
    """A main database and a key store of this test's own, by name."""

    cluster: Access
    main: str
    keys: str
    master: MasterKey

    def store(self, master: MasterKey | None = None) -> KeyStore:
        return KeyStore(master or self.master, self.cluster.dsn(KEYS, self.keys))

    def opened(self, name: str | None = None) -> Database:
        name = name or self.main
        return Database(self.cluster.dsn(APP, name), self.cluster.dsn(READER, name), pool_size=4)


@pytest.fixture
def sides(cluster: Access, empty_database_name: str, empty_keys_database: str) -> Sides:
    return Sides(cluster, empty_database_name, empty_keys_database, MasterKey.parse(generate_master_key()))


@pytest.fixture
def new_name(cluster: Access) -> Iterator[str]:
    """Name of a database that is made, and empty."""
    name = f"test_{uuid4().hex}"
    cluster.create_database(name)
    yield name
    cluster.drop_database(name)


@pytest.fixture
def backup_url(cluster: Access, empty_database_name: str) -> str:
    """The database as a role that only reads, but every row: as the README makes it."""
    cluster.run_sql(
        "SELECT 'CREATE ROLE spurwechsel_backup LOGIN BYPASSRLS;"
        " GRANT pg_read_all_data TO spurwechsel_backup'"
        " WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'spurwechsel_backup') \\gexec"
    )
    return cluster.dsn("spurwechsel_backup", empty_database_name)


@dataclass
class Entered:
    """A person about whom there is something in every sealed field, with two open referrals and a booking."""

    client: UUID
    asked: UUID
    running: UUID
    booking: UUID


async def enter(desk: Desk) -> Entered:
    town = desk.town
    person = draft(
        identity=Identity(family_name=NAME, given_names=GIVEN, other_names=(OTHER,)),
        contact=Contact(phone=PHONE, address=ADDRESS),
        profile=Profile(health=HEALTH, family_care=CARE),
    )
    async with desk.database.work(town.coordinator) as work:
        client_id = await create_client(work, desk.keys, person)
    async with desk.database.work(town.lead) as work:
        await exclude(work, desk.keys, client_id, work.now.date())
    sent = await desk.sent(client_id, town.provider)
    asked = await desk.as_(
        town.provider.member, lambda w: answering.ask(w, desk.keys, sent.id, sent.version, QUESTION)
    )
    told = await desk.as_(
        town.coordinator, lambda w: exchange.reply(w, desk.keys, asked.id, asked.version, ANSWER)
    )
    running = await desk.running(client_id, town.business)
    async with desk.database.work(town.coordinator) as work:
        code = (await feedback.issue_code(work, running.id)).code
    async with desk.database.work(ANONYMOUS) as work:
        await feedback.give_feedback(work, desk.keys, code, FeedbackAnswer.HELPED_PARTLY, text_given=WORDS)
    async with desk.database.work(SYSTEM) as work:
        service = await work.session.get_one(Service, town.counselling.service)
        service.kind = ServiceKind.LANGUAGE_MEDIATION
        service.interpreting = InterpretingFacts(
            languages=(InterpretedLanguage(language="ti"),), modes=(InterpretingMode.PHONE,)
        )
    wanted = bookings.BookingGiven(
        service_id=town.counselling.service,
        language="ti",
        mode=InterpretingMode.PHONE,
        starts_at=utc_now() + timedelta(days=1),
        minutes=60,
    )
    async with desk.database.work(town.coordinator) as work:
        booking = await bookings.request_booking(work, desk.keys, wanted)
    async with desk.database.work(town.coordinator) as work:
        await bookings.hand_over_name(work, desk.keys, booking.id, client_id, person_agreed=True)
    return Entered(client_id, told.id, running.id, booking.id)


def canaries_in(shown: object) -> set[str]:
    said = repr(shown)
    return {canary for canary in CANARIES if canary in said}


async def everything(url: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Return all rows of all tables as one text, and every sealed value with its place's name."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "SELECT format('%I.%I', n.nspname, c.relname) AS name, c.oid FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r'"
            " AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
        )
        said: list[str] = []
        sealed: list[tuple[str, bytes]] = []
        for table in tables:
            said += [
                row[0] for row in await connection.fetch(f"SELECT to_jsonb(t)::text FROM {table['name']} t")
            ]
            columns = await connection.fetch(
                "SELECT attname FROM pg_attribute WHERE attrelid = $1 AND atttypid = 'bytea'::regtype"
                " AND attnum > 0 AND NOT attisdropped",
                table["oid"],
            )
            for (column,) in columns:
                sealed += [
                    (f"{table['name']}.{column}", row[0])
                    for row in await connection.fetch(
                        f"SELECT {column} FROM {table['name']} WHERE {column} IS NOT NULL"
                    )
                ]
        return "\n".join(said), sealed
    finally:
        await connection.close()


async def opened(desk: Desk, person: Entered) -> list[object]:
    """Try every way to read about the person, as those who could; return what was shown."""
    town, keys, now, client_id = desk.town, desk.keys, utc_now(), person.client
    shown: list[object] = []

    async def tried(reading: object) -> None:
        try:
            shown.append(await reading)  # type: ignore[misc]
        except (Erased, PackageClosed):
            shown.append(None)

    for actor in (town.coordinator, town.lead, town.provider.member):
        async with desk.database.view(actor) as session:
            if actor is not town.provider.member:
                await tried(view_client(session, actor, keys, client_id))
                page = await find_clients(session, actor, keys)
                shown += [(line.name, line.needs) for line in page.rows if line.id == client_id]
                found = await find_clients(session, actor, keys, name=NAME)
                shown.append(found.rows)
                for view in await consents.list_consents(session, actor, client_id, now):
                    await tried(consents.open_evidence(session, actor, keys, view.id))
            if actor is town.lead:
                await tried(exclusion_of(session, actor, keys, client_id))
                await tried(feedback.list_feedback(session, actor, keys, person.running))
                await tried(bookings.view_booked_person(session, actor, keys, person.booking))
            await tried(inbox.view_package(session, actor, keys, person.asked, now))
            events = await inbox.list_events(session, actor, keys, person.asked, now)
            shown += [event.text for event in events]
    return shown


@pytest.mark.slow
async def test_a_restored_backup_from_before_an_erasure_cannot_read_the_person(
    request: pytest.FixtureRequest,
    sides: Sides,
    backup_url: str,
    new_name: str,
    tmp_path: Path,
) -> None:
    database, keys = sides.opened(), sides.store()
    await database.start()
    await agree(database, keys)
    town = await make_town(database)
    desk = Desk(database, keys, town)
    person = await enter(desk)
    client_id = person.client
    async with database.work(town.coordinator) as work:
        other = await create_client(work, keys, draft())
    before = await opened(desk, person)
    assert canaries_in(before) == set(CANARIES)
    made = await back_up(backup_url, tmp_path / "data", utc_now())

    # after the backup the referral ends, and the person is erased
    for referral_id in (person.asked, person.running):
        view = await desk.view(town.coordinator, referral_id)
        async with database.work(town.coordinator) as work:
            await exchange.cancel(work, referral_id, view.version, Reason.PERSON_DOES_NOT_WANT)
    async with database.work(town.lead) as work:
        await erase_client(work, client_id, 1)
    await keys.erase(client_id)
    await database.stop()

    restored = sides.opened(new_name)
    await restored.start()
    with capture_logs() as logs:
        done = await restore(
            made.file,
            sides.cluster.dsn(OWNER, new_name),
            sides.cluster.dsn(OWNER, sides.keys),
            restored,
            keys,
        )
    assert (done.agreed.cleared, done.agreed.destroyed) == (1, 0)

    back = Desk(restored, keys, town)
    assert canaries_in(await opened(back, person)) == set()
    for referral_id in (person.asked, person.running):  # they were open in the backup
        ended = await back.view(town.coordinator, referral_id)
        assert ended.state is ReferralState.CONSENT_REVOKED
    said, sealed = await everything(sides.cluster.dsn(SUPERUSER, new_name))
    assert str(client_id) in said
    log = (request.config.stash[FOLDER] / "server.log").read_text(errors="replace")
    assert canaries_in((said, log, logs)) == set()
    # whatever is still sealed opens with no key that is left in the store
    assert {"public.consent.sealed_evidence", "public.feedback.sealed_text"} <= {name for name, _ in sealed}
    with pytest.raises(Erased):
        await keys.of(client_id)
    key = await keys.of(other)
    async with restored.view(town.coordinator) as session:
        ids = (
            (await session.execute(text("SELECT id FROM consent UNION SELECT id FROM feedback")))
            .scalars()
            .all()
        )
    for name, value in sealed:
        table, column = name.removeprefix("public.").split(".")
        for id_ in (client_id, person.asked, person.running, person.booking, *ids):
            with pytest.raises(SealBroken):
                key.open(value, Place(table, column, id_))
    # everybody else is there as before
    async with restored.view(town.coordinator) as session:
        assert (
            await view_client(session, town.coordinator, keys, other)
        ).identity.family_name == "Musterfrau"
    await restored.stop()
    await keys.stop()


@pytest.mark.slow
async def test_a_restored_database_has_a_new_feed_and_the_old_ones_keys(
    sides: Sides, backup_url: str, new_name: str, tmp_path: Path
) -> None:
    """Search indexes begin anew; keys made for the former database are never taken for orphans."""
    database, keys = sides.opened(), sides.store()
    await database.start()
    await agree(database, keys)
    async with database.engine.connect() as connection:
        before = await connection.scalar(text("SELECT id FROM feed"))
    made = await back_up(backup_url, tmp_path, utc_now())
    await database.stop()
    restored = sides.opened(new_name)
    await restored.start()
    owners = (sides.cluster.dsn(OWNER, new_name), sides.cluster.dsn(OWNER, sides.keys))
    await restore(made.file, *owners, restored, keys)
    async with restored.engine.connect() as connection:
        after = await connection.scalar(text("SELECT id FROM feed"))
    assert after != before
    assert keys.made_for == after

    with pytest.raises(BackupFailed, match="not empty"):
        await restore(made.file, *owners, restored, keys)
    await restored.stop()
    await keys.stop()


async def test_a_backup_holds_no_key_and_appears_only_when_it_is_complete(
    sides: Sides, backup_url: str, tmp_path: Path
) -> None:
    now = utc_now()
    told: list[int] = []
    made = await back_up(backup_url, tmp_path, now, progress=lambda _, tables: told.append(tables))
    listed = await asyncio.to_thread(
        lambda: subprocess.run(
            [tool("pg_restore"), "--list", str(made.file)], capture_output=True, text=True, check=True
        )
    )
    assert " TABLE DATA public client " in listed.stdout
    assert "client_key" not in listed.stdout
    assert made.file.stat().st_mode & 0o077 == 0
    assert told == list(range(1, len(told) + 1))
    assert len(told) > 20

    with pytest.raises(BackupFailed, match="pg_dump"):
        await back_up(backup_url.replace("spurwechsel_backup", "nobody"), tmp_path, now + timedelta(hours=1))
    with pytest.raises(BackupFailed, match="row-level security"):  # never a backup that lacks rows
        await back_up(sides.cluster.dsn(OWNER, sides.main), tmp_path, now + timedelta(hours=1))
    cancelled = asyncio.create_task(back_up(backup_url, tmp_path, now + timedelta(hours=2)))
    await asyncio.sleep(0.02)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert os.listdir(tmp_path) == [made.file.name]  # noqa: PTH208


async def test_the_key_store_has_backups_of_its_own_for_some_days(sides: Sides, tmp_path: Path) -> None:
    keys = sides.store()
    await keys.check()
    person = uuid4()
    sealed = (await keys.make([person], utc_now()))[person].seal(b"x", Place("t", "c", person))
    await keys.stop()
    owner = sides.cluster.dsn(OWNER, sides.keys)
    now = utc_now()
    made = await back_up(owner, tmp_path, now, keys=True)
    old = tmp_path / f"spurwechsel-keys-{now - timedelta(days=8):%Y%m%dT%H%M%SZ}.dump"
    young = tmp_path / f"spurwechsel-keys-{now - timedelta(days=6):%Y%m%dT%H%M%SZ}.dump"
    others = [
        tmp_path / "notes.txt",
        tmp_path / f"spurwechsel-{now - timedelta(days=99):%Y%m%dT%H%M%SZ}.dump",
    ]
    for file in (old, young, *others):
        file.touch()
    assert delete_old(tmp_path, now, 7) == (old,)
    assert young.exists()
    assert all(file.exists() for file in others)

    with pytest.raises(BackupFailed, match="in use already"):
        await restore_keys(made.file, owner)
    connection = await asyncpg.connect(owner)
    await connection.execute("DELETE FROM client_key; DELETE FROM organisation_key; DELETE FROM master_key")
    await connection.close()
    await restore_keys(made.file, owner)
    assert (await keys.of(person)).open(sealed, Place("t", "c", person)) == b"x"
    await keys.stop()


def test_both_backups_never_lie_in_one_folder(tmp_path: Path) -> None:
    for one, other in (("a", "a"), ("a", "a/keys"), ("a/data", "a"), ("a/../b", "b")):
        with pytest.raises(BackupFailed, match="apart"):
            check_apart(tmp_path / one, tmp_path / other)
    check_apart(tmp_path / "data", tmp_path / "keys")


# --- Rotation -------------------------------------------------------------------------------------------


async def sealed_by_all(keys: KeyStore, persons: list[UUID]) -> dict[UUID, bytes]:
    made = await keys.of_many(persons)
    return {person: made[person].seal(b"about", Place("t", "c", person)) for person in persons}


async def all_open(keys: KeyStore, sealed: dict[UUID, bytes]) -> bool:
    found = await keys.of_many(list(sealed))
    return len(found) == len(sealed) and all(
        found[person].open(value, Place("t", "c", person)) == b"about" for person, value in sealed.items()
    )


@pytest.mark.slow
async def test_a_rotation_killed_in_the_middle_is_run_again(sides: Sides, tmp_path: Path) -> None:
    """While it runs, and after it was killed, either master key opens everything; new keys get the new."""
    old_text, new_text = generate_master_key(), generate_master_key()
    old, new = MasterKey.parse(old_text), MasterKey.parse(new_text)
    running = sides.store(old)  # a server that knows nothing of the rotation
    await running.check()
    persons = sorted(uuid4() for _ in range(2 * rotation.BATCH + 10))
    await running.make(persons, utc_now())
    await running.index_key(partner := uuid4(), utc_now())
    sealed = await sealed_by_all(running, persons)
    digest = (await running.index_key(partner, utc_now())).digest("name")

    owner_url = sides.cluster.dsn(OWNER, sides.keys)
    blocker = await asyncpg.connect(owner_url)
    held = blocker.transaction()
    await held.start()
    await blocker.execute("SELECT FROM client_key WHERE client_id = $1 FOR UPDATE", persons[-1])
    rotating = (
        "import asyncio, os; from referrals.personal_data.rotation import rotate;"
        "from referrals.personal_data.sealing import MasterKey;"
        "old, new = (MasterKey.parse(os.environ[name]) for name in ('OLD', 'NEW'));"
        "asyncio.run(rotate(os.environ['OWNER'], old, new))"
    )
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", rotating),
        env={**os.environ, "PYTHONPATH": str(ROOT), "OWNER": owner_url, "OLD": old_text, "NEW": new_text},
        cwd=tmp_path,
    )
    count = "SELECT count(*) FROM client_key WHERE master_key = $1"
    async with asyncio.timeout(90):
        while await blocker.fetchval(count, new.id) < 2 * rotation.BATCH:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.02)
    command.send_signal(signal.SIGKILL)
    await command.wait()
    await held.rollback()
    assert await blocker.fetchval(count, old.id) == 10

    knows_the_new = sides.store(new)
    late = uuid4()
    await running.make([late], utc_now())
    assert await blocker.fetchval("SELECT master_key FROM client_key WHERE client_id = $1", late) == new.id
    for store in (running, knows_the_new, sides.store(old)):
        assert await all_open(store, sealed)
        await store.check()
        await store.stop()

    told: list[tuple[str, int, int]] = []
    done = await rotation.rotate(owner_url, old, new, lambda *said: told.append(said))
    assert (done.former, done.new, done.wrapped) == (old.id, new.id, 11)
    assert done.proven == len(persons) + 2
    assert told[-1] == ("VERIFY", done.proven, done.proven)
    assert await rotation.rotate(owner_url, new, None) == rotation.Rotated(old.id, new.id, 0, done.proven)

    with pytest.raises(MasterKeyWrong):
        await rotation.retire(owner_url, old)
    assert await rotation.retire(owner_url, new) == old.id
    with pytest.raises(MasterKeyWrong):
        await sides.store(old).check()
    assert await all_open(knows_the_new, sealed)
    index = await knows_the_new.known_index_key(partner)
    assert index is not None
    assert index.digest("name") == digest
    await blocker.close()
    await knows_the_new.stop()


async def test_a_rotation_that_cannot_be_done_says_why(sides: Sides) -> None:
    owner_url = sides.cluster.dsn(OWNER, sides.keys)
    old, new, third = (MasterKey.parse(generate_master_key()) for _ in range(3))
    with pytest.raises(rotation.RotationRefused, match="not in use yet"):
        await rotation.rotate(owner_url, old, new)
    store = sides.store(old)
    await store.make([uuid4()], utc_now())
    for without in (None, old):
        with pytest.raises(rotation.RotationRefused, match="SPURWECHSEL_NEW_MASTER_KEY"):
            await rotation.rotate(owner_url, old, without)
    with pytest.raises(MasterKeyWrong):
        await rotation.rotate(owner_url, third, new)
    with pytest.raises(rotation.RotationRefused, match="nothing is to be retired"):
        await rotation.retire(owner_url, old)
    await rotation.rotate(owner_url, old, new)
    with pytest.raises(rotation.RotationRefused, match="is another key"):
        await rotation.rotate(owner_url, old, third)
    await store.stop()


async def test_a_damaged_key_stops_a_rotation_and_nothing_is_lost(sides: Sides) -> None:
    owner_url = sides.cluster.dsn(OWNER, sides.keys)
    old, new = MasterKey.parse(generate_master_key()), MasterKey.parse(generate_master_key())
    store = sides.store(old)
    persons = [uuid4(), uuid4()]
    await store.make(persons, utc_now())
    sealed = await sealed_by_all(store, persons[:1])
    connection = await asyncpg.connect(owner_url)
    await connection.execute(
        "UPDATE client_key SET wrapped = $2 WHERE client_id = $1",
        persons[1],
        DataKey.generate().seal(b"", Place("a", "b", persons[1])),
    )
    with pytest.raises(SealBroken):
        await rotation.rotate(owner_url, old, new)
    assert await all_open(store, sealed)
    with pytest.raises(rotation.RotationRefused, match="still wrapped"):
        await rotation.retire(owner_url, new)
    await connection.close()
    await store.stop()


# --- The commands ---------------------------------------------------------------------------------------


@pytest.fixture
def spurwechsel(
    sides: Sides,
    backup_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process; return its exit code and what it said."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, main_name: str | None = None, **more: str) -> tuple[int, str, str]:
        name = main_name or sides.main
        variables = {
            "COLUMNS": "100",
            "DATABASE_URL": sides.cluster.dsn(APP, name),
            "DATABASE_READER_URL": sides.cluster.dsn(READER, name),
            "DATABASE_OWNER_URL": sides.cluster.dsn(OWNER, name),
            "DATABASE_BACKUP_URL": backup_url,
            "KEYS_DATABASE_URL": sides.cluster.dsn(KEYS, sides.keys),
            "KEYS_DATABASE_OWNER_URL": sides.cluster.dsn(OWNER, sides.keys),
            **more,
        }
        with monkeypatch.context() as environment:
            for variable, value in variables.items():
                if value:
                    environment.setenv(variable, value)
            capsys.readouterr()
            code = 0
            try:
                main(arguments)
            except SystemExit as ended:
                code = int(ended.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.mark.slow
def test_backup_and_restore_as_an_administrator_does(
    spurwechsel: Callable[..., tuple[int, str, str]], new_name: str, tmp_path: Path
) -> None:
    master = generate_master_key()
    assert spurwechsel("apply-erasures", SPURWECHSEL_MASTER_KEY=master)[0] == 0
    code, said, _ = spurwechsel("backup", "data", "--keys", "keys")
    assert code == 0
    (file,), (keys,) = tmp_path.joinpath("data").iterdir(), tmp_path.joinpath("keys").iterdir()
    assert f"data/{file.name} (" in said
    assert f"keys/{keys.name} (" in said
    code, _, complaint = spurwechsel("backup", "data", "--keys", "data/keys")
    assert (code, "apart" in complaint) == (1, True)
    code, _, complaint = spurwechsel("backup", "data", DATABASE_BACKUP_URL="")
    assert (code, "DATABASE_BACKUP_URL" in complaint) == (2, True)

    code, said, _ = spurwechsel("restore", str(file), main_name=new_name, SPURWECHSEL_MASTER_KEY=master)
    assert (code, "It may be served." in said) == (0, True)
    code, _, complaint = spurwechsel("restore", str(file), main_name=new_name, SPURWECHSEL_MASTER_KEY=master)
    assert (code, "not empty" in complaint) == (1, True)
    junk = tmp_path / "junk.dump"
    junk.write_text("no backup")
    code, _, complaint = spurwechsel("restore", str(junk), SPURWECHSEL_MASTER_KEY=master)
    assert (code, len(complaint.strip().splitlines())) == (1, 1)


def test_rotation_and_a_wrong_master_key_as_an_administrator_sees_them(
    spurwechsel: Callable[..., tuple[int, str, str]],
) -> None:
    old, new = generate_master_key(), generate_master_key()
    assert spurwechsel("apply-erasures", SPURWECHSEL_MASTER_KEY=old)[0] == 0
    code, _, complaint = spurwechsel("apply-erasures", SPURWECHSEL_MASTER_KEY=new)
    assert (code, "master-key rotate" in complaint) == (1, True)
    code, _, complaint = spurwechsel("serve", SPURWECHSEL_MASTER_KEY=new)  # before anything is served
    assert (code, MasterKey.parse(new).id in complaint) == (1, True)
    assert new not in complaint

    assert spurwechsel("master-key", "rotate", SPURWECHSEL_MASTER_KEY=old)[0] == 1
    code, said, _ = spurwechsel(
        "master-key", "rotate", SPURWECHSEL_MASTER_KEY=old, SPURWECHSEL_NEW_MASTER_KEY=new
    )
    assert (code, "master-key retire" in said) == (0, True)
    assert old not in said
    assert new not in said
    for key in (old, new):
        assert spurwechsel("apply-erasures", SPURWECHSEL_MASTER_KEY=key)[0] == 0
    assert spurwechsel("master-key", "retire", SPURWECHSEL_MASTER_KEY=new)[0] == 0
    assert spurwechsel("apply-erasures", SPURWECHSEL_MASTER_KEY=old)[0] == 1
