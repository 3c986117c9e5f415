"""From HSDS 3 to our values: what a record says that our entries have a place for. Pure.

What they have no place for stays in the original record, which is kept beside the entry. Names of persons are
taken out of a record (``without_persons``) before anything else is done with it: a contact is its function.
Hours are read only where they hold every week without an end and the zone is known: no hours are better than
wrong ones.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

import msgspec

from directory.eligibility import is_municipality_key
from directory.hsds import shapes
from directory.hsds.ids import as_uuid, derived_id
from directory.hsds.profile import (
    GermanLocation,
    GermanOrganization,
    GermanPhone,
    GermanSchedule,
    GermanService,
    GermanServiceArea,
)
from directory.hsds.terms import TOPIC, VOCABULARIES, taxonomy_id
from directory.importing import repairs
from directory.importing.entries import PartnerGiven, ServiceGiven, entry_id
from directory.values import (
    Capacity,
    ContactPoint,
    LanguageOffered,
    LocationValue,
    OpeningHours,
    OpeningPeriod,
    SourceTerm,
)
from directory.vocabulary import CapacityState, ContactKind, PartnerKind, PublicationState, ServiceKind

Note: TypeAlias = Callable[[str, str], None]
"""Is told (field, code) of what was put right or could not be read."""

NAME_MAXIMUM: Final = 300
TEXT_MAXIMUM: Final = 20_000
MOST_CONTACTS: Final = 30
MOST: Final = 100

_OURS: Final = frozenset(taxonomy_id(vocabulary.key) for vocabulary in VOCABULARIES)
_NOT_ACTIVE: Final = {"inactive", "defunct", "temporarily closed"}
_WITHHELD: Final = "–"

_ISO_639_3: Final = {
    "ara": "ar", "deu": "de", "ger": "de", "eng": "en", "fas": "fa", "per": "fa", "fra": "fr", "fre": "fr",
    "ita": "it", "kur": "ku", "pol": "pl", "por": "pt", "pus": "ps", "ron": "ro", "rus": "ru", "som": "so",
    "spa": "es", "tir": "ti", "tur": "tr", "ukr": "uk", "urd": "ur", "vie": "vi", "amh": "am", "hin": "hi",
    "zho": "zh", "chi": "zh", "sqi": "sq", "alb": "sq", "srp": "sr", "hrv": "hr", "bos": "bs", "bul": "bg",
}  # fmt: skip
_HOME: Final = OpeningHours().timezone
_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

_PARAGRAPHS: Final = (
    ("alternate_name", "Also known as"),
    ("alert", "Please note"),
    ("eligibility_description", "Eligibility"),
    ("application_process", "How to apply"),
    ("fees_description", "Fees"),
    ("wait_time", "Waiting time"),
    ("interpretation_services", "Interpretation"),
    ("accreditations", "Accreditations"),
    ("licenses", "Licences"),
)


def silent(field: str, code: str) -> None:
    """Take no note."""


class ReadContact(shapes.Contact, frozen=True, kw_only=True):
    """A contact as it is read."""

    phones: tuple[GermanPhone, ...] = ()


class ReadLocation(GermanLocation, frozen=True, kw_only=True):
    """A place as it is read: with what the profile adds, where it does."""

    contacts: tuple[ReadContact, ...] = ()
    phones: tuple[GermanPhone, ...] = ()
    schedules: tuple[GermanSchedule, ...] = ()


class ReadAtLocation(shapes.ServiceAtLocation, frozen=True, kw_only=True):
    """A service at a place as it is read."""

    contacts: tuple[ReadContact, ...] = ()
    phones: tuple[GermanPhone, ...] = ()
    schedules: tuple[GermanSchedule, ...] = ()
    location: ReadLocation | None = None


class ReadOrganization(GermanOrganization, frozen=True, kw_only=True):
    """An organisation as it is read."""

    contacts: tuple[ReadContact, ...] = ()
    phones: tuple[GermanPhone, ...] = ()
    locations: tuple[ReadLocation, ...] = ()


class ReadService(GermanService, frozen=True, kw_only=True):
    """A service as it is read."""

    contacts: tuple[ReadContact, ...] = ()
    phones: tuple[GermanPhone, ...] = ()
    service_areas: tuple[GermanServiceArea, ...] = ()
    service_at_locations: tuple[ReadAtLocation, ...] = ()
    organization: ReadOrganization | None = None


S = TypeVar("S", bound=shapes.Shape)

_MOST_MENDED: Final = 50
_PATH: Final = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)
_NEEDED: Final = {"id", "name"}
_STANDS_IN: Final[Mapping[str, Any]] = {
    "status": "active",
    "location_type": "physical",
    "address_type": "physical",
    "available": 0,
    "unit": {"id": "", "name": ""},
}
"""What stands in for a required member that real data leave out, while a record is read."""


class Unreadable(Exception):
    """A record that cannot be taken: where and why, in the words of the decoder, and a code for it."""

    def __init__(self, where: str, what: str, *, reason: str = "RECORD_UNREADABLE") -> None:
        super().__init__(f"{where}: {what}" if where else what)
        self.where = where
        self.what = what
        self.reason = reason


def as_shape(record: Mapping[str, Any], shape: type[S], note: Note = silent) -> S:
    """Return a record as a struct; members that are wrong are left out, missing ones stood in for.

    ``note`` hears of each (MEMBER_DROPPED, MEMBER_MISSING). Raises Unreadable when the record itself has no
    id or name, or is wrong in more places than anybody would want to read about.
    """
    mended: Any = record
    for _ in range(_MOST_MENDED):
        try:
            return msgspec.convert(mended, shape, strict=False)
        except msgspec.ValidationError as error:
            found = _PATH.match(str(error))
            what, path = (found["what"], found["path"] or "") if found else (str(error), "")
            if mended is record:
                mended = copy.deepcopy(dict(record))
            _mend(mended, what, path, note)
    raise Unreadable("", "too many members are wrong")


def _mend(record: dict[str, Any], what: str, path: str, note: Note) -> None:
    steps: list[str | int] = [
        int(index) if index else name for name, index in re.findall(r"\.([A-Za-z_0-9]+)|\[([0-9]+)\]", path)
    ]
    field = ".".join(str(step) for step in steps if isinstance(step, str))
    missing = re.search("missing required field `([a-z_0-9]+)`", what)
    at: Any = record
    for step in steps if missing else steps[:-1]:
        at = at[step]
    if missing:
        name = missing[1]
        if not steps and name in _NEEDED:
            raise Unreadable(name, "is missing")
        at[name] = _STANDS_IN.get(name, "")
        note(f"{field}.{name}".strip("."), "MEMBER_MISSING")
        return
    if not steps or (len(steps) == 1 and steps[0] in _NEEDED):
        raise Unreadable(field, what)
    if isinstance(steps[-1], int):
        del at[steps[-1]]
    else:
        at.pop(steps[-1], None)
    note(field, "MEMBER_DROPPED")


def without_persons(record: dict[str, Any], note: Note = silent) -> dict[str, Any]:
    """Return a record without names of persons; ``note`` hears where there was one (PERSON_DROPPED).

    Contacts lose their name and keep title, department, mail and numbers. A contact without title and
    department is nobody's function: a mail address that is made of the name goes too. Addresses lose
    "attention", metadata who did it and what is said of contacts.

    >>> without_persons({"contacts": [{"id": "1", "name": "Ann Persona", "title": "Reception"}]})
    {'contacts': [{'id': '1', 'title': 'Reception'}]}
    """
    return {key: _without(key, value, note, key) for key, value in record.items()}


def _without(key: str, value: Any, note: Note, path: str) -> Any:
    if isinstance(value, dict):
        kept = dict(value)
        if key == "contacts":
            _strip_contact(kept, note, path)
        elif key == "addresses" and kept.pop("attention", None):
            note(f"{path}.attention", "PERSON_DROPPED")
        elif key == "metadata":
            if kept.get("updated_by") not in (None, "", _WITHHELD) and not _written_here(kept):
                kept["updated_by"] = _WITHHELD
                note(f"{path}.updated_by", "PERSON_DROPPED")
            if kept.get("resource_type") == "contact":
                kept.update(previous_value=_WITHHELD, replacement_value=_WITHHELD)
        return {name: _without(name, child, note, f"{path}.{name}") for name, child in kept.items()}
    if isinstance(value, list):
        return [_without(key, child, note, path) for child in value]
    return value


def _written_here(metadata: Mapping[str, Any]) -> bool:
    """Whether a record of metadata is one of our exports': it names a source or a town, never a person."""
    resource = as_uuid(str(metadata.get("resource_id")))
    if resource is None:
        return False
    return metadata.get("id") == str(derived_id("metadata", resource, metadata.get("field_name")))


def _strip_contact(contact: dict[str, Any], note: Note, path: str) -> None:
    name = contact.pop("name", None)
    if not isinstance(name, str) or not name.strip():
        return
    note(f"{path}.name", "PERSON_DROPPED")
    mail = contact.get("email")
    if not contact.get("title") and not contact.get("department") and isinstance(mail, str):
        local = mail.partition("@")[0].casefold()
        if any(part in local for part in re.split(r"\W+", name.casefold()) if len(part) > 2):
            del contact["email"]
            note(f"{path}.email", "PERSON_DROPPED")


# texts


def _text(value: str | None, maximum: int, field: str, note: Note) -> str:
    if not value:
        return ""
    text, how = repairs.text(value, maximum)
    for code in how:
        note(field, code)
    return text


def _description(
    record: shapes.Organization | shapes.Service, language: str, more: Iterable[tuple[str, str]], note: Note
) -> dict[str, str]:
    """Return the description with everything that has no field of its own, each under its name."""
    parts = [_text(record.description, TEXT_MAXIMUM, "description", note)]
    for field, title in _PARAGRAPHS:
        said = _text(getattr(record, field, None), 4_000, field, note)
        if said:
            parts.append(f"{title}: {said}")
    parts += [f"{title}: {said}" for title, said in more if said]
    whole = "\n\n".join(part for part in parts if part)
    if len(whole) > TEXT_MAXIMUM:
        note("description", "CUT")
        whole = whole[: TEXT_MAXIMUM - 1] + "…"
    return {language: whole} if whole else {}


def _joined(said: Iterable[str | None], field: str, note: Note) -> str:
    texts = (_text(one, 4_000, field, note) for one in said)
    return "; ".join(dict.fromkeys(text for text in texts if text))


def _web(value: str | None, field: str, note: Note) -> str | None:
    if value is None or not value.strip():
        return None
    found, how = repairs.web_address(value.strip())
    for code in how:
        note(field, code)
    return found


# contacts and languages


def language_tag(spoken: shapes.Language) -> tuple[str, bool] | None:
    """Return (BCP 47 tag, only through an interpreter) of a language, by its code or else its English name.

    >>> language_tag(shapes.Language(id="1", code="tir"))
    ('ti', False)
    """
    code = (spoken.code or "").strip()
    if re.fullmatch(r"[A-Za-z]{2,3}", code):
        code = code.lower()
        return _ISO_639_3.get(code, code), False
    if re.fullmatch(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?", code):
        return code, False
    found, _ = repairs.languages((spoken.name or "").strip())
    return found[0] if found else None


def _languages(spoken: Iterable[shapes.Language], note: Note) -> tuple[LanguageOffered, ...]:
    offered: dict[str, bool] = {}
    for one in spoken:
        found = language_tag(one)
        if found is None:
            note("languages", "LANGUAGE_UNKNOWN")
            continue
        tag, interpreted = found
        offered[tag] = interpreted and offered.get(tag, True)
    chosen = list(offered.items())[:MOST]
    return tuple(LanguageOffered(language=tag, interpreted=only) for tag, only in chosen)


class _Reach:
    """Collects how to reach somebody: each number and address once."""

    def __init__(self, region: str | None, language: str, note: Note) -> None:
        self.region, self.language, self.note = region, language, note
        self.points: dict[tuple[ContactKind, str, str | None], ContactPoint] = {}

    def _add(self, kind: ContactKind, value: str, extension: str | None, label: str) -> None:
        self.points.setdefault(
            (kind, value, extension),
            ContactPoint(
                kind=kind, value=value, extension=extension, label={self.language: label} if label else {}
            ),
        )

    def phones(self, phones: Iterable[shapes.Phone], label: str = "") -> None:
        for phone in phones:
            extension = "" if phone.extension is None else f"{phone.extension:.0f}"[:10]
            description = phone.description
            if isinstance(phone, GermanPhone) and phone.extension_text:
                extension = phone.extension_text[:10]
                # our own writing says it in words too, where the number alone would lose its zeros
                said_too = rf"\s*\(?[^\s()]+ {re.escape(phone.extension_text)}\)?$"
                description = re.sub(said_too, "", description or "")
            written = phone.number.strip().strip('"').strip()[:60]
            reached, how = repairs.phone(written, extension, self.region)
            if reached is None:
                self.note("phones", "PHONE_UNREADABLE")
                continue
            for code in how:
                self.note("phones", code)
            said = _text(description, NAME_MAXIMUM, "phones", self.note) or label
            self._add(ContactKind.PHONE, *reached, said)

    def mail(self, address: str | None, label: str = "") -> None:
        if address is None or not address.strip():
            return
        found, how = repairs.mail_address(address.strip())
        for code in how:
            self.note("email", code)
        if found is not None:
            self._add(ContactKind.EMAIL, found, None, label)

    def contacts(self, contacts: Iterable[shapes.Contact]) -> None:
        for contact in contacts:
            label = _text(contact.department or contact.title, NAME_MAXIMUM, "contacts", self.note)
            self.mail(contact.email, label)
            self.phones(contact.phones, label)

    def all(self) -> tuple[ContactPoint, ...]:
        return tuple(self.points.values())[:MOST_CONTACTS]


# places


def region_of(record: shapes.Organization | shapes.Service | shapes.Location) -> tuple[str | None, str]:
    """Return (country, state) of the first address in a record that says them."""
    places: list[shapes.Location] = []
    if isinstance(record, shapes.Location):
        places.append(record)
    elif isinstance(record, shapes.Organization):
        places += record.locations
    else:
        places += [at.location for at in record.service_at_locations if at.location is not None]
        if record.organization is not None:
            places += record.organization.locations
    for place in places:
        for address in place.addresses:
            country, _ = repairs.region(address.country, address.state_province)
            if country is not None:
                return country, address.state_province
    return None, ""


def _hours(schedules: Iterable[shapes.Schedule], zone: str | None, note: Note) -> OpeningHours | None:
    periods: set[tuple[int, str, str]] = set()
    by_appointment, closed_on_holidays = False, True
    for one in schedules:
        if isinstance(one, GermanSchedule) and one.zone is not None:
            zone, by_appointment = one.zone, by_appointment or bool(one.by_appointment)
            closed_on_holidays = one.closed_on_holidays is not False
            if one.opens_at_wall and one.closes_at_wall and one.byday:
                periods |= {
                    (_DAYS.index(day) + 1, one.opens_at_wall, one.closes_at_wall)
                    for day in one.byday.split(",")
                    if day in _DAYS
                }
            continue
        if one.opens_at is None or one.closes_at is None:
            continue
        limited = (one.valid_to, one.until, one.count, one.byweekno, one.bymonthday, one.byyearday)
        if any(value is not None for value in limited) or one.interval not in (None, 1):
            note("schedules", "HOURS_NOT_EVERY_WEEK")
            continue
        if one.freq not in (None, "WEEKLY") or (one.freq is None and not one.byday):
            note("schedules", "HOURS_NOT_EVERY_WEEK")
            continue
        days = [day.strip().upper() for day in (one.byday or ",".join(_DAYS)).split(",")]
        # an offset says nothing that the zone does not say better
        times, how = repairs.opening(_wall(one.opens_at), _wall(one.closes_at))
        if times is None or not set(days) <= set(_DAYS):
            note("schedules", "TIME_UNREADABLE")
            continue
        if zone is None:
            note("schedules", "ZONE_UNKNOWN")
            continue
        for code in how:
            note("schedules", code)
        for day in days:
            for later, opens, closes in times:
                periods.add(((_DAYS.index(day) + later) % 7 + 1, opens, closes))
    if zone is None or not (periods or by_appointment):
        return None
    return OpeningHours(
        periods=tuple(OpeningPeriod(weekday=d, opens=o, closes=c) for d, o, c in sorted(periods)[:200]),
        by_appointment=by_appointment,
        closed_on_holidays=closed_on_holidays,
        timezone=_HOME if zone == _HOME else zone,  # the default itself, which is left out when stored
    )


_WALL: Final = re.compile(r"([0-9]{2}:[0-9]{2})(:[0-9]{2})?(\.[0-9]+)?\s*(Z|[+-][0-9]{2}:?[0-9]{2})?")


def _wall(given: str) -> str:
    """Return a time without seconds and offset; other writings as they are."""
    found = _WALL.fullmatch(given.strip())
    return given if found is None else found[1]


def place_id(namespace: UUID, organization: str, location: str) -> UUID:
    """Return the id of an organisation's place: HSDS organisations may share one, here each has its own."""
    return entry_id(namespace, "location", f"{organization}/{location}")


def read_location(
    record: shapes.Location,
    namespace: UUID,
    organization: str,
    language: str,
    note: Note = silent,
    more: Sequence[shapes.Schedule] = (),
) -> LocationValue:
    """Return a place; ``more``: hours of a service that is offered here only."""
    address = next(iter(record.addresses), None)
    for _ in record.addresses[1:]:
        note("addresses", "SECOND_ADDRESS")
    country, state = region_of(record)
    street = (
        ", ".join(part.strip() for part in (address.address_1, address.address_2 or "") if part.strip())
        if (address is not None)
        else ""
    )
    latitude, longitude = record.latitude, record.longitude
    if latitude is not None or longitude is not None:
        readable = (
            latitude is not None
            and longitude is not None
            and -90 <= latitude <= 90
            and -180 <= longitude <= 180
            and (latitude, longitude) != (0, 0)
        )
        if not readable:
            note("latitude", "COORDINATES_DROPPED")
            latitude = longitude = None
    name = _text(record.name, NAME_MAXIMUM, "name", note)
    access = _joined((one.description for one in record.accessibility), "accessibility", note)
    postcode = "" if address is None else address.postal_code.strip()[:20]
    city = "" if address is None else _text(address.city, NAME_MAXIMUM, "city", note)
    return LocationValue(
        id=place_id(namespace, organization, record.id),
        name=name or street[:NAME_MAXIMUM] or "–",
        street=street[:NAME_MAXIMUM] or None,
        postcode=postcode or None,
        city=city or None,
        ars=record.municipality_key if isinstance(record, GermanLocation) else None,
        latitude=None if latitude is None else float(latitude),
        longitude=None if longitude is None else float(longitude),
        accessibility={language: access} if access else {},
        hours=_hours([*record.schedules, *more], repairs.zone(country, state), note),
    )


# entries


def partner_kind(record: shapes.Organization) -> tuple[PartnerKind, bool]:
    """Return an organisation's kind by its legal form, and whether that was said or assumed."""
    said = f"{record.tax_status or ''} {record.legal_status or ''}".casefold()
    if re.search(r"non-?profit|not.for.profit|501\(?c|charit|gemeinnützig|\be\. ?v\.", said):
        return PartnerKind.FREE_PROVIDER, True
    if re.search(r"\b(government|public (body|agency|authority)|municipal|county|behörde|öffentlich)", said):
        return PartnerKind.AUTHORITY, True
    if re.search(r"\b(for.profit|corporation|limited|ltd|llc|inc|gmbh|business)\b", said):
        return PartnerKind.BUSINESS, True
    return PartnerKind.FREE_PROVIDER, False


def read_organization(
    record: shapes.Organization, namespace: UUID, language: str, note: Note = silent
) -> PartnerGiven:
    """Return the partner that an organisation is, without its places (``read_location``)."""
    kind, said = partner_kind(record)
    ours = _word(record, PartnerKind, "partner_kind")
    if ours is not None:
        kind = ours
    elif not said:
        note("legal_status", "KIND_ASSUMED")
    reach = _Reach(region_of(record)[0], language, note)
    reach.phones(record.phones)
    reach.mail(record.email)
    reach.contacts(record.contacts)
    spoken: list[shapes.Language] = []
    for place in record.locations:
        reach.phones(place.phones)
        reach.contacts(place.contacts)
        spoken += place.languages
    description = _description(record, language, (), note)
    if isinstance(record, GermanOrganization) and record.municipality_key is not None:
        # our own export, which describes by the kind where there is no description
        description = dict(record.translations.get("description", {}))
    return PartnerGiven(
        id=entry_id(namespace, "partner", record.id),
        foreign_id=record.id,
        values={
            "name": _text(record.name, NAME_MAXIMUM, "name", note) or "–",
            "kind": kind,
            "public_body": kind is PartnerKind.AUTHORITY,
            "description": description,
            "website": _web(record.website, "website", note),
            "contact_points": reach.all(),
            "languages": _languages(spoken, note),
        },
    )


def read_service(
    record: shapes.Service, namespace: UUID, organization: str, language: str, note: Note = silent
) -> ServiceGiven:
    """Return the service of the organisation of this id that a record says."""
    reach = _Reach(region_of(record)[0], language, note)
    reach.phones(record.phones)
    reach.mail(record.email)
    reach.contacts(record.contacts)
    places = []
    for at in record.service_at_locations:
        reach.phones(at.phones)
        reach.contacts(at.contacts)
        place = at.location.id if at.location is not None else at.location_id
        if place is not None:
            places.append(place)
    costs = [
        " ".join(
            part
            for part in (
                one.option or "",
                "" if one.amount is None else f"{one.amount:g}",
                (one.currency or "").upper(),
                one.amount_description or "",
            )
            if part
        )
        for one in record.cost_options
    ]
    ages = [f"{age:g}" for age in (record.minimum_age, record.maximum_age) if age is not None]
    paragraphs = [
        ("Age", _ages(record.minimum_age, record.maximum_age) if ages else ""),
        ("Costs", _joined(costs, "cost_options", note)),
        ("Documents to bring", _joined((d.document for d in record.required_documents), "documents", note)),
        ("Area", _joined((a.name or a.description for a in record.service_areas), "service_areas", note)),
    ]
    values: dict[str, Any] = {
        "title": {language: _text(record.name, NAME_MAXIMUM, "name", note) or "–"},
        "description": _description(record, language, paragraphs, note),
        "website": _web(record.url, "url", note),
        "source_terms": _terms(record),
        "languages": _languages(record.languages, note),
        "contact_points": reach.all(),
    }
    assured = _day(record.assured_date)
    if assured is not None:
        values["assured_at"] = datetime(assured.year, assured.month, assured.day, tzinfo=UTC)
    capacity = _capacity(record.capacities)
    if capacity is not None:
        values["capacity"] = capacity
    kind = _word(record, ServiceKind, "service_kind")
    if kind is not None:
        values["kind"] = kind
    if isinstance(record, GermanService):
        values |= _beyond_hsds(record)
    return ServiceGiven(
        id=entry_id(namespace, "service", record.id),
        foreign_id=record.id,
        partner_id=entry_id(namespace, "partner", organization),
        values=values,
        state=PublicationState.HIDDEN if record.status in _NOT_ACTIVE else None,
        topics=_topics(record),
        locations=tuple(place_id(namespace, organization, place) for place in dict.fromkeys(places)),
    )


def _require_regional(field: str, keys: Iterable[str]) -> None:
    """Refuse municipalities' short keys (AGS), as sheets do: no place of residence would ever match one.

    Without the key the entry would be for everybody, which it is not: so it is not taken at all.
    """
    if any(map(is_municipality_key, keys)):
        raise Unreadable(field, "is a short key (AGS)", reason="TERRITORY_IS_AGS")


def _beyond_hsds(record: GermanService) -> dict[str, Any]:
    """Return what the German profile says exactly; it stands above what HSDS says of the same in words."""
    said: dict[str, Any] = {}
    if record.translations.get("name"):
        said["title"] = record.translations["name"]
        said["description"] = record.translations.get("description", {})
    if record.eligibility_rules:
        _require_regional(
            "eligibility_rules.residence",
            (key for rule in record.eligibility_rules for key in rule.residence),
        )
        said["eligibility"] = record.eligibility_rules
    if record.responsibility is not None:
        said["responsibility"] = record.responsibility
    area = tuple(
        one.municipality_key
        for one in record.service_areas
        if isinstance(one, GermanServiceArea) and one.municipality_key is not None
    )
    _require_regional("service_areas.municipality_key", area)
    if area:
        said["area"] = area
    for name in ("capacity", "course", "recognition", "interpreting", "referral_facts"):
        value = getattr(record, name)
        if value is not None:
            said[name] = value
    return said


W = TypeVar("W", bound=StrEnum)


def _word(record: shapes.Organization | shapes.Service, words: type[W], key: str) -> W | None:
    """Return the word of one of our vocabularies that an attribute says, where our own export wrote it."""
    for attribute in record.attributes:
        term = attribute.taxonomy_term
        if term is not None and term.taxonomy_id == taxonomy_id(key) and term.code in list(words):
            return words(term.code)
    return None


def _topics(record: shapes.Service) -> tuple[str, ...] | None:
    """Return our topics that attributes name; None where none does: then the directory's stay."""
    codes = [
        attribute.taxonomy_term.code
        for attribute in record.attributes
        if attribute.taxonomy_term is not None and attribute.taxonomy_term.taxonomy_id == taxonomy_id(TOPIC)
    ]
    return tuple(dict.fromkeys(code for code in codes if code)) or None


def _ages(least: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f"{least:g} to {most:g}"
    return f"from {least:g}" if least is not None else f"to {most:g}"


def _day(given: str | None) -> date | None:
    try:
        return None if given is None else date.fromisoformat(given.strip()[:10])
    except ValueError:
        return None


def _capacity(given: Sequence[shapes.ServiceCapacity]) -> Capacity | None:
    """Return the free places as of a day, where one figure says them."""
    if len(given) != 1:
        return None
    free, as_of = int(given[0].available), _day(given[0].updated)
    if as_of is None or not 0 <= free <= 100_000:
        return None
    state = CapacityState.NONE if free == 0 else CapacityState.FEW if free <= 3 else CapacityState.OPEN
    return Capacity(state=state, places=free, as_of=as_of)


def _terms(record: shapes.Service) -> tuple[SourceTerm, ...]:
    """Return the terms that the service's attributes name, kept as they are."""
    kept: dict[tuple[str, str], SourceTerm] = {}
    for attribute in record.attributes:
        term = attribute.taxonomy_term
        if term is None or term.taxonomy_id in _OURS:
            continue
        vocabulary = term.taxonomy or (term.taxonomy_detail.name if term.taxonomy_detail else "") or ""
        code = term.code or term.id
        kept.setdefault(
            (vocabulary, code),
            SourceTerm(code=code[:200], name=term.name[:NAME_MAXIMUM], vocabulary=vocabulary[:NAME_MAXIMUM]),
        )
    return tuple(kept.values())[:MOST]


def tabular_value(kind: str, written: str) -> Any:
    """Return a cell as its JSON value: numbers where the table's schema says so and the text is one.

    >>> tabular_value("number", "35"), tabular_value("number", "3.5"), tabular_value("number", "x")
    (35, 3.5, 'x')
    """
    if kind == "number":
        if re.fullmatch(r"-?[0-9]{1,15}", written):
            return int(written)
        if re.fullmatch(r"-?[0-9]{1,15}\.[0-9]{1,15}", written):
            return float(written)
    return written
