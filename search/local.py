"""The engine in the process: a tantivy index in a folder that all processes of one host share."""

from __future__ import annotations

import contextlib
import shutil
import threading
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

import msgspec
from tantivy import DocAddress, Document, Index, Occur, Order, Query, Searcher

from directory.documents import ServiceDocument
from directory.eligibility import Profile
from directory.vocabulary import Answer, CapacityState, ResidenceStatus
from search.cells import Circle, Places, covered, finest
from search.closely import MOST_READ, closeness, unpacked, wishes
from search.days import day_number
from search.engine import (
    DEEPEST,
    Batch,
    Facet,
    FacetCount,
    Highlight,
    Mark,
    Near,
    Position,
    SearchHit,
    SearchQuery,
    SearchResult,
    SearchUnavailable,
    Vocabulary,
    cursor_at,
    mark,
)
from search.expansion import is_question, units
from search.fields import MEANING_FIELDS, SCHEMA, SECTIONS, SHAPE, texts_decoder, to_index
from search.folder import IndexFolder, Stamp, is_sound, stamp
from search.meaning import MOST_SERVICES, Model, Neighbour, Space, packed
from search.policy import may_be_found
from search.queries import (
    SERVICES,
    RuleSets,
    Runs,
    at_least,
    but_not,
    compile_filters,
    compile_words,
    either,
    every,
    misfits,
    with_any,
    with_term,
)
from search.suggesting import Suggestion, SuggestQuery, suggestions
from search.text import fragment

WRITER_MEMORY: Final = 50_000_000
MOST_BUCKETS: Final = 65_000
MOST_FACET_VALUES: Final = 200
BESIDES: Final = 50
"""How many hits more than needed are asked for, as those with equal scores at the edge belong together."""

LONGEST_MARKED: Final = 5_000
"""Characters of a text that are looked through for highlights."""

MOST_COUNTED: Final = 200
"""How many searches' facets are kept of a state."""

_COUNTING: Final = ThreadPoolExecutor(max_workers=4, thread_name_prefix="facets")
"""Facets are counted while the first hits are read closely: the one is tantivy's work, the other Python's."""

_position_decoder: Final = msgspec.msgpack.Decoder(Position)


class Snapshot:
    """One state of an index: what a search sees from beginning to end."""

    def __init__(self, index: Index, meta: Stamp, before: Snapshot | None = None) -> None:
        self.meta = meta
        self.searcher: Searcher = index.searcher()
        self._places: Places | None = None
        self._rule_sets: RuleSets | None = None
        self._runs: Runs | None = None
        self._space: Space | None = None
        self._former: Space | None = None if before is None else before._space or before._former
        """The meanings of the last state that was asked for them."""
        self.counted: dict[bytes, dict[Facet, tuple[FacetCount, ...]]] = {}
        """Facets of searches without words; they go with the state, so that none is older than its index."""

    def space(self) -> Space:
        """Return the meanings of this state's services; none where there are too many."""
        if self._space is None:
            searcher = self.searcher
            number = searcher.num_docs if searcher.num_docs <= MOST_SERVICES else 0
            hits = searcher.search(SERVICES, number, count=False).hits if number else []
            addresses = [address for _, address in hits]

            def values(name: str, rows: Sequence[DocAddress]) -> list[Any]:
                return list(searcher.fast_field_values(name, list(rows))) if rows else []

            def read(rows: Sequence[int]) -> list[list[Any]]:
                some = [addresses[row] for row in rows]
                return [values(name, some) for name in MEANING_FIELDS]

            keys = [values(name, addresses) for name in ("rank", "version", MEANING_FIELDS[0])]
            self._space, self._former = Space(keys, read, self._former), None
        return self._space

    def ranks(self, addresses: Sequence[DocAddress]) -> list[Any]:
        """Return the ranks of documents."""
        return list(self.searcher.fast_field_values("rank", list(addresses))) if addresses else []

    def terms(self, field: str) -> list[str]:
        """Return the different terms of a field."""
        return [term for term, _ in self.searcher.terms_with_prefix(field, "")]

    def rule_sets(self) -> RuleSets:
        """Return the rule sets of this state."""
        if self._rule_sets is None:
            self._rule_sets = RuleSets(self.terms("rules"))
        return self._rule_sets

    def runs(self) -> Runs:
        """Return the runs of courses of this state."""
        if self._runs is None:
            self._runs = Runs(self.terms("run"))
        return self._runs

    def circle(self, near: Near) -> Circle:
        """Return what of this state lies in a circle."""
        if self._places is None:
            self._places = Places(self.terms("point"))
        around = self._places.number(covered(near, finest(near.radius_km)).touched)
        cover = covered(near, finest(near.radius_km, around))
        return Circle(cover.within, self._places.within(near, cover.rim))

    def has(self, field: str, word: str) -> bool:
        """Whether any document has this word in this field."""
        return self.searcher.doc_freq(field, word) > 0

    def position(self) -> Position | None:
        """Return the position that was committed with this state."""
        hits = self.searcher.search(with_term("meta", "position"), 1).hits
        if not hits:
            return None
        stored = self.searcher.doc(hits[0][1]).get_first("stored")
        return _position_decoder.decode(bytes(stored)) if stored is not None else None


class Found(NamedTuple):
    """A hit before its texts are read; ``fitting`` tells which part of the result it is in."""

    score: float
    rank: int
    address: DocAddress
    fitting: bool


Aggregation: TypeAlias = dict[str, Any]


class LocalEngine:
    """Searches the folder's index, and keeps it up where its process leads."""

    name = "local"

    def __init__(self, folder: Path, meaning: Model | None = None) -> None:
        self.meaning = meaning
        shape = SHAPE if meaning is None else f"{SHAPE}.{meaning.name}"
        self._folder = IndexFolder(folder, shape)
        self._opening = threading.Lock()
        self._writing = threading.Lock()
        self._pointer: Stamp | None = None
        self._index: tuple[Path, Index] | None = None
        self._snapshot: Snapshot | None = None
        self._writer: tuple[Path, Any] | None = None

    # --- searching

    def search(self, query: SearchQuery) -> SearchResult:
        """Answer a checked query; raises SearchUnavailable while there is no index."""
        with self._reporting():
            snapshot = self._refreshed(wait=False)
            if snapshot is None:
                raise SearchUnavailable
            return _Search(snapshot, query, self.meaning).result()

    def every_id(self, query: SearchQuery) -> tuple[UUID, ...]:
        """Return all that a checked query finds, however many, in no order; its page does not matter.

        For lists that page on where searches end (``DEEPEST``). Raises SearchUnavailable.
        """
        with self._reporting():
            snapshot = self._refreshed(wait=False)
            if snapshot is None:
                raise SearchUnavailable
            return _Search(snapshot, query, self.meaning).every_id()

    def suggest(self, query: SuggestQuery, vocabulary: Vocabulary) -> tuple[Suggestion, ...]:
        """Suggest for a checked query; raises SearchUnavailable while there is no index."""
        with self._reporting():
            snapshot = self._refreshed(wait=False)
            if snapshot is None:
                raise SearchUnavailable
            return suggestions(snapshot, query, vocabulary)

    def _refreshed(self, *, wait: bool = True) -> Snapshot | None:
        """Return the newest state; where the folder is gone or broken the last good one goes on serving.

        Without ``wait``, while another thread opens a new state, the former one is returned.
        """
        if not self._opening.acquire(blocking=wait or self._snapshot is None):
            return self._snapshot
        try:
            pointer = stamp(self._folder.pointer)
            if pointer is not None and (pointer != self._pointer or self._index is None):
                self._open(pointer)
            if self._index is None:
                return None
            path, index = self._index
            meta = stamp(path / "meta.json")
            if meta is not None and (self._snapshot is None or meta != self._snapshot.meta):
                with self._reporting():
                    index.reload()
                    self._snapshot = Snapshot(index, meta, self._snapshot)
            return self._snapshot
        finally:
            self._opening.release()

    def _open(self, pointer: Stamp) -> None:
        path = self._folder.current()
        if path is None:
            return
        if self._index is not None and self._index[0] == path:
            self._pointer = pointer
            return
        if not is_sound(path, thorough=True):
            self._folder.report(path)
            return
        with self._reporting(path):
            index = Index.open(str(path))
            index.config_reader("manual")
            self._pointer, self._index, self._snapshot = pointer, (path, index), None

    @contextlib.contextmanager
    def _reporting(self, path: Path | None = None) -> Iterator[None]:
        """Tell the leader, where tantivy fails, that the index is broken."""
        try:
            with _unavailable_if_broken():
                yield
        except SearchUnavailable:
            broken = path or (self._index[0] if self._index is not None else None)
            if broken is not None and not is_sound(broken, thorough=True):
                self._folder.report(broken)
            raise

    # --- following

    def lead(self) -> bool:
        """Try to become, or stay, the process that writes."""
        led = self._folder.lead()
        if not led:
            self._writer = None
        return led

    def ask(self) -> None:
        """Ask the process that writes to step aside for this one."""
        self._folder.ask()

    def resign(self) -> None:
        """Let another process write."""
        with self._writing:
            self._writer = None
            self._folder.resign()

    def position(self) -> Position | None:
        """Return how far the index has come; None when it is missing, broken or of another shape."""
        path = self._folder.current()
        if path is None or not is_sound(path, thorough=False):
            return None
        try:
            snapshot = self._refreshed()
            if snapshot is None or self._index is None or self._index[0] != path:
                return None
            return snapshot.position()
        except (SearchUnavailable, msgspec.MsgspecError):
            return None

    def versions(self, ids: Sequence[UUID] | None = None) -> dict[UUID, int]:
        """Return the versions that are indexed, of these services or of all."""
        with self._reporting():
            snapshot = self._refreshed()
            if snapshot is None:
                return {}
            searcher = snapshot.searcher
            query = SERVICES if ids is None else with_any("id", [str(id_) for id_ in ids])
            limit = max(searcher.num_docs, 1) if ids is None else max(len(ids), 1)
            addresses = [address for _, address in searcher.search(query, limit, count=False).hits]
            if not addresses:
                return {}
            versions = searcher.fast_field_values("version", addresses)
            return {
                UUID(searcher.doc(address).get_first("id")): int(version or 0)
                for address, version in zip(addresses, versions, strict=True)
            }

    def apply(self, batch: Batch, vocabulary: Vocabulary) -> Mapping[UUID, str]:
        """Apply a batch in one commit with its position; an older version of a service changes nothing."""
        with self._writing, self._reporting():
            path = self._folder.current()
            if path is None or not is_sound(path, thorough=False):
                raise SearchUnavailable
            known = {} if batch.forced else self.versions([service.id for service in batch.documents])
            newer = [service for service in batch.documents if service.version > known.get(service.id, 0)]
            try:
                if self._writer is None or self._writer[0] != path:
                    self._writer = (path, _writer(Index.open(str(path))))
                writer = self._writer[1]
                refused = _write(writer, newer, batch.removed, vocabulary, self.meaning)
                _write_position(writer, batch.position, refused)
                writer.commit()
            except BaseException:
                self._writer = None
                raise
            return refused

    def rebuild(self, vocabulary: Vocabulary) -> LocalRebuild:
        """Begin a new index beside the one that serves; raises SearchUnavailable where there is no room."""
        with self._writing, _unavailable_if_broken():
            self._writer = None
            self._folder.sweep()
            return LocalRebuild(self._folder, vocabulary, self.meaning)


@contextlib.contextmanager
def _unavailable_if_broken() -> Iterator[None]:
    """Turn what tantivy and the file system raise into SearchUnavailable."""
    try:
        yield
    except BaseException as error:
        # A panic in Rust arrives as PanicException, which is no Exception.
        if isinstance(error, ValueError | OSError) or type(error).__name__ == "PanicException":
            raise SearchUnavailable(type(error).__name__) from error
        raise


class LocalRebuild:
    """A new index that is being filled; nobody searches it before ``finish``."""

    def __init__(self, folder: IndexFolder, vocabulary: Vocabulary, meaning: Model | None) -> None:
        self._meaning = meaning
        self._folder = folder
        self._vocabulary = vocabulary
        self._path = folder.new()
        self._index = Index(SCHEMA, path=str(self._path))
        self._writer: Any = _writer(self._index)
        self._position: Position | None = None
        self._refused: dict[UUID, str] = {}

    def apply(self, batch: Batch) -> Mapping[UUID, str]:
        """Add documents; return those that could not be added."""
        with _unavailable_if_broken():
            refused = _write(self._writer, batch.documents, batch.removed, self._vocabulary, self._meaning)
        self._refused |= refused
        self._position = batch.position
        return refused

    def finish(self) -> None:
        """Commit and let the new index serve; raises SearchUnavailable if the folder is no longer ours."""
        with _unavailable_if_broken():
            if self._position is None:
                raise ValueError("A rebuild needs at least one batch: it brings the position.")
            _write_position(self._writer, self._position, self._refused)
            self._writer.commit()
            self._writer.wait_merging_threads()
            self._writer = None
            if not self._folder.lead() or not is_sound(self._path, thorough=False):
                raise SearchUnavailable("the folder was taken away")
            self._folder.publish(self._path)

    def abandon(self) -> None:
        """Throw the new index away."""
        self._writer = None
        shutil.rmtree(self._path, ignore_errors=True)


def _writer(index: Index) -> Any:
    return index.writer(WRITER_MEMORY, 1)


def _write(
    writer: Any,
    services: Sequence[ServiceDocument],
    removed: Sequence[UUID],
    vocabulary: Vocabulary,
    meaning: Model | None,
) -> dict[UUID, str]:
    """Replace and remove; what cannot be indexed is left out and returned with the kind of error."""
    meanings: dict[UUID, list[int]] = {}
    if meaning is not None:
        found = [service for service in services if may_be_found(service)]
        if found:
            vectors = meaning.of_services(found)
            meanings = {one.id: packed(vector) for one, vector in zip(found, vectors, strict=True)}
    made: list[Document] = []
    refused: dict[UUID, str] = {}
    gone = list(removed)
    for service in services:
        gone.append(service.id)
        if not may_be_found(service):
            continue
        try:
            made.append(to_index(service, vocabulary, meanings.get(service.id, ())))
        except Exception as error:  # one bad document must not stop the others
            refused[service.id] = type(error).__name__
    if gone:
        writer.delete_documents_by_query(with_any("id", [str(id_) for id_ in gone]))
    for document in made:
        writer.add_document(document)
    return refused


def _write_position(writer: Any, position: Position, refused: Mapping[UUID, str]) -> None:
    writer.delete_documents_by_query(with_term("meta", "position"))
    kept = msgspec.structs.replace(position, set_aside={**position.set_aside, **refused})
    document = Document()
    document.add_text("meta", "position")
    document.add_bytes("stored", msgspec.msgpack.encode(kept))
    writer.add_document(document)


Hits: TypeAlias = Sequence[tuple[float, DocAddress]]


class Looked(NamedTuple):
    """What was counted of a search, and the first hits that were found on the same way, if any were wanted.

    ``whole``: the query without the situation.
    """

    whole: Query
    fitting: int
    total: int
    first: Hits | None = None


class _Search:
    """One search over one snapshot.

    Going through all that a search finds is what takes time in a large directory, so it is done as seldom as
    possible: once for the count and the first hits, once for all facets.
    """

    def __init__(self, snapshot: Snapshot, query: SearchQuery, meaning: Model | None) -> None:
        self.searcher = snapshot.searcher
        self.snapshot = snapshot
        self.query = query
        self.words = units(query.text)
        # Text without a single word ("!?") asks for nothing that could be found.
        self.nothing = bool(query.text.strip()) and not self.words
        self.must, self.must_not = compile_filters(query.filters, snapshot)
        near = self._near(meaning) if meaning is not None and self.words else []
        question = is_question(query.text)
        self.compiled = compile_words(self.words, snapshot, near, question=question) if self.words else None
        self.wishes = wishes(self.words, self.searcher.num_docs, self._having) if self.words else []
        self.wrong = misfits(query.situation, snapshot) if query.situation is not None else []
        self.after: Mark | None = mark(query) if query.after is not None else None
        self._documents: dict[tuple[int, int], Document] = {}

    def _having(self, base: str) -> int:
        """Return how many services have a stem, by the section that most have it in."""
        return max(self.searcher.doc_freq(f"{section}_parts", base) for section in SECTIONS)

    def _near(self, meaning: Model) -> list[Neighbour]:
        """Return the services that meet the filters and are nearest in meaning."""
        among: list[Any] | None = None
        if self.must or self.must_not:
            allowed = but_not(every([SERVICES, *self.must]), self.must_not)
            hits = self.searcher.search(allowed, max(self.searcher.num_docs, 1), count=False).hits
            among = self.snapshot.ranks([address for _, address in hits])
        return self.snapshot.space().nearest(meaning.question(self.query.text), among)

    def result(self) -> SearchResult:
        if self.nothing:
            return SearchResult(
                hits=(), total=0, fitting=0, more=False, facets=dict.fromkeys(self.query.facets, ())
            )
        relaxed = self.after.relaxed if self.after is not None else False
        looked = self._looked(relaxed, first=True)
        if looked.total == 0 and not relaxed and self.after is None and self.compiled is not None:
            relaxed = True
            looked = self._looked(relaxed, first=True)
        counting = _COUNTING.submit(self._counted, looked) if self.query.facets else None
        found, more = self._page(looked)
        seen = self.after.seen if self.after is not None else 0
        hits = []
        for number, hit in enumerate(found, seen + 1):
            document = self._document(hit.address)
            id_ = UUID(document.get_first("id"))
            hits.append(
                SearchHit(
                    id=id_,
                    score=hit.score,
                    cursor=cursor_at(
                        self.query,
                        fitting=hit.fitting,
                        relaxed=relaxed,
                        score=hit.score,
                        rank=hit.rank,
                        service=id_,
                        seen=number,
                    ),
                    highlights=self._highlights(document),
                )
            )
        return SearchResult(
            hits=tuple(hits),
            total=looked.total,
            fitting=looked.fitting,
            more=more,
            facets=counting.result() if counting is not None else {},
            relaxed=relaxed and looked.total > 0,
        )

    def every_id(self) -> tuple[UUID, ...]:
        if self.nothing:
            return ()
        looked = self._looked(False)
        if looked.total == 0 and self.compiled is not None:
            looked = self._looked(True)
        hits = self.searcher.search(self._everything(looked.whole), max(looked.total, 1), count=False).hits
        return tuple(UUID(self.searcher.doc(address).get_first("id")) for _, address in hits)

    def _looked(self, relaxed: bool, *, first: bool = False) -> Looked:
        """Count; where a first page begins, with the first hits that may fit."""
        if self.compiled is None:
            words = Query.const_score_query(SERVICES, 1.0)
        else:
            words = self.compiled.relaxed if relaxed else self.compiled.first
        whole = Query.boolean_query(
            [
                (Occur.Must, words),
                *((Occur.Must, query) for query in self.must),
                *((Occur.MustNot, query) for query in [*self.must_not, with_term("meta", "position")]),
            ]
        )
        hits: Hits | None = None
        fit = but_not(whole, self.wrong)
        if first and self.after is None:
            fitting, hits = self._best(fit, self._limit(self.query.first + 1))
        else:
            fitting, _ = self._best(fit, 1)
        if not self.wrong or self.query.only_fitting:
            return Looked(whole, fitting, fitting, hits)
        return Looked(whole, fitting, self._best(whole, 1)[0], hits)

    def _best(self, query: Query, limit: int) -> tuple[int, Hits]:
        """Return how many there are, and the best of them: by score, without words by rank."""
        if self.compiled is None and limit > 1:
            found = self.searcher.search(query, limit, count=True, order_by_field="rank", order=Order.Asc)
        else:
            found = self.searcher.search(query, limit, count=True)
        return int(found.count), found.hits  # type: ignore[attr-defined]

    def _limit(self, number: int) -> int:
        """Return how many hits to ask for at first, to be sure of the order of so many."""
        return number if self.compiled is None else max(number, MOST_READ) + BESIDES

    def _everything(self, whole: Query) -> Query:
        return but_not(whole, self.wrong) if self.query.only_fitting else whole

    def _page(self, looked: Looked) -> tuple[list[Found], bool]:
        """Return the hits of the page: first those that may fit, then those that are known not to."""
        whole = looked.whole
        seen = self.after.seen if self.after is not None else 0
        room = min(self.query.first, DEEPEST - seen)
        parts = [(True, but_not(whole, self.wrong))]
        if self.wrong and not self.query.only_fitting:
            parts.append((False, every([whole, Query.const_score_query(either(self.wrong), 0.0)])))
        found: list[Found] = []
        for fitting, query in parts:
            after = self.after
            if after is not None and after.fitting != fitting:
                if fitting:
                    continue  # the cursor is beyond this part
                after = None
            if len(found) <= room:
                first = looked.first if fitting else None
                found += self._part(query, fitting, after, room + 1 - len(found), first)
        return found[:room], len(found) > room and seen + room < DEEPEST

    def _part(
        self, query: Query, fitting: bool, after: Mark | None, number: int, first: Hits | None
    ) -> list[Found]:
        if self.compiled is None:
            return self._by_rank(query, fitting, after, number, first)
        return self._by_score(query, fitting, after, number, first)

    def _by_rank(
        self, query: Query, fitting: bool, after: Mark | None, number: int, first: Hits | None
    ) -> list[Found]:
        if after is not None:
            query = every([query, Query.const_score_query(at_least("rank", after.rank + 1), 0.0)])
        if first is None:
            first = self.searcher.search(
                query, number, count=False, order_by_field="rank", order=Order.Asc
            ).hits
        return [Found(1.0, int(rank), address, fitting) for rank, address in first[:number]]

    def _by_score(
        self, query: Query, fitting: bool, after: Mark | None, number: int, known: Hits | None
    ) -> list[Found]:
        """Return hits by (score, rank); equal scores at the edge are fetched whole, so none is skipped."""
        needed = max(number + (after.seen if after is not None else 0), MOST_READ)
        limit = needed + BESIDES
        while True:
            hits = known if known is not None else self.searcher.search(query, limit, count=False).hits
            known = None
            complete = len(hits) < limit
            if complete or hits[-1][0] < hits[needed - 1][0] or limit >= MOST_BUCKETS:
                break
            limit *= 4
        if not hits:
            return []
        ranks: list[Any] = self.searcher.fast_field_values("rank", [address for _, address in hits])
        # Plain tuples: there may be tens of thousands of equal scores.
        ordered = sorted(zip([-score for score, _ in hits], ranks, range(len(hits)), strict=True))
        ordered[:MOST_READ] = sorted(
            (score - self._closeness(hits[at][1]), rank, at) for score, rank, at in ordered[:MOST_READ]
        )
        first = 0
        if after is not None:
            # Scores move when others change, so the hit itself is the better mark, if it is still there.
            marked = (place for place, (_, rank, _) in enumerate(ordered, 1) if rank == after.rank)
            first = next(marked, bisect_right(ordered, (-after.score, after.rank, len(hits))))
        return [
            Found(-score, int(rank), hits[at][1], fitting)
            for score, rank, at in ordered[first : first + number]
        ]

    def _closeness(self, address: DocAddress) -> float:
        """Return what a hit counts besides its score for how closely its texts meet the search."""
        kept = self._document(address).get_first("reading")
        return closeness(self.wishes, unpacked(bytes(kept))) if kept is not None else 0.0

    def _document(self, address: DocAddress) -> Document:
        """Return what is stored of a hit; who is read closely is often shown too."""
        place = address.segment_ord, address.doc
        known = self._documents.get(place)
        if known is None:
            known = self._documents[place] = self.searcher.doc(address)
        return known

    def _highlights(self, document: Document) -> tuple[Highlight, ...]:
        stored = document.get_first("stored")
        if self.compiled is None or stored is None or not self.query.highlights:
            return ()
        texts = texts_decoder.decode(bytes(stored))
        made = []
        for field, by_language in (
            ("title", texts.title),
            ("partner", {"": texts.partner}),
            ("topic", texts.topics),
            ("description", texts.description),
        ):
            for language in reading_order(by_language, self.query.language):
                cut = fragment(by_language[language][:LONGEST_MARKED], self.compiled.wanted)
                if cut is not None:
                    made.append(
                        Highlight(field=field, language=language or None, fragment=cut[0], ranges=cut[1])
                    )
                    break
        return tuple(made)

    def _counted(self, looked: Looked) -> dict[Facet, tuple[FacetCount, ...]]:
        """Return the facets; those of a whole directory, or of a part by filters, are counted once a state.

        What says anything of a person (words, a place, a situation) is not kept.
        """
        query = self.query
        everything = self._everything(looked.whole)
        filters = query.filters
        if query.text or query.situation is not None or filters.near is not None or not query.facets:
            return self._facets(everything, looked.total)
        kept = self.snapshot.counted
        key = msgspec.json.encode((query.today, filters, sorted(query.facets)))
        known = kept.get(key)
        if known is None:
            known = self._facets(everything, looked.total)
            if len(kept) >= MOST_COUNTED:
                kept.clear()
            kept[key] = known
        return dict(known)

    def _facets(self, query: Query, total: int) -> dict[Facet, tuple[FacetCount, ...]]:
        """Return how many hits have which values; all are counted on one way through the hits."""
        facets = sorted(self.query.facets)
        names = {
            facet: "rules" if facet is Facet.RESIDENCE_STATUS else facet.value.lower() for facet in facets
        }
        found = self._buckets(query, list(names.values()))
        made = {}
        for facet in facets:
            counts = found[names[facet]]
            if facet is Facet.CAPACITY:
                if unknown := total - sum(counts.values()):
                    counts[CapacityState.UNKNOWN.value] = unknown
            elif facet is Facet.RESIDENCE_STATUS:
                counts = self._by_status(counts)
            ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            made[facet] = tuple(FacetCount(value, number) for value, number in ordered[:MOST_FACET_VALUES])
        return made

    def _by_status(self, there: Mapping[str, int]) -> dict[str, int]:
        sets = self.snapshot.rule_sets()
        counts = {}
        for status in ResidenceStatus:
            fitting = sets.with_answer(Profile(status=status), self.query.today, Answer.FITS)
            if number := sum(there.get(term, 0) for term in fitting):
                counts[status.value] = number
        return counts

    def _buckets(self, query: Query, fields: Sequence[str]) -> dict[str, dict[str, int]]:
        if not fields:
            return {}
        asked: Aggregation = {
            field: {"terms": {"field": field, "size": MOST_BUCKETS}} for field in dict.fromkeys(fields)
        }
        if "capacity" in asked:
            # What was said of it holds until a day; as numbers of days are compared, the day itself counts.
            valid = {"field": "capacity_until", "ranges": [{"from": float(day_number(self.query.today))}]}
            asked["capacity"]["aggs"] = {"valid": {"range": valid}}
        counted = self.searcher.aggregate(query, asked)
        return {
            field: {
                bucket["key"]: number for bucket in counted[field]["buckets"] if (number := _number(bucket))
            }
            for field in asked
        }


def _number(bucket: Mapping[str, Any]) -> int:
    """Return how many hits a bucket has, or those of them that are still valid."""
    if "valid" not in bucket:
        return int(bucket["doc_count"])
    return sum(int(part["doc_count"]) for part in bucket["valid"]["buckets"] if "from" in part)


def reading_order(texts: Mapping[str, str], language: str) -> list[str]:
    """Return the languages of a text as a reader wants them: their own, German, English, the others.

    >>> reading_order({"en": "", "ar": "", "de": ""}, "ar-SY")
    ['ar', 'de', 'en']
    """
    wishes = [language, language.split("-")[0], "de", "en"]
    return sorted(texts, key=lambda tag: (wishes.index(tag) if tag in wishes else len(wishes), tag))
