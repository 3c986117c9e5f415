"""An entry on one page to take away, in the person's language: what, for whom, where, when, what to bring.

There is nothing about a person on it, so it can be given to anybody. The words around the entry stand in
``handout_texts.json``, one object per language; days, dates and names of languages are those of the CLDR.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import Final

import msgspec
from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency

from directory.days import local_day
from directory.documents import PartnerDocument, ServiceDocument
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
    page_count,
    render,
)

MEDIA_TYPE: Final = "application/pdf"

NEAREST: Final[Mapping[str, str]] = {"ku": "kmr", "prs": "fa", "be": "ru"}
"""A language without words of its own here, and the written language nearest to it."""


class _Room(msgspec.Struct, frozen=True, kw_only=True):
    """How much stands on the page: size of the letters, characters of a text and points of a list at most."""

    points: float
    longest: int
    most: int


ROOMS: Final = (
    _Room(points=10, longest=1_200, most=30),
    _Room(points=10, longest=700, most=6),
    _Room(points=9, longest=500, most=6),
    _Room(points=9, longest=300, most=4),
    _Room(points=8.5, longest=160, most=3),
    _Room(points=8, longest=80, most=2),
    _Room(points=7.5, longest=60, most=1),
)
"""Tried one after the other until all is on one page; who wants more follows the code."""


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
    return _on_one_page(
        lambda sheet: (*sheet.head(service), *sheet.body(service, today)),
        wanted,
        address or service.website or service.partner.website,
        service.assured_at,
        today,
    )


def of_partner(
    partner: PartnerDocument,
    services: Sequence[ServiceDocument],
    wanted: str,
    address: str | None,
    today: date,
) -> bytes:
    """Return the handout of a partner with what it offers, as ``of_service`` does."""
    return _on_one_page(
        lambda sheet: tuple(sheet.partner(partner, services)),
        wanted,
        address or partner.website,
        partner.assured_at,
        today,
    )


def _on_one_page(
    said: Callable[[_Sheet], tuple[Block, ...]],
    wanted: str,
    more: str | None,
    assured_at: datetime | None,
    today: date,
) -> bytes:
    made = b""
    for room in ROOMS:
        sheet = _Sheet(language_of(wanted), wanted, room)
        blocks = [*said(sheet)]
        if more:
            blocks.append(Code(content=more, text=sheet.say("scan"), below=more))
        blocks.append(Paragraph(text=sheet.say("wrong"), small=True))
        made = render(
            Printout(
                language=sheet.language,
                blocks=tuple(blocks),
                footer=sheet.footer(assured_at, today),
                points=room.points,
            )
        )
        if page_count(made) == 1:
            break
    return made


class _Sheet:
    """The words of one language, and what is said with them."""

    def __init__(self, language: str, wanted: str, room: _Room) -> None:
        self.room = room
        self.language = language
        self.order = (wanted, language)
        self.words = words()[language]
        self.locale = Locale.parse(language, sep="-")

    def say(self, key: str, **values: str) -> str:
        return self.words[key].format(**{name: isolated(value) for name, value in values.items()})

    def day(self, day: date) -> str:
        return format_date(day, format="long", locale=self.locale)

    def text(
        self, texts: Mapping[str, str], stale: Sequence[str] = (), *, strong: bool = False
    ) -> Iterator[Block]:
        """Give a text in the wanted language, or in another one with a word about that.

        ``stale``: the languages in which it is older than its source; that is said too.
        """
        found = choose(texts, self.order)
        if found is None:
            return
        language, text = found
        shown = self.cut(text)
        other = language.split("-")[0] not in (self.language, self.order[0].split("-")[0])
        if other:
            yield Paragraph(text=self.say("in_other_language"), small=True)
        if language in stale:
            yield Paragraph(text=self.say("stale"), small=True)
        yield Paragraph(text=shown, strong=strong, language=language if other else None)

    def cut(self, text: str) -> str:
        longest = self.room.longest
        return text if len(text) <= longest else text[:longest].rsplit(" ", 1)[0] + " …"

    def short(self, texts: Mapping[str, str]) -> str:
        found = choose(texts, self.order)
        return "" if found is None else isolated(self.cut(found[1]))

    def listed(self, items: Iterable[str]) -> Bullets:
        """Give a list; how many points it has more than there is room for is said."""
        every = list(dict.fromkeys(items))
        more = len(every) - self.room.most
        return Bullets(
            items=tuple(every[: self.room.most]) + ((f"… {isolated(f'+{more}')}",) if more > 0 else ())
        )

    def title(self, texts: Mapping[str, str]) -> Iterator[Block]:
        title = choose(texts, self.order)
        if title is None:
            return
        language, text = title
        same = right_to_left(language) == right_to_left(self.language)
        yield Title(text=text, language=None if same else language)

    def partner(self, partner: PartnerDocument, services: Sequence[ServiceDocument]) -> Iterator[Block]:
        yield Title(text=partner.name, language="de" if right_to_left(self.language) else None)
        if partner.description:
            yield Heading(text=self.say("about"))
            yield from self.text(partner.description, partner.stale.get("description", ()))
        offered = [self.short(service.title) for service in services]
        if offered:
            yield Heading(text=self.say("services"))
            yield self.listed(offered)
        yield from self.places(partner.locations)
        yield Heading(text=self.say("next_steps"))
        yield Paragraph(text=self.say("call_first"))
        yield from self.reach(partner.contact_points)

    def head(self, service: ServiceDocument) -> Iterator[Block]:
        yield from self.title(service.title)
        found = choose(service.title, self.order)
        if found is not None and found[0] in service.stale.get("title", ()):
            yield Paragraph(text=self.say("stale"), small=True)
        yield Paragraph(text=self.say("offered_by", partner=service.partner.name))

    def body(self, service: ServiceDocument, today: date) -> Iterator[Block]:
        if service.description:
            yield Heading(text=self.say("about"))
            yield from self.text(service.description, service.stale.get("description", ()))
        whom = list(self.whom(service, today))
        if whom:
            yield Heading(text=self.say("who"))
            yield self.listed(whom)
        if service.course is not None:
            yield from self.course(service.course, today)
        yield from self.places(service.locations)
        yield Heading(text=self.say("next_steps"))
        if service.application_process:
            yield from self.text(service.application_process, service.stale.get("application_process", ()))
        else:
            yield Paragraph(text=self.say("call_first"))
        if service.required_documents:
            yield Heading(text=self.say("bring"))
            yield self.listed(self.short(paper.name) for paper in service.required_documents)
        yield from self.reach(service.contact_points)
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
            yield self.listed(facts)

    def places(self, places: Sequence[LocationValue]) -> Iterator[Block]:
        """Give where it is and when it is open: once, or for each place that has hours of its own."""
        if places:
            yield Heading(text=self.say("where"))
            yield self.listed(_address(place) for place in places)
        timed = [(one.name, one.hours) for one in places[: self.room.most] if one.hours is not None]
        if timed:
            yield Heading(text=self.say("when"))
        alike = len({place.hours for place in places}) == 1
        for name, hours in timed[:1] if alike else timed:
            if not alike:
                yield Paragraph(text=isolated(name))
            yield from self.opening(hours)

    def reach(self, points: Iterable[ContactPoint]) -> Iterator[Block]:
        rows = tuple(self.contacts(points))[: self.room.most]
        if rows:
            yield Heading(text=self.say("contact"))
            yield Rows(rows=rows)

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

    def footer(self, assured_at: datetime | None, today: date) -> str:
        printed = self.say("printed", date=self.day(today))
        if assured_at is not None:
            printed += f" · {self.say('checked', date=self.day(local_day(assured_at)))}"
        return isolated(printed)


def _address(place: LocationValue) -> str:
    town = " ".join(part for part in (place.postcode, place.city) if part)
    return isolated(", ".join(part for part in (place.name, place.street, town) if part))
