"""Words for the values of enums, as the vocabularies have them: pages never show a raw code.

In templates: ``{{ value | label("ResidenceStatus") }}`` (also for a list: joined), ``options("ServiceKind")``
for a select, ``{{ "ar" | tongue }}`` for the name of a language.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from typing import Final

import directory.actors
import directory.vocabulary
import referrals.vocabulary
import search.matching
from graphapi.messages import MessageLanguage
from graphapi.types.words import label as word
from graphapi.types.words import tongue as tongue

OWN: Final[dict[tuple[str, str], tuple[str, str]]] = {
    ("PublicationState", "DRAFT"): ("Entwurf", "draft"),
    ("PublicationState", "PUBLISHED"): ("veröffentlicht", "published"),
    ("PublicationState", "HIDDEN"): ("verborgen", "hidden"),
    ("Responsibility", "BY_RESIDENCE"): ("zuständig nach Wohnort", "responsible by place of residence"),
    ("Responsibility", "FREE"): ("frei wählbar", "free to choose"),
    ("CefrLevel", "A0"): ("A0 (Alphabetisierung)", "A0 (literacy)"),
    ("CourseFormat", "ON_SITE"): ("vor Ort", "on site"),
    ("CourseFormat", "ONLINE"): ("online", "online"),
    ("CourseFormat", "HYBRID"): ("teils vor Ort, teils online", "partly on site, partly online"),
    ("CourseAccess", "DIRECT"): ("direkt, ohne Zuweisung", "directly, no admission needed"),
    ("CourseAccess", "BAMF_ADMISSION"): ("mit Zulassung des BAMF", "with admission by the BAMF"),
    ("CourseAccess", "JOBCENTER_OR_AGENCY"): (
        "über Jobcenter oder Agentur für Arbeit",
        "through Jobcenter or Agentur für Arbeit",
    ),
    ("CourseAccess", "VOUCHER"): ("mit Gutschein", "with a voucher"),
    ("InterpretingMode", "PHONE"): ("am Telefon", "by phone"),
    ("InterpretingMode", "VIDEO"): ("per Video", "by video"),
    ("InterpretingMode", "ON_SITE"): ("vor Ort", "on site"),
    ("ContactKind", "PHONE"): ("Telefon", "Phone"),
    ("ContactKind", "EMAIL"): ("E-Mail", "E-mail"),
    ("ContactKind", "WEB"): ("Webseite", "Website"),
    ("DataProtectionLaw", "GDPR"): ("DSGVO", "GDPR"),
    ("DataProtectionLaw", "KDG"): ("KDG (katholische Kirche)", "KDG (Catholic Church)"),
    ("DataProtectionLaw", "DSG_EKD"): ("DSG-EKD (evangelische Kirche)", "DSG-EKD (Protestant Church)"),
    ("EventActor", "SENDER"): ("die sendende Stelle", "the sending organisation"),
    ("EventActor", "RECIPIENT"): ("die empfangende Stelle", "the receiving organisation"),
    ("EventActor", "PERSON"): ("die Person", "the person"),
    ("EventActor", "CLOCK"): ("die Frist", "a deadline"),
    ("EventActor", "LEAD"): ("die Leitung", "the lead"),
    ("EventActor", "CONSENT"): ("das Ende der Einwilligung", "the end of the consent"),
    ("AnswerSource", "MEMBER"): ("angemeldet", "signed in"),
    ("AnswerSource", "LINK"): ("über den Antwortlink", "by the answer link"),
    ("AnswerSource", "PHONE"): ("am Telefon", "by phone"),
    ("AnswerSource", "EMAIL"): ("per E-Mail", "by e-mail"),
    ("AnswerSource", "LETTER"): ("per Brief", "by letter"),
    ("AnswerSource", "IN_PERSON"): ("persönlich", "in person"),
    ("AnswerSource", "CODE"): ("mit der Code-Karte", "with the code card"),
    ("AnswerSource", "SYSTEM"): ("vom System", "by the system"),
    ("ApprovalMove", "REOPEN"): ("wieder öffnen", "reopen"),
    ("ApprovalMove", "ENTERED_IN_ERROR"): ("als Irrtum löschen", "delete as an error"),
    ("ApprovalState", "REQUESTED"): ("beantragt", "requested"),
    ("ApprovalState", "CONFIRMED"): ("bestätigt", "confirmed"),
    ("ApprovalState", "REFUSED"): ("abgelehnt", "refused"),
    ("ApprovalState", "LAPSED"): ("verfallen", "lapsed"),
    ("NoticeAbout", "MEMBER"): ("Mitglied", "member"),
    ("Role", "COORDINATOR"): ("Koordination", "coordinator"),
    ("Role", "LEAD"): ("Leitung", "lead"),
    ("Role", "PARTNER_MEMBER"): ("Partner", "partner"),
    ("Role", "OTHER_MUNICIPALITY"): ("andere Kommune", "other municipality"),
    ("Role", "ANONYMOUS"): ("ohne Anmeldung", "not signed in"),
    ("Role", "SYSTEM"): ("das System", "the system"),
    ("Criterion", "ELIGIBILITY"): ("Für wen es ist", "Who it is for"),
    ("Criterion", "PLACE_OF_RESIDENCE"): ("Wohnort", "Place of residence"),
    ("Criterion", "LANGUAGE"): ("Sprache", "Language"),
    ("Criterion", "LEVEL"): ("Sprachniveau", "Language level"),
    ("Criterion", "COURSE_START"): ("Kursbeginn", "Start of the course"),
    ("Criterion", "COURSE_END"): ("Kursende", "End of the course"),
    ("Criterion", "CHILDCARE"): ("Kinderbetreuung", "Childcare"),
    ("Criterion", "WOMEN_ONLY"): ("Nur für Frauen", "Women only"),
    ("Criterion", "ACCESS"): ("Zugang", "Way in"),
    ("Criterion", "OCCUPATION"): ("Beruf", "Occupation"),
    ("Criterion", "CAPACITY"): ("Freie Plätze", "Free places"),
    ("Criterion", "STATUS_DEADLINE"): ("Rechtzeitiger Beginn", "Beginning in time"),
    ("Criterion", "DISTANCE"): ("Entfernung", "Distance"),
    ("Criterion", "FRESHNESS"): ("Aktueller Eintrag", "Entry up to date"),
    ("Criterion", "RESPONSE_TIME"): ("Antwortzeit", "Time to answer"),
    ("Criterion", "ACCEPTANCE"): ("Zusagen", "Acceptance"),
}
"""German and English words of values that the vocabularies have none for."""


@cache
def enum_of(name: str) -> type[StrEnum]:
    """Return the enum of a name in the schema; raises LookupError when there is none."""
    for module in (directory.vocabulary, referrals.vocabulary, directory.actors, search.matching):
        found = getattr(module, name, None)
        if isinstance(found, type) and issubclass(found, StrEnum):
            return found
    raise LookupError(name)


def label(enum: str, value: str | Sequence[str] | None, language: MessageLanguage) -> str:
    """Return the words for a value, or for several with commas between; nothing for none."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return ", ".join(label(enum, one, language) for one in value)
    own = OWN.get((enum, value))
    return own[0 if language == "de" else 1] if own else word(enum_of(enum)[value], language)


def options(enum: str, language: MessageLanguage, among: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return value and words of an enum (``among``: of these of it, in that order), for selects."""
    names = among or [member.name for member in enum_of(enum)]
    return [(name, label(enum, name, language)) for name in names]
