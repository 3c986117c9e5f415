"""Pairs of entries that may be the same: for the coordination, of its municipality, the most alike first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from directory import duplicate_pairs as module
from directory.actors import ANONYMOUS, Role
from directory.database import Database
from directory.documents import DocumentKind, PartnerDocument
from directory.duplicate_pairs import DuplicatePair, duplicate_pairs
from directory.problems import InvalidInput, NotAllowed, NotSignedIn
from directory.vocabulary import Likeness
from tests.directory.towns import Counted, Town


def names(pairs: list[DuplicatePair]) -> list[set[str]]:
    """Return what the two of each pair are called."""
    return [
        {
            one.name if isinstance(one, PartnerDocument) else one.title["de"]
            for one in (pair.entry, pair.other)
        }
        for pair in pairs
    ]


async def test_each_pair_of_the_own_municipality_is_told_once_in_any_state(
    database: Database, town: Town, new_town: Callable[[], Awaitable[Town]]
) -> None:
    elsewhere = await new_town()
    await elsewhere.partner("Bildungswerk Ahorn")
    await town.partner("Bildungswerk Ahorn e. V.")
    await town.partner("Ahorn Bildungswerk", published=False)
    await town.partner("Schuldnerberatung Linde")
    pairs = await duplicate_pairs(database, town.coordinator, DocumentKind.PARTNER)
    assert names(pairs) == [{"Bildungswerk Ahorn e. V.", "Ahorn Bildungswerk"}]
    assert pairs[0].points >= 60 and Likeness.NAME in pairs[0].reasons
    assert pairs[0].entry.id < pairs[0].other.id
    assert await duplicate_pairs(database, elsewhere.lead, DocumentKind.PARTNER) == []


async def test_names_that_differ_in_a_number_are_different(database: Database, town: Town) -> None:
    provider = await town.partner()
    for title in ("Integrationskurs Ulme A1", "Integrationskurs Ulme B1", "Kurs Ulme Integrationskurs A1"):
        await town.service(provider.id, title)
    found = names(await duplicate_pairs(database, town.lead, DocumentKind.SERVICE))
    assert {"Integrationskurs Ulme A1", "Integrationskurs Ulme B1"} not in found


async def test_it_takes_two_statements_however_many_and_is_bounded(
    counted: Counted, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def asked(first: int) -> tuple[int, int]:
        counted.sent.clear()
        pairs = await duplicate_pairs(counted.database, town.coordinator, DocumentKind.PARTNER, first=first)
        return len(pairs), len([one for one in counted.sent if "_document" in one])

    await asked(1)  # the connection is made
    for _ in range(2):
        await town.partner("Eibenhof Werkstatt")
    assert await asked(100) == (1, 2)
    for _ in range(2):
        await town.partner("Eibenhof Werkstatt")
    assert await asked(100) == (6, 2)
    assert await asked(4) == (4, 2)
    monkeypatch.setattr(module, "CANDIDATES", 3)
    assert await asked(100) == (3, 2)
    monkeypatch.setattr(module, "COMMON", 3)  # four share each key: it tells nothing any more
    assert await asked(100) == (0, 1)


async def test_it_is_for_the_coordination(database: Database, town: Town) -> None:
    partner = await town.partner()
    for role in (Role.PARTNER_MEMBER, Role.OTHER_MUNICIPALITY):
        with pytest.raises(NotAllowed):
            await duplicate_pairs(database, town.actor(role, partner.id), DocumentKind.PARTNER)
    with pytest.raises(NotSignedIn):
        await duplicate_pairs(database, ANONYMOUS, DocumentKind.PARTNER)
    for first in (0, 101):
        with pytest.raises(InvalidInput):
            await duplicate_pairs(database, town.lead, DocumentKind.PARTNER, first=first)
