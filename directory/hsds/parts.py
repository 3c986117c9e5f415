"""The parts that HSDS makes organisations and services of: contacts, hours, places, attributes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from babel import Locale

from directory.days import local_day
from directory.documents import PartnerDocument, ServiceDocument, licence_of
from directory.hours import format_hours
from directory.hsds import shapes
from directory.hsds.ids import derived_id
from directory.hsds.profile import (
    GermanLocation,
    GermanPhone,
    GermanSchedule,
)
from directory.hsds.terms import (
    in_german_or_english,
    word_key,
    word_term,
)
from directory.hsds.territories import land
from directory.languages import choose
from directory.values import (
    ContactPoint,
    LanguageOffered,
    LocationValue,
    MunicipalitySummary,
    OpeningHours,
    Texts,
)
from directory.vocabulary import (
    ContactKind,
)

WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
SAFE_DIGITS: Final = 15
"""Digits of a number that every reader of JSON keeps exactly."""

_MAIL: Final = re.compile(r"\S+@[^\s@]+")
_GERMANY: Final = ((47.2, 55.1), (5.8, 15.1))
"""Latitudes and longitudes that Germany lies between."""

_PHRASES: Final[Mapping[str, Mapping[str, str]]] = {
    "de": {
        "everybody": "alle",
        "otherwise": "Sonst: beim Partner fragen.",
        "age": "Alter",
        "from": "ab",
        "to": "bis",
        "years": "Jahre",
        "german": "Deutsch",
        "residence": "Wohnort",
        "work": "Arbeitserlaubnis",
        "by_residence": "Zuständig ist, wer für den Wohnort zuständig ist.",
        "area": "Amtlicher Regionalschlüssel (ARS) {key}",
        "holidays": "An Feiertagen geschlossen.",
        "appointment": "Nach Vereinbarung.",
        "offset": "Zeiten in {zone}; Abstand zu UTC am {day}.",
        "hours_zone": "Zeiten in {zone}.",
        "no_places": "Zurzeit keine freien Plätze (Stand {day}).",
        "no_places_undated": "Zurzeit keine freien Plätze.",
        "waiting": "Wartezeit etwa {weeks} Wochen.",
        "place": "Platz",
        "free_of_charge": "kostenlos",
        "run": "Kurs",
        "apply_by": "Anmeldung bis {day}",
        "places": "freie Plätze: {places}",
        "full": "ausgebucht",
        "interpreted": "Über Dolmetscher: {languages}",
        "interprets": "Dolmetscht: {languages}",
        "extension": "Durchwahl",
        "referral_required": "Nur mit Überweisung durch eine andere Stelle.",
        "referral_not_accepted": "Überweisungen werden nicht angenommen.",
    },
    "en": {
        "everybody": "everybody",
        "otherwise": "Otherwise: ask the provider.",
        "age": "age",
        "from": "from",
        "to": "to",
        "years": "years",
        "german": "German",
        "residence": "place of residence",
        "work": "permission to work",
        "by_residence": "Whoever is responsible for the place of residence is responsible.",
        "area": "Official regional key (ARS) {key}",
        "holidays": "Closed on public holidays.",
        "appointment": "By appointment.",
        "offset": "Times of {zone}; offset from UTC on {day}.",
        "hours_zone": "Times of {zone}.",
        "no_places": "No places at present (as of {day}).",
        "no_places_undated": "No places at present.",
        "waiting": "Waiting time about {weeks} weeks.",
        "place": "place",
        "free_of_charge": "free of charge",
        "run": "Course",
        "apply_by": "apply by {day}",
        "places": "places left: {places}",
        "full": "fully booked",
        "interpreted": "Through an interpreter: {languages}",
        "interprets": "Interprets: {languages}",
        "extension": "extension",
        "referral_required": "Only with a referral from another organisation.",
        "referral_not_accepted": "Referrals are not accepted.",
    },
}

_MORE_LANGUAGES: Final[Mapping[str, Mapping[str, str]]] = {
    "kmr": {"de": "Kurmandschi", "en": "Kurmanji"},
    "prs": {"de": "Dari", "en": "Dari"},
    "rhg": {"de": "Rohingya", "en": "Rohingya"},
}
"""Names that the CLDR does not give."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """For whom and when is written: the languages wanted (BCP 47), the day, and whether the profile is.

    Texts stand in one language: the first wanted one that there is, else German, English or any.
    """

    today: date
    languages: tuple[str, ...] = ()
    profile: bool = False

    @property
    def label_language(self) -> str:
        """The language of labels and phrases: ``de`` or ``en``."""
        return in_german_or_english(self.languages)

    def text(self, texts: Texts) -> str | None:
        """Return the text that this reader gets."""
        found = choose(texts, self.languages)
        return None if found is None else found[1]

    def say(self, phrase: str, **values: object) -> str:
        """Return a phrase of our own."""
        return _PHRASES[self.label_language][phrase].format(**values)


def moment(given: datetime) -> str:
    """Return RFC 3339 in UTC with milliseconds.

    >>> moment(datetime(2026, 11, 22, 19, 0, tzinfo=UTC))
    '2026-11-22T19:00:00.000Z'
    """
    return given.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def uri_of(given: str) -> str | None:
    """Return a web address in the letters that URIs have (RFC 3986), or None for what cannot be one.

    >>> uri_of("https://bücher.example/straße?q=ä")
    'https://xn--bcher-kva.example/stra%C3%9Fe?q=%C3%A4'
    >>> uri_of("look at example.org") is None
    True
    """
    try:
        parts = urlsplit(given.strip())
        host = (parts.hostname or "").encode("idna").decode()
        port = parts.port
    except (UnicodeError, ValueError):
        return None
    if parts.scheme.lower() not in {"http", "https"} or not host or parts.username is not None:
        return None
    if any(not (letter.isalnum() or letter in "-._:") for letter in host):
        return None
    place = f"[{host}]" if ":" in host else host
    return urlunsplit(
        (
            parts.scheme.lower(),
            place if port is None else f"{place}:{port}",
            quote(parts.path, safe="/%:@!$&'()*+,;=-._~"),
            quote(parts.query, safe="/?%:@!$&'()*+,;=-._~"),
            quote(parts.fragment, safe="/?%:@!$&'()*+,;=-._~"),
        )
    )


@lru_cache(maxsize=2_000)
def language_name(tag: str, language: str) -> str:
    """Return the name of a language (BCP 47) in ``de`` or ``en``, or its tag where none is known.

    >>> language_name("ti", "de"), language_name("kmr", "en")
    ('Tigrinya', 'Kurmanji')
    """
    base = tag.partition("-")[0]
    known = Locale(language).languages
    name = known.get(tag.replace("-", "_")) or known.get(base) or _MORE_LANGUAGES.get(base, {}).get(language)
    return name or tag


@lru_cache(maxsize=500)
def offset(zone: str, day: date) -> timedelta | None:
    """Return how far a zone's noon is ahead of UTC on a day; None for a zone that nobody knows."""
    try:
        return ZoneInfo(zone).utcoffset(datetime.combine(day, time(12)))
    except (
        ValueError,
        OSError,
    ):  # unknown, or no name of a zone at all (ZoneInfoNotFoundError is a KeyError)
        return None
    except KeyError:
        return None


def from_to(low: object, high: object, reading: Reading) -> str:
    """Return a span for people that may be open on one side."""
    if low is not None and high is not None:
        return f"{low}–{high}"
    return f"{reading.say('from')} {low}" if low is not None else f"{reading.say('to')} {high}"


def attribute(
    entity: str,
    link_id: object,
    *,
    link_type: str,
    term: shapes.TaxonomyTerm | None = None,
    value: str | None = None,
    label: str | None = None,
) -> shapes.Attribute:
    """Return an attribute of an object (``entity``: its name in HSDS): a term, or a labelled value."""
    return shapes.Attribute(
        id=str(derived_id("attribute", link_id, link_type, value if term is None else term.id)),
        link_id=str(link_id),
        taxonomy_term_id=None if term is None else term.id,
        link_type=link_type,
        link_entity=entity,
        value=value,
        taxonomy_term=term,
        label=label,
    )


def word_attribute(entity: str, link_id: object, word: StrEnum, reading: Reading) -> shapes.Attribute:
    """Return a word of one of our vocabularies as an attribute."""
    term = word_term(word, reading.label_language)
    return attribute(entity, link_id, link_type=word_key(word), term=term, value=word.value)


def came_from(entity: str, document: PartnerDocument | ServiceDocument) -> tuple[shapes.Metadata, ...]:
    """Return where an entry came from, and the licence of the data: its source's, or its municipality's."""
    id_, provenance, licence = document.id, document.provenance, licence_of(document)
    day = local_day(document.updated_at).isoformat()

    def said(field: str, before: str, now: str, action: str, by: str) -> shapes.Metadata:
        return shapes.Metadata(
            id=str(derived_id("metadata", id_, field)),
            resource_id=str(id_),
            resource_type=entity,
            last_action_date=day,
            last_action_type=action,
            field_name=field,
            previous_value=before,
            replacement_value=now,
            updated_by=by,
        )

    found = []
    if provenance is not None:
        found.append(said("id", provenance.foreign_id, str(id_), "import", provenance.source))
        if licence:
            found.append(said("licence", "", licence, "import", provenance.source))
    elif licence:
        town = choose(document.municipality.name) or ("", document.municipality.ars)
        found.append(said("licence", "", licence, "publish", town[1]))
    return tuple(found)


def spoken_languages(
    given: Iterable[LanguageOffered], reading: Reading, **belongs: Any
) -> tuple[shapes.Language, ...]:
    """Return the languages that are spoken without an interpreter, none twice: their ids are made of them."""
    owner = next(iter(belongs.values()))
    return tuple(
        shapes.Language(
            id=str(derived_id("language", owner, offered.language, offered.variety or "")),
            name=language_name(offered.language, reading.label_language),
            code=offered.language.partition("-")[0],
            note=offered.variety,
            **belongs,
        )
        for offered in dict.fromkeys(one for one in given if not one.interpreted)
    )


def named_languages(given: Iterable[LanguageOffered], reading: Reading) -> str:
    """Return the names of languages and their varieties as one text."""
    names = [
        language_name(offered.language, reading.label_language)
        + (f" ({offered.variety})" if offered.variety else "")
        for offered in given
    ]
    return ", ".join(dict.fromkeys(names))


def phone(point: ContactPoint, at: int, reading: Reading, **belongs: Any) -> shapes.Phone:
    """Return a telephone number; ``at`` is its place in the list, ``belongs`` the id of its owner."""
    owner = next(iter(belongs.values()))
    id_ = str(derived_id("phone", owner, point.value, point.extension or "", at))
    given = point.extension or ""
    exact = given.isascii() and given.isdigit() and len(given) <= SAFE_DIGITS and str(int(given)) == given
    kept: tuple[shapes.Attribute, ...] = ()
    description = reading.text(point.label)
    if given and not exact:
        said = f"{reading.say('extension')} {given}"
        kept = (attribute("phone", id_, link_type="extension", value=given, label=said),)
        description = f"{description} ({said})" if description else said
    values: dict[str, Any] = {
        "id": id_,
        "number": point.value,
        "extension": int(given) if exact else None,
        "type": "voice",
        "description": description,
        "attributes": kept,
        "languages": spoken_languages(
            [LanguageOffered(language=tag) for tag in point.languages], reading, phone_id=id_
        ),
        **belongs,
    }
    if reading.profile:
        return GermanPhone(extension_text=point.extension, **values)
    return shapes.Phone(**values)


class Reach(msgspec.Struct, frozen=True):
    """How an entry is reached, in the parts of HSDS."""

    email: str | None
    url: str | None
    more_urls: tuple[shapes.Url, ...]
    phones: tuple[shapes.Phone, ...]
    contacts: tuple[shapes.Contact, ...]


def first_reach(points: Sequence[ContactPoint], website: str | None) -> Reach:
    """Return an entry's own mail and web address: the first of each."""
    mail = url = None
    for point in points:
        if mail is None and point.kind is ContactKind.EMAIL and _is_mail(point.value):
            mail = point.value
        elif website is None and url is None and point.kind is ContactKind.WEB:
            url = uri_of(point.value)
    return Reach(mail, uri_of(website) if website is not None else url, (), (), ())


def reach_of(points: Sequence[ContactPoint], website: str | None, reading: Reading, **belongs: Any) -> Reach:
    """Return the ways to reach an entry; the first mail and web address are its own."""
    owner = next(iter(belongs.values()))
    mails = [point for point in points if point.kind is ContactKind.EMAIL and _is_mail(point.value)]
    url = None if website is None else uri_of(website)
    more: dict[str, shapes.Url] = {}
    for point in points:
        if point.kind is not ContactKind.WEB or (address := uri_of(point.value)) is None:
            continue
        if url is None:
            url = address
        if address != url:
            id_ = str(derived_id("url", owner, address))
            more[address] = shapes.Url(id=id_, url=address, label=reading.text(point.label), **belongs)
    contacts = tuple(
        shapes.Contact(
            id=str(derived_id("contact", owner, point.value, at)),
            department=reading.text(point.label),
            email=point.value,
            **belongs,
        )
        for at, point in enumerate(mails)
        if at > 0 or point.label
    )
    phones = tuple(
        phone(point, at, reading, **belongs)
        for at, point in enumerate(points)
        if point.kind is ContactKind.PHONE
    )
    return Reach(mails[0].value if mails else None, url, tuple(more.values()), phones, contacts)


def _is_mail(text: str) -> bool:
    return _MAIL.fullmatch(text) is not None


def _time(wall: str, ahead: timedelta | None) -> str:
    """Return a wall time with its offset; the end of a day is the beginning of the next."""
    wall = "00:00" if wall.startswith("24") else wall
    if ahead is None:
        return wall
    minutes = round(ahead.total_seconds() / 60)
    sign = "-" if minutes < 0 else "+"
    return f"{wall}{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def schedules(hours: OpeningHours | None, reading: Reading, **belongs: Any) -> tuple[shapes.Schedule, ...]:
    """Return opening hours as weekly rules, days with the same hours together."""
    if hours is None or not (hours.periods or hours.by_appointment):
        return ()
    owner = next(iter(belongs.values()))
    days: dict[tuple[str, str], list[int]] = {}
    for period in hours.periods:
        days.setdefault((period.opens, period.closes), []).append(period.weekday)
    ahead = offset(hours.timezone, reading.today)
    remarks = []
    if hours.by_appointment:
        remarks.append(reading.say("appointment"))
    if hours.closed_on_holidays:
        remarks.append(reading.say("holidays"))
    if hours.periods and ahead is not None:
        remarks.append(reading.say("offset", zone=hours.timezone, day=reading.today.isoformat()))
    found: list[shapes.Schedule] = []
    for opens, closes in days or {("", ""): []}:
        weekdays = sorted(set(days.get((opens, closes), ())))
        id_ = str(derived_id("schedule", owner, opens, closes, *weekdays))
        values: dict[str, Any] = {"id": id_, "notes": " ".join(remarks) or None, **belongs}
        if weekdays:
            values |= {
                "freq": "WEEKLY",
                "interval": 1,
                "wkst": "MO",
                "byday": ",".join(WEEKDAYS[day - 1] for day in weekdays),
                "opens_at": _time(opens, ahead),
                "closes_at": _time(closes, ahead),
                "timezone": None if ahead is None else _hours(ahead),
                "description": format_hours(hours),
                "attributes": (
                    attribute("schedule", id_, link_type="timezone", value=hours.timezone, label="timezone"),
                ),
            }
        if reading.profile:
            walls: dict[str, Any] = {"opens_at_wall": opens, "closes_at_wall": closes} if weekdays else {}
            found.append(
                GermanSchedule(
                    zone=hours.timezone,
                    closed_on_holidays=hours.closed_on_holidays,
                    by_appointment=hours.by_appointment,
                    **values,
                    **walls,
                )
            )
        else:
            found.append(shapes.Schedule(**values))
    return tuple(found)


def _hours(ahead: timedelta) -> int | float:
    hours = ahead.total_seconds() / 3600
    return int(hours) if hours.is_integer() else hours


def _is_german(place: LocationValue, imported: bool) -> bool:
    """Whether a place without a key of its own may be taken to lie where its directory is."""
    if place.latitude is not None and place.longitude is not None:
        (south, north), (west, east) = _GERMANY
        return south <= place.latitude <= north and west <= place.longitude <= east
    return not imported


def location(
    place: LocationValue,
    owner: UUID,
    municipality: MunicipalitySummary,
    reading: Reading,
    *,
    imported: bool,
    parts: bool = True,
) -> shapes.Location:
    """Return a place; ``imported``: its entry came from elsewhere. Without ``parts`` for lists."""
    id_ = str(place.id)
    key = place.ars or (municipality.ars if _is_german(place, imported) else "")
    state = land(key)
    addresses: tuple[shapes.Address, ...] = ()
    description = None
    if place.street and place.postcode and place.city and state is not None:
        addresses = (
            shapes.Address(
                id=str(derived_id("address", id_)),
                location_id=id_,
                address_1=place.street,
                city=place.city,
                state_province=state,
                postal_code=place.postcode,
                country="DE",
                address_type="physical",
            ),
        )
    else:
        town = " ".join(part for part in (place.postcode, place.city) if part)
        description = ", ".join(part for part in (place.street, town) if part) or None
    access = reading.text(place.accessibility)
    values: dict[str, Any] = {
        "id": id_,
        "location_type": "physical",
        "organization_id": str(owner),
        "name": place.name,
        "description": description,
        "latitude": place.latitude,
        "longitude": place.longitude,
    }
    if parts:
        values |= {
            "addresses": addresses,
            "accessibility": ()
            if access is None
            else (
                shapes.Accessibility(
                    id=str(derived_id("accessibility", id_)), location_id=id_, description=access
                ),
            ),
            "schedules": schedules(place.hours, reading, location_id=id_),
        }
    if reading.profile:
        return GermanLocation(municipality_key=place.ars, **values)
    return shapes.Location(**values)
