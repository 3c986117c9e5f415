"""The person's own page, /card: opened with the code of their card, in their language, without an account.

The code comes in a form and goes on in the forms of the page: it stands in no address, in no log and in no
cookie, and no browser keeps the page. What cannot be taken back is asked once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime

from directory.days import ZONE
from graphapi.messages import preferred_languages
from graphapi.web import labels
from graphapi.web.rendering import moment_of
from graphapi.web.routes import action, page
from graphapi.web.running import Stopped
from graphapi.web.visiting import Answer, Visit
from referrals.person.card_texts import FALLBACK, LANGUAGES, CardTexts, found, texts_in

LONGEST_CODE: Final = 200

_SAID: Final = {
    "CODE_NOT_VALID": "page.wrong_code",
    "TOO_MANY_ATTEMPTS": "page.wait",
    "STALE_VERSION": "page.changed",
    "TRANSITION_NOT_ALLOWED": "page.changed",
    "NOT_FOUND": "page.changed",
}
"""Per problem what is said in the person's language; every other one is ``page.failed``."""

_STATUS: Final = {"CODE_NOT_VALID": 404, "TOO_MANY_ATTEMPTS": 429}

_ASKED_AGAIN: Final = frozenset({"withdraw", "move"})


class Days:
    """Days and moments as they are written in the person's language."""

    def __init__(self, language: str) -> None:
        try:
            self._locale = Locale.parse(language)
        except (UnknownLocaleError, ValueError):
            self._locale = Locale("de")

    def day(self, value: str | date | None) -> str:
        """Return a day; nothing for none."""
        return "" if value is None else format_date(moment_of(value), "long", locale=self._locale)

    def moment(self, value: str | datetime | None) -> str:
        """Return a moment with its weekday; nothing for none."""
        if value is None:
            return ""
        day = format_date(moment_of(value), "full", locale=self._locale)
        return f"{day}, {format_datetime(moment_of(value), 'HH:mm', locale=self._locale, tzinfo=ZONE)}"


def _wanted(visit: Visit) -> str:
    """Return the language asked for in the form or the address, or nothing."""
    asked = visit.form.get("language") or visit.query.get("language")
    return asked if asked in LANGUAGES else ""


def _spoken(visit: Visit) -> str:
    """Return the language for somebody who has not opened their page: asked for, or the browser's."""
    if wanted := _wanted(visit):
        return wanted
    known = (
        found(tag) for tag in preferred_languages(visit.headers.get("accept-language")) if _is_spoken(tag)
    )
    return next(known, visit.language)


def _is_spoken(tag: str) -> bool:
    return found(tag) != FALLBACK or tag.split("-")[0].lower() == FALLBACK


def _shown(
    visit: Visit,
    template: str,
    language: str,
    *,
    status: int = 200,
    refused: str = "",
    **values: Any,
) -> Answer:
    texts = texts_in(language)
    return visit.page(
        template,
        status=status,
        personal=True,
        in_language=texts.language,
        say=texts.say,
        comma=texts.comma,
        refused=texts.say(refused) if refused else "",
        tongues=[(tag, labels.tongue(tag, tag)) for tag in sorted(LANGUAGES)],
        days=Days(texts.language),
        **values,
    )


def _entry(visit: Visit, *, refused: str = "", status: int = 200) -> Answer:
    return _shown(visit, "card/enter.html", _spoken(visit), refused=refused, status=status)


def _stopped(visit: Visit, stopped: Stopped) -> Answer:
    """Say in the person's language that it did not work, on the page to try again."""
    return _entry(visit, refused="page.failed", status=stopped.status)


@page("/card", stopped=_stopped)
async def enter(visit: Visit) -> Answer:
    """Ask for the code on the card."""
    return _entry(visit)


@action("/card", stopped=_stopped)
async def act(visit: Visit) -> Answer:
    """Open the page, or do on it what the person wishes; the answer is the page as it is then."""
    code = visit.form.get("code")[:LONGEST_CODE]
    do = visit.form.get("do")
    if not code:
        return _entry(visit, refused="page.wrong_code" if "code" in visit.form else "", status=422)
    if do in _ASKED_AGAIN and visit.form.get("sure") != "yes":
        return await _open(visit, code, asking=True)
    if do == "withdraw":
        given = _only(visit.form.pairs(), "scope", "purpose", "recipientId", "consentId")
        return await _do(visit, code, "withdraw-by-card", given | _language(visit))
    if do == "move":
        given = _only(visit.form.pairs(), "referralId", "move", "reason")
        version = visit.form.get("expectedVersion")
        given["expectedVersion"] = int(version) if version.isascii() and version.isdigit() else 0
        return await _do(visit, code, "move-by-card", given)
    if do == "answer":
        given = _only(visit.form.pairs(), "referralId", "answer")
        if "answer" not in given:
            return await _open(visit, code, refused="page.choose", status=422, about=given.get("referralId"))
        return await _do(visit, code, "answer-by-card", given)
    if do == "follow-up":
        given = _only(visit.form.pairs(), "followUpId", "needNow", "occupiedWith")
        if "needNow" not in given:
            return await _open(visit, code, refused="page.choose", status=422, about=given.get("followUpId"))
        return await _do(visit, code, "answer-follow-up-by-card", given)
    return await _open(visit, code)


def _only(pairs: list[tuple[str, str]], *names: str) -> dict[str, Any]:
    return {name: value for name, value in pairs if name in names and value}


def _language(visit: Visit) -> dict[str, str]:
    wanted = _wanted(visit)
    return {"language": wanted} if wanted else {}


async def _do(visit: Visit, code: str, name: str, given: dict[str, Any]) -> Answer:
    outcome = await visit.change(name, {"code": code, **given})
    if not outcome.done:
        refusal = outcome.refusal
        said = _SAID.get(refusal.code if refusal else "", "page.failed")
        if refusal and refusal.code in _STATUS:
            return _entry(visit, refused=said, status=_STATUS[refusal.code])
        return await _open(visit, code, refused=said, status=409)
    return await _open(visit, code, receipt=outcome.payload.get("receipt"), done=name)


async def _open(
    visit: Visit,
    code: str,
    *,
    refused: str = "",
    status: int = 200,
    about: str | None = None,
    asking: bool = False,
    receipt: Mapping[str, Any] | None = None,
    done: str = "",
) -> Answer:
    """Show the page as it is now; ``asking``: what was chosen is asked once more.

    ``about``: to what an answer is missing.
    """
    opened = next(iter((await visit.ask("open-code-card", code=code, **_language(visit))).values()))
    if opened["__typename"] != "CodeCardOpened":
        said = _SAID.get(opened["code"], "page.failed")
        return _entry(visit, refused=said, status=_STATUS.get(opened["code"], 409))
    found_page = opened["page"]
    language = found_page["language"]
    shared = {"card": found_page, "code": code, "wanted": _wanted(visit)}
    if asking:
        return _shown(
            visit,
            "card/sure.html",
            language,
            fields=[(n, v) for n, v in visit.form.pairs() if n not in {"number", "once", "sure"}],
            what=_what(visit, found_page, texts_in(language)),
            **shared,
        )
    thanks = "page.done" if done in {"move-by-card", "withdraw-by-card"} else "thanks" if done else ""
    return _shown(
        visit,
        "card/card.html",
        language,
        refused=refused,
        at=_field_of(found_page, about),
        status=status,
        headings={one["name"]: one["text"] for one in found_page["headings"]},
        done=texts_in(language).say(thanks) if thanks else "",
        receipt=receipt,
        **shared,
    )


def _field_of(card: Mapping[str, Any], about: str | None) -> str:
    """Return the name on the page of the question about a referral or of a follow-up; nothing for none."""
    for letter, name, asked in (("r", "answer", "referrals"), ("f", "needNow", "followUps")):
        for number, one in enumerate(card[asked], start=1):
            if one["id"] == about:
                return f"{letter}{number}-{name}"
    return ""


def _what(visit: Visit, card: Mapping[str, Any], texts: CardTexts) -> list[str]:
    """Return in the person's words what they are about to do."""
    form = visit.form
    if form.get("do") == "move":
        for referral in card["referrals"]:
            for offer in referral["offers"]:
                if (referral["id"], offer["move"]) == (form.get("referralId"), form.get("move")):
                    return [referral["service"]["text"], referral["partner"], offer["text"]]
        return []
    for consent in card["consents"]:
        if consent["id"] != form.get("consentId"):
            continue
        for purpose in consent["purposes"]:
            if purpose["purpose"] == form.get("purpose"):
                return [texts.say("withdraw.PURPOSE"), purpose["text"]]
        for recipient in consent["recipients"]:
            if recipient["partnerId"] == form.get("recipientId"):
                return [texts.say("withdraw.RECIPIENT", partner=recipient["name"])]
    return [card["withdrawAll"]] if card["withdrawAll"] else []
