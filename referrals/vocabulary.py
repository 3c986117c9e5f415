"""The closed vocabularies of the referral exchange, each with its label for people in German and English."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class ClientPhase(StrEnum):
    """Where a client stands; the phases that the project counts (presentation of 3 April 2024)."""

    IN_SUPPORT = "IN_SUPPORT"
    CLEARING = "CLEARING"
    NO_NEEDS = "NO_NEEDS"
    APPOINTMENT_PENDING = "APPOINTMENT_PENDING"
    NO_CAPACITY = "NO_CAPACITY"


class ReferralState(StrEnum):
    """The states of a referral (DESIGN section 5); the moves between them are data in ``states``."""

    DRAFT = "DRAFT"
    AWAITING_CONSENT = "AWAITING_CONSENT"
    SENT = "SENT"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    INFO_REQUESTED = "INFO_REQUESTED"
    WAITLISTED = "WAITLISTED"
    ACCEPTED = "ACCEPTED"
    IN_PROGRESS = "IN_PROGRESS"
    ON_HOLD = "ON_HOLD"
    OUTCOME_REPORTED = "OUTCOME_REPORTED"
    CLOSED = "CLOSED"
    ABANDONED = "ABANDONED"
    DECLINED = "DECLINED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"
    CONSENT_REVOKED = "CONSENT_REVOKED"
    ENTERED_IN_ERROR = "ENTERED_IN_ERROR"


UNSENT_STATES: Final = frozenset({ReferralState.DRAFT, ReferralState.AWAITING_CONSENT})
"""Nothing has left the sender yet."""

TERMINAL_STATES: Final = frozenset(
    {
        ReferralState.CLOSED,
        ReferralState.ABANDONED,
        ReferralState.DECLINED,
        ReferralState.EXPIRED,
        ReferralState.CANCELLED,
        ReferralState.CONSENT_REVOKED,
        ReferralState.ENTERED_IN_ERROR,
    }
)
"""The referral has ended (CLOSED may be reopened with four eyes)."""

OPEN_STATES: Final = frozenset(ReferralState) - TERMINAL_STATES
"""Something is still to happen; one client has at most one open referral per service."""

READABLE_STATES: Final = OPEN_STATES - UNSENT_STATES
"""The recipient may read the package, while the consent is in force."""


class DataCategory(StrEnum):
    """What about a person may be shared; each is a fixed set of fields of the person and the referral."""

    IDENTITY = "IDENTITY"
    CONTACT = "CONTACT"
    LANGUAGE = "LANGUAGE"
    STATUS = "STATUS"
    STATUS_END = "STATUS_END"
    WORK_PERMISSION = "WORK_PERMISSION"
    LEVEL = "LEVEL"
    QUALIFICATION = "QUALIFICATION"
    EXPERIENCE = "EXPERIENCE"
    NEEDS = "NEEDS"
    FAMILY_CARE = "FAMILY_CARE"
    HEALTH = "HEALTH"
    DOCUMENTS = "DOCUMENTS"


class Purpose(StrEnum):
    """What data may be used for; the person decides on each separately (Zweck)."""

    REFERRAL = "REFERRAL"
    REPORT_BACK = "REPORT_BACK"
    FEEDBACK = "FEEDBACK"
    FOLLOW_UP = "FOLLOW_UP"
    STATISTICS = "STATISTICS"
    HANDOVER = "HANDOVER"


class ReportDepth(StrEnum):
    """How much of what came of a referral the recipient may tell the sender."""

    NOTHING = "NOTHING"
    CONTACT_MADE = "CONTACT_MADE"
    OUTCOME = "OUTCOME"


class ConsentState(StrEnum):
    """The states of a consent record (Einwilligung)."""

    REQUESTED = "REQUESTED"
    GIVEN = "GIVEN"
    REFUSED = "REFUSED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"
    SUPERSEDED = "SUPERSEDED"


class LegalBasis(StrEnum):
    """The legal basis of sharing by consent, in the law that binds the controller."""

    GDPR_6_1_A = "GDPR_6_1_A"
    KDG_6_1_B = "KDG_6_1_B"
    DSG_EKD_6_2 = "DSG_EKD_6_2"


class SpecialBasis(StrEnum):
    """The legal basis for special categories of data (health and the like): explicit consent."""

    GDPR_9_2_A = "GDPR_9_2_A"
    KDG_11_2_A = "KDG_11_2_A"
    DSG_EKD_13_2_1 = "DSG_EKD_13_2_1"


class ConsentMedium(StrEnum):
    """How a consent or refusal was declared."""

    PAPER = "PAPER"
    ELECTRONIC = "ELECTRONIC"
    ORAL = "ORAL"


class GivenBy(StrEnum):
    """Who declared the consent."""

    SELF = "SELF"
    LEGAL_REPRESENTATIVE = "LEGAL_REPRESENTATIVE"
    GUARDIAN = "GUARDIAN"


class InterpreterKind(StrEnum):
    """Who interpreted when the consent was explained."""

    PROFESSIONAL = "PROFESSIONAL"
    MEDIATOR = "MEDIATOR"
    STAFF = "STAFF"
    PRIVATE = "PRIVATE"


class WithdrawalScope(StrEnum):
    """How much of a consent is withdrawn."""

    ALL = "ALL"
    PURPOSE = "PURPOSE"
    RECIPIENT = "RECIPIENT"


class Channel(StrEnum):
    """How a declaration of the person reached the organisation."""

    IN_PERSON = "IN_PERSON"
    PHONE = "PHONE"
    LETTER = "LETTER"
    EMAIL = "EMAIL"
    CODE = "CODE"


class WorkPermission(StrEnum):
    """May this person work? The only thing about a status that a business gets to know."""

    YES = "YES"
    WITH_PERMISSION = "WITH_PERMISSION"
    ASK = "ASK"


class Priority(StrEnum):
    """How soon the recipient must answer; see ``ANSWER_DAYS``."""

    URGENT = "URGENT"
    SOON = "SOON"
    NORMAL = "NORMAL"


ANSWER_DAYS: Final[dict[Priority, int]] = {Priority.URGENT: 1, Priority.SOON: 3, Priority.NORMAL: 10}
"""Working days of Brandenburg in which the recipient must answer."""


class EventActor(StrEnum):
    """Who acts in a referral's event (DESIGN section 5: S, P, C, T, L, Y)."""

    SENDER = "SENDER"
    RECIPIENT = "RECIPIENT"
    PERSON = "PERSON"
    CLOCK = "CLOCK"
    LEAD = "LEAD"
    CONSENT = "CONSENT"


class AnswerSource(StrEnum):
    """How an answer came in: from a signed-in member, or told to the sender who recorded it."""

    MEMBER = "MEMBER"
    LINK = "LINK"
    PHONE = "PHONE"
    EMAIL = "EMAIL"
    LETTER = "LETTER"
    IN_PERSON = "IN_PERSON"
    CODE = "CODE"
    SYSTEM = "SYSTEM"


class DeclineReason(StrEnum):
    """Why a recipient does not take somebody."""

    NO_CAPACITY = "NO_CAPACITY"
    NOT_RESPONSIBLE = "NOT_RESPONSIBLE"
    NOT_ELIGIBLE = "NOT_ELIGIBLE"
    WRONG_LEVEL = "WRONG_LEVEL"
    LANGUAGE_MISSING = "LANGUAGE_MISSING"
    DATES_DO_NOT_FIT = "DATES_DO_NOT_FIT"
    INFORMATION_MISSING = "INFORMATION_MISSING"
    PERSON_DECLINED = "PERSON_DECLINED"
    PERSON_NOT_REACHED = "PERSON_NOT_REACHED"
    OTHER = "OTHER"


class DeclinedBy(StrEnum):
    """Who declined: the partner, or the person."""

    PARTNER = "PARTNER"
    PERSON = "PERSON"


class CapacityReason(StrEnum):
    """Why somebody is sent although the service says it has no places."""

    AGREED_WITH_PARTNER = "AGREED_WITH_PARTNER"
    WAITING_LIST = "WAITING_LIST"
    ENTRY_OUTDATED = "ENTRY_OUTDATED"
    NO_ALTERNATIVE = "NO_ALTERNATIVE"


class Reason(StrEnum):
    """Coded reason of a pause, a cancellation, an abandoned draft, a contest, an error or a reopening."""

    PERSON_ILL = "PERSON_ILL"
    PERSON_MOVED = "PERSON_MOVED"
    PERSON_DOES_NOT_WANT = "PERSON_DOES_NOT_WANT"
    CONSENT_REFUSED = "CONSENT_REFUSED"
    CHILDCARE = "CHILDCARE"
    WAITING_FOR_DOCUMENTS = "WAITING_FOR_DOCUMENTS"
    WAITING_FOR_AUTHORITY = "WAITING_FOR_AUTHORITY"
    OTHER_SERVICE_FOUND = "OTHER_SERVICE_FOUND"
    SERVICE_ENDED = "SERVICE_ENDED"
    NOT_FINISHED = "NOT_FINISHED"
    OUTCOME_WRONG = "OUTCOME_WRONG"
    WRONG_PERSON = "WRONG_PERSON"
    WRONG_SERVICE = "WRONG_SERVICE"
    DUPLICATE = "DUPLICATE"
    NO_ANSWER = "NO_ANSWER"
    CONSENT_WITHDRAWN = "CONSENT_WITHDRAWN"
    CONSENT_EXPIRED = "CONSENT_EXPIRED"
    OTHER = "OTHER"


class OutcomeCode(StrEnum):
    """What came of a referral (Ergebnis)."""

    NEED_MET = "NEED_MET"
    PARTLY_MET = "PARTLY_MET"
    NOT_MET = "NOT_MET"
    PERSON_LEFT = "PERSON_LEFT"
    NOT_REACHED = "NOT_REACHED"
    NOT_DISCLOSED = "NOT_DISCLOSED"
    UNKNOWN = "UNKNOWN"


class OutcomeReason(StrEnum):
    """Why a need was not met."""

    NO_PLACE = "NO_PLACE"
    NOT_ELIGIBLE = "NOT_ELIGIBLE"
    DID_NOT_ATTEND = "DID_NOT_ATTEND"
    STATUS_ENDED = "STATUS_ENDED"
    FAMILY_OR_CARE = "FAMILY_OR_CARE"
    HEALTH = "HEALTH"
    EXAM_NOT_PASSED = "EXAM_NOT_PASSED"
    OTHER = "OTHER"


class RevocationAnswer(StrEnum):
    """What a recipient did with the data after the consent ended (GDPR Art. 7(3), 17(3))."""

    DELETED = "DELETED"
    KEPT = "KEPT"


class BookingState(StrEnum):
    """The states of an interpreter booking; declining needs no reason."""

    REQUESTED = "REQUESTED"
    CONFIRMED = "CONFIRMED"
    DECLINED = "DECLINED"
    DONE = "DONE"
    NO_SHOW = "NO_SHOW"
    CANCELLED = "CANCELLED"


class GenderWish(StrEnum):
    """Which interpreter the person would like."""

    WOMAN = "WOMAN"
    MAN = "MAN"
    NONE = "NONE"


class FeedbackAsked(StrEnum):
    """Whether the person was asked how it went (needed to close a referral)."""

    ANSWERED = "ANSWERED"
    DECLINED = "DECLINED"
    UNREACHABLE = "UNREACHABLE"


class FeedbackAnswer(StrEnum):
    """How it went, in the person's own view."""

    HELPED = "HELPED"
    HELPED_PARTLY = "HELPED_PARTLY"
    DID_NOT_HELP = "DID_NOT_HELP"
    NEVER_HAPPENED = "NEVER_HAPPENED"


class ApprovalMove(StrEnum):
    """What needs four eyes: a member of the sender asks, another member with role LEAD confirms."""

    REOPEN = "REOPEN"
    ENTERED_IN_ERROR = "ENTERED_IN_ERROR"


class ApprovalState(StrEnum):
    """The states of a request for four eyes."""

    REQUESTED = "REQUESTED"
    CONFIRMED = "CONFIRMED"
    REFUSED = "REFUSED"
    LAPSED = "LAPSED"


class SupportAdvice(StrEnum):
    """What the project's own rule advises for a person."""

    SUPPORT = "SUPPORT"
    CLEARING = "CLEARING"
    SIGNPOSTING = "SIGNPOSTING"
    ASK = "ASK"


LABELS: Final[dict[StrEnum, dict[str, str]]] = {
    ClientPhase.IN_SUPPORT: {"de": "in Begleitung", "en": "in support"},
    ClientPhase.CLEARING: {"de": "im Clearing", "en": "clearing"},
    ClientPhase.NO_NEEDS: {"de": "kein Bedarf", "en": "no needs"},
    ClientPhase.APPOINTMENT_PENDING: {"de": "in Terminabsprache", "en": "appointment being arranged"},
    ClientPhase.NO_CAPACITY: {"de": "derzeit nicht vereinbar", "en": "no capacity at present"},
    ReferralState.DRAFT: {"de": "Entwurf", "en": "draft"},
    ReferralState.AWAITING_CONSENT: {"de": "wartet auf Einwilligung", "en": "awaiting consent"},
    ReferralState.SENT: {"de": "gesendet", "en": "sent"},
    ReferralState.ACKNOWLEDGED: {"de": "gelesen", "en": "acknowledged"},
    ReferralState.INFO_REQUESTED: {"de": "Rückfrage", "en": "information requested"},
    ReferralState.WAITLISTED: {"de": "Warteliste", "en": "waiting list"},
    ReferralState.ACCEPTED: {"de": "angenommen", "en": "accepted"},
    ReferralState.IN_PROGRESS: {"de": "läuft", "en": "in progress"},
    ReferralState.ON_HOLD: {"de": "pausiert", "en": "on hold"},
    ReferralState.OUTCOME_REPORTED: {"de": "Ergebnis gemeldet", "en": "outcome reported"},
    ReferralState.CLOSED: {"de": "abgeschlossen", "en": "closed"},
    ReferralState.ABANDONED: {"de": "nicht gesendet", "en": "abandoned"},
    ReferralState.DECLINED: {"de": "abgelehnt", "en": "declined"},
    ReferralState.EXPIRED: {"de": "ohne Antwort abgelaufen", "en": "expired"},
    ReferralState.CANCELLED: {"de": "zurückgezogen", "en": "cancelled"},
    ReferralState.CONSENT_REVOKED: {"de": "Einwilligung beendet", "en": "consent ended"},
    ReferralState.ENTERED_IN_ERROR: {"de": "irrtümlich erfasst", "en": "entered in error"},
    DataCategory.IDENTITY: {"de": "Name und Geburtsdatum", "en": "name and date of birth"},
    DataCategory.CONTACT: {"de": "Erreichbarkeit", "en": "contact"},
    DataCategory.LANGUAGE: {"de": "Sprachen", "en": "languages"},
    DataCategory.STATUS: {"de": "Aufenthaltsstatus", "en": "residence status"},
    DataCategory.STATUS_END: {"de": "Ende des Aufenthaltsstatus", "en": "end of the residence status"},
    DataCategory.WORK_PERMISSION: {"de": "Arbeitserlaubnis", "en": "permission to work"},
    DataCategory.LEVEL: {"de": "Sprachniveau Deutsch", "en": "level of German"},
    DataCategory.QUALIFICATION: {"de": "Abschlüsse und Qualifikationen", "en": "qualifications"},
    DataCategory.EXPERIENCE: {"de": "Berufserfahrung", "en": "work experience"},
    DataCategory.NEEDS: {"de": "Bedarfe", "en": "needs"},
    DataCategory.FAMILY_CARE: {"de": "Kinder und Pflege", "en": "children and care"},
    DataCategory.HEALTH: {"de": "Gesundheit", "en": "health"},
    DataCategory.DOCUMENTS: {"de": "vorhandene Unterlagen", "en": "documents at hand"},
    Purpose.REFERRAL: {"de": "Vermittlung an den Partner", "en": "referral to the partner"},
    Purpose.REPORT_BACK: {"de": "Rückmeldung des Partners", "en": "report back by the partner"},
    Purpose.FEEDBACK: {"de": "Nachfrage bei Ihnen, wie es war", "en": "asking you how it went"},
    Purpose.FOLLOW_UP: {"de": "spätere Nachfrage", "en": "later follow-up"},
    Purpose.STATISTICS: {"de": "Statistik", "en": "statistics"},
    Purpose.HANDOVER: {"de": "Übergabe an eine andere Kommune", "en": "handover to another municipality"},
    ReportDepth.NOTHING: {"de": "nichts", "en": "nothing"},
    ReportDepth.CONTACT_MADE: {"de": "ob Kontakt zustande kam", "en": "whether contact was made"},
    ReportDepth.OUTCOME: {"de": "das Ergebnis", "en": "the outcome"},
    ConsentState.REQUESTED: {"de": "angefragt", "en": "requested"},
    ConsentState.GIVEN: {"de": "erteilt", "en": "given"},
    ConsentState.REFUSED: {"de": "verweigert", "en": "refused"},
    ConsentState.WITHDRAWN: {"de": "widerrufen", "en": "withdrawn"},
    ConsentState.EXPIRED: {"de": "abgelaufen", "en": "expired"},
    ConsentState.SUPERSEDED: {"de": "ersetzt", "en": "superseded"},
    LegalBasis.GDPR_6_1_A: {"de": "Art. 6 Abs. 1 lit. a DSGVO", "en": "Art. 6(1)(a) GDPR"},
    LegalBasis.KDG_6_1_B: {"de": "§ 6 Abs. 1 lit. b KDG", "en": "section 6(1)(b) KDG"},
    LegalBasis.DSG_EKD_6_2: {"de": "§ 6 Nr. 2 DSG-EKD", "en": "section 6 no. 2 DSG-EKD"},
    SpecialBasis.GDPR_9_2_A: {"de": "Art. 9 Abs. 2 lit. a DSGVO", "en": "Art. 9(2)(a) GDPR"},
    SpecialBasis.KDG_11_2_A: {"de": "§ 11 Abs. 2 lit. a KDG", "en": "section 11(2)(a) KDG"},
    SpecialBasis.DSG_EKD_13_2_1: {"de": "§ 13 Abs. 2 Nr. 1 DSG-EKD", "en": "section 13(2) no. 1 DSG-EKD"},
    ConsentMedium.PAPER: {"de": "auf Papier", "en": "on paper"},
    ConsentMedium.ELECTRONIC: {"de": "elektronisch", "en": "electronically"},
    ConsentMedium.ORAL: {"de": "mündlich", "en": "orally"},
    GivenBy.SELF: {"de": "selbst", "en": "in person"},
    GivenBy.LEGAL_REPRESENTATIVE: {"de": "gesetzliche Vertretung", "en": "legal representative"},
    GivenBy.GUARDIAN: {"de": "Vormund oder Betreuung", "en": "guardian"},
    InterpreterKind.PROFESSIONAL: {"de": "Dolmetscher:in", "en": "professional interpreter"},
    InterpreterKind.MEDIATOR: {"de": "Sprachmittler:in", "en": "language mediator"},
    InterpreterKind.STAFF: {"de": "Mitarbeiter:in", "en": "member of staff"},
    InterpreterKind.PRIVATE: {"de": "private Begleitung", "en": "private companion"},
    WithdrawalScope.ALL: {"de": "alles", "en": "everything"},
    WithdrawalScope.PURPOSE: {"de": "ein Zweck", "en": "a purpose"},
    WithdrawalScope.RECIPIENT: {"de": "ein Empfänger", "en": "a recipient"},
    Channel.IN_PERSON: {"de": "persönlich", "en": "in person"},
    Channel.PHONE: {"de": "am Telefon", "en": "by phone"},
    Channel.LETTER: {"de": "per Brief", "en": "by letter"},
    Channel.EMAIL: {"de": "per E-Mail", "en": "by e-mail"},
    Channel.CODE: {"de": "mit der Codekarte", "en": "with the code card"},
    WorkPermission.YES: {"de": "darf arbeiten", "en": "may work"},
    WorkPermission.WITH_PERMISSION: {"de": "mit Erlaubnis", "en": "with permission"},
    WorkPermission.ASK: {"de": "bitte fragen", "en": "please ask"},
    Priority.URGENT: {"de": "eilig (1 Werktag)", "en": "urgent (1 working day)"},
    Priority.SOON: {"de": "bald (3 Werktage)", "en": "soon (3 working days)"},
    Priority.NORMAL: {"de": "normal (10 Werktage)", "en": "normal (10 working days)"},
    DeclineReason.NO_CAPACITY: {"de": "kein Platz", "en": "no capacity"},
    DeclineReason.NOT_RESPONSIBLE: {"de": "nicht zuständig", "en": "not responsible"},
    DeclineReason.NOT_ELIGIBLE: {"de": "Voraussetzungen fehlen", "en": "not eligible"},
    DeclineReason.WRONG_LEVEL: {"de": "Sprachniveau passt nicht", "en": "level does not fit"},
    DeclineReason.LANGUAGE_MISSING: {"de": "Sprache nicht vorhanden", "en": "language not available"},
    DeclineReason.DATES_DO_NOT_FIT: {"de": "Termine passen nicht", "en": "dates do not fit"},
    DeclineReason.INFORMATION_MISSING: {"de": "Angaben fehlen", "en": "information missing"},
    DeclineReason.PERSON_DECLINED: {"de": "Person möchte nicht", "en": "the person declined"},
    DeclineReason.PERSON_NOT_REACHED: {"de": "Person nicht erreicht", "en": "the person was not reached"},
    DeclineReason.OTHER: {"de": "anderer Grund", "en": "other reason"},
    DeclinedBy.PARTNER: {"de": "Partner", "en": "partner"},
    DeclinedBy.PERSON: {"de": "Person", "en": "person"},
    CapacityReason.AGREED_WITH_PARTNER: {"de": "mit dem Partner abgesprochen", "en": "agreed with partner"},
    CapacityReason.WAITING_LIST: {"de": "für die Warteliste", "en": "for the waiting list"},
    CapacityReason.ENTRY_OUTDATED: {"de": "Angabe ist veraltet", "en": "the entry is out of date"},
    CapacityReason.NO_ALTERNATIVE: {"de": "kein anderes Angebot", "en": "no alternative"},
    Reason.PERSON_ILL: {"de": "Person ist krank", "en": "the person is ill"},
    Reason.PERSON_MOVED: {"de": "Person ist umgezogen", "en": "the person moved"},
    Reason.PERSON_DOES_NOT_WANT: {"de": "Person möchte nicht", "en": "the person does not want to"},
    Reason.CONSENT_REFUSED: {"de": "Einwilligung verweigert", "en": "consent refused"},
    Reason.CHILDCARE: {"de": "Kinderbetreuung fehlt", "en": "childcare missing"},
    Reason.WAITING_FOR_DOCUMENTS: {"de": "Unterlagen fehlen noch", "en": "waiting for documents"},
    Reason.WAITING_FOR_AUTHORITY: {"de": "Behörde entscheidet noch", "en": "waiting for an authority"},
    Reason.OTHER_SERVICE_FOUND: {"de": "anderes Angebot gefunden", "en": "another service was found"},
    Reason.SERVICE_ENDED: {"de": "Angebot endet", "en": "the service ended"},
    Reason.NOT_FINISHED: {"de": "noch nicht fertig", "en": "not finished"},
    Reason.OUTCOME_WRONG: {"de": "Ergebnis stimmt nicht", "en": "the outcome is wrong"},
    Reason.WRONG_PERSON: {"de": "falsche Person", "en": "wrong person"},
    Reason.WRONG_SERVICE: {"de": "falsches Angebot", "en": "wrong service"},
    Reason.DUPLICATE: {"de": "doppelt", "en": "duplicate"},
    Reason.NO_ANSWER: {"de": "keine Antwort", "en": "no answer"},
    Reason.CONSENT_WITHDRAWN: {"de": "Einwilligung widerrufen", "en": "consent withdrawn"},
    Reason.CONSENT_EXPIRED: {"de": "Einwilligung abgelaufen", "en": "consent expired"},
    Reason.OTHER: {"de": "anderer Grund", "en": "other reason"},
    OutcomeCode.NEED_MET: {"de": "Bedarf gedeckt", "en": "need met"},
    OutcomeCode.PARTLY_MET: {"de": "teilweise gedeckt", "en": "partly met"},
    OutcomeCode.NOT_MET: {"de": "nicht gedeckt", "en": "not met"},
    OutcomeCode.PERSON_LEFT: {"de": "Person hat abgebrochen", "en": "the person left"},
    OutcomeCode.NOT_REACHED: {"de": "Person nicht erreicht", "en": "the person was not reached"},
    OutcomeCode.NOT_DISCLOSED: {"de": "nicht mitgeteilt", "en": "not disclosed"},
    OutcomeCode.UNKNOWN: {"de": "unbekannt", "en": "unknown"},
    OutcomeReason.NO_PLACE: {"de": "kein Platz", "en": "no place"},
    OutcomeReason.NOT_ELIGIBLE: {"de": "Voraussetzungen fehlten", "en": "not eligible"},
    OutcomeReason.DID_NOT_ATTEND: {"de": "nicht teilgenommen", "en": "did not attend"},
    OutcomeReason.STATUS_ENDED: {"de": "Aufenthaltsstatus endete", "en": "the residence status ended"},
    OutcomeReason.FAMILY_OR_CARE: {"de": "Familie oder Pflege", "en": "family or care"},
    OutcomeReason.HEALTH: {"de": "Gesundheit", "en": "health"},
    OutcomeReason.EXAM_NOT_PASSED: {"de": "Prüfung nicht bestanden", "en": "exam not passed"},
    OutcomeReason.OTHER: {"de": "anderer Grund", "en": "other reason"},
    RevocationAnswer.DELETED: {"de": "gelöscht", "en": "deleted"},
    RevocationAnswer.KEPT: {"de": "muss aufbewahrt werden", "en": "must be kept"},
    BookingState.REQUESTED: {"de": "angefragt", "en": "requested"},
    BookingState.CONFIRMED: {"de": "bestätigt", "en": "confirmed"},
    BookingState.DECLINED: {"de": "abgelehnt", "en": "declined"},
    BookingState.DONE: {"de": "durchgeführt", "en": "done"},
    BookingState.NO_SHOW: {"de": "nicht erschienen", "en": "no-show"},
    BookingState.CANCELLED: {"de": "abgesagt", "en": "cancelled"},
    GenderWish.WOMAN: {"de": "eine Frau", "en": "a woman"},
    GenderWish.MAN: {"de": "ein Mann", "en": "a man"},
    GenderWish.NONE: {"de": "kein Wunsch", "en": "no wish"},
    FeedbackAsked.ANSWERED: {"de": "hat geantwortet", "en": "answered"},
    FeedbackAsked.DECLINED: {"de": "möchte nicht antworten", "en": "declined to answer"},
    FeedbackAsked.UNREACHABLE: {"de": "nicht erreichbar", "en": "unreachable"},
    FeedbackAnswer.HELPED: {"de": "hat geholfen", "en": "it helped"},
    FeedbackAnswer.HELPED_PARTLY: {"de": "hat teilweise geholfen", "en": "it helped in part"},
    FeedbackAnswer.DID_NOT_HELP: {"de": "hat nicht geholfen", "en": "it did not help"},
    FeedbackAnswer.NEVER_HAPPENED: {"de": "hat nicht stattgefunden", "en": "it never happened"},
    SupportAdvice.SUPPORT: {"de": "Begleitung durch Spurwechsel", "en": "support by Spurwechsel"},
    SupportAdvice.CLEARING: {"de": "zuerst Clearing", "en": "clearing first"},
    SupportAdvice.SIGNPOSTING: {"de": "Verweisberatung", "en": "signposting advice"},
    SupportAdvice.ASK: {"de": "bei der Koordination fragen", "en": "ask the coordination"},
}
"""Labels for people of the values that pages and papers show; language tag to text."""
