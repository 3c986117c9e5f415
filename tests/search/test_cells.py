"""Squares of the map: a circle is the squares within it, and the places in squares at its rim."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from search.cells import EARTH_KM, LEVELS, Places, cell, cells_of, covered, finest, kilometres, place_term
from search.engine import Near

LATITUDES = st.floats(-90, 90)
LONGITUDES = st.floats(-180, 180)


@given(
    middle=st.tuples(LATITUDES, LONGITUDES),
    radius=st.floats(0, 1_000),
    away=st.tuples(st.floats(0, 2), st.floats(0, 360)),
    fineness=st.integers(1, 20_000),
)
@example(middle=(90.0, 0.0), radius=100.0, away=(0.5, 77.0), fineness=100)
@example(middle=(-89.9, 179.9), radius=1_000.0, away=(0.999, 1.0), fineness=10_000)
@example(middle=(51.76, 180.0), radius=20.0, away=(1.0, 90.0), fineness=10_000)
@example(middle=(51.76, 14.33), radius=0.0, away=(0.0, 0.0), fineness=1)
def test_squares_hold_what_lies_in_a_circle_and_nothing_else(
    middle: tuple[float, float], radius: float, away: tuple[float, float], fineness: int
) -> None:
    near = Near(latitude=middle[0], longitude=middle[1], radius_km=radius)
    term = place_term(*travelled(middle, away[0] * radius / EARTH_KM, math.radians(away[1])))
    squares = set(cells_of(term))

    found = covered(near, finest(radius, fineness))

    _, latitude, longitude = term.split(",")
    inside = kilometres(middle, (float(latitude), float(longitude))) <= radius
    measured = Places([term, place_term(0.0, 0.0)]).within(near, found.rim)
    assert bool(squares & set(found.within)) + (term in measured) == inside


def travelled(start: tuple[float, float], far: float, bearing: float) -> tuple[float, float]:
    """Return where one arrives from a place in a direction (both as angles)."""
    latitude, longitude = map(math.radians, start)
    sine = math.sin(latitude) * math.cos(far) + math.cos(latitude) * math.sin(far) * math.cos(bearing)
    there = math.asin(max(-1.0, min(1.0, sine)))
    turned = math.atan2(
        math.sin(bearing) * math.sin(far) * math.cos(latitude),
        math.cos(far) - math.sin(latitude) * math.sin(there),
    )
    return math.degrees(there), (math.degrees(longitude + turned) + 180) % 360 - 180


@pytest.mark.parametrize("radius", [1.0, 5.0, 20.0, 80.0, 1_000.0])
@pytest.mark.parametrize("services", [100, 10_000, 1_000_000])
def test_a_hundred_times_the_services_are_ten_times_the_squares(radius: float, services: int) -> None:
    found = covered(Near(latitude=51.76, longitude=14.33, radius_km=radius), finest(radius, services))

    assert len(found.within) + len(found.rim) < 60 + 10 * math.sqrt(services)


@pytest.mark.parametrize("radius", [1.0, 5.0, 20.0, 80.0, 1_000.0])
def test_a_circle_with_little_in_it_is_told_coarsely(radius: float) -> None:
    found = covered(Near(latitude=51.76, longitude=14.33, radius_km=radius), finest(radius))

    assert len(found.touched) < 250
    assert set(found.touched) == {*found.within, *found.rim}


def test_places_are_counted_by_squares() -> None:
    terms = [place_term(51.76 + step / 1_000, 14.33) for step in range(50)]

    assert Places(terms).number(["1"]) == 50
    assert Places(terms).number([cells_of(terms[0])[-1], cells_of(terms[9])[-1]]) == 2
    assert Places(terms).number(["0"]) == 0


def test_squares_do_not_overlap() -> None:
    found = covered(Near(latitude=51.76, longitude=14.33, radius_km=20), 15)

    assert len({*found.within, *found.rim}) == len(found.within) + len(found.rim)
    for name in found.within:
        assert not any(name[:length] in found.within for length in range(len(name)))


def test_names_begin_with_those_of_the_squares_they_lie_in() -> None:
    assert [cell(2, 0, 0), cell(2, 3, 7), cell(2, 1, 2), cell(2, 1, 10)] == ["000", "133", "012", "012"]
    for level in LEVELS[1:]:
        row, column = 2**level // 3, 2**level // 5
        assert cell(level, row, column)[:-1] == cell(level - 1, row // 2, column // 2)
    assert place_term(51.76, 14.33) == "122012102211222030132,51.76000,14.33000"
    assert cells_of(place_term(51.76, 14.33))[:2] == ["1220121", "12201210"]
    assert place_term(90, 180).startswith("0222222")
    assert place_term(-90, -180).startswith("0000000")
