"""Search by meaning with the optional model: finds without a word in common, under the same filters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from msgspec.structs import replace

from directory.vocabulary import ServiceKind
from search.engine import Filters, FollowingEngine
from search.folder import IndexFolder
from search.local import LocalEngine
from search.meaning import DIMENSIONS, NUMBERS, Space, installed, model, packed, unpacked
from search.meili.engine import MeiliEngine
from tests.search.samples import fill, find, ids, put, service

pytestmark = [
    pytest.mark.slow,  # each process reads the model first
    pytest.mark.skipif(not installed(), reason="needs the extra: pip install '.[meaning]'"),
]

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


def test_the_title_counts_besides_the_text() -> None:
    """A long text that goes on about something else does not drown what a service is called."""
    long = " ".join(["Kaputte Räder reparieren wir mittwochs in der Werkstatt."] * 20)
    swim = replace(SWIM, description={"de": long})
    encoder = model()
    wanted = encoder.question("schwimmen lernen")

    (service_vector,) = encoder.of_services([swim])
    (text_alone,) = encoder.vectors([f"Schwimmkurs im Hallenbad. {long}"])

    assert abs(float(service_vector @ service_vector) - 1) < 1e-5
    assert float(service_vector @ wanted) > float(text_alone @ wanted) + 0.02


def test_an_index_made_with_the_model_is_none_without_it(tmp_path: Path) -> None:
    """What was indexed the other way is not read, so it is built anew, whichever way it is changed."""
    for before, after in ((model(), None), (None, model())):
        folder = tmp_path / str(before is None)
        first = LocalEngine(folder, before)
        fill(first, [SWIM])
        first.resign()
        then = LocalEngine(folder, after)

        assert first.position() is not None
        assert then.position() is None
        fill(then, [SWIM])
        assert then.position() is not None
        assert ids(find(then, "Schwimmkurs")) == [SWIM.id]
        then.resign()


def test_a_state_takes_over_what_has_not_changed() -> None:
    """From the state before, wherever it stands now; only what is new or changed is read."""
    import numpy

    vectors = model().vectors(["Schwimmen", "Fahrräder", "Singen", "Malen"])
    columns = [list(column) for column in zip(*map(packed, vectors), strict=True)]

    def space(ranks: list[int], versions: list[int], rows: list[int], former: Space | None = None) -> Space:
        return Space(
            [ranks, versions, [columns[0][row] for row in rows]],
            lambda some: [[column[rows[one]] for one in some] for column in columns],
            former,
        )

    first = space([30, 10, 20], [1, 1, 1], [0, 1, 2])
    # 10 is gone, 20 stands first, 30 has another text, 5 is new.
    then = space([20, 30, 5], [1, 2, 1], [2, 3, 1], first)

    assert (first.read, then.read) == (3, 2)
    for row, rank in ((2, 20), (3, 30), (1, 5)):
        assert then.nearest(vectors[row])[0].rank == rank
    assert numpy.array_equal(then._vectors, space([20, 30, 5], [1, 2, 1], [2, 3, 1])._vectors)
    assert space([], [], [], then).nearest(vectors[0]) == []


@pytest.fixture(params=["local", "meilisearch"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FollowingEngine]:
    """Each engine that can be had, with the model and three services."""
    made: LocalEngine | MeiliEngine
    if request.param == "local":
        made = LocalEngine(tmp_path / "index", model())
    else:
        server = request.getfixturevalue("meili")
        lock = IndexFolder(tmp_path / "lock", "-")
        made = MeiliEngine(server.url, server.key, lock, prefix=f"test-{uuid4().hex}", meaning=model())
    fill(made, [SWIM, BIKES, CHOIR])
    yield made
    if isinstance(made, MeiliEngine):
        made.server.drop_later(made.index)
    made.resign()


def test_questions_find_what_shares_no_word(engine: FollowingEngine) -> None:
    """An English or French question finds a German text by its meaning, first of all."""

    assert ids(find(engine, "Where could somebody fix my broken bicycle wheel?"))[0] == BIKES.id
    assert ids(find(engine, "J'aimerais chanter dans un groupe de musique chaque semaine"))[0] == CHOIR.id


def test_filters_hold_for_meaning_too(engine: FollowingEngine) -> None:
    """What is filtered out is not near, and what is gone or changed is not found by what it was."""
    question = "Where could somebody fix my broken bicycle wheel?"

    only = find(engine, question, filters=Filters(kinds=(ServiceKind.MONITORING,)))
    assert BIKES.id not in ids(only)

    put(engine, replace(BIKES, version=2, title={"de": "Malkurs"}, description={"de": "Bilder malen."}))
    put(engine, removed=[CHOIR.id], sequence=3)
    assert CHOIR.id not in ids(find(engine, "J'aimerais chanter dans un groupe de musique chaque semaine"))


def test_pages_of_a_question_have_each_hit_once(engine: FollowingEngine) -> None:
    """Cursors lead through words and meaning alike."""
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


def test_an_index_without_meanings_is_made_anew(tmp_path: Path) -> None:
    """With the model, an index that was made without it is no index; and the other way round."""
    engine = LocalEngine(tmp_path / "index")
    fill(engine, [SWIM])
    engine.resign()

    assert LocalEngine(tmp_path / "index", model()).position() is None
    assert LocalEngine(tmp_path / "index").position() is not None
