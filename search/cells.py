"""Squares of the map, so that a circle is some of them and the few places at its rim.

A square of level n is 180° / 2**n high and as many degrees wide; each holds four of the next level. What
lies in a circle is found by names of squares, as words are, however many places there are in it: only those
in squares that the rim goes through are measured one by one.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from search.engine import Near

LEVELS: Final = range(6, 21)
"""Levels of squares that places are in: 313 km to 19 m high."""

EARTH_KM: Final = 6371.0088
"""Mean radius of the earth (IUGG)."""

_MARGIN: Final = 1e-7
"""Radians (0.6 m) by which a square must be inside, to be inside whatever is rounded."""

_COARSEST: Final = 4
"""How many squares at least are as high as a circle's radius."""

_FINENESS: Final = 0.15
"""How many they are for each root of the number of services round about.

A rim then has about as many squares as places in them, which both grow with the root of that number (tried
at 100,000 services: with 0.06 and with 0.25 one of the engines took 1.4 times as long within 80 km).
"""

Rows = Mapping[int, tuple[int, int]]
"""By row, the first column and the one behind the last; columns go on beyond the date line."""


def cell(level: int, row: int, column: int) -> str:
    """Return the name of a square: that of the one it lies in, and a digit of four.

    Columns are counted eastwards from the date line, rows from the south.
    """
    column %= 2 ** (level + 1)
    return f"{2 * int(f'{row:b}') + int(f'{column:b}'):0{level + 1}}"  # their bits, in turn


def place_term(latitude: float, longitude: float) -> str:
    """Return the term of a place (degrees, WGS 84), about a metre exact: its smallest square, and itself."""
    latitude, longitude = round(latitude, 5), round(longitude, 5)
    level = LEVELS[-1]
    row = min(math.floor((latitude + 90) / 180 * 2**level), 2**level - 1)
    column = math.floor((longitude + 180) / 180 * 2**level)
    return f"{cell(level, row, column)},{latitude:.5f},{longitude:.5f}"


def cells_of(term: str) -> list[str]:
    """Return the squares that a place (by its term) is in, one of each level."""
    return [term[: level + 1] for level in LEVELS]


def kilometres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the great-circle distance of two points (latitude, longitude in degrees) in km."""
    lat1, lon1, lat2, lon2 = map(math.radians, (*one, *other))
    half = (
        math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    )
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(half)))


def finest(radius_km: float, around: int = 0) -> int:
    """Return the level that a circle is told at; ``around``: how many services its coarsest squares hold."""
    wanted = radius_km / max(_COARSEST, _FINENESS * math.sqrt(around))
    heights = (math.pi * EARTH_KM / 2**level for level in LEVELS)
    return next(
        (level for level, height in zip(LEVELS, heights, strict=True) if height <= wanted), LEVELS[-1]
    )


class Circle(NamedTuple):
    """What lies in a circle: squares that are wholly within, and of those at its rim the terms of places."""

    cells: Sequence[str] = ()
    places: Sequence[str] = ()


class Places:
    """Places, so that those in a square are found by a few comparisons."""

    def __init__(self, terms: Iterable[str]) -> None:
        self._terms = sorted(terms)

    def number(self, cells: Iterable[str]) -> int:
        """Return how many places these squares hold."""
        return sum(len(self._in(name)) for name in cells)

    def within(self, near: Near, cells: Iterable[str]) -> list[str]:
        """Return the terms of the places in these squares that lie in a circle."""
        return [term for name in cells for term in self._in(name) if _lies_in(near, term)]

    def _in(self, name: str) -> Sequence[str]:
        first = bisect_left(self._terms, name)
        return self._terms[first : bisect_left(self._terms, f"{name}~", first)]


def _lies_in(near: Near, term: str) -> bool:
    _, latitude, longitude = term.split(",")
    return kilometres((near.latitude, near.longitude), (float(latitude), float(longitude))) <= near.radius_km


class Covered(NamedTuple):
    """A circle as squares: those wholly within, of any level, and those that its rim goes through."""

    within: list[str]
    rim: list[str]

    @property
    def touched(self) -> list[str]:
        """All that the circle lies in."""
        return self.within + self.rim


def covered(near: Near, level: int) -> Covered:
    """Return the squares of a circle; ``level``: the finest that is used."""
    inner: dict[int, tuple[int, int]] = {}
    rim: list[str] = []
    for row, (outside, inside) in _rows(near, level):
        if inside[0] < inside[1]:
            inner[row] = inside
            pieces = [(outside[0], inside[0]), (inside[1], outside[1])]
        else:
            pieces = [outside]
        rim += [cell(level, row, column) for first, end in pieces for column in range(first, end)]
    return Covered(list(_joined(inner, level)), rim)


def _rows(near: Near, level: int) -> Iterator[tuple[int, tuple[tuple[int, int], tuple[int, int]]]]:
    """Return, row by row, the columns that may touch the circle, and those that are wholly within."""
    across = near.radius_km / EARTH_KM
    height = 180 / 2**level
    reach = math.degrees(across + _MARGIN)
    first = max(math.floor((near.latitude - reach + 90) / height), 0)
    last = min(math.floor((near.latitude + reach + 90) / height), 2**level - 1)
    # Where a circle is widest in longitude; it has no such place when it holds a pole.
    sine = math.sin(math.radians(near.latitude)) / math.cos(across)
    widest = math.degrees(math.asin(sine)) if abs(sine) < 1 else None
    for row in range(first, last + 1):
        south, north = row * height - 90, (row + 1) * height - 90
        edges = [_half_width(near, south), _half_width(near, north)]
        most = max(edges)
        if widest is not None and south <= widest <= north:
            most = max(most, _half_width(near, widest))
        outside = _columns(near.longitude, most + _MARGIN, height, whole=False)
        yield row, (outside, _columns(near.longitude, min(edges) - _MARGIN, height, whole=True))


def _half_width(near: Near, latitude: float) -> float:
    """Return how far east and west of its middle (radians) a circle goes at a latitude; below 0: nowhere."""
    one, other = math.radians(near.latitude), math.radians(latitude)
    missing = math.cos(near.radius_km / EARTH_KM) - math.sin(one) * math.sin(other)
    share = math.cos(one) * math.cos(other)
    if missing <= -share:
        return math.pi
    return math.acos(missing / share) if missing < share else -_MARGIN


def _columns(longitude: float, half: float, width: float, *, whole: bool) -> tuple[int, int]:
    """Return the columns that lie within ``half`` radians of a longitude, or that touch what does."""
    if half < 0:
        return 0, 0
    if half >= math.pi - (_MARGIN if whole else 0):
        return 0, round(360 / width)
    west = (longitude - math.degrees(half) + 180) / width
    east = (longitude + math.degrees(half) + 180) / width
    if whole:
        return math.ceil(west), math.floor(east)
    first, end = math.floor(west), math.floor(east) + 1
    return (first, end) if end - first < 360 / width else (0, round(360 / width))


def _joined(rows: Rows, level: int) -> Iterator[str]:
    """Return squares, four of them as the one that they make up."""
    larger: dict[int, tuple[int, int]] = {}
    if level > LEVELS[0]:
        for row in {row // 2 for row in rows}:
            south, north = rows.get(2 * row, (0, 0)), rows.get(2 * row + 1, (0, 0))
            first, end = -(-max(south[0], north[0]) // 2), min(south[1], north[1]) // 2
            if first < end:
                larger[row] = (first, end)
        yield from _joined(larger, level - 1)
    for row, (first, end) in rows.items():
        taken = larger.get(row // 2)
        pieces = [(first, end)] if taken is None else [(first, 2 * taken[0]), (2 * taken[1], end)]
        for start, stop in pieces:
            yield from (cell(level, row, column) for column in range(start, stop))
