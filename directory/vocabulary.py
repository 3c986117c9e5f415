"""The closed vocabularies of the directory, each with its label for people in German and English.

Kinds, states and levels that code decides on live here. Topics and occupations are open vocabularies:
they are data (tables ``topic`` and ``occupation``), not code.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class PartnerKind(StrEnum):
    """What sort of organisation a partner is (project presentation of 3 April 2024)."""

    MUNICIPAL_PROJECT = "MUNICIPAL_PROJECT"
    FREE_PROVIDER = "FREE_PROVIDER"
    CHAMBER = "CHAMBER"
    AUTHORITY = "AUTHORITY"
    BUSINESS = "BUSINESS"
    MUNICIPALITY = "MUNICIPALITY"
    MIGRANT_ORGANISATION = "MIGRANT_ORGANISATION"


class ServiceKind(StrEnum):
    """What a service does; the typical kinds per partner kind are a default, never a constraint."""

    COMPETENCE_POOLING = "COMPETENCE_POOLING"
    SIGNPOSTING_ADVICE = "SIGNPOSTING_ADVICE"
    QUALIFICATION_RECOGNITION = "QUALIFICATION_RECOGNITION"
    JOB_PLACEMENT = "JOB_PLACEMENT"
    COUNSELLING = "COUNSELLING"
    EXAMINATION = "EXAMINATION"
    RESIDENCE_TITLE_CHANGE = "RESIDENCE_TITLE_CHANGE"
    QUALIFICATION = "QUALIFICATION"
    EXPERIENCE_EXCHANGE = "EXPERIENCE_EXCHANGE"
    MONITORING = "MONITORING"
    LANGUAGE_MEDIATION = "LANGUAGE_MEDIATION"


class ResidenceStatus(StrEnum):
    """Residence status of a person; Duldung and Gestattung are a status, not a title."""

    SECTION_104C = "SECTION_104C"
    SECTION_25_5 = "SECTION_25_5"
    SECTION_23_1_ADMISSION = "SECTION_23_1_ADMISSION"
    SECTION_23_1_OTHER = "SECTION_23_1_OTHER"
    SECTION_60A = "SECTION_60A"
    SECTION_60B = "SECTION_60B"
    SECTION_60C = "SECTION_60C"
    SECTION_60D = "SECTION_60D"
    SECTION_55_ASYLG = "SECTION_55_ASYLG"
    SECTION_81 = "SECTION_81"
    SECTION_24 = "SECTION_24"
    SECTION_25_1_2 = "SECTION_25_1_2"
    SECTION_25A = "SECTION_25A"
    SECTION_25B = "SECTION_25B"
    OTHER = "OTHER"


class LegalCircle(StrEnum):
    """Which benefits law applies (Rechtskreis); does not follow from the residence status."""

    SGB_II = "SGB_II"
    SGB_III = "SGB_III"
    ASYLBLG = "ASYLBLG"
    NONE = "NONE"


class WorkPermission(StrEnum):
    """May this person work? The only thing about a status that a business gets to know."""

    YES = "YES"
    WITH_PERMISSION = "WITH_PERMISSION"
    ASK = "ASK"


class Gender(StrEnum):
    """Gender as a criterion of a service (a women's course, a men's group); never kept of a client."""

    WOMAN = "WOMAN"
    MAN = "MAN"
    DIVERSE = "DIVERSE"


class PublicationState(StrEnum):
    """Who may see an entry: only its partner and the coordination, everybody, or nobody any more."""

    DRAFT = "DRAFT"
    PUBLISHED = "PUBLISHED"
    HIDDEN = "HIDDEN"


class CapacityState(StrEnum):
    """Room for another person; UNKNOWN is told apart from NONE."""

    OPEN = "OPEN"
    FEW = "FEW"
    NONE = "NONE"
    UNKNOWN = "UNKNOWN"


class Responsibility(StrEnum):
    """Whether the place of residence decides who is responsible (örtliche Zuständigkeit)."""

    BY_RESIDENCE = "BY_RESIDENCE"
    FREE = "FREE"


class Answer(StrEnum):
    """The three answers of every eligibility rule; unknown is never "no"."""

    FITS = "FITS"
    DOES_NOT_FIT = "DOES_NOT_FIT"
    ASK = "ASK"


class EligibilityCriterion(StrEnum):
    """What a service's rule can ask of a person."""

    RESIDENCE_STATUS = "RESIDENCE_STATUS"
    WORK_PERMISSION = "WORK_PERMISSION"
    AGE = "AGE"
    LANGUAGE_LEVEL = "LANGUAGE_LEVEL"
    PLACE_OF_RESIDENCE = "PLACE_OF_RESIDENCE"
    LEGAL_CIRCLE = "LEGAL_CIRCLE"
    GENDER = "GENDER"


class CefrLevel(StrEnum):
    """Language level of the Common European Framework; A0 stands for literacy courses."""

    A0 = "A0"
    A1 = "A1"
    A2 = "A2"
    B1 = "B1"
    B2 = "B2"
    C1 = "C1"
    C2 = "C2"


class CourseFormat(StrEnum):
    """How a course is held."""

    ON_SITE = "ON_SITE"
    ONLINE = "ONLINE"
    HYBRID = "HYBRID"


class CourseAccess(StrEnum):
    """What a person needs to get a place in a course."""

    DIRECT = "DIRECT"
    BAMF_ADMISSION = "BAMF_ADMISSION"
    JOBCENTER_OR_AGENCY = "JOBCENTER_OR_AGENCY"
    VOUCHER = "VOUCHER"


class InterpretingMode(StrEnum):
    """How an interpreter takes part."""

    PHONE = "PHONE"
    VIDEO = "VIDEO"
    ON_SITE = "ON_SITE"


class ContactKind(StrEnum):
    """Channel of a contact point."""

    PHONE = "PHONE"
    EMAIL = "EMAIL"
    WEB = "WEB"


class DataProtectionLaw(StrEnum):
    """Which data protection law binds an organisation (GDPR, Catholic KDG, Protestant DSG-EKD)."""

    GDPR = "GDPR"
    KDG = "KDG"
    DSG_EKD = "DSG_EKD"


class ChangeField(StrEnum):
    """What of a service's entry a change request is about."""

    CAPACITY = "CAPACITY"
    ELIGIBILITY = "ELIGIBILITY"
    TITLE = "TITLE"
    DESCRIPTION = "DESCRIPTION"
    WEBSITE = "WEBSITE"
    PHONE = "PHONE"
    EMAIL = "EMAIL"
    HOURS = "HOURS"
    EXISTENCE = "EXISTENCE"


class ChangeReason(StrEnum):
    """Why an entry seems to be wrong."""

    DECLINED_NO_CAPACITY = "DECLINED_NO_CAPACITY"
    DECLINED_NOT_ELIGIBLE = "DECLINED_NOT_ELIGIBLE"
    SUGGESTED = "SUGGESTED"
    SAID_BY_PARTNER = "SAID_BY_PARTNER"
    LINK_DEAD = "LINK_DEAD"


class ChangeSource(StrEnum):
    """Who or what says that an entry is wrong: declines, anybody, the partner by its link, the link check."""

    DECLINE = "DECLINE"
    PUBLIC = "PUBLIC"
    PARTNER = "PARTNER"
    LINK_CHECK = "LINK_CHECK"


class DataKind(StrEnum):
    """What of an entry ages at a pace of its own; see ``freshness.INTERVALS``."""

    CAPACITY = "CAPACITY"
    COURSE = "COURSE"
    CONTACT = "CONTACT"
    DESCRIPTION = "DESCRIPTION"


class FreshnessState(StrEnum):
    """How sure one can be of an entry: said to be right lately, due to be looked at, or not for long."""

    FRESH = "FRESH"
    DUE = "DUE"
    OVERDUE = "OVERDUE"
    ANNOUNCED = "ANNOUNCED"
    TO_BE_HIDDEN = "TO_BE_HIDDEN"


class Standing(StrEnum):
    """How a service stands by a criterion; UNKNOWN: nobody has said, which is never NOT_MET."""

    MET = "MET"
    PARTLY = "PARTLY"
    UNKNOWN = "UNKNOWN"
    NOT_MET = "NOT_MET"


class ResponseTime(StrEnum):
    """How soon a partner answers, in days from sending to the first answer (median of a window)."""

    WITHIN_2_DAYS = "WITHIN_2_DAYS"
    WITHIN_5_DAYS = "WITHIN_5_DAYS"
    WITHIN_10_DAYS = "WITHIN_10_DAYS"
    LATER = "LATER"


class Acceptance(StrEnum):
    """How often a partner says yes: three quarters of a window's answers or more, a third or more, fewer."""

    MOSTLY = "MOSTLY"
    OFTEN = "OFTEN"
    SELDOM = "SELDOM"


class UpkeepStep(StrEnum):
    """What is done about an entry that nobody says to be right; the order is that of ``freshness.CHAINS``."""

    REMIND = "REMIND"
    REMIND_AGAIN = "REMIND_AGAIN"
    QUEUE = "QUEUE"
    ANNOUNCE = "ANNOUNCE"
    HIDE = "HIDE"


class HiddenBecause(StrEnum):
    """Why an entry is hidden that nobody hid by hand: nobody has said for long that it is right."""

    STALE = "STALE"


class ChangeRequestState(StrEnum):
    """What became of a change request."""

    OPEN = "OPEN"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"


class ChangeDecision(StrEnum):
    """Why a change request was accepted or rejected."""

    ENTRY_UPDATED = "ENTRY_UPDATED"
    ENTRY_IS_RIGHT = "ENTRY_IS_RIGHT"
    EXCEPTION = "EXCEPTION"
    NOT_CONFIRMED = "NOT_CONFIRMED"
    ENTRY_ENDED = "ENTRY_ENDED"


class Likeness(StrEnum):
    """Why two entries look alike."""

    NAME = "NAME"
    PHONE = "PHONE"
    EMAIL = "EMAIL"
    WEBSITE = "WEBSITE"
    PLACE = "PLACE"
    SAME_PARTNER = "SAME_PARTNER"


def _key(member: StrEnum) -> tuple[type[StrEnum], str]:
    # members of two vocabularies with the same word are equal (both are that text), so the class counts too
    return type(member), member.value


LABELS: Final[dict[tuple[type[StrEnum], str], dict[str, str]]] = {
    _key(PartnerKind.MUNICIPAL_PROJECT): {"de": "Projekte des Fachbereichs", "en": "Municipal project"},
    _key(PartnerKind.FREE_PROVIDER): {"de": "Freier Träger", "en": "Free welfare provider"},
    _key(PartnerKind.CHAMBER): {"de": "Kammer", "en": "Chamber"},
    _key(PartnerKind.AUTHORITY): {"de": "Behörde", "en": "Authority"},
    _key(PartnerKind.BUSINESS): {"de": "Wirtschaft", "en": "Business"},
    _key(PartnerKind.MUNICIPALITY): {"de": "Andere Kommune", "en": "Other municipality"},
    _key(PartnerKind.MIGRANT_ORGANISATION): {
        "de": "Migrantische Selbstorganisation",
        "en": "Migrant organisation",
    },
    _key(ServiceKind.COMPETENCE_POOLING): {"de": "Kompetenzbündelung", "en": "Competence pooling"},
    _key(ServiceKind.SIGNPOSTING_ADVICE): {"de": "Verweisberatung", "en": "Signposting advice"},
    _key(ServiceKind.QUALIFICATION_RECOGNITION): {
        "de": "Anerkennung von Qualifikationen",
        "en": "Recognition of qualifications",
    },
    _key(ServiceKind.JOB_PLACEMENT): {"de": "Vermittlung in den Arbeitsmarkt", "en": "Job placement"},
    _key(ServiceKind.COUNSELLING): {"de": "Beratung", "en": "Counselling"},
    _key(ServiceKind.EXAMINATION): {"de": "Überprüfung", "en": "Examination"},
    _key(ServiceKind.RESIDENCE_TITLE_CHANGE): {
        "de": "Änderung des Aufenthaltstitels",
        "en": "Change of residence title",
    },
    _key(ServiceKind.QUALIFICATION): {"de": "Qualifikation", "en": "Qualification"},
    _key(ServiceKind.EXPERIENCE_EXCHANGE): {"de": "Erfahrungsaustausch", "en": "Exchange of experience"},
    _key(ServiceKind.MONITORING): {"de": "Monitoring", "en": "Monitoring"},
    _key(ServiceKind.LANGUAGE_MEDIATION): {
        "de": "Sprach- und Kulturmittlung",
        "en": "Language and cultural mediation",
    },
    _key(ResidenceStatus.SECTION_104C): {
        "de": "Chancen-Aufenthaltsrecht (§ 104c AufenthG)",
        "en": "Opportunity residence (section 104c Residence Act)",
    },
    _key(ResidenceStatus.SECTION_25_5): {
        "de": "Aufenthaltserlaubnis nach § 25 Abs. 5 AufenthG",
        "en": "Residence permit under section 25(5) Residence Act",
    },
    _key(ResidenceStatus.SECTION_23_1_ADMISSION): {
        "de": "§ 23 Abs. 1 AufenthG mit Verpflichtungserklärung (Landesaufnahme Syrien/Jordanien)",
        "en": "Section 23(1) Residence Act with declaration of commitment (Syria/Jordan programme)",
    },
    _key(ResidenceStatus.SECTION_23_1_OTHER): {
        "de": "§ 23 Abs. 1 AufenthG (andere)",
        "en": "Section 23(1) Residence Act (other)",
    },
    _key(ResidenceStatus.SECTION_60A): {
        "de": "Duldung (§ 60a AufenthG)",
        "en": "Suspension of deportation (section 60a Residence Act)",
    },
    _key(ResidenceStatus.SECTION_60B): {
        "de": "Duldung bei ungeklärter Identität (§ 60b AufenthG)",
        "en": "Suspension of deportation, identity unclear (section 60b Residence Act)",
    },
    _key(ResidenceStatus.SECTION_60C): {
        "de": "Ausbildungsduldung (§ 60c AufenthG)",
        "en": "Suspension of deportation for training (section 60c Residence Act)",
    },
    _key(ResidenceStatus.SECTION_60D): {
        "de": "Beschäftigungsduldung (§ 60d AufenthG)",
        "en": "Suspension of deportation for employment (section 60d Residence Act)",
    },
    _key(ResidenceStatus.SECTION_55_ASYLG): {
        "de": "Aufenthaltsgestattung (§ 55 AsylG)",
        "en": "Permission to stay during the asylum procedure (section 55 Asylum Act)",
    },
    _key(ResidenceStatus.SECTION_81): {
        "de": "Fiktionsbescheinigung (§ 81 AufenthG)",
        "en": "Provisional residence document (section 81 Residence Act)",
    },
    _key(ResidenceStatus.SECTION_24): {
        "de": "Vorübergehender Schutz (§ 24 AufenthG)",
        "en": "Temporary protection (section 24 Residence Act)",
    },
    _key(ResidenceStatus.SECTION_25_1_2): {
        "de": "Asylberechtigte, Flüchtlinge, subsidiär Geschützte (§ 25 Abs. 1 und 2 AufenthG)",
        "en": "Asylum, refugee status, subsidiary protection (section 25(1) and (2) Residence Act)",
    },
    _key(ResidenceStatus.SECTION_25A): {
        "de": "Gut integrierte junge Menschen (§ 25a AufenthG)",
        "en": "Well integrated young people (section 25a Residence Act)",
    },
    _key(ResidenceStatus.SECTION_25B): {
        "de": "Nachhaltige Integration (§ 25b AufenthG)",
        "en": "Sustained integration (section 25b Residence Act)",
    },
    _key(ResidenceStatus.OTHER): {"de": "Anderer Status", "en": "Other status"},
    _key(LegalCircle.SGB_II): {"de": "SGB II (Jobcenter)", "en": "SGB II (job centre)"},
    _key(LegalCircle.SGB_III): {"de": "SGB III (Agentur für Arbeit)", "en": "SGB III (employment agency)"},
    _key(LegalCircle.ASYLBLG): {"de": "AsylbLG (Sozialamt)", "en": "AsylbLG (social welfare office)"},
    _key(LegalCircle.NONE): {"de": "keine Leistungen", "en": "no benefits"},
    _key(WorkPermission.YES): {"de": "darf arbeiten", "en": "may work"},
    _key(WorkPermission.WITH_PERMISSION): {"de": "mit Erlaubnis", "en": "with permission"},
    _key(WorkPermission.ASK): {"de": "bitte fragen", "en": "please ask"},
    _key(Gender.WOMAN): {"de": "Frauen", "en": "women"},
    _key(Gender.MAN): {"de": "Männer", "en": "men"},
    _key(Gender.DIVERSE): {"de": "divers", "en": "gender-diverse people"},
    _key(EligibilityCriterion.RESIDENCE_STATUS): {"de": "Aufenthaltsstatus", "en": "residence status"},
    _key(EligibilityCriterion.WORK_PERMISSION): {"de": "Arbeitserlaubnis", "en": "permission to work"},
    _key(EligibilityCriterion.AGE): {"de": "Alter", "en": "age"},
    _key(EligibilityCriterion.LANGUAGE_LEVEL): {"de": "Sprachniveau", "en": "language level"},
    _key(EligibilityCriterion.PLACE_OF_RESIDENCE): {"de": "Wohnort", "en": "place of residence"},
    _key(EligibilityCriterion.LEGAL_CIRCLE): {"de": "Rechtskreis", "en": "legal circle"},
    _key(EligibilityCriterion.GENDER): {"de": "Geschlecht", "en": "gender"},
    _key(Answer.FITS): {"de": "passt", "en": "fits"},
    _key(Answer.DOES_NOT_FIT): {"de": "passt nicht", "en": "does not fit"},
    _key(Answer.ASK): {"de": "beim Partner fragen", "en": "ask the partner"},
    _key(CapacityState.OPEN): {"de": "freie Plätze", "en": "open"},
    _key(CapacityState.FEW): {"de": "wenige Plätze", "en": "few places"},
    _key(CapacityState.NONE): {"de": "keine Plätze", "en": "no places"},
    _key(CapacityState.UNKNOWN): {"de": "unbekannt", "en": "unknown"},
    _key(ChangeField.CAPACITY): {"de": "Plätze", "en": "places"},
    _key(ChangeField.ELIGIBILITY): {"de": "Zielgruppe", "en": "eligibility"},
    _key(ChangeField.TITLE): {"de": "Name", "en": "name"},
    _key(ChangeField.DESCRIPTION): {"de": "Beschreibung", "en": "description"},
    _key(ChangeField.WEBSITE): {"de": "Internetseite", "en": "website"},
    _key(ChangeField.PHONE): {"de": "Telefon", "en": "phone"},
    _key(ChangeField.EMAIL): {"de": "E-Mail", "en": "e-mail"},
    _key(ChangeField.HOURS): {"de": "Öffnungszeiten", "en": "opening hours"},
    _key(ChangeField.EXISTENCE): {"de": "gibt es nicht mehr", "en": "does not exist any more"},
    _key(ChangeReason.SUGGESTED): {"de": "vorgeschlagen", "en": "suggested"},
    _key(ChangeReason.SAID_BY_PARTNER): {"de": "vom Partner genannt", "en": "said by the partner"},
    _key(ChangeReason.LINK_DEAD): {
        "de": "Internetseite mehrfach nicht erreichbar",
        "en": "website could not be reached repeatedly",
    },
    _key(ChangeSource.DECLINE): {"de": "abgelehnte Vermittlungen", "en": "declined referrals"},
    _key(ChangeSource.PUBLIC): {"de": "Hinweis von außen", "en": "suggested by somebody"},
    _key(ChangeSource.PARTNER): {"de": "vom Partner", "en": "said by the partner"},
    _key(ChangeSource.LINK_CHECK): {"de": "Prüfung der Internetseiten", "en": "check of websites"},
    _key(DataKind.CAPACITY): {"de": "freie Plätze", "en": "free places"},
    _key(DataKind.COURSE): {"de": "Kurstermine", "en": "course dates"},
    _key(DataKind.CONTACT): {"de": "Kontakt und Öffnungszeiten", "en": "contact and opening hours"},
    _key(DataKind.DESCRIPTION): {"de": "Beschreibung und Zielgruppe", "en": "description and eligibility"},
    _key(FreshnessState.FRESH): {"de": "aktuell", "en": "up to date"},
    _key(FreshnessState.DUE): {"de": "zu prüfen", "en": "to be confirmed"},
    _key(FreshnessState.OVERDUE): {"de": "lange nicht bestätigt", "en": "not confirmed for long"},
    _key(FreshnessState.ANNOUNCED): {"de": "wird bald ausgeblendet", "en": "will be hidden soon"},
    _key(FreshnessState.TO_BE_HIDDEN): {"de": "auszublenden", "en": "to be hidden"},
    _key(Standing.MET): {"de": "erfüllt", "en": "met"},
    _key(Standing.PARTLY): {"de": "zum Teil erfüllt", "en": "partly met"},
    _key(Standing.UNKNOWN): {"de": "nicht bekannt", "en": "not known"},
    _key(Standing.NOT_MET): {"de": "nicht erfüllt", "en": "not met"},
    _key(ResponseTime.WITHIN_2_DAYS): {"de": "meist in 2 Tagen", "en": "mostly within 2 days"},
    _key(ResponseTime.WITHIN_5_DAYS): {"de": "meist in 5 Tagen", "en": "mostly within 5 days"},
    _key(ResponseTime.WITHIN_10_DAYS): {"de": "meist in 10 Tagen", "en": "mostly within 10 days"},
    _key(ResponseTime.LATER): {"de": "meist später als in 10 Tagen", "en": "mostly later than in 10 days"},
    _key(Acceptance.MOSTLY): {"de": "sagt meist zu", "en": "mostly says yes"},
    _key(Acceptance.OFTEN): {"de": "sagt oft zu", "en": "often says yes"},
    _key(Acceptance.SELDOM): {"de": "sagt selten zu", "en": "seldom says yes"},
    _key(UpkeepStep.REMIND): {"de": "erinnert", "en": "reminded"},
    _key(UpkeepStep.REMIND_AGAIN): {"de": "zum zweiten Mal erinnert", "en": "reminded again"},
    _key(UpkeepStep.QUEUE): {"de": "der Koordination vorgelegt", "en": "put before the coordination"},
    _key(UpkeepStep.ANNOUNCE): {"de": "Ausblenden angekündigt", "en": "hiding announced"},
    _key(UpkeepStep.HIDE): {"de": "ausgeblendet", "en": "hidden"},
    _key(HiddenBecause.STALE): {"de": "lange nicht bestätigt", "en": "not confirmed for long"},
    _key(ChangeReason.DECLINED_NO_CAPACITY): {
        "de": "mehrfach abgelehnt: kein Platz",
        "en": "declined repeatedly: no place",
    },
    _key(ChangeReason.DECLINED_NOT_ELIGIBLE): {
        "de": "abgelehnt: gehört nicht zur Zielgruppe",
        "en": "declined: not eligible",
    },
    _key(ChangeRequestState.OPEN): {"de": "offen", "en": "open"},
    _key(ChangeRequestState.ACCEPTED): {"de": "angenommen", "en": "accepted"},
    _key(ChangeRequestState.REJECTED): {"de": "abgelehnt", "en": "rejected"},
    _key(Likeness.NAME): {"de": "ähnlicher Name", "en": "similar name"},
    _key(Likeness.PHONE): {"de": "gleiche Telefonnummer", "en": "same phone number"},
    _key(Likeness.EMAIL): {"de": "gleiche Mailadresse", "en": "same mail address"},
    _key(Likeness.WEBSITE): {"de": "gleiche Webseite", "en": "same website"},
    _key(Likeness.PLACE): {"de": "gleiches Haus", "en": "same house"},
    _key(Likeness.SAME_PARTNER): {"de": "gleicher Partner", "en": "same partner"},
    _key(ChangeDecision.ENTRY_UPDATED): {"de": "Eintrag geändert", "en": "entry updated"},
    _key(ChangeDecision.ENTRY_IS_RIGHT): {"de": "Eintrag stimmt", "en": "entry is right"},
    _key(ChangeDecision.EXCEPTION): {"de": "Einzelfall", "en": "a single case"},
    _key(ChangeDecision.NOT_CONFIRMED): {"de": "nicht bestätigt", "en": "could not be confirmed"},
    _key(ChangeDecision.ENTRY_ENDED): {"de": "Eintrag gibt es nicht mehr", "en": "entry has ended"},
}
"""Labels for people of the values that search, pages and papers show; language tag to text."""


def label(member: StrEnum, language: str) -> str | None:
    """Return the label for people of a word of the directory in German or English, if it has one."""
    return LABELS.get(_key(member), {}).get(language)
