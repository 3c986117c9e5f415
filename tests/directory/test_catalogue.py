"""Partners, places and services are created and changed by who may, and their documents follow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from uuid import uuid4

import pytest
from sqlalchemy import text

from directory import sources
from directory.actors import ANONYMOUS, SYSTEM, Actor, Role
from directory.catalogue import (
    LocationChange,
    LocationDraft,
    PartnerChange,
    PartnerDraft,
    Saved,
    ServiceChange,
    ServiceDraft,
    add_location,
    assure_partner,
    assure_service,
    change_location,
    change_partner,
    change_service,
    create_partner,
    create_service,
    hide_partner,
    hide_service,
    publish_partner,
    publish_service,
    remove_location,
    set_capacity,
)
from directory.database import Database, Work
from directory.documents import PartnerDocument, ServiceDocument
from directory.problems import InvalidInput, NotAllowed, NotFound, NotSignedIn, StaleVersion
from directory.values import (
    Capacity,
    ContactPoint,
    CourseFacts,
    EligibilityRule,
    LanguageOffered,
    RecognitionFacts,
)
from directory.vocabulary import (
    Answer,
    CapacityState,
    CefrLevel,
    ContactKind,
    PartnerKind,
    PublicationState,
    ResidenceStatus,
    ServiceKind,
)
from tests.directory.towns import Town


async def partner_document(database: Database, id_: object) -> PartnerDocument:
    found = await sources.partner(database, SYSTEM, id_)  # type: ignore[arg-type]
    assert found is not None
    return found


async def service_document(database: Database, id_: object) -> ServiceDocument:
    found = await sources.service(database, SYSTEM, id_)  # type: ignore[arg-type]
    assert found is not None
    return found


async def test_a_partner_begins_as_a_draft_of_the_coordination(database: Database, town: Town) -> None:
    """Its document is there with the first commit, in the form it was checked into."""
    async with database.work(town.coordinator) as work:
        saved = await create_partner(
            work,
            PartnerDraft(
                municipality_id=town.id,
                kind=PartnerKind.CHAMBER,
                name="  Handwerkskammer ",
                description={"DE": "Berät."},
                website="https://example.org",
                contact_points=[ContactPoint(kind=ContactKind.PHONE, value="0355 6120")],
                languages=[LanguageOffered(language="DE")],
                note="nur intern",
            ),
        )

    document = await partner_document(database, saved.id)
    assert saved.version == document.version == 1
    assert document.state is PublicationState.DRAFT
    assert document.name == "Handwerkskammer"
    assert document.description == {"de": "Berät."}
    assert document.contact_points[0].value == "+493556120"
    assert document.municipality.id == town.id
    assert await sources.partner(database, ANONYMOUS, saved.id) is None
    assert await sources.partner_notes(database, town.coordinator, [saved.id]) == ["nur intern"]


async def test_a_service_shows_what_belongs_to_it(database: Database, town: Town) -> None:
    """Partner, places, topics in order, rules and course facts in one document."""
    partner = await town.partner("Volkshochschule")
    async with database.work(SYSTEM) as work:
        place, _ = await add_location(
            work,
            partner.id,
            LocationDraft(name="Haus A", latitude=51.76, longitude=14.33, hours="Mo-Fr 08:00-16:00"),
            expected_version=partner.version,
        )
    member = town.actor(Role.PARTNER_MEMBER, partner.id)
    async with database.work(member) as work:
        saved = await create_service(
            work,
            ServiceDraft(
                partner_id=partner.id,
                kind=ServiceKind.QUALIFICATION,
                title={"de": "Kurs B1", "en": "Course B1"},
                topics=["language-course", "childcare"],
                languages=[LanguageOffered(language="ar", interpreted=True)],
                eligibility=[EligibilityRule(statuses=(ResidenceStatus.SECTION_104C,), answer=Answer.FITS)],
                area=["12 0 52"],
                location_ids=[place],
                course=CourseFacts(level_from=CefrLevel.A2, level_to=CefrLevel.B1, childcare=True),
                recognition=RecognitionFacts(occupations=("http://data.europa.eu/esco/occupation/1",)),
            ),
        )
        saved = await publish_service(work, saved.id, expected_version=saved.version)

    document = await service_document(database, saved.id)
    assert (document.partner.id, document.partner.name) == (partner.id, "Volkshochschule")
    assert [topic.code for topic in document.topics] == ["language-course", "childcare"]
    assert document.locations[0].name == "Haus A"
    assert document.locations[0].hours is not None
    assert len(document.locations[0].hours.periods) == 5
    assert document.area == ("12052",)
    assert document.capacity.state is CapacityState.UNKNOWN
    assert await sources.service(database, ANONYMOUS, saved.id) == document


async def test_a_change_replaces_what_is_given_and_nothing_else(database: Database, town: Town) -> None:
    """UNSET stays, None clears, lists are replaced."""
    partner = await town.partner()
    service = await town.service(
        partner.id, topics=["language-course", "job"], website="https://example.org", note="alt"
    )
    async with database.work(SYSTEM) as work:
        saved = await change_service(
            work,
            service.id,
            ServiceChange(topics=["childcare"], website=None),
            expected_version=service.version,
        )

    document = await service_document(database, service.id)
    assert saved.version == document.version == service.version + 1
    assert [topic.code for topic in document.topics] == ["childcare"]
    assert document.website is None
    assert document.title == {"de": "Sprachkurs B1"}
    assert await sources.service_notes(database, SYSTEM, [service.id]) == ["alt"]


async def test_a_change_of_nothing_leaves_the_version(database: Database, town: Town) -> None:
    """Whoever saves an unchanged form disturbs nobody."""
    partner = await town.partner("Kammer")
    service = await town.service(partner.id)
    async with database.work(SYSTEM) as work:
        same = await change_partner(
            work, partner.id, PartnerChange(name="Kammer"), expected_version=partner.version
        )
        same_service = await change_service(
            work, service.id, ServiceChange(), expected_version=service.version
        )

    assert (same.version, same_service.version) == (partner.version, service.version)


async def test_renaming_a_partner_raises_the_documents_of_its_services(
    database: Database, town: Town
) -> None:
    """They show the partner's name, in the same commit."""
    partner = await town.partner("Alt")
    service = await town.service(partner.id)
    async with database.work(town.coordinator) as work:
        await change_partner(work, partner.id, PartnerChange(name="Neu"), expected_version=partner.version)

    document = await service_document(database, service.id)
    assert (document.partner.name, document.version) == ("Neu", service.version + 1)


async def test_a_note_of_a_partner_leaves_its_services_alone(database: Database, town: Town) -> None:
    """Only what services show is rewritten."""
    partner = await town.partner()
    service = await town.service(partner.id)
    async with database.work(SYSTEM) as work:
        saved = await change_partner(
            work, partner.id, PartnerChange(note="x"), expected_version=partner.version
        )

    assert (await partner_document(database, partner.id)).version == saved.version == partner.version + 1
    assert (await service_document(database, service.id)).version == service.version


async def test_hiding_a_partner_hides_its_services_from_readers(database: Database, town: Town) -> None:
    """The service itself stays published, and is back when the partner is."""
    partner = await town.partner()
    service = await town.service(partner.id)
    async with database.work(SYSTEM) as work:
        hidden = await hide_partner(work, partner.id, expected_version=partner.version)
    assert await sources.service(database, ANONYMOUS, service.id) is None
    assert (await service_document(database, service.id)).state is PublicationState.PUBLISHED

    async with database.work(SYSTEM) as work:
        await publish_partner(work, partner.id, expected_version=hidden.version)
    assert await sources.service(database, ANONYMOUS, service.id) is not None


async def test_a_partner_out_of_service_is_hidden(database: Database, town: Town) -> None:
    """Nobody would answer there; it is not published again, and gets no new services."""
    partner = await town.partner()
    async with database.work(SYSTEM) as work:
        saved = await change_partner(
            work, partner.id, PartnerChange(active=False), expected_version=partner.version
        )
    assert await sources.partner(database, ANONYMOUS, partner.id) is None
    with pytest.raises(InvalidInput, match="partner-inactive"):
        async with database.work(SYSTEM) as work:
            await publish_partner(work, partner.id, expected_version=saved.version)
    with pytest.raises(InvalidInput, match="partnerId: partner-inactive"):
        await town.service(partner.id)


async def test_a_service_is_published_with_a_german_title_only(database: Database, town: Town) -> None:
    """And keeps it while it is published."""
    partner = await town.partner()
    draft = await town.service(partner.id, published=False, title={"en": "Course"})
    with pytest.raises(InvalidInput, match="title: german-needed"):
        async with database.work(SYSTEM) as work:
            await publish_service(work, draft.id, expected_version=draft.version)

    published = await town.service(partner.id)
    with pytest.raises(InvalidInput, match="title: german-needed"):
        async with database.work(SYSTEM) as work:
            await change_service(
                work,
                published.id,
                ServiceChange(title={"en": "Course"}),
                expected_version=published.version,
            )
    assert (await service_document(database, published.id)).title == {"de": "Sprachkurs B1"}


async def test_hiding_and_assuring_a_service(database: Database, town: Town) -> None:
    """Assured says when somebody last looked."""
    partner = await town.partner()
    service = await town.service(partner.id)
    async with database.work(SYSTEM) as work:
        now = work.now
        saved = await assure_service(work, service.id, expected_version=service.version)
        await assure_partner(work, partner.id, expected_version=partner.version)
    assert (await service_document(database, service.id)).assured_at == now
    assert (await partner_document(database, partner.id)).assured_at == now

    async with database.work(SYSTEM) as work:
        await hide_service(work, service.id, expected_version=saved.version)
    assert await sources.service(database, ANONYMOUS, service.id) is None


async def test_the_capacity_is_of_today_unless_said(database: Database, town: Town) -> None:
    """A count without a day would never grow old."""
    partner = await town.partner()
    service = await town.service(partner.id)
    async with database.work(SYSTEM) as work:
        await set_capacity(
            work,
            service.id,
            Capacity(state=CapacityState.FEW, places=2, as_of=date(2026, 1, 5)),
            expected_version=service.version,
        )
    capacity = (await service_document(database, service.id)).capacity
    assert (capacity.state, capacity.places, capacity.as_of) == (CapacityState.FEW, 2, date(2026, 1, 5))


async def test_a_place_appears_changes_and_goes(database: Database, town: Town) -> None:
    """The partner's version counts it, and the services offered there follow."""
    partner = await town.partner()
    async with database.work(SYSTEM) as work:
        place, saved = await add_location(
            work, partner.id, LocationDraft(name="Haus A"), expected_version=partner.version
        )
    there = await town.service(partner.id, location_ids=[place])
    elsewhere = await town.service(partner.id)

    async with database.work(SYSTEM) as work:
        saved = await change_location(
            work, place, LocationChange(name="Haus B"), expected_version=saved.version
        )
    assert (await partner_document(database, partner.id)).locations[0].name == "Haus B"
    assert (await service_document(database, there.id)).locations[0].name == "Haus B"
    assert (await service_document(database, there.id)).version == there.version + 1
    assert (await service_document(database, elsewhere.id)).version == elsewhere.version

    async with database.work(SYSTEM) as work:
        await remove_location(work, place, expected_version=saved.version)
    assert (await partner_document(database, partner.id)).locations == ()
    assert (await service_document(database, there.id)).locations == ()


@pytest.mark.parametrize(
    ("given", "field", "reason"),
    [
        ({"title": {}}, "title", "required"),
        ({"topics": ["nothing-like-it"]}, "topics.0", "unknown-value"),
        ({"topics": ["job", "job"]}, "topics.1", "duplicate"),
        ({"location_ids": [uuid4()]}, "locationIds.0", "unknown-value"),
        (
            {"recognition": RecognitionFacts(occupations=("http://data.europa.eu/esco/x",))},
            "recognition.occupations.0",
            "unknown-value",
        ),
        ({"website": "javascript:alert(1)"}, "website", "url"),
        ({"area": ["Cottbus"]}, "area.0", "territory"),
        ({"note": "x" * 20_001}, "note", "too-long"),
    ],
)
async def test_a_service_that_is_refused_is_not_written(
    database: Database, town: Town, given: dict[str, object], field: str, reason: str
) -> None:
    """Field and reason are named, and the partner has no service."""
    partner = await town.partner()
    with pytest.raises(InvalidInput) as refused:
        await town.service(partner.id, **given)  # type: ignore[arg-type]

    assert (refused.value.field, refused.value.reason) == (field, reason)
    page = await sources.services(
        database,
        SYSTEM,
        sources.ServiceFilter(partner_id=partner.id, states=list(PublicationState)),
        total=True,
    )
    assert page.total == 0


async def test_a_place_of_another_partner_is_unknown(database: Database, town: Town) -> None:
    """A service is offered at places of its own partner."""
    mine, other = await town.partner(), await town.partner("Andere")
    async with database.work(SYSTEM) as work:
        place, _ = await add_location(
            work, other.id, LocationDraft(name="Dort"), expected_version=other.version
        )
    with pytest.raises(InvalidInput, match=r"locationIds\.0: unknown-value"):
        await town.service(mine.id, location_ids=[place])


async def test_a_place_needs_both_coordinates(database: Database, town: Town) -> None:
    """Half a position is none, whether given at once or by a change."""
    partner = await town.partner()
    with pytest.raises(InvalidInput, match="longitude: required"):
        async with database.work(SYSTEM) as work:
            await add_location(
                work, partner.id, LocationDraft(name="A", latitude=51.0), expected_version=partner.version
            )
    async with database.work(SYSTEM) as work:
        place, saved = await add_location(
            work,
            partner.id,
            LocationDraft(name="A", latitude=51.0, longitude=14.0),
            expected_version=partner.version,
        )
    with pytest.raises(InvalidInput, match="latitude: required"):
        async with database.work(SYSTEM) as work:
            await change_location(work, place, LocationChange(latitude=None), expected_version=saved.version)


async def test_an_unknown_municipality_is_refused(database: Database) -> None:
    """Also when the system asks."""
    with pytest.raises(InvalidInput, match="municipalityId: unknown-value"):
        async with database.work(SYSTEM) as work:
            await create_partner(
                work, PartnerDraft(municipality_id=uuid4(), kind=PartnerKind.BUSINESS, name="X")
            )


Change = Callable[[Database, Actor, Saved, Saved], Awaitable[object]]


async def _rename(database: Database, actor: Actor, partner: Saved, service: Saved) -> None:
    async with database.work(actor) as work:
        await change_partner(work, partner.id, PartnerChange(name="X"), expected_version=partner.version)


async def _hide(database: Database, actor: Actor, partner: Saved, service: Saved) -> None:
    async with database.work(actor) as work:
        await hide_service(work, service.id, expected_version=service.version)


async def _retitle(database: Database, actor: Actor, partner: Saved, service: Saved) -> None:
    async with database.work(actor) as work:
        await change_service(
            work, service.id, ServiceChange(title={"de": "X"}), expected_version=service.version
        )


async def _add(database: Database, actor: Actor, partner: Saved, service: Saved) -> None:
    async with database.work(actor) as work:
        await create_service(
            work, ServiceDraft(partner_id=partner.id, kind=ServiceKind.COUNSELLING, title={"de": "X"})
        )


CHANGES: list[Change] = [_rename, _hide, _retitle, _add]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    ("who", "published", "problem"),
    [
        ("anonymous", True, NotSignedIn),
        ("colleague", True, NotAllowed),
        ("colleague", False, NotFound),
        ("foreign lead", True, NotAllowed),
        ("foreign lead", False, NotFound),
        ("other municipality", True, NotAllowed),
    ],
)
async def test_a_refused_change_changes_nothing(
    database: Database,
    town: Town,
    new_town: Callable[[], Awaitable[Town]],
    change: Change,
    who: str,
    published: bool,
    problem: type[Exception],
) -> None:
    """Documents and number of services are what they were."""
    partner = await town.partner(published=published)
    service = await town.service(partner.id)
    other = await town.partner("Andere")
    actor = {
        "anonymous": ANONYMOUS,
        "colleague": town.actor(Role.PARTNER_MEMBER, other.id, administers=True),
        "other municipality": town.actor(Role.OTHER_MUNICIPALITY, other.id),
        "foreign lead": (await new_town()).lead,
    }[who]
    every = sources.ServiceFilter(partner_id=partner.id, states=list(PublicationState))
    before = (
        await partner_document(database, partner.id),
        await sources.services(database, SYSTEM, every),
    )

    with pytest.raises(problem):
        await change(database, actor, partner, service)

    after = (await partner_document(database, partner.id), await sources.services(database, SYSTEM, every))
    assert after == before


async def test_unknown_entries_are_not_found(database: Database, town: Town) -> None:
    """The same answer as for what one may not see."""
    with pytest.raises(NotFound):
        async with database.work(town.lead) as work:
            await hide_partner(work, uuid4(), expected_version=1)
    with pytest.raises(NotFound):
        async with database.work(town.lead) as work:
            await hide_service(work, uuid4(), expected_version=1)
    with pytest.raises(NotFound):
        async with database.work(town.lead) as work:
            await remove_location(work, uuid4(), expected_version=1)
    with pytest.raises(NotFound):
        await town.service(uuid4())


async def test_of_two_changes_of_one_version_one_wins(database: Database, town: Town) -> None:
    """Really in parallel: the other is told the version there is now."""
    partner = await town.partner()
    service = await town.service(partner.id)

    async def retitle(number: int) -> object:
        async with database.work(SYSTEM) as work:
            return await change_service(
                work,
                service.id,
                ServiceChange(title={"de": f"Titel {number}"}),
                expected_version=service.version,
            )

    results = await asyncio.gather(*(retitle(n) for n in range(8)), return_exceptions=True)

    stale = [result for result in results if isinstance(result, StaleVersion)]
    assert len(stale) == 7
    assert {problem.current for problem in stale} == {service.version + 1}


async def test_a_service_created_while_its_partner_is_renamed_shows_the_new_name(
    database: Database, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst moment: its document is built, not committed, and the renaming does not see it yet."""
    partner = await town.partner("Alt")
    built = asyncio.Event()
    finish = Work.finish

    async def finish_slowly(work: Work) -> None:
        await finish(work)
        if work.actor is town.coordinator:
            built.set()
            await asyncio.sleep(0.2)

    monkeypatch.setattr(Work, "finish", finish_slowly)

    async def add() -> Saved:
        async with database.work(town.coordinator) as work:
            return await create_service(
                work,
                ServiceDraft(partner_id=partner.id, kind=ServiceKind.COUNSELLING, title={"de": "Neu"}),
            )

    async def rename() -> None:
        await built.wait()
        async with database.work(SYSTEM) as work:
            await change_partner(
                work, partner.id, PartnerChange(name="Neu"), expected_version=partner.version
            )

    service, _ = await asyncio.gather(add(), rename())

    assert (await service_document(database, service.id)).partner.name == "Neu"


async def test_a_change_is_in_the_audit(database: Database, town: Town) -> None:
    """Who, what, which fields; no values."""
    partner = await town.partner()
    async with database.work(town.coordinator) as work:
        await change_partner(
            work, partner.id, PartnerChange(name="Neu", note="geheim"), expected_version=partner.version
        )
    async with database.view(SYSTEM) as session:
        row = (
            await session.execute(
                text(
                    "SELECT member_id, action, details::text FROM audit"
                    " WHERE object_id = :id ORDER BY id DESC LIMIT 1"
                ),
                {"id": partner.id},
            )
        ).one()
    assert tuple(row) == (town.coordinator.member_id, "partner.change", '{"fields": "name,note"}')
