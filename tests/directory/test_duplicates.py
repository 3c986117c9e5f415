"""What may be there twice is pointed out, with its reasons; what only sounds alike is not."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory.actors import Role
from directory.catalogue import PartnerChange, change_partner
from directory.database import Database
from directory.documents import DocumentKind
from directory.duplicates import POSSIBLE, keys, normal, score, traits
from directory.importing import import_source
from directory.look_alikes import Sought, look_alikes_of, pairs_among, possible_duplicates
from directory.problems import InvalidInput
from directory.values import ContactPoint, LocationValue
from directory.vocabulary import ContactKind, Likeness
from tests.directory.test_catalogue import partner_document, service_document
from tests.directory.towns import Town

N, P, M, W, A = Likeness.NAME, Likeness.PHONE, Likeness.EMAIL, Likeness.WEBSITE, Likeness.PLACE


def partner(
    name: str,
    phone: str | None = None,
    mail: str | None = None,
    web: str | None = None,
    at: str | None = None,
) -> tuple[str, object]:
    points = [
        ContactPoint(kind=kind, value=value)
        for kind, value in ((ContactKind.PHONE, phone), (ContactKind.EMAIL, mail))
        if value
    ]
    postcode, _, street = (at or "").partition(" ")
    places = [LocationValue(id=UUID(int=1), name="x", postcode=postcode, street=street)] if at else []
    return name, traits([name], points, web, places)


@pytest.mark.parametrize(
    ("one", "other", "reasons"),
    [
        (partner("Förderverein Brücke e.V."), partner("Foerderverein Bruecke"), {N}),
        (partner("Die Brücke gGmbH"), partner("Brücke gemeinnützige GmbH"), {N}),
        (partner("Caritas Beratungsstelle Cottbus"), partner("Karitas Beratungstelle Kottbus e. V."), {N}),
        (partner("Jobcenter Cottbus"), partner("Jobcenter Cottbus", at="03046 Bahnhofstr. 24"), {N}),
        (partner("Jobcenter Cottbus"), partner("Jobcenter Spree-Neiße"), None),
        (partner("Grundschule 1"), partner("Grundschule 2"), None),
        (partner("Sprachcafé", "+49355612"), partner("Treff", "+49355612"), None),
        (
            partner("Haus der Vielfalt", "+49355612", "info@example.org"),
            partner("Haus Vielfalt", "+49355612", "INFO@example.org"),
            {N, P, M},
        ),
        (
            partner(
                "Treffpunkt", web="https://www.example.org/", at="03046 Berliner Straße 6", mail="a@b.de"
            ),
            partner("Anlaufstelle", web="http://example.org", at="03046 Berliner Str. 6", mail="a@b.de"),
            {W, A, M},
        ),
    ],
)
def test_partners(one: tuple, other: tuple, reasons: set[Likeness] | None) -> None:  # type: ignore[type-arg]
    judged = score(one[1], other[1])

    assert (judged.points >= POSSIBLE) == (reasons is not None)
    assert judged == score(other[1], one[1])
    if reasons is not None:
        assert set(judged.reasons) == reasons
        assert set(keys([one[0]], one[1])) & set(keys([other[0]], other[1])), "never found as a candidate"


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_names_can_be_compared(one: str, other: str) -> None:
    """Whatever somebody types: no error, the same both ways, and a name is like itself."""
    first, second = traits([one]), traits([other])

    assert score(first, second) == score(second, first)
    if normal(one):
        assert score(first, first).points >= POSSIBLE
        assert keys([one], first)


async def test_at_entry_what_is_there_already_is_pointed_out(database: Database, town: Town) -> None:
    """Also with a typing error, and with the reason; not to itself, and not from another town."""
    there = await town.partner("Caritas Beratungsstelle Cottbus")
    new = await town.partner("Karitas Beratungstelle Kottbus e. V.", published=False)

    found = await look_alikes_of(database, town.coordinator, await partner_document(database, new.id))

    assert [(like.entry.id, like.reasons) for like in found] == [(there.id, (Likeness.NAME,))]


async def test_hidden_entries_of_others_are_not_leaked(database: Database, town: Town) -> None:
    """A member asks with the name of another partner's draft: the coordination hears of it, they do not."""
    draft = await town.partner("Geheimprojekt Morgenrot", published=False)
    own = await town.partner("Eigener Verein")
    member = town.actor(Role.PARTNER_MEMBER, own.id)
    sought = Sought(name="Geheimprojekt Morgenrot", municipality_id=town.id)

    seen = await possible_duplicates(database, town.coordinator, DocumentKind.PARTNER, sought)
    assert [like.entry.id for like in seen] == [draft.id]
    assert await possible_duplicates(database, member, DocumentKind.PARTNER, sought) == []


async def test_services_look_alike_within_one_partner_only(database: Database, town: Town) -> None:
    one, other = await town.partner("Volkshochschule"), await town.partner("Bildungsverein Ost")
    first = await town.service(one.id, "Sprachkurs am Abend")
    again = await town.service(one.id, "Abendsprachkurs", published=False)
    twice = await town.service(one.id, "Sprachkurs am Abend ")
    await town.service(other.id, "Sprachkurs am Abend")
    member = town.actor(Role.PARTNER_MEMBER, one.id)

    found = await look_alikes_of(database, member, await service_document(database, first.id))
    assert [like.entry.id for like in found] == [twice.id]
    sought = Sought(name="sprachkurs am abend", partner_id=other.id)
    found = await possible_duplicates(database, member, DocumentKind.SERVICE, sought)
    assert {like.entry.id for like in found}.isdisjoint({first.id, twice.id, again.id})


async def test_a_form_says_what_it_needs(database: Database, town: Town) -> None:
    for kind, sought, field in (
        (DocumentKind.PARTNER, Sought(name="x"), "name"),
        (DocumentKind.PARTNER, Sought(name="Verein"), "municipalityId"),
        (DocumentKind.SERVICE, Sought(name="Kurs"), "partnerId"),
        (DocumentKind.PARTNER, Sought(name="Verein", municipality_id=town.id, phones=("?",)), "phones"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await possible_duplicates(database, town.coordinator, kind, sought)
        assert refused.value.field == field


async def test_contacts_are_compared_in_one_form(database: Database, town: Town) -> None:
    there = await town.partner("Haus der Familie")
    async with database.work(town.coordinator) as work:
        await change_partner(
            work,
            there.id,
            PartnerChange(
                contact_points=[ContactPoint(kind=ContactKind.PHONE, value="0355 612-4711")],
                website="https://familie.example.org",
            ),
            expected_version=there.version,
        )
    sought = Sought(
        name="Haus d. Familien",
        municipality_id=town.id,
        phones=("+49 355 6124711",),
        website="http://www.familie.example.org/",
    )

    found = await possible_duplicates(database, town.coordinator, DocumentKind.PARTNER, sought)

    assert [like.entry.id for like in found] == [there.id]
    assert {P, W} <= set(found[0].reasons)


async def test_pairs_among_many_are_named_once(database: Database, town: Town) -> None:
    ids = [(await town.partner(name)).id for name in ("Brücke e.V.", "Bruecke", "Ganz was anderes")]

    chosen = "SELECT unnest(CAST(:chosen AS uuid[]))"
    pairs = [pair async for pair in pairs_among(database, DocumentKind.PARTNER, chosen, {"chosen": ids})]

    assert [{pair.first, pair.second} for pair in pairs] == [set(ids[:2])]


NETWORK = Path(__file__).parents[2] / "graphql" / "graphapi" / "demo" / "network.json"


async def test_the_demo_network_has_nothing_twice(empty_database: Database) -> None:
    """Its own entries are no duplicates of each other; a second file with one of them again says so."""
    report = await import_source(empty_database, NETWORK)
    assert (report.duplicates.partners, report.duplicates.services) == (0, 0), report.duplicates.first
    assert report.partners.new > 0
    assert msgspec.json.decode(report.as_json())["duplicates"]["first"] == []
