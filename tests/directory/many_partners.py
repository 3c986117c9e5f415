"""Very many partners of one municipality, some there twice, for looking at what finding them costs.

The same number always gives the same partner. Names are of few words, unevenly spread, as those of
associations are; branches of one umbrella share its website, some its telephone too; each twentieth is there
once more, as somebody else would spell it. ``python -m tests.directory.many_partners 20000 100000`` prints
how many pairs are found among so many, and how long that takes.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import msgspec

from directory.actors import Actor, Role
from directory.database import Database
from directory.documents import SHAPE, DocumentKind, PartnerDocument
from directory.duplicate_pairs import duplicate_pairs
from directory.duplicates import keys_of_partner
from directory.sortkey import sort_key
from directory.values import ContactPoint, LocationValue, MunicipalitySummary
from directory.vocabulary import ContactKind, PartnerKind, PublicationState
from graphapi.embedded import APP, OWNER, READER, Cluster, Profile
from graphapi.migrating import migrate
from tests.directory.towns import NOW

SEED: Final = 20_261_123
FIRST_ID: Final = 1 << 100
TWICE: Final = 20
"""Of so many partners one is there once more."""
_FORMS: Final = ("e. V.", "gGmbH", "Stiftung", "GmbH", "")
_KINDS: Final[list[str]] = re.findall(
    r"\w+",
    "Verein Förderverein Bildungswerk Beratungsstelle Nachbarschaftshaus Kulturverein Jugendhaus Werkstatt"
    " Sprachschule Elterninitiative Freundeskreis Begegnungsstätte Familienzentrum Sozialwerk Netzwerk",
)
_BEGINNINGS: Final[list[str]] = re.findall(
    r"\w+",
    "Ahorn Birken Buchen Eichen Erlen Eschen Kiefern Linden Ulmen Weiden Spree Havel Oder Neisse Elbe Lausitz"
    " Markt Kloster Schloss Burg Brücken Mühlen Garten Wald Berg Tal See Ufer Hafen Bahnhof Rathaus Stadt",
)
_ENDINGS: Final[list[str]] = re.findall(
    r"\w+",
    "hof haus weg tor platz feld grund stein au wiese busch quelle winkel allee ring damm brunnen heim warte"
    " blick steg hain anger kamp horst furt",
)
_UMBRELLAS: Final = 40
"""Partners of one umbrella."""


def _word(random: Random) -> str:
    beginning = _BEGINNINGS[int(random.random() ** 2 * len(_BEGINNINGS))]
    return beginning + _ENDINGS[int(random.random() ** 2 * len(_ENDINGS))]


def _misspelt(name: str, random: Random) -> str:
    """Return a name as somebody else would enter it: a letter less, words the other way round."""
    words = name.split()
    if random.random() < 0.5:
        at = random.randrange(len(words))
        cut = random.randrange(1, max(2, len(words[at]) - 1))
        words[at] = words[at][:cut] + words[at][cut + 1 :] or words[at]
    else:
        words = words[1:] + words[:1]
    return " ".join(words)


def partner(number: int, municipality: MunicipalitySummary) -> PartnerDocument:
    """Return the partner with this number."""
    first = number - 1 if number % TWICE == TWICE - 1 else number
    random = Random(f"{SEED} {first}")
    umbrella = first // _UMBRELLAS
    name = f"{random.choice(_KINDS)} {_word(random)} {_word(random)} {random.choice(_FORMS)}".strip()
    phone = f"+49355{umbrella if random.random() < 0.3 else 10_000_000 + first}"
    contacts = [
        ContactPoint(kind=ContactKind.PHONE, value=phone),
        ContactPoint(kind=ContactKind.EMAIL, value=f"post{first}@example.org"),
    ]
    place = LocationValue(
        id=UUID(int=(1 << 101) + number),
        name="Haus",
        street=f"{_word(random)}straße {random.randint(1, 90)}",
        postcode=f"03{random.randint(40, 55):03}",
        city="Cottbus",
    )
    if first != number:
        again = Random(f"{SEED} again {number}")
        name, contacts = _misspelt(name, again), [one for one in contacts if again.random() < 0.5]
    return PartnerDocument(
        id=UUID(int=FIRST_ID + number),
        version=1,
        updated_at=NOW,
        municipality=municipality,
        kind=PartnerKind.FREE_PROVIDER,
        name=name,
        state=PublicationState.PUBLISHED,
        website=f"https://www.dach{umbrella}.example.org",
        contact_points=tuple(contacts),
        locations=(place,),
    )


def partners(many: int, municipality: MunicipalitySummary) -> Iterator[PartnerDocument]:
    """Return the first so many partners."""
    return (partner(number, municipality) for number in range(many))


def _partner_row(document: PartnerDocument) -> dict[str, object]:
    return {
        "id": document.id,
        "municipality_id": document.municipality.id,
        "kind": document.kind.value,
        "name": document.name,
        "description": "{}",
        "contact_points": "[]",
        "languages": "[]",
        "state": document.state.value,
        "updated_at": NOW,
        "version": 1,
        "data_protection_law": "GDPR",
        "active": True,
        **dict.fromkeys(("coordinates", "professional_secrecy", "public_body", "school"), False),
    }


def _document_row(document: PartnerDocument) -> dict[str, object]:
    return {
        "id": document.id,
        "municipality_id": document.municipality.id,
        "kind": document.kind.value,
        "state": document.state.value,
        "sort_key": sort_key(document.name),
        "version": 1,
        "shape": SHAPE,
        "likeness": list(keys_of_partner(document)),
        "public": msgspec.json.encode(document).decode(),
        "internal": "{}",
    }


async def fill(owner_url: str, many: int) -> UUID:
    """Write so many partners, with documents, into a municipality of an empty database; return its id."""
    town = MunicipalitySummary(id=uuid4(), name={"de": "Vielstadt"}, ars="999999999999")
    connection = await asyncpg.connect(owner_url)
    try:
        await connection.execute(
            "INSERT INTO municipality (id, ars, name, kind_labels) VALUES ($1, $2, $3, '{}')",
            town.id,
            town.ars,
            msgspec.json.encode(town.name).decode(),
        )
        for table, row_of in (("partner", _partner_row), ("partner_document", _document_row)):
            rows = [row_of(document) for document in partners(many, town)]
            await connection.copy_records_to_table(
                table, records=[tuple(row.values()) for row in rows], columns=list(rows[0])
            )
            await connection.execute(f"ANALYZE {table}")
    finally:
        await connection.close()
    return town.id


async def _measure(cluster: Cluster, many: int) -> None:
    name = f"pairs_{many}"
    cluster.create_database(name)
    await migrate(cluster.url(OWNER, name))
    town = await fill(cluster.dsn(OWNER, name), many)
    coordinator = Actor(role=Role.COORDINATOR, member_id=uuid4(), partner_id=uuid4(), municipality_id=town)
    database = Database(cluster.dsn(APP, name), cluster.dsn(READER, name))
    await database.start()
    for _ in range(3):
        begun = perf_counter()
        page = await duplicate_pairs(database, coordinator, DocumentKind.PARTNER, first=25)
        took = perf_counter() - begun
        print(f"{many} partners: {page.total} pairs, the first 25 in {took:.2f} s")
    await database.stop()


def main() -> None:
    """Fill databases of a cluster of their own with as many partners as are named, and measure."""
    with tempfile.TemporaryDirectory(prefix="spurwechsel-tests-pairs-") as folder:
        cluster = Cluster(Path(folder), profile=Profile.TESTS)
        cluster.start()
        try:
            for many in sys.argv[1:]:
                asyncio.run(_measure(cluster, int(many)))
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
