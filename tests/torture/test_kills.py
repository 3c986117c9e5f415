"""Everything is killed while people work: nothing is lost, nothing doubled, nothing sent that did not commit.

A real PostgreSQL, a real server with two workers, a real jobs process, a real mail server, and clients that
repeat what was not answered. The long form (``make torture``) kills a hundred times and prints its figures;
the short form is among the slow tests.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from statistics import median
from typing import Any, Final
from uuid import UUID

import asyncpg
import httpx
import pytest
from aiosmtpd.smtp import Envelope, Session

from directory import feed
from directory.database import OUT_OF_REACH, Database, utc_now
from graphapi.mailing import Mailer
from referrals.personal_data.keystore import KeyStore
from referrals.personal_data.sealing import MasterKey
from search.follower import Follower
from search.local import LocalEngine
from tests.graphapi.asking import Api
from tests.graphapi.conftest import served
from tests.graphapi.postoffice import PostOffice, free_port
from tests.torture.accounts import Accounts, read_accounts, uuid_of
from tests.torture.installation import WATCHERS, Installation, age, installation
from tests.torture.load import FAMILY_NAME, Journal, Office, StubbornApi, make_office, work

WORKER_SETTLES: Final = 5.7
"""Seconds: granian ends as a whole when a worker that it started again dies within 5.5 s."""


@dataclasses.dataclass(frozen=True)
class Size:
    """How much is killed, and how much is done meanwhile."""

    one_worker: int
    all_workers: int
    whole_server: int
    jobs: int
    database: int
    desks: int
    operations: int
    """At least so many, whatever is killed."""
    moody: float
    """Share of mails at which the mail server fails in one way or another."""


LONG: Final = Size(
    one_worker=80, all_workers=12, whole_server=8, jobs=30, database=6, desks=5, operations=1_000, moody=0.06
)
SHORT: Final = Size(
    one_worker=1, all_workers=0, whole_server=0, jobs=1, database=1, desks=2, operations=30, moody=0.06
)


# --- A mail server with moods -------------------------------------------------------------------------------


class MoodyOffice(PostOffice):
    """Counts what it took by Message-ID; now and then it refuses, hangs up, or takes and hangs up."""

    def __init__(self, port: int, moody: float, rng: random.Random) -> None:
        super().__init__(port)
        self.took: Counter[UUID] = Counter()
        self.moods: Counter[str] = Counter()
        self.before: Callable[[], None] | None = None
        """What happens (once) when a mail is about to be handed over: it is claimed, and not taken."""
        self.after: Callable[[], None] | None = None
        """What happens (once) when a mail was taken, before the sender is told so."""
        self._moody, self._rng = moody, rng

    async def handle_RCPT(  # noqa: N802 - named by aiosmtpd
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.before is not None:
            act, self.before = self.before, None
            act()
        return await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        mood = self._rng.choices(
            ["", "451", "hangs up", "takes and hangs up"],
            [1 - self._moody, self._moody / 2, self._moody / 4, self._moody / 4],
        )[0]
        if mood:
            self.moods[mood] += 1
        if mood == "451":
            return "451 come back later"
        if mood != "hangs up":
            await super().handle_DATA(server, session, envelope)
            self.took[UUID(self.mails_id(envelope))] += 1
            if self.after is not None:
                act, self.after = self.after, None
                act()
        if mood:
            server.transport.abort()
        return "250 taken"

    @staticmethod
    def mails_id(envelope: Envelope) -> str:
        """Return what stands before the @ in the Message-ID."""
        assert isinstance(envelope.content, bytes)
        (line,) = [line for line in envelope.content.splitlines() if line.lower().startswith(b"message-id:")]
        return line.partition(b"<")[2].partition(b"@")[0].decode()


# --- Killing ------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Run:
    """One run: what is killed, by what, and what was seen."""

    size: Size
    rng: random.Random
    installed: Installation
    post: MoodyOffice
    api: StubbornApi
    journal: Journal
    kills: Counter[str] = dataclasses.field(default_factory=Counter)
    in_flight: int = 0
    """Operations that were on their way at the moments of the kills, added up."""
    _first: dict[int, frozenset[int]] = dataclasses.field(default_factory=dict)
    """The workers that each server began with."""
    recovered: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    """Seconds from each kill to the next answer to a request sent after it."""

    async def answered_again(self, what: str, since: float) -> None:
        """Wait until something that was sent after a moment is answered; note how long that took."""
        until = time.monotonic() + 180
        while self.api.last_began < since:
            assert time.monotonic() < until, f"no answer since {what} was killed"
            await asyncio.sleep(0.005)
        self.recovered.setdefault(what, []).append(self.api.last_answered - since)

    async def kill_servers(self) -> None:
        """Kill workers and servers, each time while they serve."""
        kinds = (
            ["one worker"] * self.size.one_worker
            + ["all workers"] * self.size.all_workers
            + ["whole server"] * self.size.whole_server
        )
        self.rng.shuffle(kinds)
        for kind in kinds:
            victims = await self._settled(kind)
            await self._moment(kind)
            moment = time.monotonic()
            self.in_flight += self.journal.in_flight
            while not self.installed.server.kill(*victims):
                victims = await self._settled(kind)
                moment = time.monotonic()
            self.kills[kind] += 1
            await self.answered_again(kind, moment)

    async def _settled(self, kind: str) -> list[int]:
        """Return workers that are serving, and that granian will start again when they are killed."""
        until = time.monotonic() + 180
        while True:
            serving = self.installed.serving()
            workers = self.installed.server.children()
            if len(workers) == 2:
                self._first.setdefault(self.installed.server.pid, frozenset(workers))
            first = self._first.get(self.installed.server.pid, frozenset())
            safe = {pid for pid in workers if pid in first or age(pid) > WORKER_SETTLES}
            if kind == "one worker" and (ready := [pid for pid in serving if pid in safe]):
                return [self.rng.choice(ready)]
            if kind == "all workers" and serving and len(workers) == 2 and safe >= set(workers):
                return workers
            if kind == "whole server" and serving:
                return [self.installed.server.pid, *workers]
            assert time.monotonic() < until, f"no worker serves: {workers} {serving}"
            await asyncio.sleep(0.01)

    async def _moment(self, kind: str) -> None:
        """Wait for the worst moment of one kind or another."""
        commits = self.installed.commits
        match self.rng.choice(["committed", "bulk", "index", "any"]):
            case "committed":  # between the commit and the answer
                self.kills["just after a commit"] += await commits.wait(WATCHERS)
            case "bulk":  # after the second item of a bulk action
                if await waited_for(lambda: self.journal.bulk > 0, 3) and await commits.wait(
                    WATCHERS, 2, within=1
                ):
                    self.kills["within a bulk action"] += self.journal.bulk > 0
            case "index":  # while the follower applies a change of the directory
                if await commits.wait(feed.CHANNEL):
                    self.kills["just after a change of the directory"] += 1
                    await asyncio.sleep(self.rng.uniform(0.04, 0.15))
            case _:
                await asyncio.sleep(self.rng.uniform(0.0, 0.5))

    async def kill_jobs(self) -> None:
        """Kill the jobs process while it sends, claims, ticks, or does anything else."""
        process = self.installed.jobs
        for _ in range(self.size.jobs):
            runs = process.log.read_text().count("jobs run") if process.log.exists() else 0
            began = time.monotonic()
            while not runs:
                assert time.monotonic() < began + 180, "the jobs process does not run"
                await asyncio.sleep(0.05)
                runs = process.log.read_text().count("jobs run") if process.log.exists() else 0
            done = asyncio.Event()

            def kill(done: asyncio.Event = done) -> None:
                process.kill()
                done.set()

            match self.rng.choice(["taken", "taken", "claimed", "tick", "any"]):
                case "taken":
                    self.post.after = kill
                    self.kills["jobs, mail taken and not noted"] += await _within(done, 12)
                    self.post.after = None
                case "claimed":
                    self.post.before = kill
                    self.kills["jobs, notices claimed"] += await _within(done, 12)
                    self.post.before = None
                case "tick" if self.size.jobs > 1:
                    self.kills["jobs, in the middle of the clock"] += await self._in_a_tick(kill)
                case _:
                    await asyncio.sleep(self.rng.uniform(0.0, 3.0))
            if not done.is_set():
                kill()
            self.kills["jobs"] += 1
            moment = time.monotonic()
            while process.log.read_text().count("jobs run") <= runs:
                assert time.monotonic() < moment + 180, "the jobs process does not come back"
                await asyncio.sleep(0.05)
            self.recovered.setdefault("jobs", []).append(time.monotonic() - moment)

    async def _in_a_tick(self, kill: Callable[[], None]) -> bool:
        """Kill when the clock has changed its rows and stands before the events; return whether it came."""
        await asyncio.sleep(max(0.0, 59.3 - time.time() % 60))
        with suppress(*OUT_OF_REACH):
            holder = await asyncpg.connect(self.installed.superuser, timeout=5)
            try:
                async with holder.transaction():
                    # as a slow disk would: whoever wants to append events waits
                    await holder.execute("SET LOCAL lock_timeout = '5s'; LOCK referral_event IN SHARE MODE")
                    until = time.monotonic() + 8
                    while time.monotonic() < until:
                        # else a transaction sees the sessions as they were when it first looked
                        await holder.execute("SELECT pg_stat_clear_snapshot()")
                        if await holder.fetchval(
                            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                            " AND query LIKE '%INSERT INTO referral_event%jsonb_to_recordset%'"
                        ):
                            kill()
                            return True
                        await asyncio.sleep(0.02)
            finally:
                holder.terminate()
        return False

    async def kill_databases(self, ended: asyncio.Event) -> None:
        """Kill PostgreSQL in its several ways; evenly spread over what the others have left to do."""
        ways = ["postmaster", "backend", "immediate"]
        total = self.size.one_worker + self.size.all_workers + self.size.whole_server
        for number in range(self.size.database):
            share = (number + 0.5) / self.size.database
            await waited_for(lambda share=share: self._server_kills() >= total * share or ended.is_set())  # type: ignore[misc]
            await asyncio.sleep(self.rng.uniform(0.0, 0.5))
            moment, pid, starts = time.monotonic(), self.installed.cluster.pid, self.installed.database_starts
            way = ways[number % len(ways)]
            if way == "postmaster":
                os.kill(pid, signal.SIGKILL)
            elif way == "immediate":
                os.kill(pid, signal.SIGQUIT)
            else:
                os.kill(await self._a_backend(), signal.SIGKILL)
            self.kills[f"database, {way}"] += 1
            if way != "backend":  # after the death of a backend the postmaster starts all others anew itself
                await waited_for(lambda starts=starts: self.installed.database_starts > starts, 180)  # type: ignore[misc]
            await self.answered_again("database", moment)

    def _server_kills(self) -> int:
        return sum(self.kills[kind] for kind in ("one worker", "all workers", "whole server"))

    async def _a_backend(self) -> int:
        """Return a process of PostgreSQL that serves a client; when it dies hard all of them start anew."""
        while True:
            with suppress(*OUT_OF_REACH):
                connection = await asyncpg.connect(self.installed.superuser, timeout=5)
                try:
                    rows = await connection.fetch(
                        "SELECT pid FROM pg_stat_activity WHERE usename = 'spurwechsel_app'"
                        " AND pid <> pg_backend_pid()"
                    )
                finally:
                    await connection.close()
                if rows:
                    return int(self.rng.choice(rows)["pid"])
            await asyncio.sleep(0.05)

    async def let_time_pass(self) -> None:
        """Now and then, what nobody touches any more grows older by weeks, so that the clock has work."""
        while True:
            await asyncio.sleep(3)
            left = list(self.journal.left)
            with suppress(*OUT_OF_REACH):
                await grow_older(self.installed, [uuid_of(one) for one in left], self.rng.choice([6, 20, 60]))
                del self.journal.left[: len(left)]


async def grow_older(installed: Installation, referrals: list[UUID], days: int = 60) -> None:
    """Set back every moment of these referrals by so many days."""
    connection = await asyncpg.connect(installed.superuser, timeout=5)
    try:
        # no organisation may change these, and no trigger lets anybody: time does
        await connection.execute("SET session_replication_role = replica")
        columns = ("state_since", "sent_at", "answer_due_at", "question_due_at", "next_tick_at", "created_at")
        await connection.execute(
            "UPDATE referral SET "
            + ", ".join(f"{name} = {name} - make_interval(days => $2)" for name in columns)
            + ", first_contact_on = first_contact_on - $2, expected_end = expected_end - $2"
            " WHERE id = ANY($1) AND next_tick_at IS NOT NULL",
            referrals,
            days,
        )
    finally:
        await connection.close(timeout=5)


async def _within(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


async def waited_for(condition: Callable[[], bool], within: float = float("inf")) -> bool:
    """Wait until something holds, or for so many seconds; return whether it does."""
    end = time.monotonic() + within
    while not condition() and time.monotonic() < end:  # noqa: ASYNC110 - processes set no event
        await asyncio.sleep(0.005)
    return condition()


# --- The run ------------------------------------------------------------------------------------------------


@asynccontextmanager
async def background(*works: Any) -> AsyncIterator[None]:
    """Run these until the block ends; what fails in them fails the block."""
    tasks = [asyncio.create_task(one) for one in works]
    body = asyncio.current_task()
    assert body is not None
    failed: list[BaseException] = []

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            failed.append(error)
            body.cancel()

    for task in tasks:
        task.add_done_callback(ended)
    try:
        yield
    except asyncio.CancelledError:
        if failed:
            body.uncancel()
            raise failed[0] from None
        raise
    finally:
        for task in tasks:
            task.remove_done_callback(ended)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def torture(size: Size, seed: int, show: Callable[[str], None]) -> None:
    """Start an installation, kill it as often as the size says while people work, and check the accounts."""
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # aiosmtpd would log what it receives
    logging.getLogger("httpx").setLevel(logging.WARNING)
    rng = random.Random(seed)
    began = time.monotonic()
    post = MoodyOffice(free_port(), size.moody, rng)
    await post.open()
    try:
        async with installation(free_port(), post.port) as installed:
            database = Database(installed.addresses.app, installed.addresses.reader, pool_size=5)
            keys = KeyStore(MasterKey.parse(installed.master_key), installed.addresses.keys, pool_size=2)
            await database.start()
            limits = httpx.Limits(max_keepalive_connections=0)  # so that every worker gets its share
            async with httpx.AsyncClient(base_url=installed.address, timeout=40, limits=limits) as http:
                run = Run(size, rng, installed, post, StubbornApi(http), Journal())
                try:
                    transport = httpx.ASGITransport(served(database, keys))  # type: ignore[arg-type]
                    async with httpx.AsyncClient(transport=transport, base_url="http://test") as inside:
                        offices = [
                            await make_office(database, Api(inside), run.journal, run.api)
                            for _ in range(2 if size is LONG else 1)
                        ]
                    await database.engine.dispose()
                    async with background(installed.supervise(), installed.commits.run()):
                        await installed.ready()
                        set_up = time.monotonic() - began
                        await under_load(run, offices)
                        worked = time.monotonic() - began - set_up
                        accounts = await settled(run, database, keys, offices)
                    check(accounts, run)
                    show(figures(run, accounts, set_up, worked, time.monotonic() - began))
                finally:
                    await keys.stop()
                    await database.stop()
    finally:
        await post.close()


async def under_load(run: Run, offices: list[Office]) -> None:
    """People work until everything has been killed as often as it should be."""
    stop, ended = asyncio.Event(), asyncio.Event()
    desks = [
        work(office, random.Random(run.rng.random()), stop)
        for office in offices
        for _ in range(run.size.desks)
    ]
    async with background(run.let_time_pass()), asyncio.TaskGroup() as tasks:
        for desk in desks:
            tasks.create_task(desk)

        async def killing() -> None:
            await waited_for(lambda: len(run.journal.entries) >= 10)
            killed = asyncio.gather(run.kill_servers(), run.kill_jobs())
            databases = asyncio.create_task(run.kill_databases(ended))
            await killed
            ended.set()
            await databases
            await waited_for(lambda: len(run.journal.entries) >= run.size.operations)
            stop.set()

        tasks.create_task(killing())


async def settled(run: Run, database: Database, keys: KeyStore, offices: list[Office]) -> Accounts:
    """Let everything come to rest, without waiting for what is put off for hours; read the accounts."""
    installed = run.installed
    run.post._moody = 0.0
    await installed.ready()
    connection = await asyncpg.connect(installed.superuser)
    try:
        if run.size is LONG:
            await grow_older(installed, [uuid_of(one) for one in run.journal.left])
        if run.size is LONG:
            await quiet(connection)
        await no_job_failed(connection)
        await installed.jobs.end()  # else the clock may strike between two tables that are read one by one
        await deliver_everything(run, database, connection)
        await everybody_is_readable(run, offices)
        await the_index_is_right(run, database, offices)
        await nothing_is_held(connection)
        return await read_accounts(connection, run.journal, offices)
    finally:
        await connection.close()


async def quiet(connection: asyncpg.Connection) -> None:
    """Wait until no job is left, and nothing for the clock: what the dead had taken is taken again."""
    until = time.monotonic() + 300
    while True:
        left = await connection.fetch("SELECT entrypoint, status::text, attempts FROM pgqueuer")
        due = await connection.fetchval("SELECT count(*) FROM referral WHERE next_tick_at <= now()")
        if not left and not due:
            return
        assert time.monotonic() < until, (left[:5], due)
        await asyncio.sleep(0.1)


async def no_job_failed(connection: asyncpg.Connection) -> None:
    """No job was held or given up: what is still in the queue waits, or is being done."""
    held = await connection.fetch(
        "SELECT entrypoint, status::text FROM pgqueuer WHERE status::text NOT IN ('queued', 'picked')"
    )
    failed = await connection.fetch(
        "SELECT entrypoint, status::text FROM pgqueuer_log"
        " WHERE status::text NOT IN ('queued', 'picked', 'successful')"
    )
    assert (held, failed) == ([], [])


async def deliver_everything(run: Run, database: Database, connection: asyncpg.Connection) -> None:
    """Send what is claimed by the dead, or put off, as the hours go by."""
    for hours in range(1, 60):
        pending = await connection.fetchval("SELECT count(*) FROM notice WHERE state = 'PENDING'")
        if not pending:
            break
        database.clock = lambda hours=hours: utc_now() + timedelta(minutes=20 * hours)  # type: ignore[misc]
        await Mailer(database, run.post.mail).send_due()
    database.clock = utc_now


async def everybody_is_readable(run: Run, offices: list[Office]) -> None:
    """Every person that was taken in can be read again: no key was lost."""
    query = "query ($id: ID!) { client(id: $id) { identity { familyName } } }"
    owners = {entry.result["client"]["id"]: entry.who for entry in run.journal.acknowledged("createClient")}
    assert owners.keys() == run.journal.names.keys()
    seen: dict[str, str] = {}
    for office in offices:
        for id_ in run.journal.names.keys() - seen.keys():
            found = (await office.ask(query, {"id": id_}, who="coordinator")).data["client"]
            if found is not None:
                seen[id_] = found["identity"]["familyName"]
    assert seen == run.journal.names


async def the_index_is_right(run: Run, database: Database, offices: list[Office]) -> None:
    """The search answers undegraded, and its index has the versions of the database."""
    engine = LocalEngine(run.installed.data / "search")
    follower = Follower(engine, database, run.installed.addresses.reader)
    until = time.monotonic() + 30
    while not (found := await follower.verify()).same:
        assert time.monotonic() < until, found
        await asyncio.sleep(0.1)
    assert found.checked > 0
    assert not found.set_aside
    query = '{ searchServices(input: {text: "Kurs"}) { totalCount degraded } }'
    for office in offices:
        answer = (await office.ask(query, who="coordinator")).data["searchServices"]
        assert not answer["degraded"]
        assert answer["totalCount"] >= len(office.counted)


async def nothing_is_held(connection: asyncpg.Connection) -> None:
    """No transaction of a dead process is open, and nobody waits for a lock."""
    until = time.monotonic() + 30
    while True:
        held = await connection.fetch(
            "SELECT pid, state, query FROM pg_stat_activity WHERE datname IS NOT NULL"
            " AND pid <> pg_backend_pid() AND xact_start < now() - interval '2 seconds'"
        )
        waiting = await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")
        if not held and not waiting:
            break
        assert time.monotonic() < until, (held, waiting)
        await asyncio.sleep(0.2)
    assert await connection.fetchval("SELECT count(*) FROM pg_prepared_xacts") == 0


def check(accounts: Accounts, run: Run) -> None:
    """Check everything that the accounts can say."""
    accounts.check_objects()
    accounts.check_moves()
    accounts.check_keys()
    accounts.check_course()
    accounts.check_audit()
    accounts.check_places()
    accounts.check_withdrawals()
    accounts.check_clock()
    accounts.check_promises()
    accounts.check_mails(run.post.took)
    assert run.api.unexpected == [], run.installed.server.said("unexpected")
    for process in (run.installed.server, run.installed.jobs):
        assert FAMILY_NAME not in process.log.read_text()
    assert all(FAMILY_NAME.encode() not in raw for raw in run.post.raw)


def figures(run: Run, accounts: Accounts, set_up: float, worked: float, took: float) -> str:
    """Return what this run did, to print."""
    journal, post = run.journal, run.post
    acknowledged = sum(entry.acknowledged for entry in journal.entries)
    repeated = sum(len(entry.began) > 1 for entry in journal.entries)
    servers = sum(run.kills[kind] for kind in ("one worker", "all workers", "whole server"))
    lines = [
        f"took {took:.0f} s: set-up {set_up:.0f} s, under load {worked:.0f} s",
        f"server killed {servers} times with {run.in_flight} operations in flight;"
        f" jobs {run.kills['jobs']}; all kills: {dict(sorted(run.kills.items()))}",
        f"processes started: server {run.installed.server.starts}, jobs {run.installed.jobs.starts},"
        f" database {run.installed.database_starts} again",
        f"operations acknowledged {acknowledged}, refused {sum(journal.refused.values())}"
        f" {dict(journal.refused.most_common(6))}",
        f"answers lost {sum(run.api.lost.values())} {dict(run.api.lost)}; operations repeated {repeated},"
        f" of which {accounts.lost_after_commit()} had committed",
        f"referrals {len(accounts.referrals)}, events {len(accounts.rows['referral_event'])},"
        f" by the clock {accounts.check_clock()}",
        f"notices promised {len(accounts.notices)}"
        f" {dict(Counter(str(row['state']) for row in accounts.notices.values()))};"
        f" mails {sum(post.took.values())}, twice or more {sum(n > 1 for n in post.took.values())};"
        f" moods {dict(post.moods)}",
        "seconds until answered again (median, longest): "
        + "; ".join(
            f"{kind} {median(values):.1f}, {max(values):.1f}" for kind, values in run.recovered.items()
        ),
        f"jobs done: {[tuple(row) for row in accounts.rows['pgqueuer_log']]}",
    ]
    return "\n".join(f"  {line}" for line in lines)


@pytest.mark.slow
async def test_a_few_kills_lose_and_double_nothing() -> None:
    """The short form."""
    await torture(SHORT, 3, print)


@pytest.mark.torture
async def test_a_hundred_kills_lose_and_double_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """The long form, with its figures."""

    def show(figures: str) -> None:
        with capsys.disabled():
            print(f"\nKilled under load:\n{figures}", flush=True)

    await torture(LONG, int(os.environ.get("TORTURE_SEED", "3")), show)
