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
OPENED_STATES: Final = READABLE_STATES - {ReferralState.SENT, ReferralState.INFO_REQUESTED}
"""Whoever was in one of these has had the package open; a question can be asked without."""


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
    FOLLOW_UP_28_DAYS = "FOLLOW_UP_28_DAYS"
    FOLLOW_UP_6_MONTHS = "FOLLOW_UP_6_MONTHS"
    STATISTICS = "STATISTICS"
    HANDOVER = "HANDOVER"


FOLLOW_UP_PURPOSES: Final = frozenset(
    {Purpose.FOLLOW_UP, Purpose.FOLLOW_UP_28_DAYS, Purpose.FOLLOW_UP_6_MONTHS}
)
"""Asking again later; each has an own end. FOLLOW_UP alone stands in consents given before the two follow-ups
were told apart: it is not asked for any more, and where it was given it counts for both until its end."""


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


class ConsentWarning(StrEnum):
    """What to think of before a consent is recorded; none of them stops anybody."""

    UNDER_16 = "UNDER_16"
    UNDER_18 = "UNDER_18"


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


class Warned(StrEnum):
    """What the sender is warned about; a warning never blocks."""

    WAIT_AFTER_STATUS_END = "WAIT_AFTER_STATUS_END"
    END_AFTER_STATUS_END = "END_AFTER_STATUS_END"
    LATEST_USEFUL_START_PASSED = "LATEST_USEFUL_START_PASSED"
    START_AFTER_LATEST_USEFUL = "START_AFTER_LATEST_USEFUL"
    ANSWER_OVERDUE = "ANSWER_OVERDUE"
    SUPPORT_ANSWER_CHANGED = "SUPPORT_ANSWER_CHANGED"


class NextStepKind(StrEnum):
    """What happens next to a referral when nobody does anything."""

    REMINDER = "REMINDER"
    OVERDUE = "OVERDUE"
    QUESTION_RETURNED = "QUESTION_RETURNED"
    ABANDONED = "ABANDONED"
    EXPIRED = "EXPIRED"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    CLOSED_UNCONFIRMED = "CLOSED_UNCONFIRMED"
    CONSENT_ENDS = "CONSENT_ENDS"


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
    IDLE = "IDLE"
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


class AppointmentKind(StrEnum):
    """What an appointment with the person is for."""

    FIRST_CONTACT = "FIRST_CONTACT"
    COUNSELLING = "COUNSELLING"
    TEST = "TEST"
    INTERVIEW = "INTERVIEW"
    START_OF_COURSE = "START_OF_COURSE"
    OTHER = "OTHER"


class AppointmentState(StrEnum):
    """What became of an appointment; a no-show is an event and ends no referral."""

    PLANNED = "PLANNED"
    MOVED = "MOVED"
    CANCELLED = "CANCELLED"
    NO_SHOW = "NO_SHOW"


class BringAlong(StrEnum):
    """What the person is to bring to an appointment."""

    IDENTITY_PAPER = "IDENTITY_PAPER"
    RESIDENCE_PAPER = "RESIDENCE_PAPER"
    CERTIFICATES = "CERTIFICATES"
    CURRICULUM_VITAE = "CURRICULUM_VITAE"
    LETTERS = "LETTERS"
    PHOTO = "PHOTO"
    REGISTRATION = "REGISTRATION"
    INSURANCE_CARD = "INSURANCE_CARD"
    INTERPRETER = "INTERPRETER"


class InterimResult(StrEnum):
    """Coded intermediate result that a recipient reports (Zwischenstand)."""

    STARTED = "STARTED"
    ATTENDS = "ATTENDS"
    GOOD_PROGRESS = "GOOD_PROGRESS"
    MORE_TIME_NEEDED = "MORE_TIME_NEEDED"
    APPLICATION_MADE = "APPLICATION_MADE"
    EXAM_REGISTERED = "EXAM_REGISTERED"
    DIFFICULTIES = "DIFFICULTIES"


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


class LateReason(StrEnum):
    """Why an interpreter is asked for later than the service would like."""

    EMERGENCY = "EMERGENCY"
    DATE_SET_BY_OTHERS = "DATE_SET_BY_OTHERS"
    INTERPRETER_FELL_OUT = "INTERPRETER_FELL_OUT"
    AGREED_WITH_SERVICE = "AGREED_WITH_SERVICE"


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


class FollowUpKind(StrEnum):
    """When the person is asked again after a referral was closed."""

    DAYS_28 = "DAYS_28"
    MONTHS_6 = "MONTHS_6"


class FollowUpState(StrEnum):
    """The states of a later follow-up; NO_ANSWER is counted like any other."""

    PLANNED = "PLANNED"
    ASKED = "ASKED"
    ANSWERED = "ANSWERED"
    NO_ANSWER = "NO_ANSWER"
    CANCELLED = "CANCELLED"


class NeedNow(StrEnum):
    """Whether what the person needed is still met, in their own view."""

    STILL_MET = "STILL_MET"
    PARTLY_MET = "PARTLY_MET"
    NOT_MET = "NOT_MET"
    NEED_CHANGED = "NEED_CHANGED"


class OccupiedWith(StrEnum):
    """What the person does at the time of a follow-up."""

    WORK = "WORK"
    TRAINING = "TRAINING"
    COURSE = "COURSE"
    LOOKING = "LOOKING"
    NOTHING_OF_THESE = "NOTHING_OF_THESE"


class CardEnd(StrEnum):
    """Why a person's code card ended before its time."""

    REPLACED = "REPLACED"
    REVOKED = "REVOKED"
    ERASED = "ERASED"


class PartnerVoice(StrEnum):
    """What the receiving organisation says came of it."""

    NEED_MET = "NEED_MET"
    PARTLY_MET = "PARTLY_MET"
    NOT_MET = "NOT_MET"
    PERSON_LEFT = "PERSON_LEFT"
    NOT_REACHED = "NOT_REACHED"
    DECLINED = "DECLINED"
    NOT_DISCLOSED = "NOT_DISCLOSED"
    NO_ANSWER = "NO_ANSWER"
    NOT_YET = "NOT_YET"


class SenderVoice(StrEnum):
    """What the sending organisation says to that."""

    AGREED = "AGREED"
    CONTESTED = "CONTESTED"
    NO_ANSWER = "NO_ANSWER"
    NOT_YET = "NOT_YET"


class PersonVoice(StrEnum):
    """What the person says; CONTESTED: they do not agree with the outcome, and it goes on."""

    HELPED = "HELPED"
    HELPED_PARTLY = "HELPED_PARTLY"
    DID_NOT_HELP = "DID_NOT_HELP"
    NEVER_HAPPENED = "NEVER_HAPPENED"
    CONTESTED = "CONTESTED"
    DID_NOT_WANT_TO_SAY = "DID_NOT_WANT_TO_SAY"
    ANSWERED_UNRECORDED = "ANSWERED_UNRECORDED"
    NOT_DISCLOSED = "NOT_DISCLOSED"
    NO_ANSWER = "NO_ANSWER"
    NOT_YET = "NOT_YET"


class Disagreement(StrEnum):
    """Where the voices part."""

    MET_BUT_DID_NOT_HELP = "MET_BUT_DID_NOT_HELP"
    NOT_MET_BUT_HELPED = "NOT_MET_BUT_HELPED"
    HAPPENED_OR_NOT = "HAPPENED_OR_NOT"
    SENDER_CONTESTS = "SENDER_CONTESTS"
    PERSON_CONTESTS = "PERSON_CONTESTS"


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


class RuleSetState(StrEnum):
    """How far a version of the project's rule has come; a decided one never changes any more."""

    DRAFT = "DRAFT"
    DECIDED = "DECIDED"


class JudgedAt(StrEnum):
    """On which occasion the project's rule was judged for a person; what changes later ends nothing."""

    INTAKE = "INTAKE"
    SENDING = "SENDING"


class NoticeKind(StrEnum):
    """What an organisation is told by mail (Benachrichtigung); who is told when is data in ``notices``."""

    REFERRAL_WAITS = "REFERRAL_WAITS"
    QUESTION_ASKED = "QUESTION_ASKED"
    QUESTION_ANSWERED = "QUESTION_ANSWERED"
    NEWS = "NEWS"
    GOES_ON = "GOES_ON"
    TAKEN_BACK = "TAKEN_BACK"
    CONSENT_ENDED = "CONSENT_ENDED"
    BOOKING_REQUESTED = "BOOKING_REQUESTED"
    BOOKING_CONFIRMED = "BOOKING_CONFIRMED"
    BOOKING_DECLINED = "BOOKING_DECLINED"
    BOOKING_CANCELLED = "BOOKING_CANCELLED"
    APPROVAL_ASKED = "APPROVAL_ASKED"
    FOUR_EYES = "FOUR_EYES"
    ANSWER_DUE_HALF = "ANSWER_DUE_HALF"
    ANSWER_OVERDUE = "ANSWER_OVERDUE"
    DRAFT_IDLE = "DRAFT_IDLE"
    QUESTION_OPEN = "QUESTION_OPEN"
    WAITING_LIST = "WAITING_LIST"
    FIRST_CONTACT = "FIRST_CONTACT"
    SIGN_OF_LIFE = "SIGN_OF_LIFE"
    CONFIRM_OUTCOME = "CONFIRM_OUTCOME"
    CONSENT_RENEWAL = "CONSENT_RENEWAL"
    EXPIRED_NO_ANSWER = "EXPIRED_NO_ANSWER"
    REVOCATION_UNANSWERED = "REVOCATION_UNANSWERED"
    ANSWER_LINK = "ANSWER_LINK"
    CAPACITY_ASKED = "CAPACITY_ASKED"
    CHANGE_REQUESTED = "CHANGE_REQUESTED"
    UPKEEP_DUE = "UPKEEP_DUE"
    UPKEEP_REMINDER = "UPKEEP_REMINDER"
    UPKEEP_ANNOUNCED = "UPKEEP_ANNOUNCED"
    UPKEEP_HIDDEN = "UPKEEP_HIDDEN"
    ENTRIES_DUE = "ENTRIES_DUE"
    MAILBOX_ASKED = "MAILBOX_ASKED"
    SEARCH_NEWS = "SEARCH_NEWS"


class Addressee(StrEnum):
    """Who at the organisation is written to: its service or office, its superior contact, its leads."""

    ORGANISATION = "ORGANISATION"
    SUPERIOR = "SUPERIOR"
    LEAD = "LEAD"


class NoticeAbout(StrEnum):
    """What a notice is about."""

    REFERRAL = "REFERRAL"
    BOOKING = "BOOKING"
    APPROVAL = "APPROVAL"
    CONSENT = "CONSENT"
    SERVICE = "SERVICE"
    PARTNER = "PARTNER"
    MEMBER = "MEMBER"


class NoticeState(StrEnum):
    """What became of a notice.

    UNDELIVERABLE: no address is known, the partner has to be phoned. BOUNCED: its mail server refused it for
    good. NOT_SENT_NO_MAIL: this installation sends no mail. CANCELLED: nobody needs it any more.
    """

    PENDING = "PENDING"
    SENT = "SENT"
    UNDELIVERABLE = "UNDELIVERABLE"
    BOUNCED = "BOUNCED"
    NOT_SENT_NO_MAIL = "NOT_SENT_NO_MAIL"
    CANCELLED = "CANCELLED"


class TimedStep(StrEnum):
    """A step of a referral whose duration is measured from the day of sending."""

    ACCEPTED = "ACCEPTED"
    FIRST_APPOINTMENT = "FIRST_APPOINTMENT"
    CLOSED = "CLOSED"


class HoldReason(StrEnum):
    """Why the deletion of somebody's data is held (legal hold; GDPR Art. 17(3), 18)."""

    LEGAL_CLAIM = "LEGAL_CLAIM"
    COURT_OR_AUTHORITY = "COURT_OR_AUTHORITY"
    COMPLAINT = "COMPLAINT"
    PERSON_ASKED = "PERSON_ASKED"


def _key(member: StrEnum) -> tuple[type[StrEnum], str]:
    # members of two vocabularies with the same word are equal (both are that text), so the class counts too
    return type(member), member.value


LABELS: Final[dict[tuple[type[StrEnum], str], dict[str, str]]] = {
    _key(ClientPhase.IN_SUPPORT): {"de": "in Begleitung", "en": "in support"},
    _key(ClientPhase.CLEARING): {"de": "im Clearing", "en": "clearing"},
    _key(ClientPhase.NO_NEEDS): {"de": "kein Bedarf", "en": "no needs"},
    _key(ClientPhase.APPOINTMENT_PENDING): {"de": "in Terminabsprache", "en": "appointment being arranged"},
    _key(ClientPhase.NO_CAPACITY): {"de": "derzeit nicht vereinbar", "en": "no capacity at present"},
    _key(ReferralState.DRAFT): {"de": "Entwurf", "en": "draft"},
    _key(ReferralState.AWAITING_CONSENT): {"de": "wartet auf Einwilligung", "en": "awaiting consent"},
    _key(ReferralState.SENT): {"de": "gesendet", "en": "sent"},
    _key(ReferralState.ACKNOWLEDGED): {"de": "gelesen", "en": "acknowledged"},
    _key(ReferralState.INFO_REQUESTED): {"de": "Rückfrage", "en": "information requested"},
    _key(ReferralState.WAITLISTED): {"de": "Warteliste", "en": "waiting list"},
    _key(ReferralState.ACCEPTED): {"de": "angenommen", "en": "accepted"},
    _key(ReferralState.IN_PROGRESS): {"de": "läuft", "en": "in progress"},
    _key(ReferralState.ON_HOLD): {"de": "pausiert", "en": "on hold"},
    _key(ReferralState.OUTCOME_REPORTED): {"de": "Ergebnis gemeldet", "en": "outcome reported"},
    _key(ReferralState.CLOSED): {"de": "abgeschlossen", "en": "closed"},
    _key(ReferralState.ABANDONED): {"de": "nicht gesendet", "en": "abandoned"},
    _key(ReferralState.DECLINED): {"de": "abgelehnt", "en": "declined"},
    _key(ReferralState.EXPIRED): {"de": "ohne Antwort abgelaufen", "en": "expired"},
    _key(ReferralState.CANCELLED): {"de": "zurückgezogen", "en": "cancelled"},
    _key(ReferralState.CONSENT_REVOKED): {"de": "Einwilligung beendet", "en": "consent ended"},
    _key(ReferralState.ENTERED_IN_ERROR): {"de": "irrtümlich erfasst", "en": "entered in error"},
    _key(DataCategory.IDENTITY): {"de": "Name und Geburtsdatum", "en": "name and date of birth"},
    _key(DataCategory.CONTACT): {"de": "Erreichbarkeit", "en": "contact"},
    _key(DataCategory.LANGUAGE): {"de": "Sprachen", "en": "languages"},
    _key(DataCategory.STATUS): {"de": "Aufenthaltsstatus", "en": "residence status"},
    _key(DataCategory.STATUS_END): {"de": "Ende des Aufenthaltsstatus", "en": "end of the residence status"},
    _key(DataCategory.WORK_PERMISSION): {"de": "Arbeitserlaubnis", "en": "permission to work"},
    _key(DataCategory.LEVEL): {"de": "Sprachniveau Deutsch", "en": "level of German"},
    _key(DataCategory.QUALIFICATION): {"de": "Abschlüsse und Qualifikationen", "en": "qualifications"},
    _key(DataCategory.EXPERIENCE): {"de": "Berufserfahrung", "en": "work experience"},
    _key(DataCategory.NEEDS): {"de": "Bedarfe", "en": "needs"},
    _key(DataCategory.FAMILY_CARE): {"de": "Kinder und Pflege", "en": "children and care"},
    _key(DataCategory.HEALTH): {"de": "Gesundheit", "en": "health"},
    _key(DataCategory.DOCUMENTS): {"de": "vorhandene Unterlagen", "en": "documents at hand"},
    _key(Purpose.REFERRAL): {"de": "Überleitung an den Partner", "en": "referral to the partner"},
    _key(Purpose.REPORT_BACK): {"de": "Rückmeldung des Partners", "en": "report back by the partner"},
    _key(Purpose.FEEDBACK): {"de": "Nachfrage bei Ihnen, wie es war", "en": "asking you how it went"},
    _key(Purpose.FOLLOW_UP): {"de": "spätere Nachfrage", "en": "later follow-up"},
    _key(Purpose.FOLLOW_UP_28_DAYS): {"de": "Nachfrage nach 28 Tagen", "en": "follow-up after 28 days"},
    _key(Purpose.FOLLOW_UP_6_MONTHS): {"de": "Nachfrage nach 6 Monaten", "en": "follow-up after 6 months"},
    _key(Purpose.STATISTICS): {"de": "Statistik", "en": "statistics"},
    _key(Purpose.HANDOVER): {
        "de": "Übergabe an eine andere Kommune",
        "en": "handover to another municipality",
    },
    _key(ReportDepth.NOTHING): {"de": "nichts", "en": "nothing"},
    _key(ReportDepth.CONTACT_MADE): {"de": "ob Kontakt zustande kam", "en": "whether contact was made"},
    _key(ReportDepth.OUTCOME): {"de": "das Ergebnis", "en": "the outcome"},
    _key(ConsentState.REQUESTED): {"de": "angefragt", "en": "requested"},
    _key(ConsentState.GIVEN): {"de": "erteilt", "en": "given"},
    _key(ConsentState.REFUSED): {"de": "verweigert", "en": "refused"},
    _key(ConsentState.WITHDRAWN): {"de": "widerrufen", "en": "withdrawn"},
    _key(ConsentState.EXPIRED): {"de": "abgelaufen", "en": "expired"},
    _key(ConsentState.SUPERSEDED): {"de": "ersetzt", "en": "superseded"},
    _key(LegalBasis.GDPR_6_1_A): {"de": "Art. 6 Abs. 1 lit. a DSGVO", "en": "Art. 6(1)(a) GDPR"},
    _key(LegalBasis.KDG_6_1_B): {"de": "§ 6 Abs. 1 lit. b KDG", "en": "section 6(1)(b) KDG"},
    _key(LegalBasis.DSG_EKD_6_2): {"de": "§ 6 Nr. 2 DSG-EKD", "en": "section 6 no. 2 DSG-EKD"},
    _key(SpecialBasis.GDPR_9_2_A): {"de": "Art. 9 Abs. 2 lit. a DSGVO", "en": "Art. 9(2)(a) GDPR"},
    _key(SpecialBasis.KDG_11_2_A): {"de": "§ 11 Abs. 2 lit. a KDG", "en": "section 11(2)(a) KDG"},
    _key(SpecialBasis.DSG_EKD_13_2_1): {
        "de": "§ 13 Abs. 2 Nr. 1 DSG-EKD",
        "en": "section 13(2) no. 1 DSG-EKD",
    },
    _key(ConsentMedium.PAPER): {"de": "auf Papier", "en": "on paper"},
    _key(ConsentMedium.ELECTRONIC): {"de": "elektronisch", "en": "electronically"},
    _key(ConsentMedium.ORAL): {"de": "mündlich", "en": "orally"},
    _key(GivenBy.SELF): {"de": "selbst", "en": "in person"},
    _key(GivenBy.LEGAL_REPRESENTATIVE): {"de": "gesetzliche Vertretung", "en": "legal representative"},
    _key(GivenBy.GUARDIAN): {"de": "Vormund oder Betreuung", "en": "guardian"},
    _key(InterpreterKind.PROFESSIONAL): {"de": "Dolmetscher:in", "en": "professional interpreter"},
    _key(InterpreterKind.MEDIATOR): {"de": "Sprachmittler:in", "en": "language mediator"},
    _key(InterpreterKind.STAFF): {"de": "Mitarbeiter:in", "en": "member of staff"},
    _key(InterpreterKind.PRIVATE): {"de": "private Begleitung", "en": "private companion"},
    _key(WithdrawalScope.ALL): {"de": "alles", "en": "everything"},
    _key(WithdrawalScope.PURPOSE): {"de": "ein Zweck", "en": "a purpose"},
    _key(WithdrawalScope.RECIPIENT): {"de": "ein Empfänger", "en": "a recipient"},
    _key(Channel.IN_PERSON): {"de": "persönlich", "en": "in person"},
    _key(Channel.PHONE): {"de": "am Telefon", "en": "by phone"},
    _key(Channel.LETTER): {"de": "per Brief", "en": "by letter"},
    _key(Channel.EMAIL): {"de": "per E-Mail", "en": "by e-mail"},
    _key(Channel.CODE): {"de": "mit der Codekarte", "en": "with the code card"},
    _key(Priority.URGENT): {"de": "eilig (1 Werktag)", "en": "urgent (1 working day)"},
    _key(Priority.SOON): {"de": "bald (3 Werktage)", "en": "soon (3 working days)"},
    _key(Priority.NORMAL): {"de": "normal (10 Werktage)", "en": "normal (10 working days)"},
    _key(DeclineReason.NO_CAPACITY): {"de": "kein Platz", "en": "no capacity"},
    _key(DeclineReason.NOT_RESPONSIBLE): {"de": "nicht zuständig", "en": "not responsible"},
    _key(DeclineReason.NOT_ELIGIBLE): {"de": "Voraussetzungen fehlen", "en": "not eligible"},
    _key(DeclineReason.WRONG_LEVEL): {"de": "Sprachniveau passt nicht", "en": "level does not fit"},
    _key(DeclineReason.LANGUAGE_MISSING): {"de": "Sprache nicht vorhanden", "en": "language not available"},
    _key(DeclineReason.DATES_DO_NOT_FIT): {"de": "Termine passen nicht", "en": "dates do not fit"},
    _key(DeclineReason.INFORMATION_MISSING): {"de": "Angaben fehlen", "en": "information missing"},
    _key(DeclineReason.PERSON_DECLINED): {"de": "Person möchte nicht", "en": "the person declined"},
    _key(DeclineReason.PERSON_NOT_REACHED): {
        "de": "Person nicht erreicht",
        "en": "the person was not reached",
    },
    _key(DeclineReason.OTHER): {"de": "anderer Grund", "en": "other reason"},
    _key(DeclinedBy.PARTNER): {"de": "Partner", "en": "partner"},
    _key(DeclinedBy.PERSON): {"de": "Person", "en": "person"},
    _key(CapacityReason.AGREED_WITH_PARTNER): {
        "de": "mit dem Partner abgesprochen",
        "en": "agreed with partner",
    },
    _key(CapacityReason.WAITING_LIST): {"de": "für die Warteliste", "en": "for the waiting list"},
    _key(CapacityReason.ENTRY_OUTDATED): {"de": "Angabe ist veraltet", "en": "the entry is out of date"},
    _key(CapacityReason.NO_ALTERNATIVE): {"de": "kein anderes Angebot", "en": "no alternative"},
    _key(Reason.PERSON_ILL): {"de": "Person ist krank", "en": "the person is ill"},
    _key(Reason.PERSON_MOVED): {"de": "Person ist umgezogen", "en": "the person moved"},
    _key(Reason.PERSON_DOES_NOT_WANT): {"de": "Person möchte nicht", "en": "the person does not want to"},
    _key(Reason.CONSENT_REFUSED): {"de": "Einwilligung verweigert", "en": "consent refused"},
    _key(Reason.CHILDCARE): {"de": "Kinderbetreuung fehlt", "en": "childcare missing"},
    _key(Reason.WAITING_FOR_DOCUMENTS): {"de": "Unterlagen fehlen noch", "en": "waiting for documents"},
    _key(Reason.WAITING_FOR_AUTHORITY): {"de": "Behörde entscheidet noch", "en": "waiting for an authority"},
    _key(Reason.OTHER_SERVICE_FOUND): {"de": "anderes Angebot gefunden", "en": "another service was found"},
    _key(Reason.SERVICE_ENDED): {"de": "Angebot endet", "en": "the service ended"},
    _key(Reason.NOT_FINISHED): {"de": "noch nicht fertig", "en": "not finished"},
    _key(Reason.OUTCOME_WRONG): {"de": "Ergebnis stimmt nicht", "en": "the outcome is wrong"},
    _key(Reason.WRONG_PERSON): {"de": "falsche Person", "en": "wrong person"},
    _key(Reason.WRONG_SERVICE): {"de": "falsches Angebot", "en": "wrong service"},
    _key(Reason.DUPLICATE): {"de": "doppelt", "en": "duplicate"},
    _key(Warned.WAIT_AFTER_STATUS_END): {
        "de": "Der Platz wird erst nach dem Ende des Aufenthaltsstatus frei.",
        "en": "The place is expected only after the residence status ends.",
    },
    _key(Warned.END_AFTER_STATUS_END): {
        "de": "Das Angebot endet erst nach dem Ende des Aufenthaltsstatus.",
        "en": "The service ends only after the residence status does.",
    },
    _key(Warned.SUPPORT_ANSWER_CHANGED): {
        "de": "die Projektregel sagt inzwischen etwas anderes als bei der letzten Prüfung; es endet nichts",
        "en": "the project's rule now says something else than when it was last judged; nothing ends by it",
    },
    _key(Warned.LATEST_USEFUL_START_PASSED): {
        "de": "Der späteste sinnvolle Beginn ist vorbei: Das Ergebnis kommt voraussichtlich zu spät.",
        "en": "The latest useful start has passed: the result is likely to come too late.",
    },
    _key(Warned.START_AFTER_LATEST_USEFUL): {
        "de": "Es beginnt später, als es nützt: Das Ergebnis kommt voraussichtlich zu spät.",
        "en": "It begins later than is useful: the result is likely to come too late.",
    },
    _key(Warned.ANSWER_OVERDUE): {"de": "Die Antwort ist überfällig.", "en": "The answer is overdue."},
    _key(NextStepKind.REMINDER): {"de": "Sie werden erinnert", "en": "you are reminded"},
    _key(NextStepKind.OVERDUE): {"de": "die Antwort ist überfällig", "en": "the answer is overdue"},
    _key(NextStepKind.QUESTION_RETURNED): {
        "de": "die Rückfrage geht unbeantwortet zurück",
        "en": "the question goes back unanswered",
    },
    _key(NextStepKind.ABANDONED): {"de": "der Entwurf wird aufgegeben", "en": "the draft is abandoned"},
    _key(NextStepKind.EXPIRED): {"de": "läuft ohne Antwort ab", "en": "expires without an answer"},
    _key(NextStepKind.OUTCOME_UNKNOWN): {
        "de": "endet mit unbekanntem Ergebnis",
        "en": "ends with an unknown outcome",
    },
    _key(NextStepKind.CLOSED_UNCONFIRMED): {
        "de": "wird unbestätigt abgeschlossen",
        "en": "is closed unconfirmed",
    },
    _key(NextStepKind.CONSENT_ENDS): {"de": "die Einwilligung endet", "en": "the consent ends"},
    _key(Reason.NO_ANSWER): {"de": "keine Antwort", "en": "no answer"},
    _key(Reason.IDLE): {"de": "liegen geblieben", "en": "left lying idle"},
    _key(Reason.CONSENT_WITHDRAWN): {"de": "Einwilligung widerrufen", "en": "consent withdrawn"},
    _key(Reason.CONSENT_EXPIRED): {"de": "Einwilligung abgelaufen", "en": "consent expired"},
    _key(Reason.OTHER): {"de": "anderer Grund", "en": "other reason"},
    _key(OutcomeCode.NEED_MET): {"de": "Bedarf gedeckt", "en": "need met"},
    _key(OutcomeCode.PARTLY_MET): {"de": "teilweise gedeckt", "en": "partly met"},
    _key(OutcomeCode.NOT_MET): {"de": "nicht gedeckt", "en": "not met"},
    _key(OutcomeCode.PERSON_LEFT): {"de": "Person hat abgebrochen", "en": "the person left"},
    _key(OutcomeCode.NOT_REACHED): {"de": "Person nicht erreicht", "en": "the person was not reached"},
    _key(OutcomeCode.NOT_DISCLOSED): {"de": "nicht mitgeteilt", "en": "not disclosed"},
    _key(OutcomeCode.UNKNOWN): {"de": "unbekannt", "en": "unknown"},
    _key(OutcomeReason.NO_PLACE): {"de": "kein Platz", "en": "no place"},
    _key(OutcomeReason.NOT_ELIGIBLE): {"de": "Voraussetzungen fehlten", "en": "not eligible"},
    _key(OutcomeReason.DID_NOT_ATTEND): {"de": "nicht teilgenommen", "en": "did not attend"},
    _key(OutcomeReason.STATUS_ENDED): {"de": "Aufenthaltsstatus endete", "en": "the residence status ended"},
    _key(OutcomeReason.FAMILY_OR_CARE): {"de": "Familie oder Pflege", "en": "family or care"},
    _key(OutcomeReason.HEALTH): {"de": "Gesundheit", "en": "health"},
    _key(OutcomeReason.EXAM_NOT_PASSED): {"de": "Prüfung nicht bestanden", "en": "exam not passed"},
    _key(OutcomeReason.OTHER): {"de": "anderer Grund", "en": "other reason"},
    _key(AppointmentKind.FIRST_CONTACT): {"de": "Erstkontakt", "en": "first contact"},
    _key(AppointmentKind.COUNSELLING): {"de": "Beratung", "en": "counselling"},
    _key(AppointmentKind.TEST): {"de": "Test oder Prüfung", "en": "test or examination"},
    _key(AppointmentKind.INTERVIEW): {"de": "Vorstellungsgespräch", "en": "interview"},
    _key(AppointmentKind.START_OF_COURSE): {"de": "Kursbeginn", "en": "start of the course"},
    _key(AppointmentKind.OTHER): {"de": "anderer Termin", "en": "another appointment"},
    _key(AppointmentState.PLANNED): {"de": "geplant", "en": "planned"},
    _key(AppointmentState.MOVED): {"de": "verschoben", "en": "moved"},
    _key(AppointmentState.CANCELLED): {"de": "abgesagt", "en": "cancelled"},
    _key(AppointmentState.NO_SHOW): {"de": "nicht erschienen", "en": "did not come"},
    _key(BringAlong.IDENTITY_PAPER): {"de": "Ausweis oder Pass", "en": "identity card or passport"},
    _key(BringAlong.RESIDENCE_PAPER): {"de": "Aufenthaltspapier", "en": "residence paper"},
    _key(BringAlong.CERTIFICATES): {"de": "Zeugnisse", "en": "certificates"},
    _key(BringAlong.CURRICULUM_VITAE): {"de": "Lebenslauf", "en": "curriculum vitae"},
    _key(BringAlong.LETTERS): {"de": "Schreiben von Ämtern", "en": "letters from authorities"},
    _key(BringAlong.PHOTO): {"de": "Passfoto", "en": "photo"},
    _key(BringAlong.REGISTRATION): {"de": "Meldebescheinigung", "en": "proof of registration"},
    _key(BringAlong.INSURANCE_CARD): {"de": "Versichertenkarte", "en": "insurance card"},
    _key(BringAlong.INTERPRETER): {"de": "Person zum Übersetzen", "en": "somebody who interprets"},
    _key(InterimResult.STARTED): {"de": "hat begonnen", "en": "has begun"},
    _key(InterimResult.ATTENDS): {"de": "nimmt teil", "en": "attends"},
    _key(InterimResult.GOOD_PROGRESS): {"de": "kommt gut voran", "en": "makes good progress"},
    _key(InterimResult.MORE_TIME_NEEDED): {"de": "braucht mehr Zeit", "en": "needs more time"},
    _key(InterimResult.APPLICATION_MADE): {"de": "Antrag gestellt", "en": "application made"},
    _key(InterimResult.EXAM_REGISTERED): {"de": "zur Prüfung angemeldet", "en": "registered for an exam"},
    _key(InterimResult.DIFFICULTIES): {"de": "es gibt Schwierigkeiten", "en": "there are difficulties"},
    _key(RevocationAnswer.DELETED): {"de": "gelöscht", "en": "deleted"},
    _key(RevocationAnswer.KEPT): {"de": "muss aufbewahrt werden", "en": "must be kept"},
    _key(BookingState.REQUESTED): {"de": "angefragt", "en": "requested"},
    _key(BookingState.CONFIRMED): {"de": "bestätigt", "en": "confirmed"},
    _key(BookingState.DECLINED): {"de": "abgelehnt", "en": "declined"},
    _key(BookingState.DONE): {"de": "durchgeführt", "en": "done"},
    _key(BookingState.NO_SHOW): {"de": "nicht erschienen", "en": "no-show"},
    _key(BookingState.CANCELLED): {"de": "abgesagt", "en": "cancelled"},
    _key(LateReason.EMERGENCY): {"de": "Notfall", "en": "emergency"},
    _key(LateReason.DATE_SET_BY_OTHERS): {
        "de": "Termin von anderen gesetzt",
        "en": "date set by others",
    },
    _key(LateReason.INTERPRETER_FELL_OUT): {
        "de": "Sprachmittlung ausgefallen",
        "en": "interpreter fell out",
    },
    _key(LateReason.AGREED_WITH_SERVICE): {
        "de": "mit der Sprachmittlung abgesprochen",
        "en": "agreed with the service",
    },
    _key(GenderWish.WOMAN): {"de": "eine Frau", "en": "a woman"},
    _key(GenderWish.MAN): {"de": "ein Mann", "en": "a man"},
    _key(GenderWish.NONE): {"de": "kein Wunsch", "en": "no wish"},
    _key(FeedbackAsked.ANSWERED): {"de": "hat geantwortet", "en": "answered"},
    _key(FeedbackAsked.DECLINED): {"de": "möchte nicht antworten", "en": "declined to answer"},
    _key(FeedbackAsked.UNREACHABLE): {"de": "nicht erreichbar", "en": "unreachable"},
    _key(FeedbackAnswer.HELPED): {"de": "hat geholfen", "en": "it helped"},
    _key(FeedbackAnswer.HELPED_PARTLY): {"de": "hat teilweise geholfen", "en": "it helped in part"},
    _key(FeedbackAnswer.DID_NOT_HELP): {"de": "hat nicht geholfen", "en": "it did not help"},
    _key(FeedbackAnswer.NEVER_HAPPENED): {"de": "hat nicht stattgefunden", "en": "it never happened"},
    _key(CardEnd.REPLACED): {"de": "durch eine neue ersetzt", "en": "replaced by a new one"},
    _key(CardEnd.REVOKED): {"de": "gesperrt", "en": "revoked"},
    _key(CardEnd.ERASED): {"de": "Person gelöscht", "en": "the person was erased"},
    _key(FollowUpKind.DAYS_28): {"de": "nach 28 Tagen", "en": "after 28 days"},
    _key(FollowUpKind.MONTHS_6): {"de": "nach 6 Monaten", "en": "after 6 months"},
    _key(FollowUpState.PLANNED): {"de": "geplant", "en": "planned"},
    _key(FollowUpState.ASKED): {"de": "gefragt", "en": "asked"},
    _key(FollowUpState.ANSWERED): {"de": "beantwortet", "en": "answered"},
    _key(FollowUpState.NO_ANSWER): {"de": "keine Antwort", "en": "no answer"},
    _key(FollowUpState.CANCELLED): {"de": "entfallen", "en": "cancelled"},
    _key(NeedNow.STILL_MET): {"de": "Bedarf weiter gedeckt", "en": "need still met"},
    _key(NeedNow.PARTLY_MET): {"de": "Bedarf teilweise gedeckt", "en": "need met in part"},
    _key(NeedNow.NOT_MET): {"de": "Bedarf nicht gedeckt", "en": "need not met"},
    _key(NeedNow.NEED_CHANGED): {"de": "anderer Bedarf", "en": "another need now"},
    _key(OccupiedWith.WORK): {"de": "in Arbeit", "en": "in work"},
    _key(OccupiedWith.TRAINING): {"de": "in Ausbildung", "en": "in vocational training"},
    _key(OccupiedWith.COURSE): {"de": "im Kurs", "en": "in a course"},
    _key(OccupiedWith.LOOKING): {"de": "auf der Suche", "en": "looking for work"},
    _key(OccupiedWith.NOTHING_OF_THESE): {"de": "nichts davon", "en": "none of these"},
    _key(TimedStep.ACCEPTED): {"de": "bis zur Annahme", "en": "to acceptance"},
    _key(TimedStep.FIRST_APPOINTMENT): {"de": "bis zum ersten Termin", "en": "to the first appointment"},
    _key(TimedStep.CLOSED): {"de": "bis zum Abschluss", "en": "to closing"},
    _key(HoldReason.LEGAL_CLAIM): {"de": "Rechtsansprüche", "en": "legal claims"},
    _key(HoldReason.COURT_OR_AUTHORITY): {
        "de": "Anordnung von Gericht oder Behörde",
        "en": "order of a court or authority",
    },
    _key(HoldReason.COMPLAINT): {"de": "laufende Beschwerde", "en": "pending complaint"},
    _key(HoldReason.PERSON_ASKED): {"de": "auf Wunsch der Person", "en": "at the person's request"},
    _key(PartnerVoice.NEED_MET): {"de": "Bedarf gedeckt", "en": "need met"},
    _key(PartnerVoice.PARTLY_MET): {"de": "teilweise gedeckt", "en": "partly met"},
    _key(PartnerVoice.NOT_MET): {"de": "nicht gedeckt", "en": "not met"},
    _key(PartnerVoice.PERSON_LEFT): {"de": "Person hat abgebrochen", "en": "the person left"},
    _key(PartnerVoice.NOT_REACHED): {"de": "Person nicht erreicht", "en": "the person was not reached"},
    _key(PartnerVoice.DECLINED): {"de": "abgelehnt", "en": "declined"},
    _key(PartnerVoice.NOT_DISCLOSED): {"de": "nicht mitgeteilt", "en": "not disclosed"},
    _key(PartnerVoice.NO_ANSWER): {"de": "keine Antwort", "en": "no answer"},
    _key(PartnerVoice.NOT_YET): {"de": "noch nichts gesagt", "en": "nothing said yet"},
    _key(SenderVoice.AGREED): {"de": "bestätigt", "en": "agreed"},
    _key(SenderVoice.CONTESTED): {"de": "bestritten", "en": "contested"},
    _key(SenderVoice.NO_ANSWER): {"de": "nicht bestätigt", "en": "not confirmed"},
    _key(SenderVoice.NOT_YET): {"de": "noch nichts gesagt", "en": "nothing said yet"},
    _key(PersonVoice.HELPED): {"de": "hat geholfen", "en": "it helped"},
    _key(PersonVoice.HELPED_PARTLY): {"de": "hat teilweise geholfen", "en": "it helped in part"},
    _key(PersonVoice.DID_NOT_HELP): {"de": "hat nicht geholfen", "en": "it did not help"},
    _key(PersonVoice.NEVER_HAPPENED): {"de": "hat nicht stattgefunden", "en": "it never happened"},
    _key(PersonVoice.CONTESTED): {"de": "bestritten", "en": "contested"},
    _key(PersonVoice.DID_NOT_WANT_TO_SAY): {"de": "möchte nichts sagen", "en": "did not want to say"},
    _key(PersonVoice.ANSWERED_UNRECORDED): {
        "de": "hat geantwortet, nicht erfasst",
        "en": "answered, not recorded",
    },
    _key(PersonVoice.NOT_DISCLOSED): {"de": "nicht mitgeteilt", "en": "not disclosed"},
    _key(PersonVoice.NO_ANSWER): {"de": "keine Antwort", "en": "no answer"},
    _key(PersonVoice.NOT_YET): {"de": "noch nichts gesagt", "en": "nothing said yet"},
    _key(Disagreement.MET_BUT_DID_NOT_HELP): {
        "de": "gedeckt, aber nicht geholfen",
        "en": "met, but it did not help",
    },
    _key(Disagreement.NOT_MET_BUT_HELPED): {
        "de": "nicht gedeckt, aber geholfen",
        "en": "not met, but it helped",
    },
    _key(Disagreement.HAPPENED_OR_NOT): {
        "de": "uneins, ob es stattfand",
        "en": "at odds whether it took place",
    },
    _key(Disagreement.SENDER_CONTESTS): {"de": "vom Sender bestritten", "en": "contested by the sender"},
    _key(Disagreement.PERSON_CONTESTS): {
        "de": "von der Person bestritten",
        "en": "contested by the person",
    },
    _key(RuleSetState.DRAFT): {"de": "Entwurf", "en": "draft"},
    _key(RuleSetState.DECIDED): {"de": "beschlossen", "en": "decided"},
    _key(JudgedAt.INTAKE): {"de": "bei der Aufnahme", "en": "at intake"},
    _key(JudgedAt.SENDING): {"de": "beim Vermitteln", "en": "at sending"},
    _key(SupportAdvice.SUPPORT): {"de": "Begleitung durch Spurwechsel", "en": "support by Spurwechsel"},
    _key(SupportAdvice.CLEARING): {"de": "zuerst Clearing", "en": "clearing first"},
    _key(SupportAdvice.SIGNPOSTING): {"de": "Verweisberatung", "en": "signposting advice"},
    _key(SupportAdvice.ASK): {"de": "bei der Koordination fragen", "en": "ask the coordination"},
    _key(NoticeKind.REFERRAL_WAITS): {
        "de": "eine Überleitung wartet auf Antwort",
        "en": "a referral waits for an answer",
    },
    _key(NoticeKind.QUESTION_ASKED): {"de": "Rückfrage", "en": "a question was asked"},
    _key(NoticeKind.QUESTION_ANSWERED): {"de": "Rückfrage beantwortet", "en": "the question was answered"},
    _key(NoticeKind.NEWS): {"de": "Neues zu einem Vorgang", "en": "news about a case"},
    _key(NoticeKind.GOES_ON): {"de": "Überleitung läuft weiter", "en": "the referral goes on"},
    _key(NoticeKind.TAKEN_BACK): {"de": "Überleitung zurückgenommen", "en": "the referral was taken back"},
    _key(NoticeKind.CONSENT_ENDED): {"de": "Einwilligung beendet", "en": "the consent has ended"},
    _key(NoticeKind.BOOKING_REQUESTED): {
        "de": "Sprachmittlung angefragt",
        "en": "an interpreter was asked for",
    },
    _key(NoticeKind.BOOKING_CONFIRMED): {
        "de": "Sprachmittlung bestätigt",
        "en": "the interpreter was confirmed",
    },
    _key(NoticeKind.BOOKING_DECLINED): {
        "de": "Sprachmittlung abgelehnt",
        "en": "the interpreter was declined",
    },
    _key(NoticeKind.BOOKING_CANCELLED): {
        "de": "Sprachmittlung abgesagt",
        "en": "the interpreter was cancelled",
    },
    _key(NoticeKind.APPROVAL_ASKED): {"de": "Freigabe erbeten", "en": "a confirmation was asked for"},
    _key(NoticeKind.FOUR_EYES): {"de": "Freigabe steht aus", "en": "a confirmation is outstanding"},
    _key(NoticeKind.ANSWER_DUE_HALF): {
        "de": "halbe Antwortfrist vorbei",
        "en": "half of the time to answer is over",
    },
    _key(NoticeKind.ANSWER_OVERDUE): {"de": "Antwort überfällig", "en": "the answer is overdue"},
    _key(NoticeKind.DRAFT_IDLE): {"de": "Entwurf liegt", "en": "a draft is idle"},
    _key(NoticeKind.QUESTION_OPEN): {"de": "Rückfrage offen", "en": "a question is open"},
    _key(NoticeKind.WAITING_LIST): {
        "de": "Warteliste: noch ein Platz nötig?",
        "en": "waiting list: is there a place?",
    },
    _key(NoticeKind.FIRST_CONTACT): {"de": "Erstkontakt steht aus", "en": "the first contact is outstanding"},
    _key(NoticeKind.SIGN_OF_LIFE): {"de": "Lebenszeichen erbeten", "en": "a sign of life is asked for"},
    _key(NoticeKind.CONFIRM_OUTCOME): {"de": "Ergebnis bestätigen", "en": "confirm the outcome"},
    _key(NoticeKind.CONSENT_RENEWAL): {"de": "Einwilligung läuft aus", "en": "a consent is about to end"},
    _key(NoticeKind.EXPIRED_NO_ANSWER): {"de": "ohne Antwort abgelaufen", "en": "expired without an answer"},
    _key(NoticeKind.REVOCATION_UNANSWERED): {
        "de": "Auskunft zur Löschung fehlt",
        "en": "the answer about deletion is missing",
    },
    _key(NoticeKind.ANSWER_LINK): {"de": "Antwortlink", "en": "answer link"},
    _key(NoticeKind.CAPACITY_ASKED): {"de": "Plätze aktualisieren", "en": "update the places"},
    _key(NoticeKind.CHANGE_REQUESTED): {"de": "Änderung vorgeschlagen", "en": "a change was proposed"},
    _key(NoticeKind.UPKEEP_DUE): {"de": "Einträge bitte bestätigen", "en": "please confirm your entries"},
    _key(NoticeKind.UPKEEP_REMINDER): {
        "de": "Erinnerung: Einträge bitte bestätigen",
        "en": "reminder: please confirm your entries",
    },
    _key(NoticeKind.UPKEEP_ANNOUNCED): {"de": "Eintrag wird ausgeblendet", "en": "an entry will be hidden"},
    _key(NoticeKind.UPKEEP_HIDDEN): {"de": "Eintrag ausgeblendet", "en": "an entry was hidden"},
    _key(NoticeKind.ENTRIES_DUE): {"de": "Einträge zu prüfen", "en": "entries are due"},
    _key(NoticeKind.MAILBOX_ASKED): {"de": "Adresse bitte bestätigen", "en": "please confirm the address"},
    _key(NoticeKind.SEARCH_NEWS): {"de": "Neues zu gespeicherten Suchen", "en": "news of saved searches"},
    _key(Addressee.ORGANISATION): {"de": "Stelle", "en": "the office"},
    _key(Addressee.SUPERIOR): {"de": "vorgesetzte Stelle", "en": "the superior contact"},
    _key(Addressee.LEAD): {"de": "Leitung der Koordination", "en": "the coordination's lead"},
    _key(NoticeAbout.REFERRAL): {"de": "Überleitung", "en": "referral"},
    _key(NoticeAbout.BOOKING): {"de": "Sprachmittlung", "en": "interpreter booking"},
    _key(NoticeAbout.APPROVAL): {"de": "Freigabe", "en": "confirmation"},
    _key(NoticeAbout.CONSENT): {"de": "Einwilligung", "en": "consent"},
    _key(NoticeAbout.SERVICE): {"de": "Angebot", "en": "service"},
    _key(NoticeAbout.PARTNER): {"de": "Partner", "en": "partner"},
    _key(NoticeAbout.MEMBER): {"de": "Mitglied", "en": "member"},
    _key(NoticeState.PENDING): {"de": "wird gesendet", "en": "to be sent"},
    _key(NoticeState.SENT): {"de": "gesendet", "en": "sent"},
    _key(NoticeState.UNDELIVERABLE): {"de": "keine Adresse: bitte anrufen", "en": "no address: please phone"},
    _key(NoticeState.BOUNCED): {"de": "abgewiesen: bitte anrufen", "en": "refused: please phone"},
    _key(NoticeState.NOT_SENT_NO_MAIL): {
        "de": "nicht gesendet: kein Mailversand eingerichtet",
        "en": "not sent: mail is not set up",
    },
    _key(NoticeState.CANCELLED): {"de": "nicht mehr nötig", "en": "no longer needed"},
    _key(ConsentWarning.UNDER_16): {
        "de": "unter 16: gesetzliche Vertretung muss unterschreiben",
        "en": "under 16: the legal representative has to sign",
    },
    _key(ConsentWarning.UNDER_18): {
        "de": "unter 18: an die gesetzliche Vertretung denken",
        "en": "under 18: think of the legal representative",
    },
}
"""Labels for people of the values that pages and papers show; language tag to text."""


def label(member: StrEnum, language: str) -> str | None:
    """Return the label for people of a word of the exchange in German or English, if it has one."""
    return LABELS.get(_key(member), {}).get(language)
