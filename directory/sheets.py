"""The plain spreadsheet: its columns, how an entry is written into them and read out of them. Pure.

One row is a service with its partner; a partner without services is a row without a title. Cells are texts as
German offices write them: decimal comma, dates as 31.12.2026 (2026-12-31 is read too), "ja" and "nein". What
an entry has several of (places, numbers) stands in one cell, one a line. A column that is not there says
nothing: what the directory has stays.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec

from directory import contacts, sheet_facts
from directory.checking import long_text, short_text
from directory.days import local_day
from directory.documents import PartnerDocument, ServiceDocument
from directory.eligibility import is_municipality_key
from directory.hours import format_hours, parse_hours
from directory.importing import repairs
from directory.importing.entries import entry_id
from directory.problems import InvalidInput
from directory.sheet_facts import Wrong, german_word
from directory.sortkey import folded
from directory.values import (
    Capacity,
    ContactPoint,
    CourseFacts,
    CourseRun,
    LanguageOffered,
    LocationValue,
    OpeningHours,
)
from directory.vocabulary import (
    CapacityState,
    CefrLevel,
    ContactKind,
    CourseFormat,
    PartnerKind,
    Responsibility,
    ServiceKind,
)
from directory.vocabulary import (
    label as label_of,
)


class Column(msgspec.Struct, frozen=True):
    """A column: its key, its German and English heading."""

    key: str
    de: str
    en: str


LANGUAGES: Final = ("de", "en", "ar", "fa", "uk", "ru", "fr", "ti", "kmr", "so", "dsb")

COLUMNS: Final[tuple[Column, ...]] = (
    Column("partner_id", "Partner-Nr.", "Partner id"),
    Column("partner", "Partner", "Partner"),
    Column("partner_kind", "Art des Partners", "Kind of partner"),
    Column("partner_description", "Über den Partner", "About the partner"),
    Column("partner_website", "Webseite des Partners", "Partner website"),
    Column("partner_phone", "Telefon des Partners", "Partner phone"),
    Column("partner_email", "E-Mail des Partners", "Partner e-mail"),
    Column("service_id", "Angebots-Nr.", "Service id"),
    *(
        column
        for tag in LANGUAGES
        for column in (
            Column(f"title:{tag}", f"Angebot ({tag})", f"Service ({tag})"),
            Column(f"description:{tag}", f"Beschreibung ({tag})", f"Description ({tag})"),
        )
    ),
    Column("kind", "Art des Angebots", "Kind of service"),
    Column("topics", "Themen", "Topics"),
    Column("languages", "Sprachen", "Languages"),
    Column("website", "Webseite", "Website"),
    Column("phone", "Telefon", "Phone"),
    Column("email", "E-Mail", "E-mail"),
    Column("place", "Ort", "Place"),
    Column("street", "Straße", "Street"),
    Column("postcode", "PLZ", "Postcode"),
    Column("city", "Stadt", "City"),
    Column("latitude", "Breite", "Latitude"),
    Column("longitude", "Länge", "Longitude"),
    Column("hours", "Öffnungszeiten", "Opening hours"),
    Column("accessibility", "Barrierefreiheit", "Accessibility"),
    Column("area", "Gebiet (ARS)", "Area (ARS)"),
    Column("responsibility", "Zuständigkeit", "Responsibility"),
    Column("capacity", "Kapazität", "Capacity"),
    Column("places", "Freie Plätze", "Free places"),
    Column("waiting_weeks", "Wartezeit (Wochen)", "Waiting (weeks)"),
    Column("capacity_as_of", "Kapazität am", "Capacity as of"),
    Column("capacity_until", "Kapazität gilt bis", "Capacity until"),
    Column("level_from", "Niveau von", "Level from"),
    Column("level_to", "Niveau bis", "Level to"),
    Column("starts_on", "Beginn", "Starts"),
    Column("ends_on", "Ende", "Ends"),
    Column("lessons", "Unterrichtseinheiten", "Lessons"),
    Column("format", "Kursform", "Format"),
    Column("childcare", "Kinderbetreuung", "Childcare"),
    Column("women_only", "Nur für Frauen", "Women only"),
    Column("cost", "Kosten (Euro)", "Cost (euro)"),
    Column("exam", "Prüfung", "Exam"),
    Column("access", "Zugang", "Access"),
    Column("repeats", "Weitere Läufe folgen", "Repeats"),
    Column("runs", "Kursläufe", "Runs"),
    Column("rules", "Regeln (für wen)", "Eligibility rules"),
    Column("application_process", "Anmeldung", "How to apply"),
    Column("required_documents", "Mitzubringen", "Required documents"),
    Column("occupations", "Berufe (ESCO)", "Occupations (ESCO)"),
    Column("regulated", "Reglementiert", "Regulated"),
    Column("competent_body", "Zuständige Stelle", "Competent body"),
    Column("interpreted_languages", "Dolmetschsprachen", "Interpreted languages"),
    Column("interpreting_modes", "Dolmetschen wie", "Interpreting modes"),
    Column("lead_time_hours", "Vorlauf (Stunden)", "Lead time (hours)"),
    Column("referral_required", "Nur mit Überweisung", "Referral required"),
    Column("referral_accepted", "Nimmt Überweisungen an", "Referrals accepted"),
    Column("referral_methods", "Wege der Überweisung", "Ways of referring"),
    Column("response_days", "Antwort (Tage)", "Response (days)"),
    Column("response", "Antwort", "Response"),
    Column("next_steps", "Nächste Schritte", "Next steps"),
    Column("feedback", "Rückmeldung", "Feedback"),
    Column("feedback_days", "Rückmeldung (Tage)", "Feedback (days)"),
    Column("feedback_delay", "Rückmeldung wann", "Feedback when"),
    Column("intake_criteria", "Aufnahme", "Intake criteria"),
    Column("requirements", "Voraussetzungen", "Requirements"),
    Column("source", "Quelle", "Source"),
    Column("licence", "Lizenz", "Licence"),
    Column("ended", "Nicht mehr angeboten seit", "Gone since"),
    Column("updated", "Stand", "Updated"),
)
"""The columns, in the order in which they are written."""

_BY_HEADING: Final = {
    re.sub(r"[\s.:_-]+", "", heading).casefold(): column.key
    for column in COLUMNS
    for heading in (column.key, column.de, column.en)
}
_ALSO: Final = {
    "name": "partner", "organisation": "partner", "organization": "partner", "träger": "partner",
    "traeger": "partner", "angebot": "title:de", "titel": "title:de", "beschreibung": "description:de",
    "service": "title:en", "title": "title:en", "description": "description:en", "adresse": "street",
    "strasse": "street", "postleitzahl": "postcode", "email": "email", "mail": "email", "tel": "phone",
    "homepage": "website", "url": "website", "internet": "website", "sprache": "languages",
    "thema": "topics", "id": "service_id", "nr": "service_id", "breitengrad": "latitude",
    "längengrad": "longitude", "standort": "place", "webseite": "website",
}  # fmt: skip


def column_of(heading: str) -> str | None:
    """Return the key of the column that a heading means, in German or English.

    >>> column_of("Straße"), column_of("E-Mail"), column_of("Angebot (de)"), column_of("Lieblingsfarbe")
    ('street', 'email', 'title:de', None)
    """
    plain = re.sub(r"[\s.:_-]+", "", heading).casefold()
    return _BY_HEADING.get(plain) or _ALSO.get(plain)


# writing


def number(value: float | None) -> str:
    """Return a number with a decimal comma.

    >>> number(51.7606), number(12), number(None)
    ('51,7606', '12', '')
    """
    if value is None:
        return ""
    return repr(value).replace(".", ",") if isinstance(value, float) else str(value)


def day(value: date | None) -> str:
    """Return a date as German offices write it.

    >>> day(date(2026, 3, 1))
    '01.03.2026'
    """
    return "" if value is None else f"{value:%d.%m.%Y}"


def _yes(value: bool | None) -> str:
    return "" if value is None else "ja" if value else "nein"


def _points(points: tuple[ContactPoint, ...], kind: ContactKind) -> str:
    written = []
    for point in points:
        if point.kind is not kind:
            continue
        label = point.label.get("de") or next(iter(point.label.values()), "")
        said = point.value + (f" Durchwahl {point.extension}" if point.extension else "")
        written.append(f"{said} ({label})" if label else said)
    return "\n".join(written)


def _lines(values: list[str]) -> str:
    return "\n".join(values) if any(values) else ""


def _languages(offered: tuple[LanguageOffered, ...]) -> str:
    return ", ".join(
        sheet_facts.language_name(one.language) + (" (dolmetscht)" if one.interpreted else "")
        for one in offered
    )


def words_of_topics(
    topics: Iterable[tuple[str, Mapping[str, str]]],
) -> tuple[dict[str, str], frozenset[str]]:
    """Return which topic a word means (folded, to its code), and the words that mean several.

    ``topics``: code and labels of each. A label of several topics says none of them; a code says its topic,
    whatever it means elsewhere.

    >>> words_of_topics([("job", {"de": "Arbeit"}), ("work", {"de": "Arbeit"})])
    ({'job': 'job', 'work': 'work'}, frozenset({'arbeit'}))
    """
    meant: defaultdict[str, set[str]] = defaultdict(set)
    codes = {}
    for code, labels in topics:
        codes[folded(code)] = code
        for said in labels.values():
            meant[folded(said)].add(code)
    known = {said: next(iter(found)) for said, found in meant.items() if len(found) == 1} | codes
    return known, frozenset(meant.keys() - known.keys())


def _topic(code: str, labels: Mapping[str, str], meant: Mapping[str, str] | None = None) -> str:
    """Return a topic as people call it, or its code where the name would be taken for another or several.

    >>> _topic("job", {"de": "Arbeit"}), _topic("id", {"de": "Pass, Ausweis"}), _topic("x", {"en": "X"})
    ('Arbeit', 'id', 'x')
    """
    label = " ".join(labels.get("de", "").split())
    if not label or re.search(r"[,;]", label):
        return code
    return label if meant is None or meant.get(folded(label)) == code else code


def row_of(
    partner: PartnerDocument, service: ServiceDocument | None, meant: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return an entry as cells by column key; what is not known is not there.

    ``meant``: which topic a word means (``words_of_topics``), so that none is written that says another.
    """
    row: dict[str, str] = {
        "partner_id": str(partner.id),
        "partner": partner.name,
        "partner_kind": german_word(partner.kind),
        "partner_description": partner.description.get("de") or next(iter(partner.description.values()), ""),
        "partner_website": partner.website or "",
        "partner_phone": _points(partner.contact_points, ContactKind.PHONE),
        "partner_email": _points(partner.contact_points, ContactKind.EMAIL),
    }
    entry = service or partner
    provenance = entry.provenance
    row |= {
        "source": provenance.source if provenance is not None else "",
        "licence": (provenance.licence or "") if provenance is not None else "",
        "updated": day(local_day(entry.updated_at)),
    }
    places = service.locations if service is not None else partner.locations
    row |= {
        "place": _lines([place.name for place in places]),
        "street": _lines([place.street or "" for place in places]),
        "postcode": _lines([place.postcode or "" for place in places]),
        "city": _lines([place.city or "" for place in places]),
        "latitude": _lines([number(place.latitude) for place in places]),
        "longitude": _lines([number(place.longitude) for place in places]),
        "hours": _lines([format_hours(place.hours) if place.hours is not None else "" for place in places]),
        "accessibility": _lines(
            [" ".join((place.accessibility.get("de") or next(iter(place.accessibility.values()), "")).split())
             for place in places]
        ),
    }  # fmt: skip
    if service is None:
        return {key: cell for key, cell in row.items() if cell}
    row["service_id"] = str(service.id)
    for tag in LANGUAGES:
        row[f"title:{tag}"] = service.title.get(tag, "")
        row[f"description:{tag}"] = service.description.get(tag, "")
    capacity, course = service.capacity, service.course or CourseFacts()
    run = course.runs[0] if course.runs else CourseRun()
    row |= {
        "kind": german_word(service.kind) if service.kind is not None else "",
        "topics": ", ".join(_topic(topic.code, topic.labels, meant) for topic in service.topics),
        "languages": _languages(service.languages),
        "website": service.website or "",
        "phone": _points(service.contact_points, ContactKind.PHONE),
        "email": _points(service.contact_points, ContactKind.EMAIL),
        "area": ", ".join(service.area),
        "responsibility": "nach Wohnort" if service.responsibility is Responsibility.BY_RESIDENCE else "frei",
        "capacity": "" if capacity.state is CapacityState.UNKNOWN else german_word(capacity.state),
        "places": number(capacity.places),
        "waiting_weeks": number(capacity.waiting_weeks),
        "capacity_as_of": day(capacity.as_of),
        "capacity_until": day(capacity.expires_on),
        "level_from": course.level_from or "",
        "level_to": course.level_to or "",
        "starts_on": day(run.starts_on),
        "ends_on": day(run.ends_on),
        "lessons": number(course.lessons),
        "format": german_word(course.format) if course.format is not None else "",
        "childcare": _yes(course.childcare),
        "women_only": _yes(course.women_only),
        "cost": "" if course.cost_cents is None else number(course.cost_cents / 100).removesuffix(",0"),
    }
    row |= sheet_facts.row_of(service)
    return {key: str(cell) for key, cell in row.items() if cell}


# reading


def _decimal(cell: str) -> float:
    plain = re.sub(r"[\s\u00a0€]", "", cell)
    if re.fullmatch(r"-?[0-9]{1,3}(\.[0-9]{3})+(,[0-9]+)?", plain):
        plain = plain.replace(".", "")
    plain = plain.replace(",", ".")
    if not re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]{1,20})?", plain):
        raise Wrong("NUMBER_UNREADABLE")
    return float(plain)


def _whole(cell: str) -> int:
    value = _decimal(cell)
    if value != int(value):
        raise Wrong("NUMBER_UNREADABLE")
    return int(value)


def _date(cell: str) -> date:
    given = cell.strip()
    german = re.fullmatch(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})", given)
    try:
        if german is not None:
            return date(int(german[3]), int(german[2]), int(german[1]))
        return date.fromisoformat(given[:10] if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T]", given) else given)
    except ValueError:
        raise Wrong("DATE_UNREADABLE") from None


def _flag(cell: str) -> bool:
    plain = cell.strip().casefold()
    if plain in {"ja", "j", "yes", "y", "x", "1", "true", "wahr"}:
        return True
    if plain in {"nein", "n", "no", "0", "false", "falsch"}:
        return False
    raise Wrong("YES_OR_NO_UNREADABLE")


def _word(words: type[StrEnum], labels: Mapping[str, str] = {}) -> Callable[[str], Any]:
    """Return a reader of a word of the vocabulary: by its code, a label, or ``labels``."""
    known: dict[str, StrEnum] = {}
    for word in words:
        spellings = (
            label_of(word, "en"),
            label_of(word, "de"),
            german_word(word),
            word.value.replace("_", " "),
        )
        for spelling in (*spellings, word.value):
            if spelling is not None:
                known[" ".join(spelling.casefold().split())] = word
    known |= {written: words(code) for written, code in labels.items()}

    def read(cell: str) -> Any:
        found = known.get(" ".join(cell.casefold().split()))
        if found is None:
            raise Wrong("WORD_UNKNOWN")
        return found

    return read


_PARTNER_KINDS: Final = {
    "projekte fb 15": "MUNICIPAL_PROJECT",
    "freie träger": "FREE_PROVIDER",
    "kammern": "CHAMBER",
    "behörden": "AUTHORITY",
    "unternehmen": "BUSINESS",
    "betrieb": "BUSINESS",
    "kommune": "MUNICIPALITY",
    "spurwechsel in anderen kommunen": "MUNICIPALITY",
    "migrantenorganisation": "MIGRANT_ORGANISATION",
    "migrantenselbstorganisation": "MIGRANT_ORGANISATION",
    "migrantische selbstorganisationen": "MIGRANT_ORGANISATION",
}


_CAPACITY: Final = {
    "offen": "OPEN",
    "frei": "OPEN",
    "wenig": "FEW",
    "wenige": "FEW",
    "keine": "NONE",
    "voll": "NONE",
}
_RESPONSIBLE: Final = {
    "nach wohnort": "BY_RESIDENCE",
    "by residence": "BY_RESIDENCE",
    "frei": "FREE",
    "free": "FREE",
}

_POINT: Final = re.compile(
    r"(?P<value>.*?)(?:\s+(?:Durchwahl|Dw\.?|ext\.?)\s*(?P<extension>[0-9]{1,10}))?(?:\s*\((?P<label>[^()]*)\))?"
)


def _point(kind: ContactKind) -> Callable[[str], list[ContactPoint]]:
    def read(cell: str) -> list[ContactPoint]:
        points = []
        for line in re.split(r"[\n;]", cell):
            if not line.strip():
                continue
            found = _POINT.fullmatch(line.strip())
            if found is None:
                raise Wrong("CONTACT_UNREADABLE")
            label = {"de": found["label"].strip()} if found["label"] and found["label"].strip() else {}
            given = ContactPoint(
                kind=kind, value=(found["value"].strip() or "-")[:300].ljust(3, "-"),
                extension=found["extension"], label=label,
            )  # fmt: skip
            try:
                points.append(contacts.contact_point(given, "value"))
            except InvalidInput:
                reason = "PHONE_UNREADABLE" if kind is ContactKind.PHONE else "MAIL_UNREADABLE"
                raise Wrong(reason) from None
        return points[:30]

    return read


def contact_points(
    row: Mapping[str, str], of: str, here: tuple[ContactPoint, ...]
) -> tuple[ContactPoint, ...]:
    """Return the contact points after a row (``of``: "partner_" or "") was laid over those here.

    A column that is empty says nothing of its kind; a line that stands here already keeps its labels in
    other languages; addresses of the web have no column and stay.
    """
    found: list[ContactPoint] = []
    for kind, key in ((ContactKind.PHONE, f"{of}phone"), (ContactKind.EMAIL, f"{of}email")):
        known = [point for point in here if point.kind is kind]
        if not row.get(key, "").strip():
            found += known
            continue
        written = {_points((point,), kind): point for point in known}
        for point in READERS[key](row[key]):
            found.append(written.get(_points((point,), kind), point))
    return (*found, *(point for point in here if point.kind is ContactKind.WEB))


def _spoken(cell: str) -> tuple[LanguageOffered, ...]:
    offered = {}
    for part in re.split(r"[,;\n]", cell):
        interpreted = "dolmetsch" in part.casefold() or "interpret" in part.casefold()
        name = re.sub(r"\(.*?\)", "", part).strip()
        if not name:
            continue
        tag = name if re.fullmatch(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?", name) else None
        tag = tag or sheet_facts.LANGUAGES.get(name.casefold())
        if tag is None:
            found, _ = repairs.languages(name)
            tag = found[0][0] if found else None
        if tag is None:
            raise Wrong("LANGUAGE_UNKNOWN")
        offered[tag] = LanguageOffered(language=tag, interpreted=interpreted)
    return tuple(offered.values())


def _web(cell: str) -> str:
    found, _ = repairs.web_address(cell.strip())
    if found is None:
        raise Wrong("WEB_ADDRESS_UNREADABLE")
    return found


def _short(cell: str) -> str:
    try:
        return short_text(" ".join(cell.split()), "cell")
    except InvalidInput as error:
        raise Wrong(f"TEXT_{error.reason.upper().replace('-', '_')}") from None


def _long(cell: str) -> str:
    try:
        return long_text(cell.replace("\r\n", "\n").replace("\r", "\n"), "cell")
    except InvalidInput as error:
        raise Wrong(f"TEXT_{error.reason.upper().replace('-', '_')}") from None


def _codes(cell: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in re.split(r"[,;\n]", cell) if part.strip()))


def _area(cell: str) -> tuple[str, ...]:
    keys = []
    for code in _codes(cell):
        key = code.replace(" ", "")
        # a number in a spreadsheet loses its leading zero: 9162 was 09162 (Munich)
        key = key.zfill(len(key) + 1) if len(key) in {4, 7, 11} else key
        if not re.fullmatch("[0-9]{2,12}", key):
            raise Wrong("TERRITORY_UNREADABLE")
        if is_municipality_key(key):
            raise Wrong("TERRITORY_IS_AGS")
        keys.append(key)
    return tuple(keys)


def _hours(cell: str) -> OpeningHours | None:
    if not cell.strip():
        return None
    try:
        return parse_hours(cell)
    except InvalidInput:
        raise Wrong("HOURS_UNREADABLE") from None


def postcode_of(cell: str) -> str | None:
    """Return a postcode; spreadsheets take 03046 for a number and leave 3046 of it."""
    given = cell.strip()[:20]
    return given.zfill(5) if re.fullmatch("[0-9]{4}", given) else given or None


def _in_bounds(bound: float) -> Callable[[str], float | None]:
    def read(cell: str) -> float | None:
        if not cell.strip():
            return None
        value = _decimal(cell)
        if not -bound <= value <= bound:
            raise Wrong("COORDINATE_OUT_OF_BOUNDS")
        return value

    return read


READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "partner": _short,
    "partner_kind": _word(PartnerKind, _PARTNER_KINDS),
    "partner_description": _long,
    "partner_website": _web,
    "partner_phone": _point(ContactKind.PHONE),
    "partner_email": _point(ContactKind.EMAIL),
    "kind": _word(ServiceKind),
    "topics": _codes,
    "languages": _spoken,
    "website": _web,
    "phone": _point(ContactKind.PHONE),
    "email": _point(ContactKind.EMAIL),
    "area": _area,
    "responsibility": _word(Responsibility, _RESPONSIBLE),
    "capacity": _word(CapacityState, _CAPACITY),
    "places": _whole,
    "waiting_weeks": _whole,
    "capacity_as_of": _date,
    "capacity_until": _date,
    "level_from": _word(CefrLevel),
    "level_to": _word(CefrLevel),
    "starts_on": _date,
    "ends_on": _date,
    "lessons": _whole,
    "format": _word(CourseFormat, {"präsenz": "ON_SITE", "in präsenz": "ON_SITE", "vor ort": "ON_SITE"}),
    "childcare": _flag,
    "women_only": _flag,
    "cost": _decimal,
    **sheet_facts.READERS,
    **{f"title:{tag}": _short for tag in LANGUAGES},
    **{f"description:{tag}": _long for tag in LANGUAGES},
}
"""How the cell of each column is read; raises Wrong."""

_OF_PLACES: Final[Mapping[str, Callable[[str], Any]]] = {
    "place": lambda cell: " ".join(cell.split())[:300],
    "street": lambda cell: " ".join(cell.split())[:300] or None,
    "postcode": lambda cell: postcode_of(cell),
    "city": lambda cell: " ".join(cell.split())[:300] or None,
    "latitude": _in_bounds(90),
    "longitude": _in_bounds(180),
    "hours": _hours,
    "accessibility": lambda cell: cell.strip()[:1_000],
}
PLACE_COLUMNS: Final = frozenset(_OF_PLACES)
"""What a row says of places."""


def read_row(row: Mapping[str, str], wrong: Callable[[str, str], None]) -> dict[str, Any]:
    """Return the values of a row by column key; ``wrong`` hears (column, reason) of each unreadable cell."""
    read: dict[str, Any] = {}
    for key, reader in READERS.items():
        cell = row.get(key, "")
        if not cell.strip():
            continue
        try:
            read[key] = reader(cell)
        except Wrong as error:
            wrong(key, error.reason)
    return read


def read_places(
    row: Mapping[str, str], namespace: UUID, owner: str, wrong: Callable[[str, str], None]
) -> tuple[LocationValue, ...]:
    """Return the places of a row: the lines of its cells, side by side."""
    cells = {key: row[key].split("\n") for key in _OF_PLACES if row.get(key, "").strip()}
    if not cells:
        return ()
    places = []
    for at in range(max(len(lines) for lines in cells.values())):
        given: dict[str, Any] = {}
        for key, lines in cells.items():
            try:
                given[key] = _OF_PLACES[key](lines[at]) if at < len(lines) else None
            except Wrong as error:
                wrong(key, error.reason)
        name = given.get("place") or given.get("street") or given.get("city") or "–"
        told = "|".join(str(given.get(key) or "") for key in ("place", "street", "postcode", "city"))
        access = given.get("accessibility")
        both = given.get("latitude") is not None and given.get("longitude") is not None
        places.append(
            LocationValue(
                id=entry_id(namespace, "location", f"{owner}/{told}"),
                name=name,
                street=given.get("street"),
                postcode=given.get("postcode"),
                city=given.get("city"),
                latitude=given.get("latitude") if both else None,
                longitude=given.get("longitude") if both else None,
                hours=given.get("hours"),
                accessibility={"de": access} if access else {},
            )
        )
    return tuple({place.id: place for place in places}.values())


def capacity_of(read: Mapping[str, Any]) -> Capacity | None:
    """Return the capacity that a row says, or None when it says nothing of it."""
    if "capacity" not in read and "places" not in read:
        return None
    places = read.get("places")
    state = read.get("capacity") or (
        CapacityState.NONE if not places else CapacityState.FEW if places <= 3 else CapacityState.OPEN
    )
    if places is not None and (not 0 <= places <= 100_000 or (places == 0) != (state is CapacityState.NONE)):
        raise Wrong("PLACES_CONTRADICT_CAPACITY")
    weeks = read.get("waiting_weeks")
    if weeks is not None and not 0 <= weeks <= 520:
        raise Wrong("NUMBER_OUT_OF_BOUNDS")
    return Capacity(
        state=state,
        places=places,
        waiting_weeks=weeks,
        as_of=read.get("capacity_as_of"),
        expires_on=read.get("capacity_until"),
    )


def course_of(read: Mapping[str, Any]) -> CourseFacts | None:
    """Return the facts of a course that a row says, or None when it is no course."""
    keys = {
        "level_from",
        "level_to",
        "starts_on",
        "ends_on",
        "lessons",
        "format",
        "childcare",
        "women_only",
        "cost",
    }
    if not keys & read.keys():
        return None
    starts, ends = read.get("starts_on"), read.get("ends_on")
    if starts is not None and ends is not None and ends < starts:
        raise Wrong("DATES_ORDER")
    cost, lessons = read.get("cost"), read.get("lessons")
    if (cost is not None and not 0 <= cost <= 21_000_000) or (
        lessons is not None and not 1 <= lessons <= 10_000
    ):
        raise Wrong("NUMBER_OUT_OF_BOUNDS")
    return CourseFacts(
        level_from=read.get("level_from"),
        level_to=read.get("level_to"),
        runs=(CourseRun(starts_on=starts, ends_on=ends),) if starts or ends else (),
        lessons=lessons,
        format=read.get("format"),
        childcare=read.get("childcare"),
        women_only=read.get("women_only"),
        cost_cents=None if cost is None else round(cost * 100),
    )
