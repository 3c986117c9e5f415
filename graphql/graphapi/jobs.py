"""The jobs process: takes what writers left for later, and what the clock asks for (DESIGN 3.7).

Every handler is idempotent: a job may run twice (its process was killed after the work committed). A job
that keeps failing is held, visible in the table ``pgqueuer``, and never dropped in silence.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

import asyncpg
import msgspec
import structlog
from pgqueuer import PgQueuer
from pgqueuer.executors import DatabaseRetryEntrypointExecutor
from pgqueuer.models import Job, Schedule

from directory.actors import SYSTEM
from directory.building import outdated
from directory.database import OUT_OF_REACH, Database, Unavailable
from directory.dead_links import check_links
from directory.documents import DocumentKind
from directory.municipalities import REWRITE, rewrite_entries
from directory.reaching import Guard
from directory.upkeep import run_upkeep
from graphapi.mailing import Mail, Mailer, answer_code
from graphapi.opening import Opening
from graphapi.saved_searches import tell as tell_member
from graphapi.throttle import sweep
from graphapi.upkeeping import JOB as TELL_OF_PROPOSAL
from graphapi.upkeeping import tell, tell_coordination, tell_of_request
from referrals.measuring import measure
from referrals.notices import JOB as SEND_NOTICES
from referrals.personal_data import erasing
from referrals.personal_data.keystore import KeyStore
from referrals.personal_data.retention import run_deletion
from referrals.ticking import run_follow_ups, run_the_clock
from referrals.upkeep import JOB as LEARN
from referrals.upkeep import learn_from_decline
from search.saving import look_at_searches
from search.suggesting import InProcess
from search.unmet import sweep_marks

log = structlog.get_logger()

ATTEMPTS: Final = 8
"""How often a failing job is tried, with growing pauses, before it is held."""

QUIET: Final = timedelta(seconds=5)
"""How long the queue is waited on before schedules are looked at again."""


def register(
    queue: PgQueuer,
    database: Database,
    *,
    keys: KeyStore,
    mail: Mail | None = None,
    links: Guard | None = None,
    engine: InProcess | None = None,
) -> None:
    """Tell the queue which job is done by which function.

    Without ``mail`` notices are not sent, without ``links`` no websites are looked at, and without ``engine``
    (the index of this host) no saved searches.
    """
    mailer = Mailer(database, mail, partial(answer_code, master=keys.master))
    retried = partial(
        DatabaseRetryEntrypointExecutor,
        max_attempts=ATTEMPTS,
        initial_delay=timedelta(seconds=2),
        max_delay=timedelta(minutes=10),
    )

    @queue.entrypoint("rewrite_services", on_failure="hold", executor_factory=retried)
    async def _rewrite_services(job: Job) -> None:
        partner_id, done = msgspec.json.decode(job.payload or b"", type=tuple[UUID, UUID | None])
        while done is not None:
            async with database.work(SYSTEM) as work:
                done = await work.rewrite_services(partner_id, done)

    @queue.entrypoint(REWRITE, on_failure="hold", executor_factory=retried)
    async def _rewrite_municipality(job: Job) -> None:
        municipality_id, after = msgspec.json.decode(job.payload or b"", type=tuple[UUID, UUID | None])
        while True:
            async with database.work(SYSTEM) as work:
                after = await rewrite_entries(work, municipality_id, after)
            if after is None:
                return

    @queue.entrypoint(LEARN, on_failure="hold", executor_factory=retried)
    async def _learn_from_decline(job: Job) -> None:
        async with database.work(SYSTEM) as work:
            await learn_from_decline(work, msgspec.json.decode(job.payload or b"", type=UUID))

    @queue.entrypoint(SEND_NOTICES, on_failure="hold", executor_factory=retried)
    async def _send_notices(job: Job) -> None:
        await mailer.send_due()

    # What could not be sent at once is tried again; what its job did not do is not forgotten either.
    @queue.schedule("send_notices_again", "* * * * *")
    async def _send_notices_again(schedule: Schedule) -> None:
        await mailer.send_due()

    @queue.entrypoint(erasing.JOB, on_failure="hold", executor_factory=retried)
    async def _destroy_key(job: Job) -> None:
        await erasing.destroy_key(database, keys, msgspec.json.decode(job.payload or b"", type=UUID))

    @queue.schedule("sweep_orphan_keys", "17 3 * * *")
    async def _sweep_orphan_keys(schedule: Schedule) -> None:
        swept = await erasing.sweep_orphans(database, keys)
        if swept:
            log.info("keys of persons who were never taken in were deleted", keys=swept)

    @queue.schedule("delete_due", "41 2 * * *")
    async def _delete_due(schedule: Schedule) -> None:
        proof = await run_deletion(database, keys)
        log.info("what was due is deleted", rows=sum(line.deleted for line in proof.lines))

    @queue.schedule("run_the_clock", "* * * * *")
    async def _run_the_clock(schedule: Schedule) -> None:
        done = await run_the_clock(database)
        if done:
            log.info("the clock ran", **done.counted())

    @queue.schedule("ask_again", "*/10 * * * *")
    async def _ask_again(schedule: Schedule) -> None:
        done = await run_follow_ups(database)
        if done:
            log.info("follow-ups went on", **done.counted())

    @queue.schedule("keep_entries_fresh", "7 * * * *")
    async def _keep_entries_fresh(schedule: Schedule) -> None:
        kept = await run_upkeep(database, tell)
        if kept:
            log.info("entries were looked after", **msgspec.structs.asdict(kept))

    if links is not None:
        guard = links

        @queue.schedule("check_links", "23 1-5 * * *")
        async def _check_links(schedule: Schedule) -> None:
            checked = await check_links(database, guard, tell_of_request)
            if checked.looked_at:
                log.info("websites were looked at", **msgspec.structs.asdict(checked))

    @queue.entrypoint(TELL_OF_PROPOSAL, on_failure="hold", executor_factory=retried)
    async def _tell_of_proposal(job: Job) -> None:
        async with database.work(SYSTEM) as work:
            await tell_coordination(work, msgspec.json.decode(job.payload or b"", type=UUID))

    @queue.schedule("sweep_code_attempts", "*/10 * * * *")
    async def _sweep_code_attempts(schedule: Schedule) -> None:
        async with database.view(SYSTEM) as session:
            await sweep(session, database.clock())

    @queue.schedule("sweep_unmet_marks", "19 2 * * *")
    async def _sweep_unmet_marks(schedule: Schedule) -> None:
        async with database.view(SYSTEM) as session:
            await sweep_marks(session, database.clock().date())

    if engine is not None:
        index = engine

        @queue.schedule("look_at_saved_searches", "*/10 * * * *")
        async def _look_at_saved_searches(schedule: Schedule) -> None:
            looked = await look_at_searches(database, index, tell_member)
            if looked:
                log.info("saved searches were looked at", **msgspec.structs.asdict(looked))

    @queue.schedule("measure_partners", "51 3 * * *")
    async def _measure_partners(schedule: Schedule) -> None:
        published = await measure(database)
        if published is not None:
            log.info("figures of partners were published", partners=published)

    @queue.schedule("rewrite_outdated_documents", "*/5 * * * *")
    async def _rewrite_outdated(schedule: Schedule) -> None:
        while True:
            async with database.work(SYSTEM) as work:
                partners, services = await outdated(work.session)
                for partner_id in partners:
                    work.touch_document(DocumentKind.PARTNER, partner_id)
                for service_id in services:
                    work.touch_document(DocumentKind.SERVICE, service_id)
            if not partners and not services:
                return


async def run_jobs(
    app_url: str,
    reader_url: str,
    stop: asyncio.Event,
    *,
    keys: KeyStore,
    mail: Mail | None = None,
    links: Guard | None = None,
    engine: InProcess | None = None,
) -> None:
    """Run jobs until ``stop`` is set; a lost database is waited for, and nothing is lost meanwhile.

    Nothing is done before the erasures of both sides agree. Raises MasterKeyWrong and KeyStoreOutdated.
    """
    if mail is None:
        log.warning("mail is off: SPURWECHSEL_SMTP_URL is not set; notices are marked as not sent")
    database = Database(app_url, reader_url, pool_size=4)
    await database.start()
    opening = Opening(database, keys)
    pause = 1.0
    try:
        while not stop.is_set():
            try:
                await opening.ensure()
                await _run_queue(database, app_url, stop, keys, mail, links, engine)
                pause = 1.0
            except (*OUT_OF_REACH, Unavailable, asyncpg.PostgresError) as error:
                log.warning("jobs wait for the database", error=type(error).__name__, seconds=pause)
                pause = min(pause * 2, 30.0)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
    finally:
        await keys.stop()
        await database.stop()


async def _run_queue(
    database: Database,
    app_url: str,
    stop: asyncio.Event,
    keys: KeyStore,
    mail: Mail | None,
    links: Guard | None,
    engine: InProcess | None,
) -> None:
    connection = await asyncpg.connect(app_url, timeout=5)
    try:
        queue = PgQueuer.from_asyncpg_connection(connection)
        register(queue, database, keys=keys, mail=mail, links=links, engine=engine)

        async def stop_the_queue() -> None:
            await stop.wait()
            queue.shutdown.set()

        stopping = asyncio.create_task(stop_the_queue())
        try:
            log.info("jobs run")
            await queue.run(dequeue_timeout=QUIET, shutdown_on_listener_failure=True)
        finally:
            stopping.cancel()
    finally:
        await connection.close(timeout=5)
