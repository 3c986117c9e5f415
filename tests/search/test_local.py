"""The shared index folder: broken, deleted, foreign, killed while writing; searches go on or say so."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from directory.actors import Actor, Role
from directory.vocabulary import PublicationState, ServiceKind
from search.engine import Batch, Facet, Filters, Near, SearchUnavailable
from search.local import MOST_COUNTED, LocalEngine
from search.policy import may_be_found, may_search
from tests.search.samples import VOCABULARY, fill, find, place, position, put, service


def newest(folder: Path) -> Path:
    """Return the index that serves."""
    return folder / (folder / "current").read_text().split()[1]


def cut_off(folder: Path) -> None:
    """Shorten a file, as a full disk does."""
    file = max(newest(folder).glob("*.store"))
    os.truncate(file, file.stat().st_size // 2)


def flip(folder: Path) -> None:
    """Change one byte in the middle of a file, as a bad disk does."""
    file = max(newest(folder).glob("*.term"))
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 0xFF
    file.unlink()
    file.write_bytes(content)


def garble(folder: Path) -> None:
    """Replace the list of files by nonsense."""
    (newest(folder) / "meta.json").write_text("{")


def take_a_file(folder: Path) -> None:
    """Remove one file of the index."""
    max(newest(folder).glob("*.idx")).unlink()


def take_the_index(folder: Path) -> None:
    """Remove the index and leave what points to it."""
    shutil.rmtree(newest(folder))


def take_everything(folder: Path) -> None:
    """Remove the folder."""
    shutil.rmtree(folder)


def another_shape(folder: Path) -> None:
    """Leave an index as another release makes it."""
    (folder / "current").write_text(f"9.9.9 {newest(folder).name}\n")


def nonsense(folder: Path) -> None:
    """Point to outside the folder."""
    (folder / "current").write_bytes(b"\xff\xfe ../../etc")


DAMAGES = [cut_off, flip, garble, take_a_file, take_the_index, take_everything, another_shape, nonsense]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_is_seen_and_built_anew(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """A process that starts answers nothing wrong from it; after the rebuild it answers."""
    before = LocalEngine(tmp_path / "index")
    fill(before, [service("Alt")])
    before.resign()
    damage(tmp_path / "index")

    engine = LocalEngine(tmp_path / "index")
    with pytest.raises(SearchUnavailable):
        find(engine)
    assert engine.position() is None

    fill(engine, [service("Neu")], sequence=2)
    assert find(engine, "Neu").total == 1
    assert engine.position() == position(2)
    engine.resign()


@pytest.mark.parametrize("damage", [take_the_index, take_everything, another_shape, nonsense])
def test_searches_go_on_while_the_folder_is_gone(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """A running process answers from what it has open, and its follower is told that a rebuild is due."""
    engine = LocalEngine(tmp_path / "index")
    fill(engine, [service("Alt")])
    assert find(engine, "Alt").total == 1
    damage(tmp_path / "index")

    assert find(engine, "Alt").total == 1
    assert engine.position() is None
    with pytest.raises(SearchUnavailable):
        put(engine, service("Neu"))

    fill(engine, [service("Neu")])
    assert find(engine, "Neu").total == 1
    engine.resign()


def test_a_reader_tells_the_leader_of_a_broken_index(tmp_path: Path) -> None:
    """The process that finds it need not be the one that writes."""
    leader, reader = LocalEngine(tmp_path / "index"), LocalEngine(tmp_path / "index")
    fill(leader, [service("Alt")])
    assert leader.position() is not None
    flip(tmp_path / "index")
    assert leader.position() is not None

    with pytest.raises(SearchUnavailable):
        find(reader)

    assert leader.position() is None
    leader.resign()


def test_a_deleted_folder_ends_the_lead(tmp_path: Path) -> None:
    """Nobody may write next to another that took the new lock."""
    first, second = LocalEngine(tmp_path / "index"), LocalEngine(tmp_path / "index")
    assert first.lead()
    shutil.rmtree(tmp_path / "index")
    assert second.lead()

    assert not first.lead()
    second.resign()
    assert first.lead()
    first.resign()


WRITER = """
import sys
from pathlib import Path
from search.local import MOST_COUNTED, LocalEngine
from tests.search.samples import VOCABULARY, fill, put, service

engine = LocalEngine(Path(sys.argv[1]))
fill(engine, [service("Kurs 1", version=1)], sequence=1)
for number in range(2, 100_000):
    put(engine, service(f"Kurs {number}", version=number), sequence=number)
    print(number, flush=True)
"""


@pytest.mark.slow
def test_a_killed_writer_loses_nothing_and_blocks_nobody(tmp_path: Path) -> None:
    """Killed at any moment, documents and position agree, and the next process writes at once."""
    folder = tmp_path / "index"
    root = Path(__file__).parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], cwd=root, stdout=subprocess.PIPE, text=True
    )
    reader = LocalEngine(folder)
    assert child.stdout is not None
    for line in child.stdout:
        written = int(line)
        # Another process reads what was committed, at once.
        assert find(reader, "Kurs").total >= written
        if written >= 8:
            break
    assert not reader.lead()
    time.sleep(0.013)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()

    assert reader.lead()
    reached = reader.position()
    assert reached is not None
    assert reached.sequence >= written
    assert sorted(reader.versions().values()) == list(range(1, reached.sequence + 1))
    put(reader, service("Kurs danach"), sequence=reached.sequence + 1)
    assert find(reader, "danach").total == 1
    reader.resign()


def test_what_a_crashed_rebuild_left_is_removed(tmp_path: Path) -> None:
    """Only the index that serves stays."""
    engine = LocalEngine(tmp_path / "index")
    fill(engine, [service()])
    (tmp_path / "index" / "index-left").mkdir()
    (tmp_path / "index" / "current.left").touch()

    fill(engine, [service()])

    left = {file.name for file in (tmp_path / "index").iterdir()}
    assert left == {"lock", "current", newest(tmp_path / "index").name}
    engine.resign()


def test_a_full_disk_keeps_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rebuild that finds no room is an engine that cannot now, not a bug; the old index serves on."""
    engine = LocalEngine(tmp_path / "index")
    fill(engine, [service("Deutschkurs")])

    def full(index: Any) -> None:
        raise ValueError("An IO error occurred: 'No space left on device (os error 28)'")

    with monkeypatch.context() as during:
        during.setattr("search.local._writer", full)
        with pytest.raises(SearchUnavailable):
            engine.rebuild(VOCABULARY)
    assert find(engine, "Deutschkurs").total == 1
    engine.rebuild(VOCABULARY).abandon()
    engine.resign()


def test_one_bad_document_does_not_stop_the_others(tmp_path: Path) -> None:
    """It is set aside, named in the position, and the rest is found."""
    engine = LocalEngine(tmp_path / "index")
    bad, good = service(title={"de": 5}), service("Gut")  # type: ignore[dict-item]
    fill(engine, [bad, good])

    reached = engine.position()
    assert reached is not None
    assert reached.set_aside == {bad.id: "TypeError"}
    assert find(engine, "Gut").total == 1
    engine.resign()


def test_an_index_without_services_answers(tmp_path: Path) -> None:
    """Nothing published is an answer, also for facets and distances."""
    engine = LocalEngine(tmp_path / "index")
    fill(engine, [])

    result = find(
        engine,
        facets=frozenset(Facet),
        filters=Filters(near=Near(latitude=51, longitude=14, radius_km=9)),
    )

    assert (result.total, result.hits) == (0, ())
    engine.resign()


def test_places_are_found_after_a_change(tmp_path: Path) -> None:
    """The places of an index are read anew when it changes."""
    engine = LocalEngine(tmp_path / "index")
    near = Filters(near=Near(latitude=51.5, longitude=14.5, radius_km=1))
    fill(engine, [service()])
    assert find(engine, filters=near).total == 0

    put(engine, service(locations=(place(51.5, 14.5),)))
    assert find(engine, filters=near).total == 1
    engine.resign()


def test_a_folder_taken_away_during_a_rebuild_spoils_nothing(tmp_path: Path) -> None:
    """The rebuild fails visibly and the next one works."""
    engine = LocalEngine(tmp_path / "index")
    assert engine.lead()
    rebuild = engine.rebuild(VOCABULARY)
    shutil.rmtree(tmp_path / "index")
    with pytest.raises(SearchUnavailable):
        for _ in range(3):
            rebuild.apply(Batch(documents=[service()], removed=[], position=position()))
        rebuild.finish()
    rebuild.abandon()

    fill(engine, [service("Neu")])
    assert find(engine, "Neu").total == 1
    engine.resign()


def test_searches_in_many_threads_while_it_is_rebuilt(tmp_path: Path) -> None:
    """Each sees one whole index, the old or the new, never none and never a half."""
    engine = LocalEngine(tmp_path / "index")
    fill(engine, [service("Kurs") for _ in range(20)])
    stop = threading.Event()

    def look() -> set[int]:
        seen = set()
        while not stop.is_set():
            seen.add(find(engine, "Kurs").total)
        return seen

    with ThreadPoolExecutor(3) as threads:
        looks = [threads.submit(look) for _ in range(3)]
        for _ in range(4):
            fill(engine, [service("Kurs") for _ in range(20)])
        stop.set()
        assert set().union(*(one.result() for one in looks)) == {20}
    engine.resign()


def test_everybody_may_search_what_is_published() -> None:
    """The policy is about the service's state alone, whoever asks."""
    states = [state for state in PublicationState if may_be_found(service(state=state))]

    assert states == [PublicationState.PUBLISHED]
    assert all(may_search(Actor(role=role)) for role in Role)


def test_facets_are_of_the_index_as_it_is(tmp_path: Path) -> None:
    """Counts without words are kept; what comes or is hidden changes them at once, and words are not kept."""
    engine = LocalEngine(tmp_path / "index")
    first, second = (
        service("Kurs", kind=ServiceKind.COUNSELLING),
        service("Treff", kind=ServiceKind.COUNSELLING),
    )
    fill(engine, [first])

    def counted(text: str = "", **filters: Any) -> dict[str, int]:
        found = find(engine, text, facets=frozenset({Facet.KIND}), filters=Filters(**filters))
        return {one.value: one.count for one in found.facets[Facet.KIND]}

    for _ in range(2):
        assert counted() == counted("Kurs") == {"COUNSELLING": 1}
        assert counted(kinds=(ServiceKind.QUALIFICATION,)) == {}
    assert engine._snapshot is not None
    assert len(engine._snapshot.counted) == 2
    put(engine, second)
    assert counted() == {"COUNSELLING": 2}
    put(engine, msgspec.structs.replace(second, state=PublicationState.HIDDEN, version=second.version + 1))
    assert counted() == {"COUNSELLING": 1}
    for number in range(MOST_COUNTED + 5):
        counted(topics=(f"topic-{number}",))
    assert len(engine._snapshot.counted) <= MOST_COUNTED
    engine.resign()
