"""By which conditions a Meilisearch server tells the best of many hits from the others."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from search.meili import searching
from search.meili.searching import Fact, Level, levels

Service = frozenset[int]
"""The facts that a service has; what they imply with them."""


def meets(service: Service, condition: str) -> bool:
    """Evaluate a condition whose facts are written ``f0``, ``f1`` and so on."""
    facts = {f"f{number}": number in service for number in range(9)}
    return bool(eval(condition.replace("AND", "and").replace("OR", "or"), {}, facts))


@st.composite
def searches(draw: st.DrawFn) -> tuple[list[Fact], list[Service]]:
    """Facts as a search has them (in a title, hence anywhere), and services that have some."""
    number = draw(st.integers(1, 4))
    places = list(range(number))
    titled = draw(st.integers(0, 1))
    whole = draw(st.booleans())
    first = whole + titled
    implied = [frozenset(first + at for at in places) | ({1} if titled else frozenset())] if whole else []
    implied += [frozenset({first})] if titled else []
    implied += [frozenset() for _ in places]
    weights = draw(st.lists(st.integers(1, 80), min_size=len(implied), max_size=len(implied)))
    chosen = draw(st.lists(st.sets(st.integers(0, len(implied) - 1)), max_size=60))
    services = [frozenset(some).union(*(implied[one] for one in some)) for some in chosen]
    facts = []
    for at, (weight, others) in enumerate(zip(weights, implied, strict=True)):
        counted = sum(at in service for service in services)
        units = frozenset({at - first}) if at >= first else frozenset(one - first for one in others)
        facts.append(
            Fact(weight / 8, f"f{at}", frozenset(others), units & frozenset(places), counted, counted + 1)
        )
    return facts, services


def worth(facts: list[Fact], service: Service) -> float:
    return sum(facts[one].counts for one in service)


@settings(max_examples=60, deadline=None)
@given(searches())
def test_levels_are_services_whose_facts_add_up_to_ever_less(made: tuple[list[Fact], list[Service]]) -> None:
    """Each has the best services, whole: who is on it is worth more than who is not."""
    facts, services = made
    before: set[Service] = set()
    for level in levels(facts):
        on = {service for service in services if meets(service, level.condition)}
        assert before <= on
        least = min((worth(facts, one) for one in on), default=0.0)
        assert all(worth(facts, one) < least for one in services if on and one not in on)
        before = on


@settings(max_examples=60, deadline=None)
@given(searches())
def test_what_a_level_says_of_itself_is_true(made: tuple[list[Fact], list[Service]]) -> None:
    """How many services are on it at least and at most, and what of the search is met on it."""
    facts, services = made
    for level in levels(facts, alone=True):
        on = [service for service in services if meets(service, level.condition)]
        assert level.least <= len(on) <= level.most
        for unit in level.meets:
            assert all(any(unit in facts[one].meets for one in service) for service in on)


def test_only_where_it_is_open_which_services_are_the_best_levels_are_fine() -> None:
    """Rare facts are surely few, common ones surely many; between them lies where 200 end."""
    counted = [3, 5, 40, 90, 150, 4_000]
    facts = [Fact(9.0 - at, f"f{at}", least=one, most=one) for at, one in enumerate(counted)]

    made = levels(facts, alone=True)
    assert len(made) == searching.MOST_LEVELS
    assert made[-1].least > searching.MOST_WEIGHED
    assert all(level.most > searching.MOST_WEIGHED for level in made[1:])
    assert levels(facts[:1]) == [Level("f0", 3, 3)]
