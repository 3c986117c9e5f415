"""The jobs process does what writers left for later, once what left it has committed."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from directory.actors import SYSTEM
from directory.building import CHUNK
from directory.database import Database
from directory.documents import licence_of, partner_decoder, service_decoder
from directory.models import Municipality, Partner
from directory.municipalities import AT_ONCE, set_licence
from directory.vocabulary import PartnerKind, PublicationState
from graphapi.embedded import APP, READER, Access
from graphapi.jobs import run_jobs
from referrals.personal_data.keystore import KeyStore
from tests.directory.towns import found_town

MANY = 2 * CHUNK + 100


async def partner_with_many_services(database: Database) -> UUID:
    async with database.work(SYSTEM) as work:
        town = Municipality(ars="120710000000", name={"de": "Stadt"}, kind_labels={})
        work.session.add(town)
        await work.session.flush()
        partner = Partner(
            id=uuid4(),
            municipality_id=town.id,
            kind=PartnerKind.FREE_PROVIDER,
            name="Träger",
            description={},
            contact_points=(),
            languages=(),
            state=PublicationState.PUBLISHED,
            updated_at=work.now,
        )
        work.session.add(partner)
        await work.session.flush()
        await work.session.execute(
            text(
                "INSERT INTO service (id, partner_id, kind, title, description, source_terms, languages,"
                " eligibility, area, responsibility, contact_points, capacity, state, version, updated_at)"
                " SELECT gen_random_uuid(), :partner, 'COUNSELLING', jsonb_build_object('de', 'A ' || n),"
                " '{}', '[]', '[]', '[]', '{}', 'FREE', '[]', '{}', 'PUBLISHED', 1, now()"
                " FROM generate_series(1, :many) AS n"
            ),
            {"partner": partner.id, "many": MANY},
        )
        work.touch_partner(partner.id)
    return partner.id


async def names_shown(database: Database, partner_id: UUID) -> dict[str, int]:
    rows = await database.reader.fetch(
        "SELECT public FROM service_document WHERE partner_id = $1", partner_id
    )
    names = [service_decoder.decode(row["public"]).partner.name for row in rows]
    return {name: names.count(name) for name in set(names)}


async def queued(database: Database) -> int:
    async with database.view(SYSTEM) as session:
        return int(await session.scalar(text("SELECT count(*) FROM pgqueuer")) or 0)


async def run_until_done(cluster: Access, name: str, database: Database, keys: KeyStore) -> None:
    stop = asyncio.Event()
    own = KeyStore(keys.master, keys._url)  # the jobs close theirs when they end
    running = asyncio.create_task(run_jobs(cluster.dsn(APP, name), cluster.dsn(READER, name), stop, keys=own))
    async with asyncio.timeout(90):
        while await queued(database):  # noqa: ASYNC110 - the queue lives in another connection
            await asyncio.sleep(0.05)
    stop.set()
    await asyncio.wait_for(running, 60)


@pytest.mark.slow
async def test_what_thousands_of_documents_show_is_rewritten_in_chunks_by_a_job(
    cluster: Access, empty_database: Database, empty_database_name: str, keys: KeyStore
) -> None:
    partner_id = await partner_with_many_services(empty_database)
    assert sum((await names_shown(empty_database, partner_id)).values()) == CHUNK
    await run_until_done(cluster, empty_database_name, empty_database, keys)
    assert await names_shown(empty_database, partner_id) == {"Träger": MANY}

    async with empty_database.work(SYSTEM) as work:
        partner = await work.session.get_one(Partner, partner_id)
        partner.name, partner.version = "Neuer Träger", partner.version + 1
        work.touch_partner(partner_id)
    await run_until_done(cluster, empty_database_name, empty_database, keys)

    assert await names_shown(empty_database, partner_id) == {"Neuer Träger": MANY}


async def test_a_licence_comes_to_every_entry_of_the_municipality(
    cluster: Access, empty_database: Database, empty_database_name: str, keys: KeyStore
) -> None:
    """However many partners there are: the job takes them in turns, and other municipalities stay."""
    town, other = await found_town(empty_database), await found_town(empty_database)
    async with empty_database.work(SYSTEM) as work:
        made = await work.session.scalars(
            text(
                "INSERT INTO partner (id, municipality_id, kind, name, description, contact_points,"
                " languages, state, active, coordinates, data_protection_law, professional_secrecy,"
                " public_body, school, version, updated_at)"
                " SELECT gen_random_uuid(), :town, 'CHAMBER', 'P ' || n, '{}', '[]',"
                " '[]', 'PUBLISHED', true, false, 'GDPR', false, false, false, 1, now()"
                " FROM generate_series(1, :many) AS n RETURNING id"
            ),
            {"town": town.id, "many": AT_ONCE + 5},
        )
        for partner_id in made:
            work.touch_partner(partner_id)
    async with empty_database.work(town.lead) as work:
        await set_licence(work, "CC0-1.0")
    await run_until_done(cluster, empty_database_name, empty_database, keys)

    rows = await empty_database.reader.fetch("SELECT municipality_id, public FROM partner_document")
    said = {(row["municipality_id"], licence_of(partner_decoder.decode(row["public"]))) for row in rows}
    assert (len(rows), said) == (AT_ONCE + 7, {(town.id, "CC0-1.0"), (other.id, None)})


async def test_a_job_of_work_that_fails_does_not_exist(empty_database: Database) -> None:
    with pytest.raises(RuntimeError, match="changed my mind"):
        async with empty_database.work(SYSTEM) as work:
            work.later("rewrite_services", [uuid4(), None])
            await work.finish()
            raise RuntimeError("changed my mind")

    assert await queued(empty_database) == 0


async def test_a_job_left_twice_under_one_name_is_done_once(empty_database: Database) -> None:
    for _ in range(2):
        async with empty_database.work(SYSTEM) as work:
            work.later("rewrite_services", [uuid4(), None], only_once="the same")

    assert await queued(empty_database) == 1
