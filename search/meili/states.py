"""What is known of an index as of one commit: asked once, and used by every search until the next commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from search.cells import LEVELS, Circle, Places, covered, finest
from search.engine import Near, SearchUnavailable
from search.meili.fields import MOST_VALUES
from search.meili.filters import SERVICES, Judged, Known, has_form, is_any, is_one
from search.meili.server import Server

PAGE: Final = 1_000
MOST_CIRCLES: Final = 200
"""How many circles are kept at once."""
MOST_KEPT: Final = 200_000
"""How many words' counts are kept at once."""

Form = tuple[str, str]
"""A field and a word in it."""


def counting(index: str, condition: str, **more: Any) -> dict[str, Any]:
    """Return the search that counts, exactly, what meets a condition."""
    asked = {"indexUid": index, "q": "", "filter": condition, "page": 1, "hitsPerPage": 0}
    return asked | {"attributesToRetrieve": ["id"]} | more


def tick_of(answer: Mapping[str, Any]) -> str:
    """Return the commit that an answer to ``States.tick`` is of; raises SearchUnavailable: no whole index."""
    if not answer["hits"]:
        raise SearchUnavailable("there is no whole index")
    return str(answer["hits"][0]["tick"])


class State:
    """One commit: how many services there are, how many have a word, and which words are like one."""

    def __init__(self, tick: str, services: int) -> None:
        self.tick = tick
        self.services = services
        self.counts: dict[Form, int] = {}
        self.alike: dict[tuple[tuple[str, ...], str], tuple[str, ...]] = {}
        self.judged: Judged | None = None
        self.circles: dict[Near, Circle] = {}

    def keep(self, counts: Mapping[Form, int]) -> None:
        """Keep what was counted."""
        if len(self.counts) > MOST_KEPT:
            self.counts.clear()
        self.counts.update(counts)


class States:
    """Asks an index what searches need to know, and keeps the answers of its last commit."""

    def __init__(self, server: Server, index: str) -> None:
        self._server = server
        self._index = index
        self.last: State | None = None

    @property
    def tick(self) -> dict[str, Any]:
        """The search for the commit that the index is at."""
        return counting(self._index, 'id = "position"', hitsPerPage=1, attributesToRetrieve=["tick"])

    def at(self, tick: str, services: int) -> State:
        """Return the state of this commit."""
        state = self.last
        if state is None or state.tick != tick:
            state = self.last = State(tick, services)
        return state

    def counted(self, forms: list[Form]) -> tuple[State, dict[Form, int]]:
        """Return the index's state, and how many services have each word; asks only what is not known."""
        state = self.last
        there: dict[Form, int] = {}
        while True:
            if state is not None:
                there |= {form: state.counts[form] for form in forms if form in state.counts}
            missing = [form for form in forms if form not in there]
            if state is not None and not missing:
                return state, there
            asked = [counting(self._index, has_form(field, word)) for field, word in missing]
            new = [counting(self._index, SERVICES)] if state is None else []
            at, *counts = self._server.searches([self.tick, *new, *asked])
            if state is None:
                now = self.at(tick_of(at), int(counts.pop(0)["totalHits"]))
            elif tick_of(at) == state.tick:
                now = state
            else:
                state = None
                there.clear()  # of the commit before
                continue
            found = {form: int(count["totalHits"]) for form, count in zip(missing, counts, strict=True)}
            now.keep(found)
            state = now
            there |= found

    def alike(self, state: State, fields: tuple[str, ...], start: str) -> tuple[str, ...]:
        """Return words of these fields that begin like this, give or take typos; the commonest first."""
        found = state.alike.get((fields, start))
        if found is None:
            counts: Counter[str] = Counter()
            for field in fields:
                asked = {"facetName": field, "facetQuery": start}
                answer = self._server.ask(f"indexes/{self._index}/facet-search", asked)
                for hit in answer["facetHits"]:
                    counts[str(hit["value"])] += int(hit["count"])
            found = tuple(sorted(counts, key=lambda word: -counts[word]))
            if len(state.alike) > MOST_KEPT // 20:
                state.alike.clear()
            state.alike[fields, start] = found
        return found

    def judged(self, state: State) -> Judged:
        """Return the values that conditions are judged on."""
        if state.judged is None:
            state.judged = Judged(self._known())
        return state.judged

    def circle(self, state: State, near: Near) -> Circle:
        """Return what of the index lies within a circle; the places at its rim are measured one by one."""
        found = state.circles.get(near)
        if found is None:
            coarse = covered(near, finest(near.radius_km))
            (around,) = self._server.searches([counting(self._index, is_any("cell", coarse.touched))])
            for level in range(finest(near.radius_km, int(around["totalHits"])), LEVELS[-1] + 1):
                cover = covered(near, level)
                asked = counting(self._index, is_any("cell", cover.rim), facets=["point"])
                (counted,) = self._server.searches([asked])
                places = counted["facetDistribution"].get("point", {})
                if len(places) < MOST_VALUES:
                    break
            else:
                raise SearchUnavailable("more places at the rim of a circle than the server tells of")
            found = Circle(cover.within, Places(places).within(near, cover.rim))
            if len(state.circles) >= MOST_CIRCLES:
                state.circles.clear()
            state.circles[near] = found
        return found

    def _known(self) -> Known:
        (counted,) = self._server.searches([counting(self._index, SERVICES, facets=["run", "course_exam"])])
        values: Mapping[str, Mapping[str, int]] = counted["facetDistribution"]
        rules: list[tuple[str, str]] = []
        while True:
            page = self._server.documents(
                self._index,
                filter=is_one("meta", "rules"),
                fields=["id", "stored"],
                offset=len(rules),
                limit=PAGE,
            )
            rules += [(document["id"].removeprefix("rules-"), document["stored"]) for document in page]
            if len(page) < PAGE:
                break
        return Known(
            rules=tuple(rules),
            run=tuple(values.get("run", ())),
            exams=tuple(values.get("course_exam", ())),
        )
