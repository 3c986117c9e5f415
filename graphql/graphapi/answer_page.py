"""The page of an answer link, /answer/<code>: without JavaScript, in German and English.

GET, HEAD and OPTIONS change nothing but the throttle's counters, so that a mail scanner may follow the link
as often as it likes; only a button's POST does. Data about a person are shown in the answer to a POST only,
because every look at them is recorded. Everything runs through the schema, with its limits and problems. The
code stands in the path, so nothing here logs a path; what people typed is escaped by how markup is made.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from litestar.types import Receive, Scope, Send

from graphapi.context import Services
from graphapi.messages import MessageLanguage
from graphapi.pages import (
    NOTHING,
    STATUS,
    Extra,
    Markup,
    Visit,
    ask,
    button,
    code_entered,
    done,
    form_of,
    key_of,
    line,
    lines,
    listed,
    serve,
    tag,
)
from graphapi.types.answer_link import PATH
from graphapi.types.words import label
from graphapi.web import labels
from graphapi.web.labels import tongue
from graphapi.web.rendering import day_of, time_of
from graphapi.web.running import Operations
from graphapi.web.written_days import read_day, read_moment
from referrals.vocabulary import (
    DataCategory,
    DeclineReason,
    InterimResult,
    OutcomeCode,
    OutcomeReason,
    Priority,
    Reason,
    ReferralState,
    RevocationAnswer,
)

# --- Words ------------------------------------------------------------------------------------------------

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "title": ("Anfrage beantworten", "Answer a referral"),
    "referral": ("Worum es geht", "What it is about"),
    "from": ("Anfrage von", "Asked by"),
    "to": ("An", "To"),
    "service": ("Angebot", "Service"),
    "topic": ("Anliegen", "Need"),
    "language": ("Sprache der Person", "The person's language"),
    "area": ("Wohnort", "Lives in"),
    "priority": ("Dringlichkeit", "Priority"),
    "state": ("Stand", "State"),
    "due": ("Antwort bitte bis", "Please answer by"),
    "open": ("Daten der Person öffnen", "Open the person's data"),
    "open_again": ("Daten der Person noch einmal zeigen", "Show the person's data again"),
    "open_hint": (
        "Die Person hat eingewilligt, dass Sie diese Daten sehen. Jedes Öffnen wird aufgezeichnet.",
        "The person agreed that you see these data. Each time they are opened is recorded.",
    ),
    "data": ("Daten der Person", "The person's data"),
    "ACCEPT": ("Ja, wir können", "Yes, we can"),
    "WAITLIST": ("Warteliste", "Waiting list"),
    "DECLINE": ("Nein, wir können nicht", "No, we cannot"),
    "ASK": ("Wir brauchen mehr Informationen", "We need more information"),
    "CALL_ME": ("Bitte rufen Sie uns an", "Please call us"),
    "START": ("Der erste Kontakt hat stattgefunden", "The first contact happened"),
    "REPORT_OUTCOME": ("Ergebnis melden", "Report the outcome"),
    "HOLD": ("Es gibt eine Pause", "There is a pause"),
    "RESUME": ("Es geht weiter", "It goes on"),
    "SIGN_OF_LIFE": ("Ja, wir sind noch dran", "Yes, we are still at it"),
    "WAITLIST_UPDATED": ("Neue Woche auf der Warteliste", "Another week on the waiting list"),
    "APPOINTMENT_SET": ("Termin mit der Person", "An appointment with the person"),
    "APPOINTMENT_MOVED": ("Termin verschieben", "Move an appointment"),
    "APPOINTMENT_CANCELLED": ("Termin absagen", "Cancel an appointment"),
    "NO_SHOW": ("Die Person kam nicht", "The person did not come"),
    "INTERIM": ("Zwischenstand", "How it stands meanwhile"),
    "REVOCATION_ANSWERED": (
        "Was ist mit den Daten geschehen? (Art. 7 Abs. 3, Art. 17 DSGVO)",
        "What was done with the data? (Art. 7(3), 17 GDPR)",
    ),
    "resumeOn": ("Weiter geht es am", "It goes on on"),
    "startsAt": ("Wann?", "When?"),
    "place": ("Wo? (nichts über die Person)", "Where? (nothing about the person)"),
    "appointmentId": ("Welcher Termin?", "Which appointment?"),
    "on": ("An welchem Tag?", "On which day?"),
    "result": ("Zwischenstand", "How it stands"),
    "answer": ("Gelöscht oder aufbewahrt?", "Deleted or kept?"),
    "what": ("Wenn aufbewahrt: was?", "If kept: what?"),
    "legalBasis": ("Wenn aufbewahrt: auf welcher Grundlage?", "If kept: on which legal basis?"),
    "keptUntil": ("Wenn aufbewahrt: bis wann?", "If kept: until when?"),
    "contact": ("Ansprechperson oder Anlaufstelle", "Whom to turn to"),
    "firstContactOn": ("Tag des ersten Kontakts", "Day of the first contact"),
    "expectedEnd": ("Voraussichtliches Ende", "Expected end"),
    "expectedWeek": (
        "Ein Tag der Woche, in der ein Platz frei wird",
        "A day in the week in which there may be a place",
    ),
    "reason": ("Grund", "Reason"),
    "question": ("Ihre Frage (keine Namen)", "Your question (no names)"),
    "phone": ("Telefonnummer Ihres Büros", "Your office's phone number"),
    "when": ("Wann ist jemand da?", "When is somebody there?"),
    "firstContactMadeOn": ("An welchem Tag?", "On which day?"),
    "outcome": ("Ergebnis", "Outcome"),
    "outcomeOn": ("An welchem Tag?", "On which day?"),
    "outcome_reason": ("Grund, wenn nicht erreicht", "Reason, if it was not met"),
    "your_answer": ("Ihre Antwort", "Your answer"),
    "one_of_these": (
        "Bitte wählen Sie eine der Möglichkeiten. Erst „Antwort senden“ schickt sie ab.",
        "Please choose one of these. Nothing is sent before “Send this answer”.",
    ),
    "ACCEPT_said": ("Danke, Ihre Zusage ist angekommen.", "Thank you, your yes has arrived."),
    "WAITLIST_said": (
        "Danke, die Person steht nun auf der Warteliste.",
        "Thank you, the person is on the waiting list now.",
    ),
    "DECLINE_said": ("Danke, Ihre Absage ist angekommen.", "Thank you, your no has arrived."),
    "ASK_said": ("Danke, Ihre Frage ist angekommen.", "Thank you, your question has arrived."),
    "CALL_ME_said": ("Danke, wir rufen Sie an.", "Thank you, we will call you."),
    "send": ("Antwort senden", "Send this answer"),
    "sent": ("Danke, Ihre Antwort ist angekommen.", "Thank you, your answer has arrived."),
    "over": ("Sie können diese Seite schließen.", "You can close this page."),
    "stays": (
        "Der Link gilt weiter, bis Sie endgültig geantwortet haben.",
        "The link stays valid until you have decided.",
    ),
    "code": ("Der Code aus dem Schreiben", "The code from the letter"),
    "familyName": ("Familienname", "Family name"),
    "givenNames": ("Vornamen", "Given names"),
    "dateOfBirth": ("Geburtsdatum", "Date of birth"),
    "email": ("E-Mail", "E-mail"),
    "address": ("Anschrift", "Address"),
    "languages": ("Sprachen", "Languages"),
    "residenceStatus": ("Aufenthaltsstatus", "Residence status"),
    "legalCircle": ("Rechtskreis", "Benefits law"),
    "statusValidUntil": ("Status gültig bis", "Status valid until"),
    "workPermission": ("Darf arbeiten", "May work"),
    "level": ("Sprachniveau", "Language level"),
    "qualifications": ("Abschlüsse", "Qualifications"),
    "competences": ("Kompetenzen", "Competences"),
    "experience": ("Erfahrung", "Experience"),
    "needs": ("Bedarfe", "Needs"),
    "familyCare": ("Familie, Betreuung", "Family, care"),
    "health": ("Gesundheit", "Health"),
    "documents": ("Dokumente", "Documents"),
    "categories": ("Freigegeben", "Shared"),
    "phone_of_person": ("Telefon", "Phone"),
}


def _day(value: str | None, language: MessageLanguage) -> str | None:
    """Return a day or moment as people write it, in Brandenburg's time."""
    if value is None:
        return None
    return time_of(value, language) if "T" in value else day_of(value, language)


# --- Answers ------------------------------------------------------------------------------------------------

_FIELDS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "SIGN_OF_LIFE": (),
    "ACCEPT": (("contact", "text"), ("firstContactOn", "date"), ("expectedEnd", "date")),
    "WAITLIST": (("expectedWeek", "date"),),
    "DECLINE": (("reason", "decline"),),
    "ASK": (("question", "textarea"),),
    "CALL_ME": (("phone", "tel"), ("when", "optional")),
    "START": (("firstContactMadeOn", "date"),),
    "RESUME": (),
    "REPORT_OUTCOME": (("outcome", "outcome"), ("outcomeOn", "date"), ("reason", "outcome_reason")),
    "WAITLIST_UPDATED": (("expectedWeek", "date"),),
    "APPOINTMENT_SET": (("startsAt", "moment"), ("place", "optional")),
    "APPOINTMENT_MOVED": (("appointmentId", "appointment"), ("startsAt", "moment"), ("place", "optional")),
    "APPOINTMENT_CANCELLED": (("appointmentId", "appointment"),),
    "NO_SHOW": (("on", "date"), ("appointmentId", "appointment_if_any")),
    "INTERIM": (("result", "interim"), ("on", "date")),
    "HOLD": (("reason", "pause"), ("resumeOn", "date")),
    "REVOCATION_ANSWERED": (
        ("answer", "revocation"),
        ("what", "shared"),
        ("legalBasis", "optional"),
        ("until", "date_if_any"),
    ),
}
"""Per answer its fields and what sort of control each is; the order is that of the page."""

_INPUT: Final = {
    "ACCEPT": "accept",
    "WAITLIST": "waitlist",
    "DECLINE": "decline",
    "ASK": "ask",
    "CALL_ME": "callMe",
    "START": "start",
    "REPORT_OUTCOME": "reportOutcome",
    "HOLD": "hold",
    "RESUME": "resume",
    "SIGN_OF_LIFE": "signOfLife",
    "WAITLIST_UPDATED": "waitlistUpdated",
    "APPOINTMENT_SET": "appointmentSet",
    "APPOINTMENT_MOVED": "appointmentMoved",
    "APPOINTMENT_CANCELLED": "appointmentCancelled",
    "NO_SHOW": "noShow",
    "INTERIM": "interim",
    "REVOCATION_ANSWERED": "revocationAnswered",
}
_NOT_NEEDED: Final = frozenset({"optional", "outcome_reason", "appointment_if_any", "shared", "date_if_any"})
_ASKED: Final = {
    "date": "enter_day",
    "date_if_any": "enter_day",
    "moment": "enter_moment",
    **dict.fromkeys(("decline", "outcome", "interim", "pause", "revocation", "appointment"), "choose_listed"),
}
"""Per sort of control what is said when nothing, or nothing that fits, was entered."""
_NAMED_APART: Final = {("REVOCATION_ANSWERED", "until"): "keptUntil"}
"""Fields whose name says something else elsewhere on the page."""
_CHOICES: Final[dict[str, tuple[Any, ...]]] = {
    "decline": tuple(DeclineReason),
    "outcome": tuple(o for o in OutcomeCode if o is not OutcomeCode.UNKNOWN),
    "outcome_reason": tuple(OutcomeReason),
    "interim": tuple(InterimResult),
    "pause": (
        Reason.PERSON_ILL,
        Reason.CHILDCARE,
        Reason.WAITING_FOR_DOCUMENTS,
        Reason.WAITING_FOR_AUTHORITY,
        Reason.OTHER,
    ),
    "revocation": tuple(RevocationAnswer),
}


_SAID_AS: Final = {
    "residenceStatus": "ResidenceStatus",
    "legalCircle": "LegalCircle",
    "workPermission": "WorkPermission",
    "level": "CefrLevel",
}
"""Data of the person that are values of these enums."""
_KINDS: Final = {"date": "date", "date_if_any": "date", "moment": "datetime-local"}


class AnswerPages:
    """The ASGI application behind /answer/<code>."""

    def __init__(self, operations: Operations, services: Services) -> None:
        self._operations = operations
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what is logged names neither the path nor the code."""
        visit = _Visit(scope, self._services)
        await serve(visit, send, lambda extra: self._answer(visit, receive, extra), "answer page")

    async def _answer(self, visit: _Visit, receive: Receive, extra: Extra) -> tuple[int, str]:
        if not visit.code and visit.method in {"GET", "HEAD", "POST"}:
            return await code_entered(visit, receive, extra, PATH)
        if visit.method == "OPTIONS":
            extra.append((b"allow", b"GET, HEAD, POST, OPTIONS"))
            return 204, ""
        if visit.method in {"GET", "HEAD"}:
            return await self._shown(visit, extra)
        if visit.method != "POST":
            extra.append((b"allow", b"GET, HEAD, POST, OPTIONS"))
            return 405, visit.page(visit.problem(visit.w("method")))
        form = None if not visit.of_this_site() else await form_of(visit, receive)
        if form is None:
            return 403, visit.page(visit.problem(visit.w("foreign")))
        if form.get("do") == "OPEN":
            given = {"idempotencyKey": key_of(form), "code": visit.code}
            found = await ask(self._operations, visit, "open-as-recipient", {"input": given})
            if found["__typename"] == "PackageOpened":
                package = found["package"]
                needs = package["person"]["needs"]
                told = await ask(self._operations, visit, "read-vocabulary", {}) if needs else ()
                words = {one["code"]: one["label"] for one in (said["topic"] for said in told)}
                package["person"]["needs"] = [
                    (words.get(one) or {}).get("text") or one for one in needs or ()
                ]
                return await self._shown(visit, extra, above=visit.package(package))
            return await self._refused(visit, extra, found, form)
        do = form.get("do", "")
        if do not in _FIELDS:
            return await self._shown(visit, extra)
        answer = _said(do, form)
        for name, sort in _FIELDS[do]:
            if name not in answer:
                if sort not in _NOT_NEEDED:
                    visit.errors[f"{do}.{name}"] = visit.w(_ASKED.get(sort, "fill_in"))
            elif (read := _read(sort, answer[name])) is None:
                visit.errors[f"{do}.{name}"] = visit.w(_ASKED.get(sort, "choose_listed"))
            else:
                answer[name] = read
        if visit.errors:
            return await self._shown(visit, extra, form=form, status=422)
        chosen = {_INPUT[do]: answer if _FIELDS[do] else True}
        said = {"idempotencyKey": key_of(form), "code": visit.code, "answer": chosen}
        found = await ask(self._operations, visit, "answer-by-link", {"input": said})
        if found["__typename"] != "AnswerTaken":
            return await self._refused(visit, extra, found, form)
        said_ = f"{do}_said" if visit.has(f"{do}_said") else "sent"
        thanks = done(visit.w(said_), visit.w("over" if found["linkEnded"] else "stays"))
        if found["linkEnded"]:
            return 200, visit.page(thanks)
        return await self._shown(visit, extra, above=thanks)

    async def _refused(
        self, visit: _Visit, extra: Extra, found: Any, form: Mapping[str, str]
    ) -> tuple[int, str]:
        kind = found["__typename"]
        if kind in {"CodeNotValidProblem", "AnswerLinkClosedProblem", "TooManyAttemptsProblem"}:
            return visit.closed(found, extra)
        if kind == "IdempotencyConflictProblem":  # something else was sent under this number: take a new one
            form = {name: value for name, value in form.items() if name != "once"}
        do, name = form.get("do", ""), str(found.get("field") or "").rpartition(".")[2]
        above = None
        if any(name == one for one, _ in _FIELDS.get(do, ())):
            visit.errors[f"{do}.{name}"] = found["message"]
        else:
            above = visit.problem(found["message"])
        return await self._shown(visit, extra, above=above, form=form, status=STATUS.get(kind, 409))

    async def _shown(
        self,
        visit: _Visit,
        extra: Extra,
        *,
        above: Markup | None = None,
        form: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> tuple[int, str]:
        """Return the page as it is now, with ``above`` before it and what was typed kept."""
        found = await ask(self._operations, visit, "read-answer-page", {"code": visit.code})
        if found["__typename"] != "AnswerPage":
            return visit.closed(found, extra)
        spoken = visit.language
        visit.write_in(found["lettersIn"])
        if visit.language != spoken:  # its titles came in the language that is not the page's after all
            found = await ask(self._operations, visit, "read-answer-page", {"code": visit.code})
        return status, visit.page(above, visit.facts(found), *visit.forms(found, form or {}))


def _said(do: str, form: Mapping[str, str]) -> dict[str, Any]:
    """Return what a form says, without what was left empty."""
    said: dict[str, Any] = {}
    for name, sort in _FIELDS[do]:
        if sort == "shared":
            chosen = [one.value for one in DataCategory if form.get(f"{do}.{name}.{one.value}")]
            said |= {name: chosen} if chosen else {}
        elif value := form.get(f"{do}.{name}", "").strip():
            said[name] = value
    return said


def _word(do: str, name: str) -> str:
    return _NAMED_APART.get((do, name), name)


def _read(sort: str, value: Any) -> Any:
    """Return a value as the schema takes it for this sort of control, None for one that does not fit.

    What the schema refuses later is a problem.
    """
    if sort == "moment":  # what people enter is the time on their wall
        moment = read_moment(value)
        return moment and moment.isoformat()
    if sort in {"date", "date_if_any"}:
        day = read_day(value)
        return day and day.isoformat()
    return None if sort in _CHOICES and value not in {one.value for one in _CHOICES[sort]} else value


class _Visit(Visit):
    """One request to the page of a link, and the parts of its page."""

    def __init__(self, scope: Scope, services: Services) -> None:
        super().__init__(scope, services, PATH, _WORDS)

    def facts(self, found: Any) -> Markup:
        """Return what is asked: nothing of it tells who the person is."""
        rows = (
            ("from", found["sender"]),
            ("to", found["recipient"]),
            ("service", self.told(found["serviceTitle"])),
            ("topic", self.told(found["topic"]["label"]) or found["topic"]["code"]),
            ("language", found["language"] and tongue(found["language"], self.language)),
            ("area", self.told(found["areaName"]) or found["area"]),
            ("priority", label(Priority(found["priority"]), self.language)),
            ("state", label(ReferralState(found["state"]), self.language)),
            ("due", _day(found["dueAt"], self.language)),
            ("until", _day(found["expiresAt"], self.language)),
        )
        heading = tag("h2", self.w("referral"), class_="kern-heading-large")
        return tag("section", heading, listed((self.w(key), value) for key, value in rows))

    def package(self, package: Any) -> Markup:
        """Return what was sent about the person."""
        shared = ", ".join(label(DataCategory(one), self.language) for one in package["categories"])
        rows: list[tuple[str, str | None]] = [(self.w("categories"), shared)]
        for name, value in package["person"].items():
            shown = ", ".join(value) if isinstance(value, list) else value
            if name == "languages":
                shown = ", ".join(tongue(one, self.language) for one in value or ())
            elif name in _SAID_AS:
                shown = labels.label(_SAID_AS[name], value, self.language)
            elif name in {"dateOfBirth", "statusValidUntil"}:
                shown = _day(shown, self.language)
            rows.append((self.w("phone_of_person" if name == "phone" else name), shown or None))
        heading = tag("h2", self.w("data"), class_="kern-heading-large")
        return tag("section", heading, listed(rows))

    def forms(self, found: Any, typed: Mapping[str, str]) -> list[Markup]:
        """Return one form per answer that is possible now, and the button that opens the data."""
        moves = {*found["allowedMoves"], *found["notable"]}
        if not found["appointments"]:
            moves -= {"APPOINTMENT_MOVED", "APPOINTMENT_CANCELLED"}
        once = typed.get("once") or secrets.token_urlsafe(18)
        made: list[Markup] = []
        if found["opened"] or "ACKNOWLEDGE" in moves:
            words = "open_again" if found["opened"] else "open"
            hint = tag("p", self.w("open_hint"), class_="kern-body")
            made.append(
                tag(
                    "form",
                    hint,
                    self._hidden("OPEN", f"{once}-open"),
                    button(self.w(words), "secondary"),
                    method="post",
                    class_="form",
                )
            )
        answers: list[Markup] = []
        for do, fields in _FIELDS.items():
            if do not in moves and not (do == "CALL_ME" and found["callsLeft"] > 0):
                continue
            # what was refused may be corrected and sent under the same number: nothing was made of it
            number = typed["once"] if typed.get("do") == do and typed.get("once") else f"{once}-{do}"
            if not fields:
                only = button(self.w(do))
                made.append(tag("form", self._hidden(do, number), only, method="post", class_="form"))
                continue
            controls = [self._control(do, name, sort, typed, found) for name, sort in fields]
            named = tag("legend", self.w(do), class_="seen-by-readers")
            form = tag(
                "form",
                tag("fieldset", named, self._hidden(do, number), *controls, button(self.w("send"))),
                method="post",
                novalidate=True,
            )
            answers.append(self.unfolding(self.w(do), form, opened=typed.get("do") == do))
        if answers:
            heading = tag("h2", self.w("your_answer"), class_="kern-heading-large")
            hint = tag("p", self.w("one_of_these"), class_="kern-body")
            made.append(tag("section", heading, hint, tag("div", *answers, class_="answers")))
        return made

    @staticmethod
    def _hidden(do: str, once: str) -> Markup:
        return Markup(
            tag("input", type="hidden", name="do", value=do)
            + tag("input", type="hidden", name="once", value=once)
        )

    def _control(self, do: str, name: str, sort: str, typed: Mapping[str, str], found: Any) -> Markup:
        field = f"{do}.{name}"
        value = typed.get(field, "")
        needed = sort not in _NOT_NEEDED
        word = self.w("outcome_reason" if sort == "outcome_reason" else _word(do, name))
        if sort == "shared":
            return self._boxes(field, word, found["shared"], typed)
        if sort in _CHOICES:
            control = self.choice(
                field, value, [(choice.value, label(choice, self.language)) for choice in _CHOICES[sort]]
            )
        elif sort in {"appointment", "appointment_if_any"}:
            dates = [(one["id"], _day(one["startsAt"], self.language) or "") for one in found["appointments"]]
            control = self.choice(field, value, dates)
        elif sort == "textarea":
            control = lines(field, value, maxlength="600")
        elif sort in _KINDS:
            latest = (self.today + timedelta(days=3650)).isoformat()
            control = line(field, value, kind=_KINDS[sort], max=None if sort == "moment" else latest)
        else:
            control = line(field, value, kind="tel" if sort == "tel" else "text", maxlength="300", dir="auto")
        return self.field(field, word, control, required=needed)

    def _boxes(self, field: str, word: str, shared: Sequence[str], typed: Mapping[str, str]) -> Markup:
        boxes = []
        for one in shared:
            name = f"{field}.{one}"
            box = tag("input", type="checkbox", id=name, name=name, value="yes", checked=name in typed,
                      class_="kern-form-check__checkbox")  # fmt: skip
            said = tag("label", label(DataCategory(one), self.language), for_=name, class_="kern-label")
            boxes.append(tag("div", box, said, class_="kern-form-check"))
        return tag(
            "fieldset",
            tag("legend", word, class_="kern-label"),
            tag("div", *boxes, class_="kern-fieldset__body"),
            self.error(field) or NOTHING,
            class_="kern-fieldset",
            id=field,
            tabindex="-1",
        )
