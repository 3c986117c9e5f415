"""Taking in a person: the notice about § 87 AufenthG was shown before, and what was shown is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from directory.actors import Actor
from directory.database import Database
from directory.problems import InvalidInput
from referrals.clients import view_client
from referrals.consent.consents import section_87_notice
from referrals.models import Client
from referrals.personal_data.erasing import erase_client
from referrals.personal_data.keystore import KeyStore
from referrals.taking_in import take_in_client
from referrals.values import NoticeShown, Section87Shown
from tests.referrals.town import Town, draft


async def shown(database: Database, actor: Actor, language: str = "ti", **to: Any) -> Section87Shown:
    """Show the notice that is due, just now."""
    async with database.view(actor) as session:
        notice = await section_87_notice(session, actor, language=language, **to)
    assert notice is not None
    return Section87Shown(
        notice=NoticeShown(
            text_id=notice.text_id, version=notice.version, sha256=notice.sha256, language=notice.language
        ),
        shown_at=database.clock(),
        **to,
    )


async def refused(
    database: Database, keys: KeyStore, actor: Actor, told: Section87Shown | None
) -> tuple[str, str]:
    with pytest.raises(InvalidInput) as caught:
        async with database.work(actor) as work:
            await take_in_client(work, keys, draft(), told)
    return caught.value.field, caught.value.reason


async def test_a_public_body_takes_nobody_in_without_it(
    database: Database, keys: KeyStore, town: Town
) -> None:
    for actor in (town.coordinator, town.lead, town.jobcenter.member):
        assert await refused(database, keys, actor, None) == ("section87Notice", "show-before-entry")


async def test_it_is_kept_and_goes_with_the_person(database: Database, keys: KeyStore, town: Town) -> None:
    told = await shown(database, town.lead)
    async with database.work(town.lead) as work:
        client_id = await take_in_client(work, keys, draft(), told)
    async with database.view(town.lead) as session:
        file = await view_client(session, town.lead, keys, client_id)
        assert file.section_87_notice == told
    async with database.work(town.lead) as work:
        await erase_client(work, client_id, file.version)
    async with database.view(town.lead) as session:
        assert (await session.get_one(Client, client_id)).section_87_notice is None


async def test_a_school_and_who_is_no_public_body_need_none(
    database: Database, keys: KeyStore, town: Town
) -> None:
    for actor in (town.school.member, town.provider.member):
        async with database.work(actor) as work:
            assert await take_in_client(work, keys, draft())


async def test_who_sends_to_a_public_body_can_show_it_before(
    database: Database, keys: KeyStore, town: Town
) -> None:
    told = await shown(database, town.provider.member, recipient_id=town.jobcenter.id)
    async with database.work(town.provider.member) as work:
        assert await take_in_client(work, keys, draft(), told)
    # the text names who it is about: for another it is another
    elsewhere = msgspec.structs.replace(told, recipient_id=town.coordination.id)
    found = await refused(database, keys, town.provider.member, elsewhere)
    assert found == ("section87Notice.notice.sha256", "notice-changed")


async def test_of_a_partner_that_is_not_published_it_says_nothing(
    database: Database, keys: KeyStore, town: Town
) -> None:
    told = msgspec.structs.replace(await shown(database, town.coordinator), recipient_id=uuid4())
    found = await refused(database, keys, town.coordinator, told)
    assert found == ("section87Notice.recipientId", "unknown-value")


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"sha256": "0" * 64}, "notice.sha256", "notice-changed"),
        ({"version": "1999-01"}, "notice.version", "notice-unknown"),
        ({"text_id": "another"}, "notice.version", "notice-unknown"),
        ({"language": "xx"}, "notice.language", "no-notice-text"),
        # its hash is that of the Tigrinya text
        ({"language": "de"}, "notice.sha256", "notice-changed"),
    ],
)
async def test_another_text_is_refused(
    database: Database, keys: KeyStore, town: Town, change: dict[str, str], field: str, reason: str
) -> None:
    told = await shown(database, town.coordinator)
    other = msgspec.structs.replace(told, notice=msgspec.structs.replace(told.notice, **change))
    found = await refused(database, keys, town.coordinator, other)
    assert found == (f"section87Notice.{field}", reason)


async def test_it_was_shown_before_and_not_after(database: Database, keys: KeyStore, town: Town) -> None:
    told = await shown(database, town.coordinator)
    later = msgspec.structs.replace(told, shown_at=told.shown_at + timedelta(minutes=6))
    found = await refused(database, keys, town.coordinator, later)
    assert found == ("section87Notice.shownAt", "in-the-future")
