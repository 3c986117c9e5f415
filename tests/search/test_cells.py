"""Squares of the map: a circle is the squares within it, and the places in squares at its rim."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from search.cells import EARTH_KM, LEVELS, cell, cells_of, covered, finest
from search.engine import Near
from search.queries import kilometres

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
    place = travelled(middle, away[0] * radius / EARTH_KM, math.radians(away[1]))

    found = covered(near, finest(radius, fineness))
    squares = set(cells_of(*place))

    inside = kilometres(middle, place) <= radius
    if squares & set(found.within):
        assert inside
    elif inside:
        assert squares & set(found.rim)


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


def test_squares_do_not_overlap() -> None:
    found = covered(Near(latitude=51.76, longitude=14.33, radius_km=20), 15)

    assert len({*found.within, *found.rim}) == len(found.within) + len(found.rim)
    for name in found.within:
        level, row, column = map(int, name.split(":"))
        for coarser in range(LEVELS[0], level):
            by = level - coarser
            assert cell(coarser, row >> by, column >> by) not in found.within


def test_a_place_is_in_one_square_of_each_level() -> None:
    assert cells_of(51.76, 14.33)[:3] == ["6:50:69", "7:100:138", "8:201:276"]
    assert cells_of(90, 180)[0] == "6:63:0"
    assert cells_of(-90, -180)[0] == "6:0:0"
