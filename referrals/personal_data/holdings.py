"""What is kept about persons, where, why and how long: one model for tests, access export and register.

Every table of the database stands either in ``HOLDINGS``, column by column, or in ``WITHOUT_PERSONS``. From
this the register of processing activities (GDPR Art. 30) is written and the access export (Art. 15) is
checked; a test fails on a table or column that stands in neither.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from directory.values import Value


class About(StrEnum):
    """Whose data these are (categories of data subjects)."""

    CLIENT = "CLIENT"
    MEMBER = "MEMBER"
    INTERPRETER = "INTERPRETER"
    CONTACT = "CONTACT"


class Kind(StrEnum):
    """What kind of data (Datenart). LINK: an id that leads to a person or to what concerns them."""

    NAME = "NAME"
    CONTACT = "CONTACT"
    PROFILE = "PROFILE"
    HEALTH_AND_PROFILE = "HEALTH_AND_PROFILE"
    RESIDENCE = "RESIDENCE"
    CONVICTION = "CONVICTION"
    COURSE = "COURSE"
    DECLARATION = "DECLARATION"
    OWN_WORDS = "OWN_WORDS"
    EMPLOYMENT = "EMPLOYMENT"
    ACCESS = "ACCESS"
    LINK = "LINK"
    TECHNICAL = "TECHNICAL"


class Protection(StrEnum):
    """How a row is protected: by forced row-level security, or published by whom it is about."""

    ROWS = "ROWS"
    PUBLISHED = "PUBLISHED"


class Column(Value, frozen=True, kw_only=True):
    """A column, or several of one kind; ``sealed``: only the person's own key opens it."""

    names: tuple[str, ...]
    kind: Kind
    about: About = About.CLIENT
    sealed: bool = False


class Holding(Value, frozen=True, kw_only=True):
    """A table that holds data about persons.

    ``activity`` names the processing activity; ``retention`` the class (``retention``);
    ``export``: the section of the access export, or None with ``no_export`` saying why not.
    """

    table: str
    activity: str
    retention: str
    columns: tuple[Column, ...]
    protection: Protection = Protection.ROWS
    export: str | None = None
    no_export: str | None = None


class Activity(Value, frozen=True, kw_only=True):
    """A processing activity as the register names it; texts in German and English."""

    key: str
    title: dict[str, str]
    purpose: dict[str, str]
    basis: dict[str, str]
    recipients: dict[str, str]


def _both(de: str, en: str) -> dict[str, str]:
    return {"de": de, "en": en}


_STAFF = _both("Mitglieder der eigenen Organisation", "members of the own organisation")

ACTIVITIES: Final[tuple[Activity, ...]] = (
    Activity(
        key="support",
        title=_both("Begleitung von Teilnehmenden", "Accompanying participants"),
        purpose=_both(
            "Clearing, Begleitung auf dem Weg in Arbeit und gesicherten Aufenthalt",
            "clearing, support on the way into work and a secure residence title",
        ),
        basis=_both(
            "Einwilligung, Art. 6 Abs. 1 lit. a, Art. 9 Abs. 2 lit. a DSGVO (oder KDG, DSG-EKD)",
            "consent, Art. 6(1)(a), Art. 9(2)(a) GDPR (or KDG, DSG-EKD)",
        ),
        recipients=_STAFF,
    ),
    Activity(
        key="exclusion",
        title=_both("Ausschluss von der Förderung", "Exclusion from the project's support"),
        purpose=_both(
            "Einhalten der Förderregel; nur dass und seit wann",
            "keeping the project's rule; only that and since when",
        ),
        basis=_both(
            "Art. 6 Abs. 1 lit. e, Art. 10 DSGVO, unter behördlicher Aufsicht",
            "Art. 6(1)(e), Art. 10 GDPR, under the control of official authority",
        ),
        recipients=_both("nur Leitung der eigenen Organisation", "the own organisation's lead only"),
    ),
    Activity(
        key="consent",
        title=_both("Einwilligungen und ihr Nachweis", "Consents and their proof"),
        purpose=_both(
            "Nachweis, wozu eine Person ja gesagt hat, und Umsetzung des Widerrufs",
            "proof of what a person agreed to, and carrying out withdrawal",
        ),
        basis=_both(
            "Art. 6 Abs. 1 lit. c mit Art. 7 Abs. 1, 3 DSGVO", "Art. 6(1)(c) with Art. 7(1), (3) GDPR"
        ),
        recipients=_both(
            "benannte Empfänger der Einwilligung, jeweils ihr Teil",
            "recipients named in the consent, each its own part",
        ),
    ),
    Activity(
        key="referral",
        title=_both("Überleitung an Partner", "Referral to partners"),
        purpose=_both(
            "Überleitung zu einem Angebot, Rückmeldung, Nachfrage",
            "sending somebody to a service, hearing back, asking how it went",
        ),
        basis=_both(
            "Einwilligung je Zweck und Empfänger, Art. 6 Abs. 1 lit. a, Art. 9 Abs. 2 lit. a DSGVO; "
            "Schweigepflichtentbindung § 203 StGB",
            "consent per purpose and recipient, Art. 6(1)(a), Art. 9(2)(a) GDPR; release under "
            "section 203 StGB",
        ),
        recipients=_both(
            "der empfangende Partner: nur die eingewilligten Datenarten, nur solange die Einwilligung gilt",
            "the receiving partner: the consented categories only, and only while the consent is in force",
        ),
    ),
    Activity(
        key="interpreting",
        title=_both("Dolmetschbuchungen", "Interpreter bookings"),
        purpose=_both("Verständigung bei einem Termin", "being understood at an appointment"),
        basis=_both("Einwilligung, Art. 6 Abs. 1 lit. a DSGVO", "consent, Art. 6(1)(a) GDPR"),
        recipients=_both(
            "die gebuchte Dolmetschorganisation; den Namen erst nach der Bestätigung",
            "the interpreter's organisation booked; the name only after it has confirmed",
        ),
    ),
    Activity(
        key="accounts",
        title=_both("Zugänge der Mitglieder", "Members' accounts"),
        purpose=_both("Anmeldung, Rechte, Vertretung", "signing in, rights, deputies"),
        basis=_both(
            "Art. 6 Abs. 1 lit. b, e DSGVO, § 26 BbgDSG", "Art. 6(1)(b), (e) GDPR; employment data law"
        ),
        recipients=_STAFF,
    ),
    Activity(
        key="audit",
        title=_both("Protokollierung", "Audit"),
        purpose=_both(
            "Nachweis, wer was gelesen und geändert hat; Aufdecken von Missbrauch",
            "proof of who read and changed what; uncovering misuse",
        ),
        basis=_both(
            "Art. 6 Abs. 1 lit. c mit Art. 5 Abs. 2, 32 DSGVO", "Art. 6(1)(c) with Art. 5(2), 32 GDPR"
        ),
        recipients=_both(
            "Datenschutzbeauftragte; die betroffene Person auf Antrag",
            "the data protection officer; the person concerned on request",
        ),
    ),
    Activity(
        key="directory",
        title=_both("Partnerverzeichnis", "Partner directory"),
        purpose=_both("Ansprechstellen finden", "finding whom to ask"),
        basis=_both("Art. 6 Abs. 1 lit. e, f DSGVO", "Art. 6(1)(e), (f) GDPR"),
        recipients=_both("die Öffentlichkeit", "the public"),
    ),
)


def _c(names: str, kind: Kind, about: About = About.CLIENT, *, sealed: bool = False) -> Column:
    return Column(names=tuple(names.split()), kind=kind, about=about, sealed=sealed)


K, A = Kind, About
_MEMBER = (K.LINK, A.MEMBER)
_HASHED = "only a hash, or a counter: nothing to read about the person in it"

HOLDINGS: Final[tuple[Holding, ...]] = (
    Holding(
        table="client",
        activity="support",
        retention="client",
        export="person",
        columns=(
            _c("id partner_id pseudonym source_key from_referral_id name_index", K.LINK),
            _c("sealed_identity", K.NAME, sealed=True),
            _c("sealed_contact", K.CONTACT, sealed=True),
            _c("sealed_profile", K.HEALTH_AND_PROFILE, sealed=True),
            _c(
                "residence_status status_valid_until legal_circle supported_before applied_in_time judged",
                K.RESIDENCE,
            ),
            _c("languages needs", K.PROFILE),
            _c("section_87_notice", K.DECLARATION),
            _c("phase", K.COURSE),
            _c("responsible_id deputy_id", *_MEMBER),
            _c("erased_at version created_at updated_at", K.TECHNICAL),
        ),
    ),
    Holding(
        table="client_phase_change",
        activity="support",
        retention="client-skeleton",
        export="phases",
        columns=(
            _c("id client_id", K.LINK),
            _c("from_phase to_phase at", K.COURSE),
            _c("member_id", *_MEMBER),
        ),
    ),
    Holding(
        table="exclusion",
        activity="exclusion",
        retention="client",
        export="exclusion",
        columns=(_c("client_id partner_id", K.LINK), _c("sealed", K.CONVICTION, sealed=True)),
    ),
    Holding(
        table="consent",
        activity="consent",
        retention="consent",
        export="consents",
        columns=(
            _c("id client_id partner_id subject supersedes_id superseded_by_id", K.LINK),
            _c(
                "state terms record decided_at valid_from valid_until withdrawal receipt renewal_offered_at",
                K.DECLARATION,
            ),
            _c("sealed_evidence", K.DECLARATION, sealed=True),
            _c("recorded_by", *_MEMBER),
            _c("version created_at updated_at", K.TECHNICAL),
        ),
    ),
    Holding(
        table="consent_part",
        activity="consent",
        retention="consent",
        no_export="for each recipient, what stands in the consent itself: the export has that",
        columns=(
            _c("consent_id recipient_partner_id partner_id client_id subject", K.LINK),
            _c(
                "state terms record decided_at valid_from valid_until report_back_ended",
                K.DECLARATION,
            ),
            _c("version created_at", K.TECHNICAL),
        ),
    ),
    Holding(
        table="referral",
        activity="referral",
        retention="referral",
        export="referrals",
        columns=(
            _c(
                "id municipality_id sender_partner_id sender_file_number client_id pseudonym service_id"
                " recipient_partner_id recipient_file_number consent_id parent_id better_service_id",
                K.LINK,
            ),
            _c("sender_member_id sender_deputy_id recipient_member_id", *_MEMBER),
            _c("recipient_contact", K.EMPLOYMENT, A.CONTACT),
            _c("topic language area", K.PROFILE),
            _c(
                "priority categories state state_since capacity_reason sent_at answer_due_at"
                " clock_stopped_at question_due_at expected_week first_contact_on first_contact_made_on"
                " expected_end resume_on last_sign_of_life place_taken decline_reason declined_by reason"
                " outcome outcome_on outcome_reason feedback_asked closed_at revocation_due_at"
                " revocation_answer overdue appointment_at interim_report_on disputed unconfirmed no_shows",
                K.COURSE,
            ),
            _c(
                "next_tick_at sender_read recipient_read hidden_changes sender_updated_at version created_at"
                " updated_at",
                K.TECHNICAL,
            ),
        ),
    ),
    Holding(
        table="referral_package",
        activity="referral",
        retention="package",
        export="referrals",
        columns=(
            _c("referral_id client_id consent_id", K.LINK),
            _c("categories made_at", K.COURSE),
            _c("sealed", K.HEALTH_AND_PROFILE, sealed=True),
        ),
    ),
    Holding(
        table="referral_event",
        activity="referral",
        retention="referral",
        export="referrals",
        columns=(
            _c("referral_id ordinal message_id partner_id", K.LINK),
            _c("at move from_state to_state actor source source_on reason facts told", K.COURSE),
            _c("member_id", *_MEMBER),
            _c("sealed_text", K.OWN_WORDS, sealed=True),
        ),
    ),
    Holding(
        table="appointment",
        activity="referral",
        retention="appointment",
        export="referrals",
        columns=(
            _c("id referral_id sender_partner_id recipient_partner_id location_id successor_id", K.LINK),
            _c("kind starts_at minutes place bring state told sender_state", K.COURSE),
            _c("created_at updated_at", K.TECHNICAL),
        ),
    ),
    Holding(
        table="feedback",
        activity="referral",
        retention="feedback-text",
        export="referrals",
        columns=(
            _c("id referral_id partner_id code_id", K.LINK),
            _c("answer source language at", K.COURSE),
            _c("sealed_text", K.OWN_WORDS, sealed=True),
        ),
    ),
    Holding(
        table="follow_up",
        activity="referral",
        retention="referral",
        export="referrals",
        columns=(
            _c("id referral_id client_id partner_id", K.LINK),
            _c("kind state closed_at due_at asked_at ended_at need_now occupied_with source", K.COURSE),
            _c("recorded_by", *_MEMBER),
            _c("version created_at updated_at", K.TECHNICAL),
        ),
    ),
    Holding(
        table="approval",
        activity="referral",
        retention="referral",
        export="referrals",
        columns=(
            _c("id referral_id municipality_id partner_id", K.LINK),
            _c("move reason state requested_at lapses_at remind_at decided_at", K.COURSE),
            _c("requested_by decided_by", *_MEMBER),
            _c("version", K.TECHNICAL),
        ),
    ),
    Holding(
        table="feedback_code",
        activity="referral",
        retention="feedback-code",
        no_export=_HASHED,
        columns=(
            _c("id code_hash referral_id client_id partner_id", K.LINK),
            _c("created_at expires_at used_at", K.TECHNICAL),
        ),
    ),
    Holding(
        table="code_card",
        activity="consent",
        retention="code-card",
        export="cards",
        columns=(
            _c("id code_hash client_id partner_id", K.LINK),
            _c("language issued_at expires_at ended_at ended_because", K.DECLARATION),
            _c("issued_by", *_MEMBER),
        ),
    ),
    Holding(
        table="card_act",
        activity="consent",
        retention="code-card",
        no_export=_HASHED,
        columns=(_c("card_id operation key_hash input_hash result_id at", K.TECHNICAL),),
    ),
    Holding(
        table="answer_link",
        activity="referral",
        retention="answer-link",
        no_export="a key for the partner's office; what it answered stands in the events",
        columns=(
            _c("id code_hash referral_id partner_id recipient_partner_id", K.LINK),
            _c("states issued_at expires_at revoked_at used_at", K.TECHNICAL),
            _c("issued_by", *_MEMBER),
        ),
    ),
    Holding(
        table="answer_link_use",
        activity="referral",
        retention="answer-link",
        no_export=_HASHED,
        columns=(_c("link_id key_hash input_hash answer ended at", K.TECHNICAL),),
    ),
    Holding(
        table="notice",
        activity="referral",
        retention="notice",
        no_export="mails to organisations with codes and ids; nothing about the person in them",
        columns=(
            _c("id partner_id waiting_partner_id about_kind about_id", K.LINK),
            _c(
                "kind addressee dedupe due_at state attempts next_try_at reply_code sent_at created_at"
                " updated_at",
                K.TECHNICAL,
            ),
        ),
    ),
    Holding(
        table="booking",
        activity="interpreting",
        retention="booking",
        export="bookings",
        columns=(
            _c("id requester_partner_id service_id recipient_partner_id", K.LINK),
            _c("requester_member_id recipient_member_id", *_MEMBER),
            _c("interpreter", K.NAME, A.INTERPRETER),
            _c("language variety mode topic gender_wish", K.PROFILE),
            _c("state starts_at minutes place late_reason", K.COURSE),
            _c("version created_at updated_at", K.TECHNICAL),
        ),
    ),
    Holding(
        table="booking_person",
        activity="interpreting",
        retention="booking-name",
        export="bookings",
        columns=(_c("booking_id client_id", K.LINK), _c("sealed_name", K.NAME, sealed=True)),
    ),
    Holding(
        table="legal_hold",
        activity="audit",
        retention="legal-hold",
        export="holds",
        columns=(
            _c("id partner_id client_id referral_id", K.LINK),
            _c("reason set_at until lifted_at", K.COURSE),
            _c("set_by lifted_by", *_MEMBER),
            _c("version", K.TECHNICAL),
        ),
    ),
    Holding(
        table="erasure",
        activity="audit",
        retention="erasure-list",
        no_export="holds only the ids of persons whose data are gone",
        columns=(_c("client_id", K.LINK), _c("at", K.TECHNICAL)),
    ),
    Holding(
        table="audit",
        activity="audit",
        retention="audit",
        export="audit",
        columns=(
            _c("id object_kind object_id partner_id", K.LINK),
            _c("at role action details", K.ACCESS),
            _c("member_id", K.ACCESS, A.MEMBER),
        ),
    ),
    Holding(
        table="idempotency",
        activity="accounts",
        retention="idempotency",
        no_export="about members' requests: hashes and ids",
        columns=(_c("member_id operation key input_hash result_id at", K.ACCESS, A.MEMBER),),
    ),
    Holding(
        table="upkeep_link",
        activity="directory",
        retention="directory",
        no_export="a key for a partner's office; about entries of the directory, not about clients",
        columns=(_c("id code_hash partner_id issued_at expires_at", K.ACCESS, A.CONTACT),),
    ),
    Holding(
        table="change_request",
        activity="directory",
        retention="directory",
        no_export="about entries of the directory, not about clients",
        columns=(
            _c("decided_by", *_MEMBER),
            _c("remark", K.OWN_WORDS, A.CONTACT),
            _c(
                "id partner_id service_id target_id source proposed before digest field reason times state"
                " opened_at last_at decided_at decision_reason version",
                K.TECHNICAL,
                A.MEMBER,
            ),
        ),
    ),
    Holding(
        table="entry_version",
        activity="directory",
        retention="entry-history",
        no_export="about entries of the directory, not about clients",
        columns=(
            _c("member_id", *_MEMBER),
            _c("reason", K.OWN_WORDS, A.MEMBER),
            _c("snapshot patch", K.CONTACT, A.CONTACT),
            _c("kind id version at municipality_id action role partner_id base", K.TECHNICAL, A.MEMBER),
        ),
    ),
    Holding(
        table="not_duplicates",
        activity="directory",
        retention="directory",
        no_export="about entries of the directory, not about clients",
        columns=(
            _c("member_id", *_MEMBER),
            _c("id kind one other municipality_id at", K.TECHNICAL, A.MEMBER),
        ),
    ),
    Holding(
        table="member",
        activity="accounts",
        retention="member",
        no_export="about members, not about clients",
        columns=(
            _c("name", K.NAME, A.MEMBER),
            _c("id partner_id role administers deputy_id active", K.EMPLOYMENT, A.MEMBER),
            _c("sign_in_email", K.CONTACT, A.MEMBER),
            _c("sign_in_subject", K.ACCESS, A.MEMBER),
            _c("version", K.TECHNICAL, A.MEMBER),
        ),
    ),
    Holding(
        table="web_session",
        activity="accounts",
        retention="web-session",
        no_export="about members, not about clients",
        columns=(_c("id member_id session_hash created_at seen_at expires_at", K.ACCESS, A.MEMBER),),
    ),
    Holding(
        table="access_token",
        activity="accounts",
        retention="access-token",
        no_export="about members, not about clients",
        columns=(_c("id member_id token_hash label created_at expires_at revoked_at", K.ACCESS, A.MEMBER),),
    ),
    Holding(
        table="saved_search",
        activity="accounts",
        retention="member",
        no_export="about members, not about clients",
        columns=(
            _c("name text filters", K.OWN_WORDS, A.MEMBER),
            _c("id member_id", *_MEMBER),
            _c("notify seen news too_broad looked_at next_look_at version created_at", K.TECHNICAL, A.MEMBER),
        ),
    ),
    Holding(
        table="member_mailbox",
        activity="accounts",
        retention="member",
        no_export="about members, not about clients",
        columns=(
            _c("address", K.CONTACT, A.MEMBER),
            _c("member_id", *_MEMBER),
            _c("language asked_at confirmed_at", K.TECHNICAL, A.MEMBER),
        ),
    ),
    Holding(
        table="mailbox_link",
        activity="accounts",
        retention="access-token",
        no_export="about members, not about clients",
        columns=(
            _c("address", K.CONTACT, A.MEMBER),
            _c("id code_hash member_id issued_at expires_at", K.ACCESS, A.MEMBER),
        ),
    ),
)
"""Every table that holds data about persons, column by column."""

PUBLISHED: Final[dict[str, tuple[str, ...]]] = {
    "partner": ("contact_points", "superior_contact", "note"),
    "service": ("contact_points", "note"),
    "partner_document": ("public", "internal"),
    "service_document": ("public", "internal"),
    "import_row": ("data",),
    "import_staging": ("row", "document", "original"),
    "import_original": ("data",),
}
"""Tables of the directory, with the columns in which an employee may be named as a contact point.

Who they are about publishes them; they are kept as long as the entry is (class ``directory``).
"""

WITHOUT_PERSONS: Final = frozenset(
    {
        "change",
        "clock_trouble",
        "code_attempt",
        "deletion_count",
        "deletion_run",
        "entry_alias",
        "feed",
        "figure_window",
        "import_origin",
        "import_run",
        "link_check",
        "location",
        "municipality",
        "occupation",
        "partner_figure",
        "pgqueuer",
        "pgqueuer_log",
        "pgqueuer_schedules",
        "pgqueuer_statistics",
        "rule_set",
        "schema_version",
        "service_location",
        "service_topic",
        "topic",
        "unmet_mark",
        "unmet_search",
        "upkeep",
    }
)
"""Tables that hold nothing about anybody; the jobs' payloads are ids only."""
