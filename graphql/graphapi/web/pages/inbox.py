"""What came in: the inbox of a receiving organisation, and one referral with all that is done on it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from graphapi.relay import global_id
from graphapi.web.entering import Entered
from graphapi.web.routes import ORGANISATIONS, Entry, action, page
from graphapi.web.running import Stopped
from graphapi.web.translations import N_
from graphapi.web.visiting import Answer, Visit
from referrals.noted import NOTES, Noted
from referrals.states import Move
from referrals.vocabulary import EventActor, ReferralState

_R = ReferralState
PAGE: Final = 25
MOST_URGENT: Final = 50
SOON: Final = timedelta(days=3)
"""Whose answer is due within it stands on top, after what is overdue."""
VIEWS: Final[dict[str, tuple[str, frozenset[ReferralState] | None]]] = {
    "open": (
        N_("Open"),
        frozenset(
            {
                _R.SENT, _R.ACKNOWLEDGED, _R.INFO_REQUESTED, _R.WAITLISTED, _R.ACCEPTED, _R.IN_PROGRESS,
                _R.ON_HOLD, _R.OUTCOME_REPORTED,
            }
        ),
    ),
    "unanswered": (N_("To be answered"), frozenset({_R.SENT, _R.ACKNOWLEDGED, _R.INFO_REQUESTED})),
    "waiting": (N_("Waiting list"), frozenset({_R.WAITLISTED})),
    "working": (N_("In work"), frozenset({_R.ACCEPTED, _R.IN_PROGRESS, _R.ON_HOLD})),
    "ended": (
        N_("Ended"),
        frozenset(
            {_R.CLOSED, _R.DECLINED, _R.EXPIRED, _R.CANCELLED, _R.CONSENT_REVOKED, _R.OUTCOME_REPORTED}
        ),
    ),
}  # fmt: skip
"""What one can look at in the inbox; in the address as ``show``."""

HAPPENED: Final[dict[str, str]] = {
    "SEND": N_("Referral sent"),
    "ACKNOWLEDGE": N_("Receipt confirmed, package opened"),
    "ASK": N_("Question asked"),
    "REPLY": N_("Question answered"),
    "WAITLIST": N_("Placed on the waiting list"),
    "ACCEPT": N_("Accepted"),
    "DECLINE": N_("Declined"),
    "EXPIRE": N_("Deadline has passed"),
    "START": N_("First contact made"),
    "HOLD": N_("Pause begun"),
    "RESUME": N_("Pause ended"),
    "REPORT_OUTCOME": N_("Outcome reported"),
    "CLOSE": N_("Closed"),
    "CONTEST": N_("Outcome contested"),
    "REOPEN": N_("Opened again"),
    "CANCEL": N_("Cancelled"),
    "REVOKE": N_("Consent has ended"),
    "CORRECT": N_("Marked as entered in error"),
    "APPOINTMENT_SET": N_("Appointment made"),
    "APPOINTMENT_MOVED": N_("Appointment moved"),
    "APPOINTMENT_CANCELLED": N_("Appointment cancelled"),
    "NO_SHOW": N_("Did not come"),
    "INTERIM": N_("Interim report"),
    "SIGN_OF_LIFE": N_("Still at work"),
    "WAITLIST_UPDATED": N_("Waiting list changed"),
    "REMARK": N_("Message written"),
    "FILE_NUMBER_SET": N_("File number entered"),
    "REASSIGNED": N_("Given to another person in charge"),
    "CLIENT_TAKEN_OVER": N_("Taken in as own client"),
}
"""What the history calls an event; one without words here is not shown."""


class Doing(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a recipient can do: its document, its button, what is said after it, what is entered.

    Offered when the schema allows ``move``, or when ``noted`` can be noted in the state.
    """

    document: str
    text: str
    said: str
    move: Move | None = None
    noted: Noted | None = None
    input: Callable[[Entered], dict[str, Any]] | None = None
    kind: str = "secondary"


def _accept(entered: Entered) -> dict[str, Any]:
    return {
        "contact": entered.text("contact", required=True),
        "firstContactOn": entered.day("firstContactOn"),
        "expectedEnd": entered.day("expectedEnd"),
        "fileNumber": entered.text("fileNumber"),
    }


def _decline(entered: Entered) -> dict[str, Any]:
    return {
        "reason": entered.choice("reason", "DeclineReason"),
        "declinedBy": entered.choice("declinedBy", "DeclinedBy"),
        "betterServiceId": entered.text("betterServiceId"),
        "note": entered.text("note"),
    }


def _appointment(entered: Entered) -> dict[str, Any]:
    minutes = entered.number("minutes", required=True)
    return {
        "startsAt": entered.moment("startsAt"),
        "minutes": minutes,
        "kind": entered.choice("kind", "AppointmentKind"),
        "locationId": entered.text("locationId"),
        "place": entered.text("place"),
        "bring": entered.choices("bring", "BringAlong"),
    }


def _answer(entered: Entered) -> dict[str, Any]:
    return {
        "answer": entered.choice("answer", "RevocationAnswer"),
        "what": entered.choices("what", "DataCategory"),
        "legalBasis": entered.text("legalBasis"),
        "until": entered.day("until", required=False),
    }


DOING: Final[dict[str, Doing]] = {
    "acknowledge": Doing(
        document="acknowledge-referral",
        move=Move.ACKNOWLEDGE,
        text=N_("Confirm receipt and open"),
        said=N_("Receipt is confirmed. The package is open below."),
        kind="primary",
    ),
    "accept": Doing(
        document="accept-referral",
        move=Move.ACCEPT,
        text=N_("Accept"),
        said=N_("Accepted. The sender is told."),
        input=_accept,
        kind="primary",
    ),
    "waitlist": Doing(
        document="waitlist-referral",
        move=Move.WAITLIST,
        text=N_("Put on the waiting list"),
        said=N_("The person is on the waiting list. The sender is told."),
        input=lambda entered: {"expectedWeek": entered.day("expectedWeek")},
    ),
    "ask": Doing(
        document="ask-about-referral",
        move=Move.ASK,
        text=N_("Ask the sender"),
        said=N_("Your question is sent. The deadline stands still until the answer."),
        input=lambda entered: {
            "question": entered.text("question", required=True),
            "categories": entered.choices("categories", "DataCategory"),
        },
    ),
    "decline": Doing(
        document="decline-referral",
        move=Move.DECLINE,
        text=N_("Decline"),
        said=N_("Declined. The sender is told, with your reason."),
        input=_decline,
    ),
    "start": Doing(
        document="start-referral",
        move=Move.START,
        text=N_("First contact has happened"),
        said=N_("The first contact is noted."),
        input=lambda entered: {"firstContactMadeOn": entered.day("firstContactMadeOn")},
        kind="primary",
    ),
    "report": Doing(
        document="report-outcome",
        move=Move.REPORT_OUTCOME,
        text=N_("Report the outcome"),
        said=N_("The outcome is reported."),
        input=lambda entered: {
            "outcome": entered.choice("outcome", "OutcomeCode"),
            "outcomeOn": entered.day("outcomeOn"),
            "reason": entered.choice("reason", "OutcomeReason", required=False),
        },
        kind="primary",
    ),
    "resume": Doing(
        document="resume-referral",
        move=Move.RESUME,
        text=N_("End the pause"),
        said=N_("The pause is over."),
        kind="primary",
    ),
    "hold": Doing(
        document="hold-referral",
        move=Move.HOLD,
        text=N_("Begin a pause"),
        said=N_("The pause is noted."),
        input=lambda entered: {
            "reason": entered.choice("reason", "Reason"),
            "resumeOn": entered.day("resumeOn"),
        },
    ),
    "week": Doing(
        document="update-waiting-list",
        noted=Noted.WAITLIST_UPDATED,
        text=N_("Another week for the place"),
        said=N_("The new week is noted. The sender is told."),
        input=lambda entered: {"expectedWeek": entered.day("expectedWeek")},
    ),
    "appointment": Doing(
        document="set-appointment",
        noted=Noted.APPOINTMENT_SET,
        text=N_("Make an appointment"),
        said=N_("The appointment is made."),
        input=_appointment,
    ),
    "no-show": Doing(
        document="note-no-show",
        noted=Noted.NO_SHOW,
        text=N_("Person did not come"),
        said=N_("It is noted. The referral goes on."),
        input=lambda entered: {
            "on": entered.day("on"),
            "appointmentId": entered.text("appointmentId"),
        },
    ),
    "interim": Doing(
        document="report-interim",
        noted=Noted.INTERIM,
        text=N_("Interim report"),
        said=N_("The interim report is noted."),
        input=lambda entered: {
            "result": entered.choice("result", "InterimResult"),
            "on": entered.day("on"),
        },
    ),
    "alive": Doing(
        document="give-sign-of-life",
        noted=Noted.SIGN_OF_LIFE,
        text=N_("We are still working on it"),
        said=N_("Thank you, that is noted."),
    ),
    "take-over": Doing(
        document="take-over-client",
        noted=Noted.CLIENT_TAKEN_OVER,
        text=N_("Take in as own client"),
        said=N_("The person is among your clients now, with what was sent."),
    ),
    "remark": Doing(
        document="write-remark",
        noted=Noted.REMARK,
        text=N_("Write to the sender"),
        said=N_("Your message is sent."),
        input=lambda entered: {"text": entered.text("text", required=True)},
    ),
}
"""In the order in which they are offered; the key stands in the address."""

BESIDE: Final[dict[str, Doing]] = {
    "move-appointment": Doing(
        document="move-appointment",
        noted=Noted.APPOINTMENT_MOVED,
        text=N_("Move the appointment"),
        said=N_("The appointment is moved."),
        input=lambda entered: {
            **_appointment(entered),
            "appointmentId": entered.text("appointmentId", required=True),
        },
    ),
    "cancel-appointment": Doing(
        document="cancel-appointment",
        noted=Noted.APPOINTMENT_CANCELLED,
        text=N_("Cancel the appointment"),
        said=N_("The appointment is cancelled. The referral goes on."),
        input=lambda entered: {"appointmentId": entered.text("appointmentId", required=True)},
    ),
    "file-number": Doing(
        document="set-file-number",
        noted=Noted.FILE_NUMBER_SET,
        text=N_("Own file number"),
        said=N_("The file number is noted."),
        input=lambda entered: {"fileNumber": entered.text("fileNumber")},
    ),
    "revocation": Doing(
        document="answer-revocation",
        text=N_("Say what became of the data"),
        said=N_("Thank you. Your answer is noted."),
        input=_answer,
        kind="primary",
    ),
}
"""What is offered in its own place on the page."""


@page(
    "/inbox",
    roles=ORGANISATIONS,
    entry=Entry(N_("Inbox"), N_("Referrals to you: answer, work on, report"), 20),
)
async def inbox(visit: Visit) -> Answer:
    """Show what came in: what is due first."""
    chosen = visit.query.get("show", "open")
    view = VIEWS.get(chosen) or VIEWS["open"]
    states = sorted(view[1] or ())
    found = await visit.find(
        "browse-inbox",
        filter={"states": states},
        soonestFirst=chosen != "ended",
        first=PAGE,
        after=visit.query.given("after"),
    )
    urgent: list[dict[str, Any]] = []
    now = visit.now
    if chosen not in {"waiting", "working", "ended"} and not visit.query.given("after"):
        soon = {"states": states, "dueBefore": (visit.now + SOON).isoformat()}
        for filter_ in ({"states": states, "overdue": True}, soon):
            due = await visit.find("browse-inbox", filter=filter_, first=MOST_URGENT)
            known = {one["id"] for one in urgent}
            urgent += [one for one in due["nodes"] if one["id"] not in known]
        urgent.sort(key=lambda one: (not _late(one, now), one["answerDueAt"] or one["updatedAt"]))
    ended = await visit.find("browse-inbox", filter={"states": ["CONSENT_REVOKED"]}, first=MOST_URGENT)
    words = await visit.ask("read-vocabulary")
    return visit.page(
        "partner/inbox.html",
        part="partner/_inbox.html",
        found=found,
        late={one["id"] for one in (*urgent, *found["nodes"]) if _late(one, now)},
        urgent=urgent,
        others=[one for one in found["nodes"] if one["id"] not in {due["id"] for due in urgent}],
        views=[(name, visit.gettext(text)) for name, (text, _) in VIEWS.items()],
        chosen=chosen if chosen in VIEWS else "open",
        unanswered=[one for one in ended["nodes"] if one["revocationAnswer"] is None],
        topics=topics_of(words),
    )


def _late(one: dict[str, Any], now: datetime) -> bool:
    """Whether something is overdue; the answer from its hour on, before the clock has noted it."""
    due = one["answerDueAt"]
    waits = one["state"] in {_R.SENT, _R.ACKNOWLEDGED} and due is not None
    return bool(one["overdue"]) or (waits and datetime.fromisoformat(due) < now)


def own_id(visit: Visit) -> str:
    """Return the visitor's organisation as the schema names it, or the one whose entry is kept here."""
    of = visit.keeps or visit.actor.partner_id
    return global_id("Partner", of) if of else ""


def topics_of(words: dict[str, Any]) -> dict[str, Any]:
    """Return the labels of topics by code, of those that have a name."""
    named = (entry["topic"] for entry in words["topics"] if entry["topic"]["label"])
    return {topic["code"]: topic["label"] for topic in named}


def offered(referral: dict[str, Any]) -> list[tuple[str, Doing]]:
    """Return what can be done on a referral now, in order; nothing for who is not its recipient."""
    if referral["seenAs"] != EventActor.RECIPIENT:
        return []
    state = ReferralState(referral["state"])
    taken = {"take-over"} if referral["takenOverClientId"] else set()
    return [
        (name, doing)
        for name, doing in DOING.items()
        if name not in taken and _fits(doing, state, referral["allowedMoves"])
    ]


def _fits(doing: Doing, state: ReferralState, allowed: list[str]) -> bool:
    if doing.move is not None:
        return doing.move in allowed
    return doing.noted is not None and state in NOTES[doing.noted].states


@page("/inbox/{key:str}/file", roles=ORGANISATIONS)
async def as_file(visit: Visit, key: str) -> Answer:
    """Return what was sent as pages to print, or as a file for the own program."""
    return await exported(visit, key)


async def exported(visit: Visit, key: str) -> Answer:
    """Return a referral as its side may see it, as the address says: PDF or JSON; it is recorded."""
    wanted = "JSON" if visit.query.get("format") == "JSON" else "PDF"
    found = await visit.find("export-referral", id=key, format=wanted, language=visit.language)
    made = found["export"]
    if made is None:
        raise Stopped(404, "NOT_FOUND")
    body = base64.b64decode(made["base64"]) if made["base64"] else made["text"]
    name = f"referral.{wanted.lower()}"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Answer(body=body, kind=made["mediaType"], headers=headers, personal=True)


@page("/inbox/{key:str}", roles=ORGANISATIONS)
async def referral(visit: Visit, key: str, doing: str = "") -> Answer:
    """Show a referral: what is asked now, the person, the course; with the form of what is being done."""
    found = await visit.ask("work-on-referral", id=key)
    shown = found["referral"]
    if shown is None or shown["seenAs"] != EventActor.RECIPIENT:
        raise Stopped(404, "NOT_FOUND")
    package = None
    if shown["packageClosedBecause"] is None:
        package = (await visit.find("read-package", id=key))["package"]
    possible = offered(shown)
    chosen = doing or visit.query.get("do")
    named = dict(possible) | BESIDE
    if doing and doing not in named:  # what is wrong in a form that is gone cannot be mended
        visit.errors.clear()
        visit.refuse("", visit.gettext("This is not possible any more: the referral has gone on meanwhile."))
    topics = topics_of(found)
    better: list[dict[str, Any]] = []
    if chosen == "decline" and "decline" in named:
        others = await visit.find("browse-services", filter={"topics": [shown["topic"]]}, first=50)
        better = [one for one in others["nodes"] if one["partner"]["id"] != shown["recipient"]["id"]]
    return visit.page(
        "partner/referral.html",
        referral=shown,
        late=_late(shown, visit.now),
        package=package,
        topics=topics,
        areas={one["ars"]: one["name"]["text"] for one in found["municipalities"]},
        offered=possible,
        doing=named.get(chosen),
        chosen=chosen if chosen in named else "",
        about=visit.form.get("appointmentId") or visit.query.get("about"),
        better=[(one["id"], f"{one['title']['text']} ({one['partner']['name']})") for one in better],
        places=[(one["id"], one["name"]) for one in (shown["service"] or {}).get("locations", [])],
        happened=[(one, HAPPENED[one["move"]]) for one in shown["events"] if one["move"] in HAPPENED],
    )


@action("/inbox/{key:str}/read", roles=ORGANISATIONS)
async def mark_read(visit: Visit, key: str) -> Answer:
    """Mark what the other side wrote as read."""
    outcome = await visit.change("mark-thread-read", {"id": key})
    if not outcome.done:
        return await referral(visit, key)
    return visit.go(f"/inbox/{key}#thread", said=visit.gettext("Marked as read."))


@action("/inbox/{key:str}/{name:str}", roles=ORGANISATIONS)
async def do(visit: Visit, key: str, name: str) -> Answer:
    """Do something on a referral; refused, its form is shown again."""
    doing = (DOING | BESIDE).get(name)
    if doing is None:
        raise Stopped(404, "NOT_FOUND")
    entered = Entered(visit)
    given = doing.input(entered) if doing.input else {}
    if entered.right:
        outcome = await visit.change(doing.document, {"id": key, **given})
        if outcome.done:
            return visit.go(f"/inbox/{key}", said=visit.gettext(doing.said))
    return await referral(visit, key, doing=name)
