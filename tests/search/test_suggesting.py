"""Suggestions while typing: what is suggested for which beginnings, in which language, in which order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from msgspec.structs import replace

from directory.problems import InvalidInput
from directory.values import PartnerSummary
from directory.vocabulary import PartnerKind, PublicationState
from search.beginnings import beginnings
from search.engine import SearchUnavailable
from search.local import LocalEngine
from search.suggesting import (
    LARGEST,
    InProcess,
    Suggestion,
    SuggestionKind,
    SuggestQuery,
    checked,
    in_process,
)
from tests.search.measure_suggesting import measured
from tests.search.samples import VOCABULARY, fill, service, topic

OTHER = PartnerSummary(id=UUID(int=9), name="Ärztehaus Süd", kind=PartnerKind.FREE_PROVIDER)
SERVICES = [
    service("Sprachkurs Deutsch", topics=(topic("language-course"),)),
    service("Sprachkurs Deutsch", topics=(topic("language-course"),)),
    service({"de": "Müttercafé", "en": "Mothers' café", "ar": "مقهى الأمهات", "uk": "Кафе для мам"}),
    service("Beratung für Ärzte"),
    service("Treff in Chóśebuz"),
    service("Alphabetisierungskurs", topics=(topic("literacy-course"),)),
    service("Verborgenes Angebot", state=PublicationState.HIDDEN),
    replace(service("Ernährung"), partner=OTHER),
]


@pytest.fixture(scope="module")
def suggest(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., list[tuple[str, str, int]]]:
    engine = LocalEngine(tmp_path_factory.mktemp("suggesting"))
    fill(engine, SERVICES)

    def asked(prefix: str, *languages: str, **more: object) -> list[tuple[str, str, int]]:
        query = checked(SuggestQuery(prefix=prefix, languages=languages or ("de",), **more))  # type: ignore[arg-type]
        return [(one.kind.value, one.text, one.services) for one in engine.suggest(query, VOCABULARY)]

    asked.engine = engine  # type: ignore[attr-defined]
    return asked


COURSE = ("SERVICE", "Sprachkurs Deutsch", 2)
CAFE = ("SERVICE", "Müttercafé", 1)


@pytest.mark.parametrize(
    ("typed", "languages", "expected"),
    [
        ("sprachk", (), [("TOPIC", "Sprachkurs", 3), COURSE]),
        ("SPRACHK", (), [("TOPIC", "Sprachkurs", 3), COURSE]),
        ("Sprachkurs De", (), [COURSE]),
        ("deut", (), [("TOPIC", "Sprachkurs", 3), COURSE]),  # a later word; a word people use for the topic
        ("mü", (), [CAFE]),
        ("mue", (), [CAFE]),
        ("Mutter", (), [CAFE]),
        ("müttercafe", (), [CAFE]),
        ("moth", ("de",), [("SERVICE", "Mothers' café", 1)]),  # shown as it is typed
        ("Mot", ("en",), [("SERVICE", "Mothers' café", 1)]),
        ("مقه", ("ar",), [("SERVICE", "مقهى الأمهات", 1)]),
        ("кафе", ("uk",), [("SERVICE", "Кафе для мам", 1)]),
        ("aerz", (), [("SERVICE", "Beratung für Ärzte", 1), ("PARTNER", "Ärztehaus Süd", 1)]),
        ("chos", (), [("SERVICE", "Treff in Chóśebuz", 1)]),
        ("cottb", (), [("SERVICE", "Treff in Chóśebuz", 1)]),
        ("pass", (), []),  # a topic that no service has leads nowhere
        ("verb", (), []),  # hidden
        ("xyz", (), []),
        ("", (), []),
        ("!?", (), []),
        ("sprachkurs xyz", (), []),
    ],
)
def test_beginnings(
    suggest: Callable[..., list[tuple[str, str, int]]],
    typed: str,
    languages: tuple[str, ...],
    expected: list[tuple[str, str, int]],
) -> None:
    """Umlauts however they are spelled, any case, any script; counts are of published services."""
    assert suggest(typed, *languages) == expected


def test_what_begins_so_comes_before_parts_of_words(
    suggest: Callable[..., list[tuple[str, str, int]]],
) -> None:
    found = suggest("kurs", kinds=frozenset({SuggestionKind.SERVICE}))

    assert {text for _, text, _ in found} == {"Sprachkurs Deutsch", "Alphabetisierungskurs"}
    assert suggest("b", kinds=frozenset({SuggestionKind.SERVICE}))[0][1] == "Beratung für Ärzte"


def test_the_only_service_and_the_partner_can_be_opened(
    suggest: Callable[..., list[tuple[str, str, int]]],
) -> None:
    engine: LocalEngine = suggest.engine  # type: ignore[attr-defined]

    def one(prefix: str, kind: SuggestionKind) -> Suggestion:
        query = SuggestQuery(prefix=prefix, kinds=frozenset({kind}))
        return engine.suggest(query, VOCABULARY)[0]

    assert one("mütter", SuggestionKind.SERVICE).id == SERVICES[2].id
    assert one("sprachkurs", SuggestionKind.SERVICE).id is None  # two have this title
    assert one("ärzteh", SuggestionKind.PARTNER).id == OTHER.id
    assert one("sprachk", SuggestionKind.TOPIC).topic == "language-course"


def test_every_kind_gets_its_share(suggest: Callable[..., list[tuple[str, str, int]]]) -> None:
    assert [kind for kind, _, _ in suggest("sprachk", first=1)] == ["TOPIC"]
    assert len(suggest("a", first=2)) == 2


def test_bounds() -> None:
    for query in (
        SuggestQuery(prefix="x" * 501),
        SuggestQuery(prefix="x", first=0),
        SuggestQuery(prefix="x", first=LARGEST + 1),
    ):
        with pytest.raises(InvalidInput):
            checked(query)


def test_the_index_keeps_beginnings_of_words_and_of_their_parts() -> None:
    kept = beginnings(["Sprachkurs am Tag"])

    assert {"s", "sprachkurs", "k", "kurs", "tag", "^s", "^sprachkurs", "^kurs"} <= set(kept)
    assert "^tag" not in kept


def test_there_is_always_an_engine_in_the_process(tmp_path: Path) -> None:
    """Suggestions are never asked of a server; where there is no index yet, that is no empty answer."""

    class Away:
        name = "away"

        def search(self, query: object) -> None:
            raise SearchUnavailable

    engine = LocalEngine(tmp_path / "none")

    assert isinstance(engine, InProcess)
    assert in_process([Away(), engine]) is engine  # type: ignore[list-item]
    with pytest.raises(SearchUnavailable):
        in_process([Away()])  # type: ignore[list-item]
    with pytest.raises(SearchUnavailable):
        engine.suggest(SuggestQuery(prefix="a"), VOCABULARY)


@pytest.mark.torture
def test_hundred_thousand_services_are_suggested_from_in_time(tmp_path: Path) -> None:
    """30 ms at p99; processor time, as whatever else runs here says nothing of suggestions."""
    assert measured(tmp_path / "index", 100_000).cpu_p99 < 0.030
