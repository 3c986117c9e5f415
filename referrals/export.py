"""A referral for other programs: FHIR words, a block of text, pages to print. No double entry.

Pure. Each side exports exactly what it may see now: everything here is made from the view, the history and
the package as ``referrals.inbox`` gives them to that side. The words are those of HL7 FHIR R4 (4.0.1) Task
and ServiceRequest, as the Gravity Project's SDOH Clinical Care guide uses them; no conformance is claimed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec

from directory.days import ZONE, local_day
from directory.values import Value
from referrals.appointments import AppointmentView
from referrals.inbox import EventView, ReferralView
from referrals.package import FIELDS, Package
from referrals.printing import Heading, Paragraph, Printout, Rows, Title
from referrals.vocabulary import (
    AppointmentState,
    OutcomeCode,
    Priority,
    ReferralState,
    label,
)


class ExportFormat(StrEnum):
    """As what a referral is exported."""

    PDF = "PDF"
    JSON = "JSON"
    TEXT = "TEXT"


class Office(Value, frozen=True, kw_only=True):
    """An organisation at one end, as the directory names it."""

    id: UUID
    name: str


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """What one side may see of a referral at one moment; ``package`` None: nothing of the person is open."""

    at: datetime
    view: ReferralView
    sender: Office
    recipient: Office
    service: str
    topic: str
    events: tuple[EventView, ...] = ()
    appointments: tuple[AppointmentView, ...] = ()
    places: dict[UUID, str] = {}
    package: Package | None = None


# --- FHIR ---------------------------------------------------------------------------------------------------

TASK_STATUS: Final[dict[ReferralState, str]] = {
    ReferralState.DRAFT: "draft",
    ReferralState.AWAITING_CONSENT: "draft",
    ReferralState.SENT: "requested",
    ReferralState.ACKNOWLEDGED: "received",
    ReferralState.INFO_REQUESTED: "received",
    ReferralState.WAITLISTED: "received",
    ReferralState.ACCEPTED: "accepted",
    ReferralState.IN_PROGRESS: "in-progress",
    ReferralState.ON_HOLD: "on-hold",
    ReferralState.OUTCOME_REPORTED: "completed",
    ReferralState.CLOSED: "completed",
    ReferralState.ABANDONED: "cancelled",
    ReferralState.DECLINED: "rejected",
    ReferralState.EXPIRED: "failed",
    ReferralState.CANCELLED: "cancelled",
    ReferralState.CONSENT_REVOKED: "cancelled",
    ReferralState.ENTERED_IN_ERROR: "entered-in-error",
}
"""Task.status (http://hl7.org/fhir/R4/valueset-task-status.html); the state itself is the businessStatus."""

REQUEST_STATUS: Final[dict[ReferralState, str]] = {
    **dict.fromkeys(ReferralState, "active"),
    ReferralState.DRAFT: "draft",
    ReferralState.AWAITING_CONSENT: "draft",
    ReferralState.ON_HOLD: "on-hold",
    ReferralState.OUTCOME_REPORTED: "completed",
    ReferralState.CLOSED: "completed",
    ReferralState.ABANDONED: "revoked",
    ReferralState.DECLINED: "revoked",
    ReferralState.EXPIRED: "revoked",
    ReferralState.CANCELLED: "revoked",
    ReferralState.CONSENT_REVOKED: "revoked",
    ReferralState.ENTERED_IN_ERROR: "entered-in-error",
}
"""ServiceRequest.status (http://hl7.org/fhir/R4/valueset-request-status.html)."""

PRIORITIES: Final[dict[Priority, str]] = {
    Priority.NORMAL: "routine",
    Priority.SOON: "urgent",
    Priority.URGENT: "asap",
}
"""Task.priority (http://hl7.org/fhir/R4/valueset-request-priority.html)."""

APPOINTMENT_STATUS: Final[dict[AppointmentState, str]] = {
    AppointmentState.PLANNED: "booked",
    AppointmentState.MOVED: "cancelled",
    AppointmentState.CANCELLED: "cancelled",
    AppointmentState.NO_SHOW: "noshow",
}
"""Appointment.status (http://hl7.org/fhir/R4/valueset-appointmentstatus.html)."""

_OWN: Final = "urn:spurwechsel:"
_IN_PERSON: Final = {
    "familyName",
    "givenNames",
    "dateOfBirth",
    "phone",
    "email",
    "address",
    "languages",
}


def as_fhir(sheet: Sheet) -> dict[str, Any]:
    """Return the referral as a FHIR Bundle of a Task, its ServiceRequest and what they refer to."""
    view = sheet.view
    patient = _patient(sheet)
    entries = [
        _task(sheet, patient),
        _service_request(sheet, patient),
        _organization(sheet.sender),
        _organization(sheet.recipient),
        *([patient] if patient else []),
        *(_appointment(entry, sheet, patient) for entry in sheet.appointments),
    ]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{view.id}"},
        "timestamp": sheet.at.isoformat(),
        "entry": [
            {"fullUrl": f"urn:uuid:{entry['id']}", "resource": entry}
            for entry in entries
            if entry is not None
        ],
    }


def _concept(word: StrEnum, vocabulary: str) -> dict[str, Any]:
    coding = {"system": _OWN + vocabulary, "code": word.value}
    shown = label(word, "en")
    if shown:
        coding["display"] = shown
    return {"coding": [coding], **({"text": shown} if shown else {})}


def _reference(kind: str, id_: UUID | str, display: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"reference": f"urn:uuid:{id_}", "type": kind}
    return found if display is None else {**found, "display": display}


def _identifiers(sheet: Sheet) -> list[dict[str, Any]]:
    view = sheet.view
    found: list[dict[str, Any]] = [{"system": _OWN + "referral", "value": str(view.id)}]
    for value, office, side in (
        (view.sender_file_number, sheet.sender, "sender"),
        (view.recipient_file_number, sheet.recipient, "recipient"),
    ):
        if value:
            found.append(
                {
                    "use": "secondary",
                    "system": f"{_OWN}file-number:{side}",
                    "value": value,
                    "assigner": _reference("Organization", office.id, office.name),
                }
            )
    return found


def _task(sheet: Sheet, patient: dict[str, Any] | None) -> dict[str, Any]:
    view = sheet.view
    task: dict[str, Any] = {
        "resourceType": "Task",
        "id": str(view.id),
        "identifier": _identifiers(sheet),
        "status": TASK_STATUS[view.state],
        "businessStatus": _concept(view.state, "referral-state"),
        "intent": "order",
        "priority": PRIORITIES[view.priority],
        "code": {"coding": [{"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "fulfill"}]},
        "focus": _reference("ServiceRequest", _request_id(view)),
        "authoredOn": view.created_at.isoformat(),
        "lastModified": view.updated_at.isoformat(),
        "requester": _reference("Organization", sheet.sender.id, sheet.sender.name),
        "owner": _reference("Organization", sheet.recipient.id, sheet.recipient.name),
    }
    if patient:
        task["for"] = _reference("Patient", patient["id"])
    reason = view.decline_reason or view.reason
    if reason is not None:
        task["statusReason"] = _concept(reason, "decline-reason" if view.decline_reason else "reason")
    if view.answer_due_at is not None:
        task["restriction"] = {"period": {"end": view.answer_due_at.isoformat()}}
    period = {
        name: day.isoformat()
        for name, day in (
            ("start", view.first_contact_made_on or view.first_contact_on),
            ("end", view.outcome_on or view.expected_end),
        )
        if day is not None
    }
    if period:
        task["executionPeriod"] = period
    inputs = _inputs(sheet.package)
    if inputs:
        task["input"] = inputs
    if view.outcome is not None:
        output = [{"type": {"text": "outcome"}, "valueCodeableConcept": _concept(view.outcome, "outcome")}]
        if view.outcome_reason is not None:
            output.append(
                {
                    "type": {"text": "outcome-reason"},
                    "valueCodeableConcept": _concept(view.outcome_reason, "outcome-reason"),
                }
            )
        task["output"] = output
    notes = [{"time": e.at.isoformat(), "text": e.text} for e in sheet.events if e.text]
    if notes:
        task["note"] = notes
    return task


def _request_id(view: ReferralView) -> str:
    return f"{view.id}-request"


def _service_request(sheet: Sheet, patient: dict[str, Any] | None) -> dict[str, Any]:
    view = sheet.view
    request: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "id": _request_id(view),
        "status": REQUEST_STATUS[view.state],
        "intent": "order",
        "priority": PRIORITIES[view.priority],
        "category": [{"coding": [{"system": _OWN + "topic", "code": view.topic, "display": sheet.topic}]}],
        "code": {
            "coding": [{"system": _OWN + "service", "code": str(view.service_id)}],
            "text": sheet.service,
        },
        "requester": _reference("Organization", sheet.sender.id, sheet.sender.name),
        "performer": [_reference("Organization", sheet.recipient.id, sheet.recipient.name)],
        "subject": _reference("Patient", patient["id"])
        if patient
        else {"display": "not disclosed before the referral is acknowledged"},
    }
    if view.sent_at is not None:
        request["authoredOn"] = view.sent_at.isoformat()
    if view.consent_id is not None:
        request["supportingInfo"] = [
            {"type": "Consent", "identifier": {"system": _OWN + "consent", "value": str(view.consent_id)}}
        ]
    return request


def _organization(office: Office) -> dict[str, Any]:
    return {"resourceType": "Organization", "id": str(office.id), "name": office.name}


def _patient(sheet: Sheet) -> dict[str, Any] | None:
    """Return the person under the pseudonym, with the fields of the package that FHIR has a place for."""
    pseudonym = sheet.view.pseudonym
    if pseudonym is None:
        return None
    patient: dict[str, Any] = {
        "resourceType": "Patient",
        "id": f"{sheet.view.id}-patient",
        "identifier": [{"system": _OWN + "pseudonym", "value": pseudonym}],
    }
    if sheet.package is None:
        return patient
    person = sheet.package.person
    if person.family_name is not None:
        given = person.given_names.split() if person.given_names else []
        patient["name"] = [{"family": person.family_name, **({"given": given} if given else {})}]
    if person.date_of_birth is not None:
        patient["birthDate"] = person.date_of_birth.isoformat()
    telecom = [
        {"system": system, "value": value}
        for system, value in (("phone", person.phone), ("email", person.email))
        if value
    ]
    if telecom:
        patient["telecom"] = telecom
    if person.address:
        patient["address"] = [{"text": person.address}]
    if person.languages:
        patient["communication"] = [
            {"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": language}]}}
            for language in person.languages
        ]
    return patient


def _inputs(package: Package | None) -> list[dict[str, Any]]:
    """Return what of the package FHIR's Patient has no place for, one input per value."""
    return [
        {"type": {"text": name}, "valueString": value}
        for name, values in _facts(package)
        if name not in _IN_PERSON
        for value in values
    ]


def _facts(package: Package | None) -> list[tuple[str, tuple[str, ...]]]:
    """Return the fields of a package by their published names, with their values as text."""
    if package is None:
        return []
    found: list[tuple[str, tuple[str, ...]]] = []
    for category in package.categories:
        for field in FIELDS[category]:
            value = getattr(package.person, field)
            values = value if isinstance(value, tuple) else () if value is None else (value,)
            first, *rest = field.split("_")
            name = first + "".join(part.capitalize() for part in rest)
            found.append((name, tuple(_plain(entry) for entry in values)))
    return found


def _plain(value: object) -> str:
    if isinstance(value, StrEnum):
        return value.value
    return value.isoformat() if isinstance(value, date) else str(value)


def _appointment(entry: AppointmentView, sheet: Sheet, patient: dict[str, Any] | None) -> dict[str, Any]:
    participants = [
        {"actor": _reference("Organization", sheet.recipient.id, sheet.recipient.name), "status": "accepted"}
    ]
    if patient:
        participants.append({"actor": _reference("Patient", patient["id"]), "status": "needs-action"})
    found: dict[str, Any] = {
        "resourceType": "Appointment",
        "id": str(entry.id),
        "status": APPOINTMENT_STATUS[entry.state],
        "serviceType": [_concept(entry.kind, "appointment-kind")],
        "start": entry.starts_at.isoformat(),
        "minutesDuration": entry.minutes,
        "basedOn": [_reference("ServiceRequest", _request_id(sheet.view))],
        "participant": participants,
    }
    where = _place(entry, sheet.places)
    return {**found, "patientInstruction": where} if where else found


def _place(entry: AppointmentView, places: dict[UUID, str]) -> str | None:
    return places.get(entry.location_id) if entry.location_id is not None else entry.place


# --- For people ---------------------------------------------------------------------------------------------

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "title": ("Überleitung", "Referral"),
    "reference": ("Vorgang", "Reference"),
    "sender": ("Von", "From"),
    "recipient": ("An", "To"),
    "senderFileNumber": ("Aktenzeichen der sendenden Stelle", "File number of the sender"),
    "recipientFileNumber": ("Aktenzeichen der empfangenden Stelle", "File number of the recipient"),
    "service": ("Angebot", "Service"),
    "topic": ("Thema", "Topic"),
    "state": ("Stand", "State"),
    "since": ("seit", "since"),
    "priority": ("Dringlichkeit", "Priority"),
    "sent": ("Gesendet am", "Sent on"),
    "answerDue": ("Antwort bis", "Answer due by"),
    "expectedWeek": ("Platz voraussichtlich in der Woche ab", "Place expected in the week of"),
    "contact": ("Ansprechperson", "Contact"),
    "firstContact": ("Erster Kontakt vereinbart für", "First contact agreed for"),
    "firstContactMade": ("Erster Kontakt am", "First contact made on"),
    "expectedEnd": ("Voraussichtliches Ende", "Expected end"),
    "resumeOn": ("Pausiert bis", "On hold until"),
    "declined": ("Abgelehnt, weil", "Declined because"),
    "reason": ("Grund", "Reason"),
    "outcome": ("Ergebnis", "Outcome"),
    "outcomeOn": ("Ergebnis vom", "Outcome of"),
    "outcomeReason": ("Grund des Ergebnisses", "Reason of the outcome"),
    "noShows": ("Nicht erschienen (Anzahl)", "Did not come (times)"),
    "pseudonym": ("Kennung der Person", "Pseudonym"),
    "person": ("Angaben zur Person", "About the person"),
    "notOpen": (
        "Die Angaben zur Person sind für diese Seite jetzt nicht zugänglich.",
        "The data about the person are not open to this side now.",
    ),
    "appointments": ("Termine", "Appointments"),
    "course": ("Verlauf", "Course"),
    "made": ("Ausgegeben am", "Exported on"),
    "footer": (
        "Vertraulich: nur für die genannten Stellen.",
        "Confidential: for the named organisations only.",
    ),
}
_FIELD_WORDS: Final[dict[str, tuple[str, str]]] = {
    "familyName": ("Familienname", "Family name"),
    "givenNames": ("Vornamen", "Given names"),
    "dateOfBirth": ("Geburtsdatum", "Date of birth"),
    "phone": ("Telefon", "Phone"),
    "email": ("E-Mail", "E-mail"),
    "address": ("Anschrift", "Address"),
    "languages": ("Sprachen", "Languages"),
    "residenceStatus": ("Aufenthaltsstatus", "Residence status"),
    "legalCircle": ("Rechtskreis", "Legal circle"),
    "statusValidUntil": ("Status gültig bis", "Status valid until"),
    "workPermission": ("Arbeitserlaubnis", "Permission to work"),
    "level": ("Sprachniveau", "Language level"),
    "qualifications": ("Qualifikationen", "Qualifications"),
    "competences": ("Kompetenzen", "Competences"),
    "experience": ("Erfahrung", "Experience"),
    "needs": ("Bedarfe", "Needs"),
    "familyCare": ("Kinder und Pflege", "Children and care"),
    "health": ("Gesundheit", "Health"),
    "documents": ("Unterlagen", "Documents"),
}


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the text: a heading and lines of label and value, or one sentence."""

    heading: str
    rows: tuple[tuple[str, str], ...] = ()
    sentence: str | None = None


def _say(key: str, language: str, words: dict[str, tuple[str, str]] = _WORDS) -> str:
    return words[key][0 if language == "de" else 1]


def _day(value: date | datetime | None, language: str) -> str | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        value = local_day(value)
    return value.strftime("%d.%m.%Y") if language == "de" else value.isoformat()


def _moment(value: datetime, language: str) -> str:
    return f"{_day(value, language)}, {value.astimezone(ZONE):%H:%M}"


def _word(value: StrEnum | None, language: str) -> str | None:
    return None if value is None else label(value, language) or value.value


def parts(sheet: Sheet, language: str) -> tuple[Part, ...]:
    """Return the referral in words (de, en); empty fields are left out."""
    view = sheet.view
    since = f"{_word(view.state, language)} ({_say('since', language)} {_day(view.state_since, language)})"
    outcome = None if view.outcome is OutcomeCode.UNKNOWN else view.outcome
    lines: Sequence[tuple[str, str | None]] = (
        ("reference", str(view.id)),
        ("senderFileNumber", view.sender_file_number),
        ("recipientFileNumber", view.recipient_file_number),
        ("sender", sheet.sender.name),
        ("recipient", sheet.recipient.name),
        ("service", sheet.service),
        ("topic", sheet.topic),
        ("state", since),
        ("priority", _word(view.priority, language)),
        ("sent", _day(view.sent_at, language)),
        ("answerDue", _day(view.answer_due_at, language)),
        ("expectedWeek", _day(view.expected_week, language)),
        ("contact", view.recipient_contact),
        ("firstContact", _day(view.first_contact_on, language)),
        ("firstContactMade", _day(view.first_contact_made_on, language)),
        ("expectedEnd", _day(view.expected_end, language)),
        ("resumeOn", _day(view.resume_on, language)),
        ("noShows", str(view.no_shows) if view.no_shows else None),
        ("declined", _word(view.decline_reason, language)),
        ("reason", _word(view.reason, language)),
        ("outcome", _word(outcome, language)),
        ("outcomeOn", _day(view.outcome_on, language)),
        ("outcomeReason", _word(view.outcome_reason, language)),
        ("pseudonym", view.pseudonym),
    )
    found = [
        Part(
            heading=_say("title", language),
            rows=tuple((_say(key, language), value) for key, value in lines if value),
        )
    ]
    if sheet.package is None:
        found.append(Part(heading=_say("person", language), sentence=_say("notOpen", language)))
    else:
        rows = tuple(
            (_say(name, language, _FIELD_WORDS), ", ".join(_shown(name, value, language) for value in values))
            for name, values in _facts(sheet.package)
            if values
        )
        found.append(Part(heading=_say("person", language), rows=rows))
    if sheet.appointments:
        found.append(
            Part(
                heading=_say("appointments", language),
                rows=tuple(_appointment_row(entry, sheet.places, language) for entry in sheet.appointments),
            )
        )
    if sheet.events:
        found.append(
            Part(
                heading=_say("course", language),
                rows=tuple((_moment(e.at, language), _event_text(e, language)) for e in sheet.events),
            )
        )
    return tuple(found)


def _shown(name: str, value: str, language: str) -> str:
    if name in {"dateOfBirth", "statusValidUntil"}:
        return _day(date.fromisoformat(value), language) or value
    return value


def _appointment_row(entry: AppointmentView, places: dict[UUID, str], language: str) -> tuple[str, str]:
    said = (
        _word(entry.kind, language),
        _place(entry, places),
        _word(entry.state, language),
        *(_word(thing, language) for thing in entry.bring),
    )
    return _moment(entry.starts_at, language), "; ".join(part for part in said if part)


def _event_text(event: EventView, language: str) -> str:
    said = f"{event.move}: {_word(event.to_state, language)}"
    return f"{said}: {event.text}" if event.text else said


def _set_in(value: str) -> str:
    return "\n    ".join(line for line in value.splitlines() if line.strip())


def as_text(sheet: Sheet, language: str) -> str:
    """Return a block of text to paste into a specialist application (Fachverfahren); lines end with LF.

    The further lines of a value are set in: what somebody wrote never passes for a line of ours.
    """
    blocks: list[str] = []
    for part in parts(sheet, language):
        lines = [part.heading.upper(), *(f"{name}: {_set_in(value)}" for name, value in part.rows)]
        blocks.append("\n".join([*lines, *([part.sentence] if part.sentence else [])]))
    return "\n\n".join([*blocks, f"{_say('made', language)} {_moment(sheet.at, language)}"]) + "\n"


def as_printout(sheet: Sheet, language: str) -> Printout:
    """Return the pages to print (``printing.render`` makes them a PDF)."""
    title, *others = parts(sheet, language)
    return Printout(
        language=language,
        blocks=(
            Title(text=title.heading),
            Rows(rows=title.rows),
            *(block for part in others for block in _blocks(part)),
        ),
        footer=f"{_say('footer', language)} {_say('made', language)} {_moment(sheet.at, language)}",
    )


def _blocks(part: Part) -> Iterable[Heading | Paragraph | Rows]:
    yield Heading(text=part.heading)
    if part.rows:
        yield Rows(rows=part.rows)
    if part.sentence:
        yield Paragraph(text=part.sentence)
