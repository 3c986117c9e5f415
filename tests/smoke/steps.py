"""What the smoke run asks: document, role, variables from earlier answers, and what must come back.

The clock is the real one, so every day is counted from today; what needs the time of the network file (which
course has begun) is tested in ``tests/scenarios``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from directory.days import ZONE
from directory.importing.entries import entry_id, source_namespace
from graphapi.relay import global_id

SOURCE: Final = source_namespace("spurwechsel-demo")


class Seen:
    """What earlier answers brought; ``seen.id("draft")`` and ``seen.version("draft")`` of the last one."""

    def __init__(self, tokens: dict[str, str]) -> None:
        self.tokens = tokens
        self.kept: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        return self.kept[name]

    def at(self, name: str) -> dict[str, Any]:
        """Return id and expectedVersion of the latest answer about a thing."""
        return {"id": self.kept[name]["id"], "expectedVersion": self.kept[name]["version"]}


RULES: Final = [
    {
        "id": "ukraine",
        "statuses": ["SECTION_24"],
        "answer": "FITS",
        "advice": "SUPPORT",
        "reason": [
            {"language": "de", "text": "Neue Zielgruppe des Projekts"},
            {"language": "en", "text": "New target group of the project"},
        ],
        "legalBasis": "§ 24 AufenthG",
    }
]

Variables = Callable[[Seen], dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Step:
    """One document, run by one role.

    ``expected``: the typename of the answer; of a query "-" for something, "none" for an empty list.
    """

    document: str
    role: str | None
    variables: Variables
    expected: str = "-"
    keep: str | None = None
    """Name under which the thing in the answer is kept."""
    retry: bool = False
    """The answer may need a moment: the index is still being built, an appointment must have begun."""


def partner(key: str) -> str:
    return global_id("Partner", entry_id(SOURCE, "partner", key))


def service(key: str) -> str:
    return global_id("Service", entry_id(SOURCE, "service", key))


def day(days: int) -> str:
    return (datetime.now(ZONE).date() + timedelta(days=days)).isoformat()


def moment(**later: float) -> str:
    return (datetime.now(UTC) + timedelta(**later)).isoformat()


def explained(notice: dict[str, Any]) -> dict[str, Any]:
    """Return the record of a decision after this notice was shown."""
    return {
        "notice": {name: notice[name] for name in ("textId", "version", "sha256", "language")},
        "medium": "PAPER",
        "noDisadvantageShown": True,
        "section87NoticeAt": moment(minutes=-5),
    }


def taken_in(**values: Any) -> Variables:
    """Return the variables of an intake at a public body, after the notice of its own was shown."""

    def variables(seen: Seen) -> dict[str, Any]:
        shown = {name: seen["warned"][name] for name in ("textId", "version", "sha256", "language")}
        return {**values, "section87Notice": {"notice": shown, "shownAt": moment(minutes=-2)}}

    return variables


def nothing(seen: Seen) -> dict[str, Any]:
    return {}


def given(**values: Any) -> Variables:
    return lambda seen: values


def of(name: str, /, **values: Any) -> Variables:
    """Return the variables of a change of a thing in its latest version; callables get what was seen."""
    return lambda seen: {**seen.at(name), **{k: v(seen) if callable(v) else v for k, v in values.items()}}


REPORT_BACK: Final = {"purpose": "REPORT_BACK", "reportDepth": "OUTCOME"}
PACKAGE: Final = ["IDENTITY", "LANGUAGE", "LEVEL"]
COURSE: Final = service("berufssprachkurs-b2")
TEXT: Final = [{"language": "de", "text": "Probeeintrag"}]


def referred(name: str, to: str) -> Variables:
    """Return the variables of a referral in one operation."""
    return lambda seen: {
        "clientId": seen[name]["id"],
        "serviceId": service(to),
        "topic": "clearing",
        "categories": PACKAGE,
        "consent": {"record": explained(seen["planned"]), "purposes": [REPORT_BACK]},
        "capacityReason": "AGREED_WITH_PARTNER",
    }


def told(**answer: Any) -> Variables:
    """Return the variables of an answer that the Jobcenter heard by phone."""
    return of("by-phone", source="PHONE", on=day(0), answer=answer)


def for_referral(name: str) -> Variables:
    return lambda seen: {"referralId": seen[name]["id"]}


def with_code(name: str) -> Variables:
    return lambda seen: {"code": seen[name]["answerCode"]}


def with_card(**values: Any) -> Variables:
    return lambda seen: {
        "code": seen["card"]["cardCode"],
        **{k: v(seen) if callable(v) else v for k, v in values.items()},
    }


NO_CODE: Final = "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA"
NO_FOLLOW_UP: Final = global_id("FollowUp", UUID(int=1))

PERIOD: Final = {"from": moment(days=-1), "to": moment(days=60)}


def many(*names: str, **given: Any) -> Variables:
    """Return the variables of a call for several things in their latest versions."""
    return lambda seen: {
        "items": [seen.at(name) for name in names],
        **{k: v(seen) if callable(v) else v for k, v in given.items()},
    }


R: Final = "ReferralSaved"
TABLE: Final = (
    # anyone
    Step("browse-partners", None, given(first=5), keep="partners"),
    Step("read-partner", None, given(id=partner("koordination"))),
    Step("browse-services", None, given(filter={"kinds": ["QUALIFICATION"]}, first=5)),
    Step("read-service", None, given(id=service("clearing"))),
    Step("read-vocabulary", None, nothing, keep="vocabulary"),
    Step("find-by-id", None, given(id=service("clearing"))),
    Step("who-am-i", "coordinator", nothing, keep="me"),
    Step("search-services", None, given(input={"text": "Sprachmitlung", "facets": ["KIND"]}), retry=True),
    Step("list-found-services", None, given(input={"text": "Sprachmittlung"}, map=True), retry=True),
    Step(
        "find-fitting-services",
        None,
        lambda seen: {
            "input": {
                "text": "B1 Deutschkurs",
                "situation": {"residenceStatus": "SECTION_104C", "childcare": True},
            }
        },
    ),
    Step("suggest", None, given(prefix="Sprachm"), retry=True),
    Step(
        "match-services",
        None,
        given(
            input={
                "profile": {
                    "residenceStatus": "SECTION_104C",
                    "languages": ["ti"],
                    "residence": "120520000000",
                },
                "text": "Beratung",
            }
        ),
    ),
    Step("read-match-weights", None, nothing),
    Step("read-unmet-searches", "coordinator", given(year=datetime.now(UTC).year - 1, quarter=4)),
    Step(
        "save-search",
        "coordinator",
        given(name="Kurse mit Kinderbetreuung", filters={"kinds": ["QUALIFICATION"]}, notify=True),
        "SavedSearchSaved",
        "search",
    ),
    Step("change-saved-search", "coordinator", of("search", name="Kurse"), "SavedSearchSaved", "search"),
    Step("set-mailbox", "coordinator", given(address="koordination@stadt.example.org"), "MailboxSaved"),
    Step("browse-saved-searches", "coordinator", nothing),
    Step("delete-saved-search", "coordinator", of("search"), "SavedSearchDeleted"),
    Step("remove-mailbox", "coordinator", nothing, "MailboxSaved"),
    # the codes of these are in mails: here that a wrong one opens nothing
    *(
        Step(name, None, given(code=NO_CODE, **more), "CodeNotValidProblem")
        for name, more in (
            ("read-upkeep-page", {}),
            ("assure-by-link", {"entries": [{"id": partner("koordination"), "expectedVersion": 1}]}),
            ("suggest-by-link", {"entry": {"id": partner("koordination"), "expectedVersion": 1}}),
            ("read-mailbox-page", {}),
            ("confirm-mailbox", {}),
            ("stop-mailbox", {}),
        )
    ),
    Step("compare-experience", "other_municipality", nothing),
    # the coordination and a partner keep entries
    Step(
        "create-partner",
        "coordinator",
        lambda seen: {
            "municipalityId": seen["me"]["municipality"]["id"],
            "kind": "FREE_PROVIDER",
            "name": f"Probeträger {uuid4().hex[:6]}",
        },
        "PartnerSaved",
        "partner",
    ),
    Step("change-partner", "coordinator", of("partner", description=TEXT), "PartnerSaved", "partner"),
    Step("publish-partner", "coordinator", of("partner"), "PartnerSaved", "partner"),
    Step(
        "add-location",
        "coordinator",
        lambda seen: {
            "partnerId": seen["partner"]["id"],
            "expectedVersion": seen["partner"]["version"],
            "name": "Haus",
        },
        "LocationAdded",
        "place",
    ),
    Step(
        "change-location",
        "coordinator",
        lambda seen: {
            "id": seen["place"]["location"]["id"],
            "expectedVersion": seen["place"]["partner"]["version"],
            "hours": {"osm": "Mo-Fr 09:00-12:00"},
        },
        "PartnerSaved",
        "partner",
    ),
    Step(
        "remove-location",
        "coordinator",
        lambda seen: {
            "id": seen["place"]["location"]["id"],
            "expectedVersion": seen["partner"]["version"],
        },
        "PartnerSaved",
        "partner",
    ),
    Step("assure-partner", "coordinator", of("partner"), "PartnerSaved", "partner"),
    Step(
        "create-service",
        "course_provider",
        given(partnerId=partner("sprachkurstraeger"), kind="QUALIFICATION", title=TEXT),
        "ServiceSaved",
        "service",
    ),
    Step("change-service", "course_provider", of("service", topics=["exam"]), "ServiceSaved", "service"),
    Step(
        "set-capacity",
        "course_provider",
        of("service", capacity={"state": "FEW", "places": 2}),
        "ServiceSaved",
        "service",
    ),
    Step(
        "change-service",
        "course_provider",
        of("service", title=[*TEXT, {"language": "ar", "text": "تجربة"}]),
        "ServiceSaved",
        "service",
    ),
    Step(
        "read-own-entry",
        "course_provider",
        given(id=partner("sprachkurstraeger"), services={"partnerId": partner("sprachkurstraeger")}),
    ),
    Step("read-own-service", "course_provider", lambda seen: {"id": seen["service"]["id"]}),
    Step(
        "preview-eligibility",
        "course_provider",
        lambda seen: {
            "input": {
                "serviceId": seen["service"]["id"],
                "rules": [{"answer": "FITS", "statuses": ["SECTION_104C"]}],
                "profiles": [{"residenceStatus": "SECTION_104C"}, {}],
            }
        },
        "EligibilityPreview",
    ),
    Step("browse-stale-translations", "course_provider", nothing, "none"),
    # what is there already, what it was, and back to that
    Step(
        "find-duplicates",
        "course_provider",
        given(entry={"kind": "SERVICE", "name": "Probeeintrag", "partnerId": partner("sprachkurstraeger")}),
    ),
    Step("read-history", "course_provider", lambda seen: {"id": seen["service"]["id"]}),
    Step("read-version", "course_provider", lambda seen: {"id": seen["service"]["id"], "version": 1}),
    Step("restore-service", "course_provider", of("service", version=2), "ServiceSaved", "service"),
    Step("publish-service", "course_provider", of("service"), "ServiceSaved", "service"),
    Step("assure-service", "course_provider", of("service"), "ServiceSaved", "service"),
    Step("hide-service", "course_provider", of("service"), "ServiceSaved", "service"),
    Step(
        "change-service",
        "course_provider",
        of("service", title=[*TEXT, {"language": "ar", "text": "تجربة"}]),
        "ServiceSaved",
        "service",
    ),
    Step(
        "change-service",
        "course_provider",
        of("service", title=[{"language": "de", "text": "Probe"}, {"language": "ar", "text": "تجربة"}]),
        "ServiceSaved",
        "service",
    ),
    Step(
        "confirm-service-translation",
        "course_provider",
        of("service", language="ar"),
        "ServiceSaved",
        "service",
    ),
    Step(
        "create-service",
        "course_provider",
        given(partnerId=partner("sprachkurstraeger"), kind="QUALIFICATION", title=TEXT),
        "ServiceSaved",
        "twice",
    ),
    Step(
        "merge-services",
        "coordinator",
        lambda seen: {
            "survivorId": seen["service"]["id"],
            "expectedVersion": seen["service"]["version"],
            "mergedId": seen["twice"]["id"],
            "mergedExpectedVersion": seen["twice"]["version"],
            "reason": "doppelt",
        },
        "ServiceSaved",
        "service",
    ),
    Step("delete-service", "coordinator", of("service", reason="Probe"), "EntryDeleted"),
    Step(
        "change-partner",
        "coordinator",
        of("partner", description=[*TEXT, {"language": "ar", "text": "تجربة"}]),
        "PartnerSaved",
        "partner",
    ),
    Step(
        "confirm-partner-translation",
        "coordinator",
        of("partner", language="ar"),
        "PartnerSaved",
        "partner",
    ),
    Step("restore-partner", "coordinator", of("partner", version=1), "PartnerSaved", "partner"),
    Step(
        "create-partner",
        "coordinator",
        lambda seen: {
            "municipalityId": seen["me"]["municipality"]["id"],
            "kind": "FREE_PROVIDER",
            "name": f"{seen['partner']['name']} e. V.",
        },
        "PartnerSaved",
        "again",
    ),
    Step("browse-kept-partners", "coordinator", given(filter={"states": ["DRAFT", "PUBLISHED", "HIDDEN"]})),
    Step(
        "read-kept-partner",
        "coordinator",
        lambda seen: {"id": seen["again"]["id"], "services": {"partnerId": seen["again"]["id"]}},
    ),
    Step("find-duplicate-pairs", "coordinator", given(kind="PARTNER")),
    Step(
        "mark-not-duplicates",
        "coordinator",
        lambda seen: {"entryId": seen["partner"]["id"], "otherId": seen["again"]["id"]},
        "NotDuplicatesSaved",
        "apart",
    ),
    Step("find-duplicate-pairs", "coordinator", given(kind="PARTNER", notDuplicates=True)),
    Step(
        "withdraw-not-duplicates",
        "coordinator",
        lambda seen: {"id": seen["apart"]["id"]},
        "NotDuplicatesWithdrawn",
    ),
    Step(
        "merge-partners",
        "lead",
        lambda seen: {
            "survivorId": seen["partner"]["id"],
            "expectedVersion": seen["partner"]["version"],
            "mergedId": seen["again"]["id"],
            "mergedExpectedVersion": seen["again"]["version"],
            "reason": "doppelt",
        },
        "PartnerSaved",
        "partner",
    ),
    Step("hide-partner", "coordinator", of("partner"), "PartnerSaved", "partner"),
    Step("delete-partner", "coordinator", of("partner", reason="Probe"), "EntryDeleted"),
    Step("has-entry-ended", None, lambda seen: {"id": seen["partner"]["id"]}),
    # who administers an organisation keeps its members
    Step(
        "add-member",
        "jobcenter",
        given(partnerId=partner("jobcenter"), name="Vertretung"),
        "MemberSaved",
        "colleague",
    ),
    Step("change-member", "jobcenter", of("colleague", name="Vertretung 2"), "MemberSaved", "colleague"),
    Step(
        "create-token",
        "jobcenter",
        lambda seen: {"memberId": seen["colleague"]["id"], "label": "Probe"},
        "TokenCreated",
        "token",
    ),
    Step("browse-members", "jobcenter", given(partnerId=partner("jobcenter"))),
    Step("browse-colleagues", "coordinator", given(partnerId=partner("koordination"))),
    Step("revoke-token", "jobcenter", lambda seen: {"id": seen["token"]["token"]["id"]}, "TokenRevoked"),
    Step("remove-member", "jobcenter", of("colleague"), "MemberSaved"),
    # clients
    Step("count-clients", "coordinator", nothing),
    Step("read-section-87-notice", "coordinator", given(language="ar"), keep="warned"),
    Step(
        "take-in-client",
        "coordinator",
        taken_in(
            identity={"familyName": "Probeperson"},
            profile={"level": "B1"},
            languages=["ar"],
            residenceStatus="SECTION_104C",
            needs=["language-course"],
        ),
        "ClientSaved",
        "client",
    ),
    Step("change-client", "coordinator", of("client", legalCircle="SGB_II"), "ClientSaved", "client"),
    Step("move-client-phase", "coordinator", of("client", phase="IN_SUPPORT"), "ClientSaved", "client"),
    Step("find-clients", "coordinator", given(filter={"name": "probeperson"})),
    Step(
        "exclude-client",
        "lead",
        lambda seen: {"id": seen["client"]["id"], "decidedOn": day(0)},
        "ClientSaved",
    ),
    Step("read-exclusion", "lead", lambda seen: {"id": seen["client"]["id"]}),
    Step("lift-exclusion", "lead", lambda seen: {"id": seen["client"]["id"]}, "ClientSaved"),
    Step(
        "set-legal-hold",
        "lead",
        lambda seen: {"clientId": seen["client"]["id"], "reason": "COMPLAINT", "until": day(30)},
        "LegalHoldSaved",
        "hold",
    ),
    Step("browse-legal-holds", "lead", nothing),
    Step("lift-legal-hold", "lead", of("hold"), "LegalHoldSaved"),
    Step("set-municipality-licence", "lead", lambda _: {"licence": "CC-BY-4.0"}, "MunicipalitySaved"),
    # the project's rule for its own support, changed for a day to come
    Step("read-support-rules", None, nothing),
    Step("draft-rule-set", "lead", lambda seen: {"rules": RULES}, "RuleSetSaved", "rule"),
    Step(
        "change-rule-set",
        "lead",
        lambda seen: {**seen.at("rule"), "rules": RULES, "remark": "Probe"},
        "RuleSetSaved",
        "rule",
    ),
    Step("preview-rule-set", "lead", lambda seen: {"id": seen["rule"]["id"]}),
    Step(
        "decide-rule-set",
        "lead",
        lambda seen: {**seen.at("rule"), "validFrom": day(30)},
        "RuleSetSaved",
    ),
    Step("browse-rule-sets", "lead", nothing),
    Step("edit-rule-sets", "lead", nothing),
    # nothing is due in a demo that has just begun, and the nightly run has not been yet
    Step("browse-deletion-runs", "lead", nothing, "none"),
    Step("export-access", "coordinator", lambda seen: {"clientId": seen["client"]["id"], "format": "PDF"}),
    # a referral with all that can happen to it
    Step(
        "prepare-referral",
        "coordinator",
        lambda seen: {"clientId": seen["client"]["id"], "serviceId": COURSE, "categories": PACKAGE},
    ),
    Step(
        "draft-referral",
        "coordinator",
        lambda seen: {
            "clientId": seen["client"]["id"],
            "serviceId": COURSE,
            "topic": "language-course",
            "categories": ["IDENTITY"],
        },
        R,
        "referral",
    ),
    Step("change-draft-referral", "coordinator", of("referral", categories=PACKAGE), R, "referral"),
    Step(
        "request-consent",
        "coordinator",
        lambda seen: {
            "clientId": seen["client"]["id"],
            "recipientIds": [partner("sprachkurstraeger")],
            "purposes": [{"purpose": "REFERRAL", "categories": PACKAGE}, REPORT_BACK],
        },
        "ConsentSaved",
        "consent",
    ),
    Step(
        "await-consent", "coordinator", of("referral", consentId=lambda s: s["consent"]["id"]), R, "referral"
    ),
    Step("read-section-87-notice", "coordinator", given(language="ti", serviceId=COURSE)),
    Step(
        "read-consent-notice",
        "coordinator",
        lambda seen: {"id": seen["consent"]["id"], "language": "ti"},
        keep="asked",
    ),
    Step(
        "record-consent",
        "coordinator",
        of(
            "consent",
            granted=["REFERRAL", "REPORT_BACK"],
            record=lambda s: explained(s["asked"]["notice"]),
            validUntil=day(20),  # soon enough that its renewal is offered
        ),
        "ConsentSaved",
        "consent",
    ),
    Step("read-consent", "coordinator", lambda seen: {"id": seen["consent"]["id"]}),
    Step("send-referral", "coordinator", of("referral", capacityReason="WAITING_LIST"), R, "referral"),
    Step("browse-sent-referrals", "coordinator", nothing),
    Step("browse-inbox", "course_provider", given(filter={"states": ["SENT"]})),
    Step("acknowledge-referral", "course_provider", of("referral"), R, "referral"),
    Step("read-package", "course_provider", lambda seen: {"id": seen["referral"]["id"]}),
    Step("work-on-referral", "course_provider", lambda seen: {"id": seen["referral"]["id"]}),
    Step("ask-about-referral", "course_provider", of("referral", question="Ab wann?"), R, "referral"),
    Step("answer-question", "coordinator", of("referral", answer="Sofort."), R, "referral"),
    Step("waitlist-referral", "course_provider", of("referral", expectedWeek=day(14)), R, "referral"),
    Step("read-waiting-list", "course_provider", lambda seen: {"serviceId": COURSE}),
    Step(
        "update-waiting-list",
        "course_provider",
        of("referral", expectedWeek=day(7), position=1),
        R,
        "referral",
    ),
    Step(
        "set-appointment",
        "course_provider",
        of("referral", startsAt=moment(days=1), place="Raum 3", bring=["CERTIFICATES"]),
        R,
        "referral",
    ),
    Step(
        "move-appointment",
        "course_provider",
        of(
            "referral",
            appointmentId=lambda s: s["referral"]["appointments"][0]["id"],
            startsAt=moment(days=2),
        ),
        R,
        "referral",
    ),
    Step("browse-appointments", "coordinator", lambda seen: {"period": PERIOD}),
    Step("take-calendar", "course_provider", lambda seen: {"period": PERIOD}),
    Step(
        "cancel-appointment",
        "course_provider",
        of("referral", appointmentId=lambda s: s["referral"]["appointments"][1]["id"]),
        R,
        "referral",
    ),
    Step("write-remark", "coordinator", of("referral", text="Bitte nachmittags anrufen."), R, "referral"),
    Step("read-thread", "course_provider", lambda seen: {"id": seen["referral"]["id"]}),
    Step("mark-thread-read", "course_provider", lambda seen: {"id": seen["referral"]["id"]}, R, "referral"),
    Step("set-file-number", "course_provider", of("referral", fileNumber="B2-17"), R, "referral"),
    Step(
        "accept-referral",
        "course_provider",
        of("referral", contact="Anmeldung", firstContactOn=day(0), expectedEnd=day(90)),
        R,
        "referral",
    ),
    Step("note-no-show", "course_provider", of("referral", on=day(0)), R, "referral"),
    Step("start-referral", "course_provider", of("referral", firstContactMadeOn=day(0)), R, "referral"),
    Step("report-interim", "course_provider", of("referral", result="ATTENDS", on=day(0)), R, "referral"),
    Step("give-sign-of-life", "course_provider", of("referral"), R, "referral"),
    Step("take-over-client", "course_provider", lambda seen: {"id": seen["referral"]["id"]}, "ClientSaved"),
    Step(
        "export-referral",
        "course_provider",
        lambda seen: {"id": seen["referral"]["id"], "format": "PDF", "language": "de"},
        keep="exported",
    ),
    Step("read-referral", "course_provider", lambda seen: {"id": seen["referral"]["id"]}, keep="referral"),
    Step(
        "hold-referral",
        "course_provider",
        of("referral", reason="PERSON_ILL", resumeOn=day(7)),
        R,
        "referral",
    ),
    Step("resume-referral", "course_provider", of("referral"), R, "referral"),
    Step(
        "report-outcome",
        "course_provider",
        of("referral", outcome="NEED_MET", outcomeOn=day(0)),
        R,
        "referral",
    ),
    Step("contest-outcome", "coordinator", of("referral", reason="OUTCOME_WRONG"), R, "referral"),
    Step(
        "report-outcome",
        "course_provider",
        of("referral", outcome="PARTLY_MET", outcomeOn=day(0)),
        R,
        "referral",
    ),
    Step(
        "issue-feedback-code",
        "coordinator",
        lambda seen: {"referralId": seen["referral"]["id"]},
        "FeedbackCodeIssued",
        "code",
    ),
    Step(
        "give-feedback",
        None,
        lambda seen: {"code": seen["code"]["feedbackCode"], "answer": "HELPED"},
        "FeedbackGiven",
    ),
    Step("read-referral", "coordinator", lambda seen: {"id": seen["referral"]["id"]}, keep="referral"),
    Step("close-referral", "coordinator", of("referral", feedbackAsked="ANSWERED"), R, "referral"),
    Step(
        "reopen-referral",
        "coordinator",
        of("referral", reason="NOT_FINISHED"),
        "ApprovalRequested",
        "approval",
    ),
    Step("browse-approvals", "lead", nothing),
    Step("browse-renewals", "coordinator", nothing),
    Step("browse-notices", "coordinator", nothing),
    Step("refuse-approval", "lead", of("approval"), "ApprovalSaved"),
    Step("read-referral", "coordinator", lambda seen: {"id": seen["referral"]["id"]}, keep="referral"),
    Step(
        "reopen-referral",
        "coordinator",
        of("referral", reason="NOT_FINISHED"),
        "ApprovalRequested",
        "approval",
    ),
    Step("confirm-approval", "lead", of("approval"), "ApprovalSaved"),
    Step("read-client", "coordinator", lambda seen: {"id": seen["client"]["id"]}),
    Step("renew-consent", "coordinator", of("consent"), "ConsentSaved"),
    Step(
        "withdraw-consent",
        "coordinator",
        of("consent", channel="IN_PERSON", language="ti"),
        "ConsentWithdrawn",
    ),
    Step("read-withdrawal-receipt", "coordinator", lambda seen: {"id": seen["consent"]["id"]}),
    Step("browse-unanswered-revocations", "coordinator", nothing),
    Step("read-referral", "course_provider", lambda seen: {"id": seen["referral"]["id"]}, keep="referral"),
    Step("answer-revocation", "course_provider", of("referral", answer="DELETED"), R),
    # the Jobcenter refers in one operation; declined, followed up, given up
    Step("read-section-87-notice", "jobcenter", given(language="de"), keep="warned"),
    Step(
        "take-in-client",
        "jobcenter",
        taken_in(identity={"familyName": "Probeperson"}),
        "ClientSaved",
        "theirs",
    ),
    Step(
        "plan-consent-notice",
        "jobcenter",
        given(
            recipientIds=[partner("koordination")],
            purposes=[{"purpose": "REFERRAL", "categories": PACKAGE}, REPORT_BACK],
            language="ar",
        ),
        keep="planned",
    ),
    Step("refer-client", "jobcenter", referred("theirs", "clearing"), R, "declined"),
    Step("decline-referral", "coordinator", of("declined", reason="NOT_ELIGIBLE"), R),
    Step("read-referral-times", "jobcenter", lambda seen: {"since": moment(hours=-1)}),
    Step("find-gaps", "jobcenter", lambda seen: {"since": moment(hours=-1), "until": moment(hours=1)}),
    Step("browse-change-requests", "coordinator", nothing, keep="requests", retry=True),
    Step(
        "decide-change-request",
        "coordinator",
        lambda seen: {
            "id": seen["requests"]["nodes"][0]["id"],
            "expectedVersion": seen["requests"]["nodes"][0]["version"],
            "accept": False,
            "reason": "EXCEPTION",
        },
        "ChangeRequestSaved",
    ),
    Step("browse-entries-due", "coordinator", nothing),
    Step(
        "suggest-correction",
        None,
        lambda seen: {
            "id": service("clearing"),
            "field": "WEBSITE",
            "value": "https://www.example.org/clearing",
            "remark": "Die alte Seite ist umgezogen.",
        },
        "CorrectionTaken",
    ),
    Step(
        "follow-up-referral",
        "jobcenter",
        lambda seen: {"id": seen["declined"]["id"], "serviceId": service("spurwechsel-perspektive")},
        R,
        "draft",
    ),
    Step("abandon-referral", "jobcenter", of("draft", reason="PERSON_DOES_NOT_WANT"), R),
    Step("refer-client", "jobcenter", referred("theirs", "clearing"), R, "cancelled"),
    Step("cancel-referral", "jobcenter", of("cancelled", reason="PERSON_MOVED"), R),
    # many at once: one colleague takes over, the course is cancelled, what was drafted is sent
    Step(
        "take-in-client",
        "jobcenter",
        taken_in(identity={"familyName": "Probeperson"}),
        "ClientSaved",
        "other",
    ),
    Step("who-am-i", "jobcenter", nothing, keep="caseworker"),
    Step(
        "reassign-clients",
        "jobcenter",
        many("other", responsibleId=lambda seen: seen["caseworker"]["member"]["id"]),
        "BulkClients",
    ),
    Step("refer-client", "jobcenter", referred("other", "clearing"), R, "first"),
    Step(
        "reassign-referrals",
        "jobcenter",
        many("first", responsibleId=lambda seen: seen["caseworker"]["member"]["id"]),
        "BulkReferrals",
    ),
    Step("read-referral", "coordinator", lambda seen: {"id": seen["first"]["id"]}, keep="first"),
    Step("acknowledge-referrals", "coordinator", many("first"), "BulkReferrals"),
    Step("read-referral", "coordinator", lambda seen: {"id": seen["first"]["id"]}, keep="first"),
    Step(
        "decline-referrals",
        "coordinator",
        many("first", reason="NO_CAPACITY", betterServiceId=service("spurwechsel-perspektive")),
        "BulkReferrals",
    ),
    Step(
        "refer-on",
        "jobcenter",
        lambda seen: {
            "id": seen["first"]["id"],
            "consent": {"record": explained(seen["planned"]), "purposes": [REPORT_BACK]},
            "capacityReason": "AGREED_WITH_PARTNER",
        },
        R,
        "second",
    ),
    Step("cancel-referrals", "jobcenter", many("second", reason="PERSON_MOVED"), "BulkReferrals"),
    Step("send-referrals", "jobcenter", many("second"), "BulkReferrals"),
    Step("close-referrals", "jobcenter", many("second", feedbackAsked="DECLINED"), "BulkReferrals"),
    # the partner answers by phone, the person too
    Step("refer-client", "jobcenter", referred("theirs", "spurwechsel-perspektive"), R, "by-phone"),
    Step(
        "record-partner-answer",
        "jobcenter",
        told(accept={"contact": "Zimmer 3", "firstContactOn": day(0), "expectedEnd": day(30)}),
        R,
        "by-phone",
    ),
    Step("record-partner-answer", "jobcenter", told(start={"firstContactMadeOn": day(0)}), R, "by-phone"),
    Step(
        "record-partner-answer",
        "jobcenter",
        told(reportOutcome={"outcome": "NEED_MET", "outcomeOn": day(0)}),
        R,
        "by-phone",
    ),
    Step(
        "record-feedback",
        "jobcenter",
        lambda seen: {"referralId": seen["by-phone"]["id"], "answer": "HELPED"},
        R,
        "by-phone",
    ),
    Step("close-referral", "jobcenter", of("by-phone", feedbackAsked="ANSWERED"), R),
    # the partner answers by link, without an account
    Step("refer-client", "jobcenter", referred("theirs", "spurwechsel-perspektive"), R, "by-link"),
    Step("issue-answer-link", "jobcenter", for_referral("by-link"), "AnswerLinkIssued", "link"),
    Step("revoke-answer-link", "jobcenter", for_referral("by-link"), R),
    Step("issue-answer-link", "jobcenter", for_referral("by-link"), "AnswerLinkIssued", "link"),
    Step("read-answer-page", None, with_code("link"), "AnswerPage"),
    Step("open-as-recipient", None, with_code("link"), "PackageOpened"),
    Step(
        "answer-by-link",
        None,
        lambda seen: {**with_code("link")(seen), "answer": {"decline": {"reason": "NO_CAPACITY"}}},
        "AnswerTaken",
    ),
    # the person sees with their card what was shared, answers, takes back, withdraws
    Step("refer-client", "jobcenter", referred("theirs", "spurwechsel-perspektive"), R, "carded"),
    Step(
        "issue-code-card",
        "jobcenter",
        lambda seen: {"clientId": seen["theirs"]["id"], "language": "ar"},
        "CodeCardIssued",
        "card",
    ),
    Step("open-code-card", None, with_card(), "CodeCardOpened"),
    Step(
        "answer-by-card",
        None,
        with_card(referralId=lambda seen: seen["by-link"]["id"], answer="HELPED_PARTLY"),
        "CardSaved",
    ),
    Step(
        "move-by-card",
        None,
        with_card(
            referralId=lambda seen: seen["carded"]["id"],
            expectedVersion=lambda seen: seen["carded"]["version"],
            move="CANCEL",
        ),
        "CardSaved",
    ),
    Step("withdraw-by-card", None, with_card(), "WithdrawnByCard"),
    # nobody is asked again before 28 days have passed
    Step(
        "answer-follow-up-by-card",
        None,
        with_card(followUpId=NO_FOLLOW_UP, needNow="STILL_MET"),
        "NotFoundProblem",
    ),
    Step(
        "record-follow-up",
        "jobcenter",
        given(id=NO_FOLLOW_UP, expectedVersion=1, needNow="STILL_MET"),
        "NotFoundProblem",
    ),
    # the first one is due 28 days after a referral was closed
    Step("browse-due-follow-ups", "jobcenter", nothing, "none"),
    Step("count-voices", "jobcenter", given(year=datetime.now(UTC).year, quarter=1)),
    Step(
        "revoke-code-card",
        "jobcenter",
        lambda seen: {"clientId": seen["theirs"]["id"]},
        "CodeCardRevoked",
    ),
    # entered in error; erased for good
    Step("read-section-87-notice", "coordinator", given(language="de"), keep="warned"),
    Step(
        "take-in-client", "coordinator", taken_in(identity={"familyName": "Irrtum"}), "ClientSaved", "mistake"
    ),
    Step(
        "draft-referral",
        "coordinator",
        lambda seen: {
            "clientId": seen["mistake"]["id"],
            "serviceId": COURSE,
            "topic": "job",
            "categories": ["IDENTITY"],
        },
        R,
        "wrong",
    ),
    Step("correct-referral", "coordinator", of("wrong", reason="WRONG_PERSON"), R),
    Step("erase-client", "lead", of("mistake"), "ClientErased"),
    # interpreters
    Step(
        "request-booking",
        "coordinator",
        lambda seen: {
            "serviceId": service("sprachmittlung-tigrinya"),
            "language": "ti",
            "mode": "PHONE",
            "startsAt": moment(seconds=6),
            "minutes": 30,
            "lateReason": "AGREED_WITH_SERVICE",
        },
        "BookingSaved",
        "booking",
    ),
    Step(
        "name-booked-person",
        "coordinator",
        lambda seen: {
            "id": seen["booking"]["id"],
            "clientId": seen["client"]["id"],
            "personAgreed": True,
        },
        "BookingSaved",
    ),
    Step("browse-bookings", "interpreters", given(received=True)),
    Step("read-booking", "interpreters", lambda seen: {"id": seen["booking"]["id"]}, keep="booking"),
    Step("confirm-booking", "interpreters", of("booking", interpreter="1"), "BookingSaved", "booking"),
    Step(
        "request-booking",
        "coordinator",
        lambda seen: {
            "serviceId": service("sprachmittlung-tigrinya"),
            "language": "ti",
            "mode": "PHONE",
            "startsAt": moment(days=3),
            "minutes": 30,
            "lateReason": "AGREED_WITH_SERVICE",
        },
        "BookingSaved",
        "other",
    ),
    Step("decline-booking", "interpreters", of("other"), "BookingSaved"),
    Step(
        "request-booking",
        "coordinator",
        lambda seen: {
            "serviceId": service("sprachmittlung-video"),
            "language": "ti",
            "mode": "VIDEO",
            "startsAt": moment(days=4),
            "minutes": 30,
            "lateReason": "AGREED_WITH_SERVICE",
        },
        "BookingSaved",
        "other",
    ),
    Step("cancel-booking", "coordinator", of("other"), "BookingSaved"),
    Step("finish-booking", "interpreters", of("booking"), "BookingSaved", retry=True),
)
