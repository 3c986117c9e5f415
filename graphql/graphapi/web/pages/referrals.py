"""What one has referred: the board by state and deadline, one referral with its moves, and what is due."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from directory.actors import Role
from graphapi.relay import read_id
from graphapi.web.entering import Entered
from graphapi.web.pages.clients import topics_of
from graphapi.web.pages.inbox import exported
from graphapi.web.pages.referring import UNSENT, draft_values
from graphapi.web.routes import ORGANISATIONS, Entry, action, page
from graphapi.web.running import Stopped
from graphapi.web.translations import N_
from graphapi.web.visiting import Answer, Visit

PAGE: Final = 25
LISTED: Final = 50
"""So many there are of a list without a next page, at most."""
VIEWS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "open": (
        N_("Open"),
        {
            "states": [
                "SENT", "ACKNOWLEDGED", "INFO_REQUESTED", "WAITLISTED", "ACCEPTED", "IN_PROGRESS", "ON_HOLD",
                "OUTCOME_REPORTED",
            ]
        },
    ),
    "answers": (N_("Answers for you"), {"waitsForSender": True}),
    "overdue": (N_("Overdue"), {"overdue": True}),
    "drafts": (N_("Drafts"), {"states": ["DRAFT", "AWAITING_CONSENT"]}),
    "sent": (N_("Waiting for an answer"), {"states": ["SENT", "ACKNOWLEDGED", "INFO_REQUESTED"]}),
    "waiting": (N_("Waiting list"), {"states": ["WAITLISTED"]}),
    "working": (N_("In work"), {"states": ["ACCEPTED", "IN_PROGRESS", "ON_HOLD"]}),
    "reported": (N_("Outcome reported"), {"states": ["OUTCOME_REPORTED"]}),
    "ended": (
        N_("Ended"),
        {"states": ["CLOSED", "DECLINED", "EXPIRED", "CANCELLED", "CONSENT_REVOKED", "ABANDONED"]},
    ),
}  # fmt: skip
"""What one can look at on the board; in the address as ``show``."""

BY_DEADLINE: Final = frozenset({"open", "overdue", "sent"})
"""Views in which somebody waits for an answer: by the day it is due. The others: by the latest change."""

SEVERAL: Final[dict[str, tuple[str, str]]] = {
    "open": ("cancel", N_("Take several back")),
    "drafts": ("send", N_("Send several drafts")),
    "reported": ("close", N_("Close several")),
}
"""What is offered under a view for several at once: the page and its name."""

MOVED: Final[dict[str, str]] = {
    "DRAFT": N_("Draft begun"), "AWAIT_CONSENT": N_("Consent asked for"), "SEND": N_("Referral sent"),
    "ABANDON": N_("Draft given up"), "ACKNOWLEDGE": N_("Receipt confirmed, package opened"),
    "ASK": N_("Question asked"), "REPLY": N_("Question answered"), "WAITLIST": N_("Put on the waiting list"),
    "ACCEPT": N_("Accepted"), "DECLINE": N_("Declined"), "EXPIRE": N_("Deadline has passed"),
    "START": N_("First contact made"), "HOLD": N_("Pause begun"), "RESUME": N_("Pause ended"),
    "REPORT_OUTCOME": N_("Outcome reported"), "CLOSE": N_("Closed"), "CONTEST": N_("Outcome contested"),
    "REOPEN": N_("Opened again"), "CANCEL": N_("Cancelled"), "REVOKE": N_("Consent has ended"),
    "CORRECT": N_("Marked as entered in error"), "APPOINTMENT_SET": N_("Appointment made"),
    "APPOINTMENT_MOVED": N_("Appointment moved"), "APPOINTMENT_CANCELLED": N_("Appointment cancelled"),
    "NO_SHOW": N_("Person did not come"), "INTERIM": N_("Interim report"),
    "SIGN_OF_LIFE": N_("Still at work"), "WAITLIST_UPDATED": N_("Waiting list changed"),
    "REMARK": N_("Message written"),
}  # fmt: skip
"""What the history calls an event; one without words here is not shown."""


class Field(NamedTuple):
    """A field of a move's form: how it is entered, its name in the input, its text, the enum of a choice."""

    kind: str
    name: str
    text: str
    enum: str = ""
    required: bool = True


class Doing(NamedTuple):
    """What a sender can do with a referral: its document, its texts, what is entered for it.

    Offered when the schema allows ``move`` (``by_phone``: lets it be recorded for the partner).
    """

    move: str
    document: str
    text: str
    fields: Sequence[Field] = ()
    by_phone: str = ""
    strong: bool = False
    warns: str = ""


_REASON: Final = Field("choice", "reason", N_("Reason"), "Reason")
_HOW: Final = (
    Field("source", "source", N_("How the answer came in"), "AnswerSource"),
    Field("day", "on", N_("Answered on")),
)
DOINGS: Final[dict[str, Doing]] = {
    "reply": Doing(
        "REPLY", "answer-question", N_("Answer the question"), [Field("text", "answer", N_("Your answer"))],
        strong=True,
    ),
    "close": Doing(
        "CLOSE", "close-referral", N_("Close"),
        [Field("choice", "feedbackAsked", N_("The person was asked how it went"), "FeedbackAsked")],
        strong=True,
    ),
    "contest": Doing("CONTEST", "contest-outcome", N_("The outcome is not right"), [_REASON]),
    "cancel": Doing(
        "CANCEL", "cancel-referral", N_("Cancel"), [_REASON],
        warns=N_("The partner is told and loses access to the data at once."),
    ),
    "abandon": Doing("ABANDON", "abandon-referral", N_("Give up the draft"), [_REASON]),
    "correct": Doing(
        "CORRECT", "correct-referral", N_("Entered in error"), [_REASON],
        warns=N_("The data are erased. What was sent needs a second pair of eyes."),
    ),
    "reopen": Doing(
        "REOPEN", "reopen-referral", N_("Open again"), [_REASON],
        warns=N_("A lead has to confirm it within three working days."),
    ),
    "told-acknowledge": Doing("ACKNOWLEDGE", "", N_("It has arrived"), by_phone="acknowledge"),
    "told-ask": Doing(
        "ASK", "", N_("They ask something"), [Field("text", "question", N_("Question"))], by_phone="ask"
    ),
    "told-waitlist": Doing(
        "WAITLIST", "", N_("Waiting list"),
        [Field("day", "expectedWeek", N_("Place expected in the week of"))],
        by_phone="waitlist",
    ),
    "told-accept": Doing(
        "ACCEPT", "", N_("They accept"),
        [
            Field("line", "contact", N_("Contact at the partner")),
            Field("day", "firstContactOn", N_("First contact agreed for")),
            Field("day", "expectedEnd", N_("Expected end")),
        ],
        by_phone="accept",
    ),
    "told-decline": Doing(
        "DECLINE", "", N_("They decline"),
        [
            Field("choice", "reason", N_("Reason"), "DeclineReason"),
            Field("choice", "declinedBy", N_("Who declined"), "DeclinedBy"),
        ],
        by_phone="decline",
    ),
    "told-start": Doing(
        "START", "", N_("First contact happened"),
        [Field("day", "firstContactMadeOn", N_("First contact made on"))], by_phone="start",
    ),
    "told-hold": Doing(
        "HOLD", "", N_("Pause"), [_REASON, Field("day", "resumeOn", N_("Pause until"))], by_phone="hold"
    ),
    "told-resume": Doing("RESUME", "", N_("Pause ended"), by_phone="resume"),
    "told-outcome": Doing(
        "REPORT_OUTCOME", "", N_("Outcome"),
        [
            Field("choice", "outcome", N_("Outcome"), "OutcomeCode"),
            Field("day", "outcomeOn", N_("Outcome of")),
            Field("choice", "reason", N_("Reason, if the need was not met"), "OutcomeReason", False),
        ],
        by_phone="reportOutcome",
    ),
}  # fmt: skip


def offered(referral: dict[str, Any]) -> list[tuple[str, Doing]]:
    """Return what can be done now, as the schema says it."""
    return [
        (name, one)
        for name, one in DOINGS.items()
        if one.move in (referral["recordableMoves"] if one.by_phone else referral["allowedMoves"])
    ]


@page(
    "/referrals",
    roles=ORGANISATIONS,
    entry=Entry(N_("Sent referrals"), N_("What became of whom you referred; answers and deadlines"), 14),
)
async def board(visit: Visit) -> Answer:
    """List own referrals by state and deadline."""
    show = visit.query.get("show") if visit.query.get("show") in VIEWS else "open"
    found = await visit.find(
        "browse-sent-referrals",
        filter=VIEWS[show][1],
        soonestFirst=show in BY_DEADLINE,
        first=PAGE,
        after=visit.query.given("after"),
    )
    return visit.page("coordinator/board.html", found=found, show=show, views=VIEWS, several=SEVERAL)


@page("/referrals/{id:str}", roles=ORGANISATIONS)
async def referral(visit: Visit, id: str) -> Answer:  # noqa: A002 - as in the address
    """Show one referral of one's own: what is next, what can be done, what happened."""
    return await _shown(visit, id, visit.query.get("do"))


async def _shown(visit: Visit, id: str, do: str) -> Answer:  # noqa: A002
    found = await visit.find("read-referral", id=id)
    if found["seenAs"] not in {"SENDER", "LEAD"}:
        return visit.go(f"/inbox/{id}")
    topics = await topics_of(visit)
    values: dict[str, Any] = {"referral": found, "topic": topics.get(found["topic"], found["topic"])}
    if found["state"] in UNSENT and found["service"] and found["clientId"]:
        values |= await draft_values(visit, found, topics)
        return visit.page("coordinator/draft.html", doing=None, **values)
    thread = await visit.find("read-thread", id=id)
    doings = offered(found)
    return visit.page(
        "coordinator/referral.html",
        thread=thread,
        offered=doings,
        chosen=do if do in dict(doings) else "",
        doing=dict(doings).get(do),
        moved=MOVED,
        partner_page=partner_page(found),
        left_over=found["waitsForSender"] and found["state"] in {"DECLINED", "EXPIRED"},
        reminder=_reminder(visit, found) if visit.query.get("remind") else "",
        open_states=(*VIEWS["open"][1]["states"], *UNSENT),
        **values,
    )


def partner_page(referral: dict[str, Any]) -> str:
    """Return where the recipient's public page is, with its contacts; nothing for one that is gone."""
    key = read_id(referral["recipient"]["id"], "Partner") if referral["recipient"] else None
    return f"/partner/{key}" if key else ""


def _reminder(visit: Visit, referral: dict[str, Any]) -> str:
    """Return the words of a reminder, to be changed before they are sent; they name nobody."""
    if referral["state"] in {"SENT", "ACKNOWLEDGED"}:
        return visit.gettext("Could you please answer this referral? The person is waiting.")
    if referral["state"] == "WAITLISTED":
        return visit.gettext("Is a place in sight? Please tell us the week that you expect now.")
    return visit.gettext("How does it stand? A short word helps us to plan with the person.")


def _given(entered: Entered, visit: Visit, fields: Sequence[Field]) -> dict[str, Any]:
    read: dict[str, Callable[[Field], Any]] = {
        "text": lambda field: entered.text(field.name, required=field.required),
        "line": lambda field: entered.text(field.name, required=field.required),
        "day": lambda field: entered.day(field.name, required=field.required),
        "choice": lambda field: entered.choice(field.name, field.enum, required=field.required),
        "source": lambda field: entered.choice(field.name, field.enum, required=field.required),
    }
    return {field.name: read[field.kind](field) for field in fields}


@action("/referrals/{id:str}/do/{name:str}", roles=ORGANISATIONS)
async def do(visit: Visit, id: str, name: str) -> Answer:  # noqa: A002
    """Make a move, or record what the partner said by phone."""
    one = DOINGS.get(name)
    if one is None:
        raise Stopped(404, "NOT_FOUND")
    entered = Entered(visit)
    given = _given(entered, visit, one.fields)
    if one.by_phone:
        how = _given(entered, visit, _HOW)
        given = {**how, "answer": {one.by_phone: given or True}}
    if entered.right:
        outcome = await visit.change(one.document or "record-partner-answer", {"id": id, **given})
        if outcome.done:
            waits = outcome.payload.get("__typename") == "ApprovalRequested"
            said = visit.gettext("A lead was asked to confirm.") if waits else visit.gettext("Done.")
            return visit.go(f"/referrals/{id}", said=said)
    names = {field.name for field in (*one.fields, *_HOW)}
    shown = {key.rpartition(".")[2]: text for key, text in visit.errors.items()}
    visit.errors = {key if key in names else "": text for key, text in shown.items()}
    return await _shown(visit, id, name)


@action("/referrals/{id:str}/remark", roles=ORGANISATIONS)
async def remark(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Write to the partner."""
    entered = Entered(visit)
    text = entered.text("text", required=True)
    if not entered.right or not (await visit.change("write-remark", {"id": id, "text": text})).done:
        return await _shown(visit, id, "")
    return visit.go(f"/referrals/{id}", said=visit.gettext("The message was sent."))


@action("/referrals/{id:str}/read", roles=ORGANISATIONS)
async def mark_read(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Mark what the partner wrote as read; of a refusal, that nothing more is to be done there."""
    if not (await visit.change("mark-thread-read", {"id": id})).done:
        return await _shown(visit, id, "")
    return visit.go(f"/referrals/{id}", said=visit.gettext("Done."))


@action("/referrals/{id:str}/answer-link/end", roles=ORGANISATIONS)
async def end_answer_link(visit: Visit, id: str) -> Answer:  # noqa: A002
    """End the code with which the partner can answer without an account."""
    if not (await visit.change("revoke-answer-link", {"referralId": id})).done:
        return await _shown(visit, id, "")
    return visit.go(f"/referrals/{id}", said=visit.gettext("The code has ended: nobody can answer with it."))


@page("/referrals/{id:str}/file", roles=ORGANISATIONS)
async def as_file(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Return the referral as pages to print, or as a file for the own program."""
    return await exported(visit, id)


@action("/referrals/{id:str}/answer-link", roles=ORGANISATIONS)
async def answer_link(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Make a one-time code for a partner without an account; shown once, here."""
    outcome = await visit.change("issue-answer-link", {"referralId": id})
    if not outcome.done:
        return await _shown(visit, id, "")
    return visit.page("coordinator/answer_link.html", id=id, link=outcome.payload)


@action("/referrals/{id:str}/feedback", roles=ORGANISATIONS)
async def feedback(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Record how it went, in the person's own view."""
    entered = Entered(visit)
    said = entered.choice("feedbackAnswer", "FeedbackAnswer")
    given = {"referralId": id, "answer": said, "source": "IN_PERSON"}
    if not entered.right or not (await visit.change("record-feedback", given)).done:
        return await _shown(visit, id, "")
    return visit.go(f"/referrals/{id}", said=visit.gettext("What the person says was recorded."))


@action("/referrals/{id:str}/follow-up", roles=ORGANISATIONS)
async def follow_up(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Begin anew with the next best service: a draft, with a consent of its own."""
    outcome = await visit.change("follow-up-referral", {"id": id})
    if not outcome.done:
        return await _shown(visit, id, "")
    saved = outcome.payload["referral"]["id"]
    return visit.go(f"/referrals/{saved}", said=visit.gettext("The draft was saved. Nothing was sent yet."))


@page(
    "/due",
    roles=ORGANISATIONS,
    entry=Entry(N_("What is due"), N_("Answers, consents that end, people to ask again"), 8),
)
async def due(visit: Visit, asked: str = "") -> Answer:
    """Show everything that waits for this organisation, the most urgent first."""
    lead = visit.actor.role is Role.LEAD
    return visit.page(
        "coordinator/due.html",
        answers=await visit.find("browse-sent-referrals", filter=VIEWS["answers"][1], first=PAGE),
        overdue=await visit.find(
            "browse-sent-referrals", filter={"overdue": True}, soonestFirst=True, first=PAGE
        ),
        drafts=await visit.find("browse-sent-referrals", filter=VIEWS["drafts"][1], first=10),
        approvals=await visit.find("browse-approvals") if lead else [],
        renewals=await visit.find("browse-renewals"),
        revocations=await visit.find("browse-unanswered-revocations"),
        follow_ups=await visit.find("browse-due-follow-ups"),
        notices=[{**one, "about": _where(one)} for one in await visit.find("browse-notices")],
        most=LISTED,
        asked=asked,
    )


_PLACES: Final = {"REFERRAL": "/referrals/", "BOOKING": "/bookings/", "CONSENT": "/consents/"}


def _where(notice: dict[str, Any]) -> dict[str, str]:
    """Return where the thing is that a notice is about, and where the number of who is to be told."""
    place = _PLACES.get(notice["about"])
    told = read_id(notice["partnerId"], "Partner")
    return {
        "thing": f"{place}{notice['aboutId']}" if place else "",
        "number": f"/partner/{told}" if told else "",
    }


@action("/due/follow-up/{id:str}", roles=ORGANISATIONS)
async def answered(visit: Visit, id: str) -> Answer:  # noqa: A002
    """Record what a person said when they were asked again."""
    entered = Entered(visit)
    given = {
        "id": id,
        "needNow": entered.choice("needNow", "NeedNow"),
        "occupiedWith": entered.choice("occupiedWith", "OccupiedWith", required=False),
    }
    if not entered.right or not (await visit.change("record-follow-up", given)).done:
        return await due(visit, id)
    return visit.go("/due", said=visit.gettext("What the person says was recorded."))
