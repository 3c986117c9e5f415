"""What a referral is exported as: FHIR words by table, text and pages; nothing for the wrong side."""

from __future__ import annotations

from uuid import UUID

import msgspec
import pytest

from directory.actors import Actor
from directory.problems import NotFound
from referrals import answering, exchange
from referrals.export import (
    PRIORITIES,
    REQUEST_STATUS,
    TASK_STATUS,
    Sheet,
    as_fhir,
    as_printout,
    as_text,
)
from referrals.exports import read_sheet
from referrals.printing import render
from referrals.values import Contact, Identity, Profile
from referrals.vocabulary import OutcomeCode, OutcomeReason, Priority, Reason, ReferralState
from tests.referrals.desk import TODAY, Desk
from tests.referrals.test_beside import asked
from tests.referrals.town import Town

# http://hl7.org/fhir/R4/valueset-task-status.html, -request-status.html, -request-priority.html
FHIR_TASK = {
    "draft", "requested", "received", "accepted", "rejected", "ready", "cancelled", "in-progress", "on-hold",
    "failed", "completed", "entered-in-error",
}  # fmt: skip
FHIR_REQUEST = {"draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"}
FHIR_PRIORITY = {"routine", "urgent", "asap", "stat"}

CANARY = "Kanarienvogel"


@pytest.mark.parametrize(
    ("state", "task", "request_status"),
    [
        ("DRAFT", "draft", "draft"),
        ("AWAITING_CONSENT", "draft", "draft"),
        ("SENT", "requested", "active"),
        ("ACKNOWLEDGED", "received", "active"),
        ("INFO_REQUESTED", "received", "active"),
        ("WAITLISTED", "received", "active"),
        ("ACCEPTED", "accepted", "active"),
        ("IN_PROGRESS", "in-progress", "active"),
        ("ON_HOLD", "on-hold", "on-hold"),
        ("OUTCOME_REPORTED", "completed", "completed"),
        ("CLOSED", "completed", "completed"),
        ("ABANDONED", "cancelled", "revoked"),
        ("DECLINED", "rejected", "revoked"),
        ("EXPIRED", "failed", "revoked"),
        ("CANCELLED", "cancelled", "revoked"),
        ("CONSENT_REVOKED", "cancelled", "revoked"),
        ("ENTERED_IN_ERROR", "entered-in-error", "entered-in-error"),
    ],
)
def test_every_state_in_the_words_of_fhir(state: str, task: str, request_status: str) -> None:
    assert TASK_STATUS[ReferralState(state)] == task
    assert REQUEST_STATUS[ReferralState(state)] == request_status


def test_only_words_of_fhir_are_used() -> None:
    assert set(TASK_STATUS) == set(REQUEST_STATUS) == set(ReferralState)
    assert set(TASK_STATUS.values()) <= FHIR_TASK
    assert set(REQUEST_STATUS.values()) <= FHIR_REQUEST
    assert set(PRIORITIES) == set(Priority)
    assert set(PRIORITIES.values()) <= FHIR_PRIORITY


async def sheet(desk: Desk, actor: Actor, referral_id: UUID, language: str = "de") -> Sheet:
    async with desk.database.view(actor) as session:
        return await read_sheet(session, actor, desk.keys, referral_id, desk.database.clock(), language)


def everything(found: Sheet) -> str:
    """All that an export says, in every form, as one text."""
    return "\n".join(
        [
            as_text(found, "de"),
            as_text(found, "en"),
            msgspec.json.encode(as_fhir(found)).decode(),
            msgspec.json.encode(as_printout(found, "de")).decode(),
        ]
    )


def of_type(bundle: dict[str, object], kind: str) -> list[dict[str, object]]:
    entries = bundle["entry"]
    assert isinstance(entries, list)
    return [entry["resource"] for entry in entries if entry["resource"]["resourceType"] == kind]


async def marked_client(desk: Desk) -> UUID:
    return await desk.client(
        identity=Identity(family_name=f"{CANARY}-Name", given_names="Erika"),
        contact=Contact(phone="+4935599999", address=f"{CANARY}weg 1"),
        profile=Profile(health=f"{CANARY}-Gesundheit", experience=(f"{CANARY}-Beruf",)),
    )


async def test_each_side_exports_what_it_may_see_and_both_file_numbers(desk: Desk, town: Town) -> None:
    client_id = await marked_client(desk)
    sent = await desk.sent(client_id, town.provider, file_number="SW-4711")
    early = everything(await sheet(desk, town.provider.member, sent.id))
    assert CANARY not in early
    assert (await desk.view(town.coordinator, sent.id)).pseudonym not in early.split()

    opened = await desk.as_(town.provider.member, lambda w: answering.acknowledge(w, sent.id, sent.version))
    await desk.as_(
        town.provider.member, lambda w: exchange.set_file_number(w, sent.id, opened.version, "B2-17")
    )
    theirs, mine = [await sheet(desk, who, sent.id) for who in (town.provider.member, town.coordinator)]
    for found in (theirs, mine):
        said = as_text(found, "de")
        assert "Aktenzeichen der sendenden Stelle: SW-4711" in said
        assert "Aktenzeichen der empfangenden Stelle: B2-17" in said
        assert f"Familienname: {CANARY}-Name" in said
        bundle = as_fhir(found)
        (task,), (request,), (patient,) = (
            of_type(bundle, kind) for kind in ("Task", "ServiceRequest", "Patient")
        )
        assert (task["status"], request["status"]) == ("received", "active")
        assert {entry["value"] for entry in task["identifier"]} == {str(sent.id), "SW-4711", "B2-17"}  # type: ignore[attr-defined]
        assert patient["name"] == [{"family": f"{CANARY}-Name", "given": ["Erika"]}]
        assert f"{CANARY}-Beruf" not in everything(found)
        assert f"{CANARY}-Gesundheit" not in everything(found)
    consent_id = str((await desk.view(town.coordinator, sent.id)).consent_id)
    assert "supportingInfo" in of_type(as_fhir(mine), "ServiceRequest")[0]
    assert "supportingInfo" not in of_type(as_fhir(theirs), "ServiceRequest")[0]
    assert consent_id in msgspec.json.encode(as_fhir(mine)).decode()
    assert str(client_id) not in everything(theirs)
    pages = render(as_printout(mine, "de"))
    assert pages.startswith(b"%PDF-")
    with pytest.raises(NotFound):
        await sheet(desk, town.school.member, sent.id)


async def test_when_it_is_over_the_recipient_exports_no_person_any_more(desk: Desk, town: Town) -> None:
    accepted = await desk.accepted(await marked_client(desk), town.provider)
    assert CANARY in everything(await sheet(desk, town.provider.member, accepted.id))
    await desk.as_(
        town.coordinator, lambda w: exchange.cancel(w, accepted.id, accepted.version, Reason.PERSON_MOVED)
    )

    assert CANARY not in everything(await sheet(desk, town.provider.member, accepted.id))


async def test_without_report_back_no_form_of_export_tells_the_sender(desk: Desk, town: Town) -> None:
    running = await desk.running(await desk.client(), town.provider, asked=asked(None))
    during = as_fhir(await sheet(desk, town.coordinator, running.id))
    assert of_type(during, "Task")[0]["status"] == "accepted"
    await desk.as_(
        town.provider.member,
        lambda w: answering.report_outcome(
            w,
            running.id,
            running.version,
            outcome=OutcomeCode.NOT_MET,
            outcome_on=TODAY,
            reason=OutcomeReason.HEALTH,
        ),
    )
    said = everything(await sheet(desk, town.coordinator, running.id))
    assert "NOT_DISCLOSED" in said
    for word in ("NOT_MET", "HEALTH", "START", "IN_PROGRESS", "in-progress"):
        assert word not in said, word
