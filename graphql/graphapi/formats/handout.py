"""A service on one page to take away, in the person's language: what, for whom, where, when, what to bring.

There is nothing about a person on it, so it can be given to anybody. The words around the entry stand in
``handout_texts.json``, one object per language; days, dates and names of languages are those of the CLDR.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import Final

import msgspec
from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency

from directory.documents import ServiceDocument
from directory.languages import choose, right_to_left
from directory.values import ContactPoint, CourseFacts, LocationValue, OpeningHours
from directory.vocabulary import Answer
from referrals.printing import (
    Block,
    Bullets,
    Code,
    Heading,
    Paragraph,
    Printout,
    Rows,
    Title,
    isolated,
    render,
)

MEDIA_TYPE: Final = "application/pdf"

NEAREST: Final[Mapping[str, str]] = {"ku": "kmr", "prs": "fa", "be": "ru"}
"""A language without words of its own here, and the written language nearest to it."""

LONGEST_TEXT: Final = 1_200
"""Characters of a description that stand on the page; who wants more follows the code."""


@cache
def words() -> dict[str, dict[str, str]]:
    """Return the words around an entry: language to key to text."""
    text = files(__package__).joinpath("handout_texts.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, dict[str, str]])


def languages() -> tuple[str, ...]:
    """Return the languages that have words for a handout."""
    return tuple(words())


def language_of(wanted: str) -> str:
    """Return the language of the handout that is made when ``wanted`` (BCP 47) is asked for.

    >>> language_of("ar-SY"), language_of("prs"), language_of("zh-Hant")
    ('ar', 'fa', 'de')
    """
    primary = wanted.split("-")[0].lower()
    nearest = NEAREST.get(primary, primary)
    return nearest if nearest in words() else "de"


def of_service(service: ServiceDocument, wanted: str, address: str | None, today: date) -> bytes:
    """Return the handout of a service as PDF, in the wanted language or the one it falls back to.

    ``address``: where more can be read, printed as a QR code; None: the website of the entry, if any.
    Raises NotPrintable when a text has a character that no font of ours can print.
    """
    sheet = _Sheet(language_of(wanted), wanted)
    more = address or service.website or service.partner.website
    blocks = [*sheet.head(service), *sheet.body(service, today)]
    if more:
        blocks.append(Code(content=more, text=sheet.say("scan"), below=more))
    blocks.append(Paragraph(text=sheet.say("wrong"), small=True))
    return render(
        Printout(language=sheet.language, blocks=tuple(blocks), footer=sheet.footer(service, today))
    )


class _Sheet:
    """The words of one language, and what is said with them."""

    def __init__(self, language: str, wanted: str) -> None:
        self.language = language
        self.order = (wanted, language)
        self.words = words()[language]
        self.locale = Locale.parse(language, sep="-")

    def say(self, key: str, **values: str) -> str:
        return self.words[key].format(**{name: isolated(value) for name, value in values.items()})

    def day(self, day: date) -> str:
        return format_date(day, format="long", locale=self.locale)

    def text(self, texts: Mapping[str, str], *, strong: bool = False) -> Iterator[Block]:
        """Give a text in the wanted language, or in another one with a word about that."""
        found = choose(texts, self.order)
        if found is None:
            return
        language, text = found
        shown = text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT].rsplit(" ", 1)[0] + " …"
        other = language.split("-")[0] not in (self.language, self.order[0].split("-")[0])
        if other:
            yield Paragraph(text=self.say("in_other_language"), small=True)
        yield Paragraph(text=shown, strong=strong, language=language if other else None)

    def short(self, texts: Mapping[str, str]) -> str:
        found = choose(texts, self.order)
        return "" if found is None else isolated(found[1])

    def head(self, service: ServiceDocument) -> Iterator[Block]:
        title = choose(service.title, self.order)
        if title is None:
            return
        language, text = title
        same = right_to_left(language) == right_to_left(self.language)
        yield Title(text=text, language=None if same else language)
        yield Paragraph(text=self.say("offered_by", partner=service.partner.name))

    def body(self, service: ServiceDocument, today: date) -> Iterator[Block]:
        if service.description:
            yield Heading(text=self.say("about"))
            yield from self.text(service.description)
        whom = list(self.whom(service, today))
        if whom:
            yield Heading(text=self.say("who"))
            yield Bullets(items=tuple(whom))
        if service.course is not None:
            yield from self.course(service.course, today)
        if service.locations:
            yield Heading(text=self.say("where"))
            yield Bullets(items=tuple(_address(place) for place in service.locations))
        hours = [place.hours for place in service.locations if place.hours is not None]
        if hours:
            yield Heading(text=self.say("when"))
            yield from self.opening(hours[0])
        yield Heading(text=self.say("next_steps"))
        if service.application_process:
            yield from self.text(service.application_process)
        else:
            yield Paragraph(text=self.say("call_first"))
        if service.required_documents:
            yield Heading(text=self.say("bring"))
            yield Bullets(items=tuple(self.short(paper.name) for paper in service.required_documents))
        reach = list(self.contacts(service.contact_points))
        if reach:
            yield Heading(text=self.say("contact"))
            yield Rows(rows=tuple(reach))
        spoken = [self.spoken(one.language, interpreted=one.interpreted) for one in service.languages]
        if spoken:
            yield Heading(text=self.say("languages"))
            yield Paragraph(text=", ".join(dict.fromkeys(spoken)))

    def whom(self, service: ServiceDocument, today: date) -> Iterator[str]:
        names = {Answer.FITS: "fits", Answer.ASK: "ask", Answer.DOES_NOT_FIT: "does_not_fit"}
        for rule in service.eligibility:
            if rule.reason and rule.in_force(today):
                yield f"{self.say(names[rule.answer])}: {self.short(rule.reason)}"

    def course(self, course: CourseFacts, today: date) -> Iterator[Block]:
        facts: list[str] = []
        levels = [level.value for level in (course.level_from, course.level_to) if level is not None]
        if levels:
            facts.append(self.say("level", level="–".join(dict.fromkeys(levels))))
        if course.childcare:
            facts.append(self.say("childcare"))
        if course.women_only:
            facts.append(self.say("women_only"))
        for run in course.runs:
            if run.starts_on is None or run.starts_on < today:
                continue
            parts = [self.say("begins", date=self.day(run.starts_on))]
            if run.ends_on is not None:
                parts.append(self.say("until", date=self.day(run.ends_on)))
            if run.full:
                parts.append(self.say("full"))
            elif run.apply_by is not None:
                parts.append(self.say("apply_by", date=self.day(run.apply_by)))
            facts.append(", ".join(parts))
        if course.cost_cents is not None:
            cost = format_currency(course.cost_cents / 100, "EUR", locale=self.locale)
            facts.append(f"{self.say('cost')}: {isolated(cost) if course.cost_cents else self.say('free')}")
        if facts:
            yield Heading(text=self.say("course"))
            yield Bullets(items=tuple(facts))

    def opening(self, hours: OpeningHours) -> Iterator[Block]:
        names = self.locale.days["stand-alone"]["wide"]
        rows = []
        for weekday, periods in groupby(
            sorted(hours.periods, key=lambda one: (one.weekday, one.opens)), key=lambda one: one.weekday
        ):
            spans = ", ".join(isolated(f"{one.opens}–{one.closes}") for one in periods)
            rows.append((names[weekday - 1], spans))
        if rows:
            yield Rows(rows=tuple(rows))
        if hours.by_appointment:
            yield Paragraph(text=self.say("by_appointment"))
        if rows and hours.closed_on_holidays:
            yield Paragraph(text=self.say("closed_on_holidays"), small=True)

    def contacts(self, points: Iterable[ContactPoint]) -> Iterator[tuple[str, str]]:
        for point in points:
            value = isolated(point.value)
            if point.extension:
                value += f", {self.say('extension', extension=point.extension)}"
            yield self.short(point.label), value

    def spoken(self, tag: str, *, interpreted: bool) -> str:
        primary = tag.split("-")[0]
        name = self.locale.languages.get("ku" if primary == "kmr" else primary, tag)
        return self.say("interpreted", language=name) if interpreted else name

    def footer(self, service: ServiceDocument, today: date) -> str:
        printed = self.say("printed", date=self.day(today))
        if service.assured_at is not None:
            printed += f" · {self.say('checked', date=self.day(service.assured_at.date()))}"
        return isolated(printed)


def _address(place: LocationValue) -> str:
    town = " ".join(part for part in (place.postcode, place.city) if part)
    return isolated(", ".join(part for part in (place.name, place.street, town) if part))
