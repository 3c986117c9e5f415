"""A translation that is older than its source says so; nothing is called stale on a guess."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory import sources
from directory.actors import ANONYMOUS, SYSTEM, Role
from directory.catalogue import ServiceChange, change_service
from directory.database import Database
from directory.documents import DocumentKind
from directory.languages import PROJECT
from directory.problems import InvalidInput, NotAllowed, NotSignedIn
from directory.translating import confirm_translation, stale_translations
from directory.translations import confirmed, dated, source_of, stale_in
from directory.values import TextDates
from tests.directory.towns import Town

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("texts", "source", "expected"),
    [
        ({"de": "a", "ar": "b"}, "de", "de"),
        ({"en": "a", "ar": "b"}, "de", "en"),
        ({"de": "a", "en": "b"}, "en", "en"),
        ({"uk": "a", "fa": "b"}, "de", "fa"),
        ({}, "de", None),
    ],
)
def test_one_language_is_the_source(texts: dict[str, str], source: str, expected: str | None) -> None:
    assert source_of(texts, source) == expected


@pytest.mark.parametrize(
    ("dates", "stale"),
    [
        pytest.param({}, (), id="nothing is dated: nothing is known"),
        pytest.param({"de": JANUARY, "ar": JANUARY}, (), id="changed together"),
        pytest.param({"de": JANUARY, "ar": MARCH}, (), id="translated later"),
        pytest.param({"de": MARCH, "ar": JANUARY}, ("ar",), id="the source changed since"),
        pytest.param({"de": MARCH}, ("ar",), id="the source changed, the translation never did"),
        pytest.param({"ar": MARCH}, (), id="only the translation is dated"),
    ],
)
def test_older_than_its_source_is_stale(dates: dict[str, datetime], stale: tuple[str, ...]) -> None:
    assert stale_in({"de": "Rat", "ar": "…"}, dates, "de") == stale


TEXTS = st.dictionaries(st.sampled_from(["de", "en", "ar", "ti"]), st.sampled_from(["x", "y"]), max_size=4)


@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_only_what_changes_is_dated_anew(steps: list[dict[str, str]]) -> None:
    """Whatever happens: each text carries the moment at which it last became what it is."""
    before: dict[str, dict[str, str]] = {}
    dates, became = TextDates(), dict[str, datetime]()
    for day, texts in enumerate(steps):
        now = JANUARY + timedelta(days=day)
        after = {"title": texts}
        became = {
            language: became[language] if before.get("title", {}).get(language) == text else now
            for language, text in texts.items()
        }
        dates = dated(before, after, dates, "de", now)
        before = after

        assert dates.at.get("title", {}) == became
        source = source_of(texts, "de")
        expected = {lang for lang, at in became.items() if source and at < became[source]}
        assert set(dates.stale.get("title", ())) == expected


def test_a_confirmed_translation_is_fresh_and_the_others_are_not() -> None:
    texts = {"title": {"de": "neu", "ar": "…", "uk": "…"}}
    dates = TextDates(
        at={"title": {"de": MARCH, "ar": JANUARY, "uk": JANUARY}}, stale={"title": ("ar", "uk")}
    )

    after = confirmed(texts, dates, "de", "ar", MARCH + timedelta(days=1))

    assert after.stale == {"title": ("uk",)}


async def test_every_expected_language_is_taken_and_ages_with_its_source(
    database: Database, town: Town
) -> None:
    """de, en, ar, fa, uk, ru, fr, ti, kmr, so, dsb: in, read back, stale after the German changed."""
    partner = await town.partner()
    member = town.actor(Role.PARTNER_MEMBER, partner.id)
    texts = {language: f"Beratung {language}" for language in PROJECT}
    service = await town.service(partner.id, texts)
    found = await sources.service(database, ANONYMOUS, service.id)
    assert found is not None
    assert (found.title, found.stale, found.source_language) == (texts, {}, "de")

    async with database.work(member) as work:
        changed = await change_service(
            work,
            service.id,
            ServiceChange(title={**texts, "de": "Sprechstunde", "ti": "ምኽሪ"}),
            expected_version=service.version,
        )

    found = await sources.service(database, ANONYMOUS, service.id)
    assert found is not None
    assert found.stale == {"title": tuple(sorted(set(PROJECT) - {"de", "ti"}))}
    page = await stale_translations(database, member)
    assert [(entry.kind, entry.id, entry.stale) for entry in page.nodes] == [
        (DocumentKind.SERVICE, service.id, found.stale)
    ]
    assert (await stale_translations(database, town.coordinator)).nodes == page.nodes
    stranger = town.actor(Role.PARTNER_MEMBER, (await town.partner("Andere")).id)
    assert (await stale_translations(database, stranger)).nodes == ()

    async with database.work(member) as work:
        saved = await confirm_translation(
            work, DocumentKind.SERVICE, service.id, "ar", expected_version=changed.version
        )
    found = await sources.service(database, ANONYMOUS, service.id)
    assert found is not None
    assert "ar" not in found.stale["title"]
    assert found.version == saved.version == changed.version + 1


async def test_only_a_translation_can_be_confirmed_and_by_its_keepers(database: Database, town: Town) -> None:
    partner = await town.partner()
    service = await town.service(partner.id, {"de": "Rat", "ar": "…"})
    kind = DocumentKind.SERVICE
    for language in ("de", "fr"):
        with pytest.raises(InvalidInput):
            async with database.work(SYSTEM) as work:
                await confirm_translation(work, kind, service.id, language, expected_version=service.version)
    stranger = town.actor(Role.PARTNER_MEMBER, (await town.partner("Andere")).id)
    with pytest.raises(NotAllowed):
        async with database.work(stranger) as work:
            await confirm_translation(work, kind, service.id, "ar", expected_version=service.version)
    with pytest.raises(NotSignedIn):
        await stale_translations(database, ANONYMOUS)
