"""A person's access: everything that is kept, recipients by name, and nobody else's data."""

from __future__ import annotations

import msgspec
import pytest

from directory.actors import Actor
from directory.problems import NotAllowed, NotFound
from referrals import answering
from referrals.clients import exclude
from referrals.personal_data.access import AccessExport, access_export, as_json, as_printout
from referrals.printing import render
from referrals.values import PurposeTerms
from referrals.vocabulary import OutcomeCode, OutcomeReason, Purpose
from tests.referrals.desk import TODAY, Desk, accept
from tests.referrals.town import ORDINARY


async def exported(desk: Desk, actor: Actor, client_id: object) -> AccessExport:
    async with desk.database.view(actor) as session:
        return await access_export(session, actor, desk.keys, client_id, desk.database.clock())  # type: ignore[arg-type]


async def test_the_export_tells_everything_with_recipients_by_name(desk: Desk) -> None:
    client_id = await desk.client()
    await desk.running(client_id, desk.town.provider)
    async with desk.database.work(desk.town.lead) as work:
        await exclude(work, desk.keys, client_id, TODAY)
    export = await exported(desk, desk.town.lead, client_id)
    plain = msgspec.json.decode(as_json(export))

    assert (plain["format"], plain["version"]) == ("spurwechsel-access-export", 1)
    assert plain["person"]["identity"]["family_name"] == "Musterfrau"
    assert plain["person"]["contact"]["phone"] == "+4935500000"
    assert plain["person"]["profile"]["competences"] == ["Nähen"]
    assert [entry["name"] for entry in plain["recipients"]] == ["provider"]
    assert set(plain["recipients"][0]["categories"]) == {category.value for category in ORDINARY}
    (referral,) = plain["referrals"]
    assert referral["package"]["person"]["family_name"] == "Musterfrau"
    assert [event["move"] for event in referral["events"]][:2] == ["DRAFT", "SEND"]
    (consent,) = plain["consents"]
    assert consent["evidence"] == {"reference": "Ordner 7", "witness": "Zeugin"}
    assert plain["exclusion"] == {"decided_on": TODAY.isoformat()}
    assert plain["phases"]
    actions = {row["action"] for row in plain["audit"]}
    assert {"client.create", "client.access_export", "referral.send"} <= actions
    assert str(desk.town.coordinator.member_id) not in str(plain["audit"])
    for language in ("de", "en", "ti"):
        assert render(as_printout(export, language)).startswith(b"%PDF")


async def test_what_may_not_be_reported_back_is_not_in_the_export(desk: Desk) -> None:
    client_id = await desk.client()
    asked = (PurposeTerms(purpose=Purpose.REFERRAL, categories=ORDINARY),)
    consented = await desk.sent(client_id, desk.town.provider, asked=asked)

    accepted = await desk.as_(desk.town.provider.member, lambda w: accept(w, consented))
    started = await desk.as_(
        desk.town.provider.member, lambda w: answering.start(w, accepted.id, accepted.version, TODAY)
    )
    await desk.as_(
        desk.town.provider.member,
        lambda w: answering.report_outcome(
            w,
            started.id,
            started.version,
            outcome=OutcomeCode.NOT_MET,
            outcome_on=TODAY,
            reason=OutcomeReason.HEALTH,
        ),
    )
    plain = as_json(await exported(desk, desk.town.coordinator, client_id)).decode()

    assert "NOT_MET" not in plain
    assert '"HEALTH"' not in plain


async def test_who_may_export_and_what_only_a_lead_sees(desk: Desk) -> None:
    client_id = await desk.client()
    town = desk.town

    export = await exported(desk, town.coordinator, client_id)
    assert (export.exclusion, export.exclusion_included) == (None, False)
    with pytest.raises(NotAllowed):
        await exported(desk, town.coordination.colleague, client_id)
    for stranger in (town.provider.member, town.jobcenter.member):
        with pytest.raises(NotFound):
            await exported(desk, stranger, client_id)
