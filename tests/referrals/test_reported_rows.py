"""What the rows themselves tell the sender where the person keeps the outcome from it: raw SQL as the sender.

Row-level security hides rows, not columns: a referral's row and its events are both sides'. So what the
service never shows the sender must not be stored where it could be kept out; the course that is stored for
the recipient's sake (the state, that work began, was paused) stands in rows that the sender's settings open.
Only the server connects as that role, and every answer of it goes through ``referrals.reporting``.
"""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import UUID

import pytest

from directory.database import Database
from referrals import answering, appointments
from referrals.appointments import AppointmentGiven
from referrals.values import PurposeTerms
from referrals.vocabulary import InterimResult, OutcomeCode, OutcomeReason, Purpose, Reason, ReportDepth
from tests.referrals.desk import SOON, TODAY, Desk
from tests.referrals.test_row_level_security import connected, settings_of
from tests.referrals.town import ORDINARY, Town

TABLES = ("referral", "referral_event", "appointment", "feedback", "notice", "approval", "follow_up")


async def rows(app_url: str, desk: Desk, referral: UUID) -> dict[str, list[dict[str, object]]]:
    """Everything about a referral that raw SQL reads with the settings of the sender's coordinator."""
    found = {}
    async with connected(app_url, settings_of(desk.town.coordinator)) as connection:
        for table in TABLES:
            key = {"referral": "id", "notice": "about_id"}.get(table, "referral_id")
            read = await connection.fetch(
                f"SELECT to_jsonb(t) AS row FROM {table} t WHERE {key} = $1", referral
            )
            found[table] = [json.loads(row["row"]) for row in read]
        assert await connection.fetchval("SELECT count(*) FROM audit") == 0
    return found


@pytest.mark.parametrize("depth", [ReportDepth.NOTHING, ReportDepth.CONTACT_MADE])
async def test_no_outcome_and_nothing_said_about_the_person_stands_in_the_senders_rows(
    app_url: str, database: Database, desk: Desk, town: Town, client_id: UUID, depth: ReportDepth
) -> None:
    office = town.provider.member
    asked = (
        PurposeTerms(purpose=Purpose.REFERRAL, categories=ORDINARY),
        PurposeTerms(purpose=Purpose.REPORT_BACK, report_depth=depth),
    )
    one = await desk.running(client_id, town.provider, asked=asked)
    given = AppointmentGiven(
        starts_at=database.clock() + timedelta(days=3), place="Haus 7", note="Bitte klingeln"
    )
    one = await desk.as_(
        office, lambda w: appointments.set_appointment(w, desk.keys, one.id, one.version, given)
    )
    one = await desk.as_(
        office,
        lambda w: answering.report_interim(
            w, one.id, one.version, result=InterimResult.DIFFICULTIES, on=TODAY
        ),
    )
    one = await desk.as_(
        office,
        lambda w: answering.pause(w, one.id, one.version, reason=Reason.PERSON_ILL, resume_on=SOON),
    )
    at_work = await rows(app_url, desk, one.id)
    one = await desk.as_(
        office,
        lambda w: answering.report_outcome(
            w,
            one.id,
            one.version,
            outcome=OutcomeCode.NOT_MET,
            outcome_on=TODAY,
            reason=OutcomeReason.HEALTH,
        ),
    )
    reported = await rows(app_url, desk, one.id)

    for found in (at_work, reported):
        for telling in ("NOT_MET", "HEALTH", "DIFFICULTIES", "PERSON_ILL", "klingeln", "Haus 7"):
            assert telling not in json.dumps(found), telling
        assert found["appointment"] == []
    (row,) = reported["referral"]
    assert (row["outcome"], row["outcome_on"], row["outcome_reason"]) == ("NOT_DISCLOSED", None, None)
    assert (row["first_contact_made_on"] is None) is (depth is ReportDepth.NOTHING)
    told = {event["move"] for event in at_work["referral_event"] if event["told"]}
    assert told.isdisjoint({"HOLD", "INTERIM", "APPOINTMENT_SET"})
    assert ("START" in told) is (depth is ReportDepth.CONTACT_MADE)
    # what rows cannot hide, and the service does: how it stands, and that something happened
    assert at_work["referral"][0]["state"] == "ON_HOLD"
    assert {"START", "HOLD"} <= {event["move"] for event in at_work["referral_event"]}
    view = await desk.view(town.coordinator, one.id)
    assert view.outcome is OutcomeCode.NOT_DISCLOSED
