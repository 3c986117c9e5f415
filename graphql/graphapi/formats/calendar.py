"""Opening hours and course runs as iCalendar (RFC 5545), to subscribe to in a calendar program.

Opening hours are weekly events of the next year, without the public holidays of the place's land on which
the office is closed. They do not block the reader's own time (TRANSP:TRANSPARENT).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from holidays import country_holidays
from icalendar import Calendar, Event, Timezone, vRecur

from directory.days import ZONE
from directory.documents import PartnerDocument, ServiceDocument
from directory.languages import choose
from directory.values import CourseRun, LocationValue, OpeningPeriod

MEDIA_TYPE: Final = "text/calendar"

AHEAD: Final = timedelta(days=366)
"""How far ahead opening hours are written: then the calendar is fetched again."""

LANDS: Final = {
    "01": "SH",
    "02": "HH",
    "03": "NI",
    "04": "HB",
    "05": "NW",
    "06": "HE",
    "07": "RP",
    "08": "BW",
    "09": "BY",
    "10": "SL",
    "11": "BE",
    "12": "BB",
    "13": "MV",
    "14": "SN",
    "15": "ST",
    "16": "TH",
}
"""ISO 3166-2:DE subdivision of each land by the first two digits of the official key (ARS)."""

WORDS: Final = {
    "de": {"open": "geöffnet", "begins": "Beginn", "deadline": "Anmeldung bis heute"},
    "en": {"open": "open", "begins": "begins", "deadline": "register by today"},
}


def of_partner(partner: PartnerDocument, language: str, at: datetime) -> bytes:
    """Return the opening hours of a partner's places, from the week of ``at`` on."""
    return _written(_hours(partner.name, partner.locations, partner.municipality.ars, language, at), at)


def of_service(service: ServiceDocument, language: str, at: datetime) -> bytes:
    """Return the opening hours of a service's places from the week of ``at`` on, and its runs as a course."""
    found = choose(service.title, (language,))
    title = found[1] if found else ""
    events = list(_hours(title, service.locations, service.municipality.ars, language, at))
    if service.course is not None:
        events.extend(_runs(service, title, service.course.runs, language))
    return _written(events, at)


def _hours(
    title: str, places: Iterable[LocationValue], ars: str, language: str, at: datetime
) -> Iterator[Event]:
    for place in places:
        if place.hours is None:
            continue
        zone = ZoneInfo(place.hours.timezone)
        today = at.astimezone(zone).date()
        closed = _holidays(place.ars or ars, today) if place.hours.closed_on_holidays else frozenset()
        for position, period in enumerate(place.hours.periods):
            event = _weekly(period, today, zone, closed)
            event.add("uid", f"hours-{place.id}-{position}@spurwechsel")
            event.add("summary", f"{title}: {_word('open', language)}")
            event.add("location", _where(place))
            event.add("transp", "TRANSPARENT")
            if place.latitude is not None and place.longitude is not None:
                event.add("geo", (place.latitude, place.longitude))
            yield event


def _weekly(period: OpeningPeriod, today: date, zone: ZoneInfo, closed: frozenset[date]) -> Event:
    monday = today - timedelta(days=today.weekday())
    day = monday + timedelta(days=period.weekday - 1)
    opens = _wall(day, period.opens, zone)
    closes = _wall(day, period.closes, zone)
    if closes <= opens:
        closes = _wall(day + timedelta(days=1), period.closes, zone)
    event = Event()
    event.add("dtstart", opens)
    event.add("dtend", closes)
    until = _wall(today, "23:59", zone) + AHEAD
    event.add("rrule", vRecur(freq="WEEKLY", until=until.astimezone(ZoneInfo("UTC"))))
    free = sorted(one for one in closed if one.isoweekday() == period.weekday and one >= day)
    if free:
        event.add("exdate", [_wall(one, period.opens, zone) for one in free])
    return event


def _runs(service: ServiceDocument, title: str, runs: Iterable[CourseRun], language: str) -> Iterator[Event]:
    for position, run in enumerate(runs):
        for moment, name in ((run.starts_on, "begins"), (run.apply_by, "deadline")):
            if moment is None:
                continue
            event = Event()
            event.add("uid", f"{name}-{service.id}-{position}@spurwechsel")
            event.add("summary", f"{title}: {_word(name, language)}")
            event.add("dtstart", moment)
            event.add("dtend", moment + timedelta(days=1))
            event.add("transp", "TRANSPARENT")
            if service.locations:
                event.add("location", _where(service.locations[0]))
            yield event


def _wall(day: date, clock: str, zone: ZoneInfo) -> datetime:
    if clock == "24:00":
        return datetime.combine(day + timedelta(days=1), time(), zone)
    return datetime.combine(day, time.fromisoformat(clock), zone)


def _holidays(ars: str, today: date) -> frozenset[date]:
    found = country_holidays("DE", subdiv=LANDS.get(ars[:2]), years=(today.year, today.year + 1))
    return frozenset(one for one in found if today <= one <= today + AHEAD)


def _where(place: LocationValue) -> str:
    town = " ".join(part for part in (place.postcode, place.city) if part)
    return ", ".join(part for part in (place.name, place.street, town) if part)


def _word(name: str, language: str) -> str:
    return WORDS["de" if language.split("-")[0] == "de" else "en"][name]


def _written(events: Iterable[Event], at: datetime) -> bytes:
    calendar = Calendar()
    calendar.add("prodid", "-//Spurwechsel network//directory//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    for event in events:
        event.add("dtstamp", at)
        calendar.add_component(event)
    calendar.add_missing_timezones()
    if not calendar.subcomponents:  # a calendar holds something (RFC 5545, 3.6), even when nothing is known
        calendar.add_component(Timezone.from_tzid(ZONE.key))
    written: bytes = calendar.to_ical()
    return written
