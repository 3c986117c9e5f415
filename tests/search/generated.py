"""Generated services for measuring search at size: German texts, places in Brandenburg, facts for filters.

The same number always gives the same service, so that they need not be kept: ``services(10)`` begins
``services(1_000_000)``. Words are as unevenly spread as in texts that people write (Zipf), half of them are
compounds, and the number of different words grows with the number of services.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Any, Final, NamedTuple
from uuid import UUID

from directory.documents import ServiceDocument
from directory.values import (
    Capacity,
    CourseFacts,
    CourseRun,
    EligibilityRule,
    InterpretedLanguage,
    InterpretingFacts,
    LanguageOffered,
    LocationValue,
    MunicipalitySummary,
    PartnerSummary,
    TopicTerm,
)
from directory.vocabulary import (
    Answer,
    CapacityState,
    CefrLevel,
    CourseAccess,
    CourseFormat,
    PartnerKind,
    PublicationState,
    ResidenceStatus,
    Responsibility,
    ServiceKind,
)
from search.engine import TopicWords, Vocabulary

SEED: Final = 20_261_122
TODAY: Final = date(2026, 11, 22)
PARTNER_EVERY: Final = 8
"""Services of a partner, on average."""


class Town(NamedTuple):
    """A place of Brandenburg: district key (ARS), degrees WGS 84, and how many services are there."""

    name: str
    district: str
    latitude: float
    longitude: float
    share: int


TOWNS: Final = (
    Town("Cottbus", "12052", 51.757, 14.333, 14),
    Town("Potsdam", "12054", 52.396, 13.058, 16),
    Town("Frankfurt (Oder)", "12053", 52.347, 14.551, 7),
    Town("Brandenburg an der Havel", "12051", 52.413, 12.553, 7),
    Town("Oranienburg", "12065", 52.756, 13.242, 5),
    Town("Eberswalde", "12060", 52.833, 13.822, 5),
    Town("Bernau bei Berlin", "12060", 52.679, 13.587, 4),
    Town("Falkensee", "12063", 52.560, 13.093, 4),
    Town("Königs Wusterhausen", "12061", 52.296, 13.631, 4),
    Town("Lübben", "12061", 51.938, 13.889, 2),
    Town("Schwedt", "12073", 53.059, 14.282, 3),
    Town("Prenzlau", "12073", 53.316, 13.863, 2),
    Town("Neuruppin", "12068", 52.924, 12.809, 3),
    Town("Perleberg", "12070", 53.074, 11.858, 2),
    Town("Rathenow", "12063", 52.604, 12.337, 2),
    Town("Bad Belzig", "12069", 52.142, 12.594, 2),
    Town("Luckenwalde", "12072", 52.090, 13.168, 2),
    Town("Strausberg", "12064", 52.580, 13.883, 3),
    Town("Fürstenwalde", "12067", 52.360, 14.062, 3),
    Town("Eisenhüttenstadt", "12067", 52.144, 14.634, 3),
    Town("Senftenberg", "12066", 51.525, 14.002, 3),
    Town("Finsterwalde", "12062", 51.632, 13.708, 2),
    Town("Herzberg", "12062", 51.690, 13.236, 1),
    Town("Forst", "12071", 51.737, 14.640, 2),
    Town("Guben", "12071", 51.952, 14.717, 2),
    Town("Spremberg", "12071", 51.571, 14.379, 2),
)

_FIRST: Final = """
    Sprach Arbeits Berufs Bildungs Familien Frauen Jugend Kinder Gesundheits Wohnungs Schulden Sucht
    Integrations Migrations Asyl Aufenthalts Sozial Rechts Nachbarschafts Stadtteil Handwerks Pflege Eltern
    Schul Ausbildungs Anerkennungs Alphabetisierungs Computer Bewerbungs Fahrrad Garten Näh Koch Trauma
    Senioren Flüchtlings Ehrenamts Begegnungs Kultur Sport Musik Theater Verbraucher Energie
    Schwangerschafts Hebammen Kita Hort Ferien Nachhilfe Studien Praktikums Gründungs Unternehmer Zeugnis
    Ausweis Pass Einbürgerungs Härtefall Rückkehr Duldungs Wohngeld Kindergeld Unterhalts
""".split()  # noqa: SIM905 - a list of words reads best as text
_LAST: Final = """
    beratung kurs gruppe treff begleitung vermittlung hilfe stelle zentrum café werkstatt projekt
    sprechstunde betreuung training angebot förderung unterstützung verein netzwerk patenschaft seminar
    lotsen prüfung mediation büro dienst club schule kreis tag abend forum börse programm
""".split()  # noqa: SIM905 - a list of words reads best as text
_PLAIN: Final = """
    Termin Montag Dienstag Mittwoch Donnerstag Freitag Vormittag Nachmittag kostenlos vertraulich Anmeldung
    Antrag Formular Unterlagen Behörde Jobcenter Sozialamt Ausländerbehörde Wohnung Arbeit Ausbildung
    Deutsch Englisch Arabisch Dari Tigrinya Ukrainisch Russisch Polnisch Kinder Eltern Frauen Männer
    Jugendliche Erwachsene Geflüchtete Menschen Teilnehmende Prüfung Zertifikat Stufe Gruppe Einzelgespräch
    Telefon Begleitung Fragen Probleme Rechte Pflichten Vertrag Miete Strom Krankenkasse Arzt Klinik Schule
    Hort Spielplatz Küche Garten Werkstatt Rechner Internet Bewerbung Lebenslauf Gespräch Betrieb Meister
    Gesellen Urkunde Übersetzung Botschaft Reisepass Geburtsurkunde Heirat Scheidung Sorgerecht Unterhalt
    gemeinsam schnell einfach regelmäßig barrierefrei mehrsprachig anonym offen neu
""".split()  # noqa: SIM905 - a list of words reads best as text
_FRAMES: Final = (
    "Wir helfen bei {}, {} und {}.",
    "Für {} gibt es {} und auf Wunsch {}.",
    "Bringen Sie bitte {} und {} mit, dann klären wir {}.",
    "Das Angebot umfasst {}, {} sowie {}.",
    "In der {} sprechen wir über {} und {}.",
    "Danach vermitteln wir an {}, {} oder {}.",
)
_TOPICS: Final = (
    ("language-course", "Sprachkurs", ("Deutsch lernen", "Deutschkurs")),
    ("literacy-course", "Alphabetisierung", ("lesen und schreiben lernen",)),
    ("childcare", "Kinderbetreuung", ("Kita", "Hort")),
    ("recognition-advice", "Anerkennungsberatung", ("Zeugnis anerkennen",)),
    ("job", "Arbeit", ("Arbeit suchen", "Stelle")),
    ("internship", "Praktikum", ()),
    ("vocational-training", "Ausbildung", ("Lehre",)),
    ("interpreting", "Sprachmittlung", ("Dolmetscher",)),
    ("residence-advice", "Aufenthaltsberatung", ("Aufenthaltstitel",)),
    ("identity-papers", "Identitätspapiere", ("Papiere verlängern", "Pass")),
    ("housing", "Wohnen", ("Wohnung suchen",)),
    ("debts", "Schulden", ("Schuldnerberatung",)),
    ("health", "Gesundheit", ("Arzt",)),
    ("family", "Familie", ()),
    ("women", "Frauen", ()),
    ("youth", "Jugend", ()),
    ("leisure", "Freizeit", ()),
    ("violence", "Schutz vor Gewalt", ("Frauenhaus",)),
    ("legal-advice", "Rechtsberatung", ("Anwalt",)),
    ("clearing", "Clearing", ()),
)
VOCABULARY: Final = Vocabulary(
    {
        code: TopicWords(
            {"de": label},
            {"de": words} if words else {},
            "language-course" if code == "literacy-course" else None,
        )
        for code, label, words in _TOPICS
    }
)
_LANGUAGES: Final = ("en", "ar", "ru", "uk", "fa", "prs", "ps", "ti", "pl", "fr", "tr", "vi", "kmr", "so")
_STATUSES: Final = (
    ResidenceStatus.SECTION_104C,
    ResidenceStatus.SECTION_60A,
    ResidenceStatus.SECTION_55_ASYLG,
    ResidenceStatus.SECTION_24,
    ResidenceStatus.SECTION_25_5,
)


class _Zipf:
    """Picks from a list, the first ones most often."""

    def __init__(self, number: int) -> None:
        self._sums = list(accumulate(1 / (rank + 3) for rank in range(number)))

    def pick(self, random: Random) -> int:
        return bisect_left(self._sums, random.random() * self._sums[-1])


_PLAIN_WORDS: Final = _Zipf(len(_PLAIN))
_TOWN_SUMS: Final = list(accumulate(town.share for town in TOWNS))


def _of(number: int, what: str) -> Random:
    return Random(f"{SEED} {what} {number}")


def _compound(random: Random) -> str:
    """Return a compound; one in five has a part that few others have, as names and new words do."""
    first = _FIRST[int(random.random() ** 2 * len(_FIRST))]
    last = _LAST[int(random.random() ** 2 * len(_LAST))]
    if random.random() < 0.2:
        middle = "".join(random.choice(("ba", "lo", "mi", "tra", "sen", "ker", "wu", "ni")) for _ in range(3))
        return f"{first}{middle}{last}"
    return first + last


def _word(random: Random) -> str:
    return _compound(random) if random.random() < 0.5 else _PLAIN[_PLAIN_WORDS.pick(random)]


def _sentence(random: Random) -> str:
    return random.choice(_FRAMES).format(*(_word(random) for _ in range(3)))


class Provider(NamedTuple):
    """A partner, where it is, and its places."""

    summary: PartnerSummary
    town: Town
    municipality: MunicipalitySummary
    places: tuple[LocationValue, ...]


def provider(number: int) -> Provider:
    """Return the partner with this number."""
    random = _of(number, "partner")
    town = TOWNS[bisect_left(_TOWN_SUMS, random.random() * _TOWN_SUMS[-1])]
    kind = random.choice(list(PartnerKind))
    name = f"{_compound(random)} {town.name} {random.choice(('e. V.', 'gGmbH', 'GmbH', 'Stiftung'))}"
    summary = PartnerSummary(id=UUID(int=(1 << 100) + number), name=name, kind=kind)
    ars = town.district + "0000000" if town.district < "1206" else f"{town.district}{number % 40:07d}"
    municipality = MunicipalitySummary(id=UUID(int=(1 << 101) + int(ars)), name={"de": town.name}, ars=ars)
    places = tuple(
        LocationValue(
            id=UUID(int=(1 << 102) + number * 4 + at),
            name=f"Haus {at + 1}",
            street=f"{_compound(random)}straße {random.randint(1, 120)}",
            city=town.name,
            latitude=round(town.latitude + random.gauss(0, 0.04), 5),
            longitude=round(town.longitude + random.gauss(0, 0.06), 5),
        )
        for at in range(2 if random.random() < 0.15 else 1)
    )
    return Provider(summary, town, municipality, places)


def _rules(random: Random) -> tuple[EligibilityRule, ...]:
    if random.random() < 0.5:
        return ()
    status = random.choice(_STATUSES)
    answer = Answer.FITS if random.random() < 0.6 else Answer.DOES_NOT_FIT
    until = date(2027, random.choice((3, 6, 12)), 28) if random.random() < 0.3 else None
    rule = EligibilityRule(statuses=(status,), answer=answer, valid_to=until)
    return (rule, EligibilityRule(answer=Answer.ASK)) if random.random() < 0.5 else (rule,)


def _course(random: Random) -> CourseFacts:
    begin = TODAY + timedelta(days=random.randint(-60, 200))
    levels = list(CefrLevel)
    level = random.randrange(len(levels) - 1)
    return CourseFacts(
        level_from=levels[level],
        level_to=levels[level + 1],
        runs=(CourseRun(starts_on=begin, ends_on=begin + timedelta(days=random.choice((60, 90, 180)))),),
        format=random.choice(list(CourseFormat)),
        childcare=random.choice((True, False, None)),
        women_only=random.choice((True, False, None)),
        cost_cents=random.choice((0, 0, 0, 5_000, 22_000)),
        access=(random.choice(list(CourseAccess)),),
    )


def service(number: int) -> ServiceDocument:
    """Return the service with this number, always the same."""
    random = _of(number, "service")
    by = provider(number // PARTNER_EVERY)
    topics = random.sample(_TOPICS, random.choice((1, 1, 1, 2, 2, 3)))
    is_course = topics[0][0] in {"language-course", "literacy-course", "vocational-training"}
    head = random.choice((topics[0][1], _compound(random), _compound(random)))
    title = f"{head} {random.choice(('für', 'mit', 'und'))} {_word(random)}"
    facts: dict[str, Any] = {}
    if is_course:
        facts["course"] = _course(random)
    if topics[0][0] == "interpreting":
        mediated = (InterpretedLanguage(language=language) for language in random.sample(_LANGUAGES, 3))
        facts["interpreting"] = InterpretingFacts(languages=tuple(mediated))
    if random.random() < 0.5:
        expires = TODAY + timedelta(days=random.randint(-30, 60))
        facts["capacity"] = Capacity(state=random.choice(list(CapacityState)), expires_on=expires)
    if random.random() < 0.1:
        facts["responsibility"] = Responsibility.BY_RESIDENCE
        facts["area"] = (by.town.district,)
    return ServiceDocument(
        id=UUID(int=random.getrandbits(128), version=4),
        version=1,
        partner=by.summary,
        municipality=by.municipality,
        kind=random.choice(list(ServiceKind)),
        title={"de": title},
        description={"de": " ".join(_sentence(random) for _ in range(random.randint(4, 14)))},
        topics=tuple(TopicTerm(code=code, labels={"de": label}) for code, label, _ in topics),
        languages=(
            LanguageOffered(language="de"),
            *(
                LanguageOffered(language=language, interpreted=random.random() < 0.3)
                for language in random.sample(_LANGUAGES, random.choice((0, 1, 1, 2, 3)))
            ),
        ),
        eligibility=_rules(random),
        locations=by.places,
        state=PublicationState.PUBLISHED,
        assured_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=random.randint(0, 320)),
        updated_at=datetime(2026, 11, 1, tzinfo=UTC),
        **facts,
    )


def services(size: int, first: int = 0) -> Iterator[ServiceDocument]:
    """Return so many services, one after the other, beginning with the one of this number."""
    return (service(number) for number in range(first, first + size))


def searches(number: int) -> Sequence[str]:
    """Return texts that people would type: words, two words, misspelt, begun, and whole questions."""
    random = _of(number, "searches")
    made: list[str] = []
    for at in range(number):
        match at % 6:
            case 0:
                made.append(_PLAIN[_PLAIN_WORDS.pick(random)] + " ")
            case 1:
                made.append(f"{_compound(random)} {random.choice(TOWNS).name} ")
            case 2:
                word = _compound(random)
                place = random.randrange(3, len(word) - 2)
                made.append(word[:place] + word[place + 1 :] + " ")
            case 3:
                made.append(_compound(random)[:6])
            case 4:
                made.append(f"{_word(random)} {_word(random)} ")
            case _:
                words = [_word(random) for _ in range(4)]
                made.append(
                    f"Wo finde ich in {random.choice(TOWNS).name} Hilfe mit {words[0]} und {words[1]}, "
                    f"wenn ich {words[2]} oder {words[3]} brauche?"
                )
    return made


def frequent_texts(number: int) -> Sequence[str]:
    """Return searches for what most services have: one to three of the commonest words."""
    random = _of(number, "frequent")
    return [" ".join(random.sample(_PLAIN[:8], 1 + at % 3)) + " " for at in range(number)]
