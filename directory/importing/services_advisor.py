"""Reads the files of UNHCR's Services Advisor: one GeoJSON per language (``services_en.geojson`` …).

The English file leads; the others are translations of it, feature by feature and word by word. They are taken
with care: an Arabic word that stands for two English ones ("open to all", "serious medical condition") says
something wrong in one of the cases, and words that were half translated by machine say nothing. Such
translations are left out and reported; what is left is right.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec

from directory.importing import repairs
from directory.importing.entries import (
    CHUNK,
    Checkpoint,
    Loose,
    PartnerGiven,
    ServiceGiven,
    entry_id,
    nothing_loose,
    source_namespace,
)
from directory.importing.packages import source_name
from directory.importing.report import ImportRefused, ImportReport, Refusal
from directory.network import MunicipalityEntry, OccupationEntry, TopicEntry
from directory.organisations import names_a_person
from directory.values import LocationValue, ReferralFacts, SourceTerm, Titles
from directory.vocabulary import PartnerKind

LARGEST: Final = 64 * 1024**2
LICENCE: Final = "MIT"
"""Under which the files are published (repository unhcr-jordan/services-advisor)."""
_FILE: Final = re.compile(r"services_([a-z]{2,3})\.geojson")
_NUMBER: Final = re.compile(r"\s*([0-9]{1,2})\.")
_NEXT_STEP: Final = 11
_FACETS: Final = range(1, 15)
_GARBLED: Final = re.compile("[A-Za-z][\u0600-\u06ff]|[\u0600-\u06ff][A-Za-z]")

REGISTRATION, NATIONALITY, INTAKE, ACCESS, COVERAGE, AVAILABILITY, DAYS, OPENS, CLOSES, METHOD = range(1, 11)
RESPONSE, FEEDBACK, FEEDBACK_DELAY = 12, 13, 14
"""The numbers that the files give their questions."""

_PARAGRAPHS: Final = (
    (NATIONALITY, {"en": "Nationality", "ar": "الجنسية"}),
    (COVERAGE, {"en": "Coverage", "ar": "التغطية"}),
    (ACCESS, {"en": "Accessibility", "ar": "القدرة على الوصول"}),
    (AVAILABILITY, {"en": "Availability", "ar": "مدى التوفر"}),
    (DAYS, {"en": "Days", "ar": "الأيام"}),
    (OPENS, {"en": "Opens", "ar": "موعد فتح المكتب"}),
    (CLOSES, {"en": "Closes", "ar": "موعد إغلاق المكتب"}),
)
_ACTIVITIES: Final = {"en": "Activities", "ar": "الأنشطة"}
_PERIOD: Final = {"en": "Period", "ar": "الفترة"}
_DELAYS: Final = {"one day": 1, "one week": 7, "one month": 30}
_NOT_ACCEPTED: Final = "Referrals not accepted"
_NOT_REQUIRED: Final = "Referral is not required"


class Geometry(msgspec.Struct):
    """Where a feature lies: longitude, latitude."""

    type: str
    coordinates: tuple[float, ...] = ()


class Feature(msgspec.Struct):
    """A service of an organisation at a place."""

    id: int | str
    properties: dict[str, Any]
    geometry: Geometry | None = None


class Collection(msgspec.Struct):
    """A file."""

    features: list[Feature]


def is_services_advisor(path: Path) -> bool:
    """Whether a folder has the files of a Services Advisor."""
    return path.is_dir() and (path / "services_en.geojson").is_file()


def _read(path: Path) -> Collection:
    if path.stat().st_size > LARGEST:
        raise ImportRefused(Refusal.TOO_LARGE, path.name)
    try:
        return msgspec.json.decode(path.read_bytes().removeprefix(b"\xef\xbb\xbf"), type=Collection)
    except UnicodeDecodeError as error:
        raise ImportRefused(Refusal.ENCODING, path.name) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise ImportRefused(Refusal.INVALID, f"{path.name}: {error}") from error


def answers(properties: Mapping[str, Any], question: int) -> list[str]:
    """Return what a feature answers to the question of this number, in its order."""
    for name, value in properties.items():
        number = _NUMBER.match(name)
        asked = int(number[1]) if number else None
        if asked is None and isinstance(value, dict) and name != "indicators":
            asked = _NEXT_STEP  # the one question whose Arabic name has lost its number
        if asked == question and isinstance(value, dict):
            return [said for said, given in value.items() if given is True]
    return []


def activities(properties: Mapping[str, Any]) -> list[str]:
    """Return what a feature does: its indicators that are not zero."""
    given = properties.get("indicators")
    return [name for name, value in given.items() if value] if isinstance(given, dict) else []


def _pairs(english: Feature, other: Feature) -> Iterator[tuple[str, str, str]]:
    """Yield (what it is about, English, other) of words that stand in the same place in both."""
    for name in ("activityName", "activityCategory"):
        yield name, str(english.properties.get(name, "")), str(other.properties.get(name, ""))
    for question in _FACETS:
        said, translated = answers(english.properties, question), answers(other.properties, question)
        if len(said) == len(translated):
            for one, translation in zip(said, translated, strict=True):
                yield str(question), one, translation
    given, translated_ = english.properties.get("indicators"), other.properties.get("indicators")
    if isinstance(given, dict) and isinstance(translated_, dict) and len(given) == len(translated_):
        for one, translation in zip(given, translated_, strict=True):
            yield "indicators", one, translation


class Glossary:
    """The words of another language that certainly mean one English word each."""

    def __init__(self, english: Sequence[Feature], other: Sequence[Feature]) -> None:
        means: defaultdict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        meant: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for one, same in zip(english, other, strict=True):
            for about, said, translation in _pairs(one, same):
                means[about, said][translation] = None
                meant[about, translation].add(said)
        self._words: dict[tuple[str, str], str] = {}
        self.refused: dict[tuple[str, str], None] = {}
        for (about, said), translations in means.items():
            (translation, *others) = translations
            if said == translation or not translation or not said:
                continue
            if others or len(meant[about, translation]) > 1 or _GARBLED.search(translation):
                self.refused[about, said] = None
            else:
                self._words[about, said] = translation

    def word(self, about: str, said: str) -> str | None:
        """Return the word, or None when there is no certain one."""
        return self._words.get((about, said))


def _days(said: Sequence[str]) -> int | None:
    """Return the days that one answer means; "case by case" means none."""
    if len(said) != 1:
        return None
    plain = re.sub(r"^delay\s+", "", said[0].strip().casefold())
    return _DELAYS.get(plain)


class ServicesAdvisorSource:
    """The files of a Services Advisor as a source of entries."""

    format = "unhcr-services-advisor"
    municipality: MunicipalityEntry | None = None
    coordination: UUID | None = None
    may_be_ours = False
    topics: Sequence[TopicEntry] = ()
    occupations: Sequence[OccupationEntry] = ()
    clients = msgspec.Raw(b"[]")

    def __init__(
        self, folder: Path, report: ImportReport, *, name: str | None = None, licence: str | None = None
    ) -> None:
        self.name = name or source_name({}, folder)
        self.licence = licence or LICENCE
        self._namespace = source_namespace(self.name)
        self._report = report.file("services_en.geojson")
        self._features = _read(folder / "services_en.geojson").features
        self._others: dict[str, list[Feature]] = {}
        self._glossaries: dict[str, Glossary] = {}
        for path in sorted(folder.glob("services_*.geojson")):
            named = _FILE.fullmatch(path.name)
            if named is None or named[1] == "en":
                continue
            features = _read(path).features
            if [one.id for one in features] != [one.id for one in self._features]:
                raise ImportRefused(Refusal.INVALID, f"{path.name}: not the same features as in English")
            self._others[named[1]] = features
            glossary = self._glossaries[named[1]] = Glossary(self._features, features)
            file = report.file(path.name)
            file.read, file.repaired_by, file.repairs = len(features), {}, []
            for at, (about, _) in enumerate(glossary.refused, start=1):
                file.repair(at, about, "TRANSLATION_UNCERTAIN")
        self._report.read = len(self._features)

    async def prepare(self, checkpoint: Checkpoint | None) -> int | None:
        """Return how many entries come; the files were read whole."""
        return len(self._features) + len(self._by_partner())

    def _by_partner(self) -> dict[str, list[int]]:
        numbers: dict[str, list[int]] = {}
        for at, feature in enumerate(self._features):
            name, _ = repairs.text(str(feature.properties.get("partnerName") or ""), 300)
            if name and not names_a_person(name):
                numbers.setdefault(name, []).append(at)
        return numbers

    async def partners(self, after: int) -> AsyncIterator[tuple[int, list[PartnerGiven]]]:
        """Yield every organisation with the places where it offers something."""
        given = islice(self._by_partner().items(), after, None)
        while chunk := list(islice(given, CHUNK)):
            after += len(chunk)
            yield after, [self._partner(name, numbers) for name, numbers in chunk]

    def _partner(self, name: str, numbers: Sequence[int]) -> PartnerGiven:
        places = {place.id: place for at in numbers for place in [self._place(name, self._features[at])]}
        return PartnerGiven(
            id=entry_id(self._namespace, "partner", name),
            foreign_id=name,
            values={"name": name, "kind": PartnerKind.FREE_PROVIDER},
            locations=tuple(places.values()),
        )

    def _place(self, partner: str, feature: Feature) -> LocationValue:
        name, _ = repairs.text(str(feature.properties.get("locationName") or ""), 300)
        latitude = longitude = None
        geometry = feature.geometry
        if geometry is not None and geometry.type == "Point" and len(geometry.coordinates) >= 2:
            longitude, latitude = geometry.coordinates[:2]
            if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
                latitude = longitude = None
        return LocationValue(
            id=entry_id(self._namespace, "location", f"{partner}/{name}/{longitude}/{latitude}"),
            name=name or "–",
            latitude=latitude,
            longitude=longitude,
        )

    async def services(self, after: int) -> AsyncIterator[tuple[int, list[ServiceGiven]]]:
        """Yield every service, in all languages there are."""
        while after < len(self._features):
            numbers = range(after, min(after + CHUNK, len(self._features)))
            after = numbers.stop
            given = (self._service(at) for at in numbers)
            yield after, [one for one in given if one is not None]

    def _foreign_id(self, at: int) -> str:
        """Return a feature's id; the files count places, so that the activity belongs to it."""
        feature = self._features[at]
        key = f"{feature.id}-{feature.properties.get('activity')}"
        same = sum(
            1
            for other in self._features[:at]
            if other.id == feature.id
            and other.properties.get("activity") == feature.properties.get("activity")
        )
        return f"{key}-{same + 1}" if same else key

    def _service(self, at: int) -> ServiceGiven | None:
        feature = self._features[at]
        properties = feature.properties
        number = at + 1
        partner, _ = repairs.text(str(properties.get("partnerName") or ""), 300)
        title = self._said("activityName", str(properties.get("activityName") or ""))
        if not partner or not title:
            self._report.reject(number, "FIELD_MISSING", "activityName" if partner else "partnerName")
            return None
        if names_a_person(partner):
            self._report.reject(number, "PRIVATE_PERSON", "partnerName")
            return None
        foreign_id = self._foreign_id(at)
        values: dict[str, Any] = {
            "title": title,
            "source_language": "en",
            "description": self._description(at),
            "source_terms": self._terms(properties),
            "referral_facts": self._referral_facts(properties, number),
        }
        original = {"en": properties} | {tag: other[at].properties for tag, other in self._others.items()}
        return ServiceGiven(
            id=entry_id(self._namespace, "service", foreign_id),
            foreign_id=foreign_id,
            partner_id=entry_id(self._namespace, "partner", partner),
            values=values,
            locations=(self._place(partner, feature).id,),
            original=msgspec.json.encode(original).decode(),
        )

    def _said(self, about: str, said: str) -> Titles:
        """Return a word in all languages in which it is certain."""
        text, _ = repairs.text(said, 300)
        if not text:
            return {}
        found = {"en": text}
        for tag, glossary in self._glossaries.items():
            translation = glossary.word(about, said)
            if translation is not None:
                found[tag] = repairs.text(translation, 300)[0]
        return found

    def _all_said(self, properties: Mapping[str, Any], question: int) -> tuple[Titles, ...]:
        return tuple(self._said(str(question), said) for said in answers(properties, question))

    def _description(self, at: int) -> dict[str, str]:
        """Return the comment and, under their names, the answers that have no field of their own."""
        properties = self._features[at].properties
        texts: dict[str, list[str]] = defaultdict(list)
        comment, _ = repairs.text(str(properties.get("comments") or ""), 15_000)
        if comment:
            texts["en"].append(comment)
        for tag, features in self._others.items():
            other, _ = repairs.text(str(features[at].properties.get("comments") or ""), 15_000)
            if other and other != comment and not _GARBLED.search(other):
                texts[tag].append(other)
        about = [(_ACTIVITIES, [self._said("indicators", one) for one in activities(properties)])]
        about += [(names, list(self._all_said(properties, question))) for question, names in _PARAGRAPHS]
        for names, said in about:
            for tag in ("en", *self._glossaries):
                words = [one[tag] for one in said if tag in one]
                # in another language all of it or nothing: half of a list says something else
                if said and len(words) == len(said) and tag in names:
                    texts[tag].append(f"{names[tag]}: {', '.join(words)}")
        period = [str(properties.get(name) or "") for name in ("startDate", "endDate")]
        if all(re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", one) for one in period):
            for tag in ("en", *self._glossaries):
                if tag in _PERIOD:
                    texts[tag].append(f"{_PERIOD[tag]}: {period[0]} – {period[1]}")
        return {tag: "\n\n".join(parts)[:20_000] for tag, parts in texts.items()}

    def _terms(self, properties: Mapping[str, Any]) -> tuple[SourceTerm, ...]:
        category, activity = properties.get("activityCategory"), properties.get("activity")
        terms = []
        if category:
            terms.append(
                SourceTerm(code=str(category)[:200], name=str(category)[:300], vocabulary="UNHCR sector")
            )
        if activity is not None:
            name = str(properties.get("activityName") or activity)[:300]
            terms.append(SourceTerm(code=str(activity)[:200], name=name, vocabulary="UNHCR activity"))
        return tuple(terms)

    def _referral_facts(self, properties: Mapping[str, Any], number: int) -> ReferralFacts:
        """Return how people are referred; every feature says "referral required", which some contradict."""
        methods = answers(properties, METHOD)
        said = str(properties.get("Referral required") or "").strip().casefold()
        required: bool | None = {"yes": True, "no": False}.get(said)
        accepted: bool | None = None
        if _NOT_ACCEPTED in methods:
            accepted = False
            if required:
                required = None
                self._report.repair(number, "Referral required", "REFERRAL_CONTRADICTED")
        elif _NOT_REQUIRED in methods:
            if required:
                self._report.repair(number, "Referral required", "REFERRAL_CONTRADICTED")
            required = False
        elif methods:
            accepted = True
        ways = [one for one in methods if one not in {_NOT_ACCEPTED, _NOT_REQUIRED}]
        response, delay = answers(properties, RESPONSE), answers(properties, FEEDBACK_DELAY)
        return ReferralFacts(
            required=required,
            accepted=accepted,
            methods=tuple(self._said(str(METHOD), one) for one in ways),
            response_days=_days(response),
            response=self._said(str(RESPONSE), response[0]) if len(response) == 1 else {},
            next_steps=self._all_said(properties, _NEXT_STEP),
            feedback=self._all_said(properties, FEEDBACK),
            feedback_days=_days(delay),
            feedback_delay=self._said(str(FEEDBACK_DELAY), delay[0]) if len(delay) == 1 else {},
            intake_criteria=self._all_said(properties, INTAKE),
            requirements=self._all_said(properties, REGISTRATION),
        )

    def loose(self, after: int) -> AsyncIterator[tuple[int, list[Loose]]]:
        """Yield nothing: everything belongs to an entry."""
        return nothing_loose(after)
