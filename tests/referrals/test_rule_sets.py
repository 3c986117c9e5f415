"""The project's rule as versions: drafted and decided by a LEAD, previewed, never working backwards."""

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from uuid import UUID

import asyncpg
import pytest
from msgspec.structs import replace

from directory.actors import ANONYMOUS, Actor
from directory.database import Database, Work
from directory.days import local_day
from directory.problems import InvalidInput, NotAllowed, NotSignedIn, Problem, StaleVersion
from directory.vocabulary import Answer
from directory.vocabulary import ResidenceStatus as Status
from referrals.clients import ClientChange, change_client, create_client, view_client
from referrals.eligibility import SupportRule
from referrals.personal_data.keystore import KeyStore
from referrals.requirements import requirements
from referrals.rule_sets import (
    change_rule_set,
    checked,
    decide_rule_set,
    draft_rule_set,
    history,
    in_force,
    preview_rule_set,
    rule_set,
)
from referrals.vocabulary import JudgedAt, ReportDepth, RuleSetState, SupportAdvice, Warned
from tests.referrals.desk import Desk
from tests.referrals.town import ORDINARY, Town, draft

TEXTS = {"de": "Neue Zielgruppe", "en": "New target group"}
S24 = SupportRule(
    id="ukraine",
    statuses=(Status.SECTION_24,),
    answer=Answer.FITS,
    advice=SupportAdvice.SUPPORT,
    reason=TEXTS,
    legal_basis="§ 24 AufenthG",
)


@pytest.mark.parametrize(
    ("rules", "field", "reason"),
    [
        ((), "rules", "required"),
        ((replace(S24, id="Ukraine!"),), "rules.0.id", "format"),
        ((S24, S24), "rules.1.id", "duplicate"),
        ((replace(S24, reason={"de": "nur deutsch"}),), "rules.0.reason", "german-and-english"),
        ((replace(S24, statuses=(S24.statuses[0],) * 2),), "rules.0.statuses.1", "duplicate"),
        (
            (replace(S24, valid_from=date(2027, 1, 2), valid_to=date(2027, 1, 1)),),
            "rules.0.validTo",
            "dates-order",
        ),
        (tuple(replace(S24, id=f"line-{n}") for n in range(61)), "rules", "too-many"),
    ],
)
def test_lines_are_checked(rules: tuple[SupportRule, ...], field: str, reason: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked(rules)

    assert (refused.value.field, refused.value.reason) == (field, reason)


async def drafted(database: Database, lead: Actor) -> UUID:
    """Draft a version that supports § 24 too, before the lines that are in force."""
    async with database.work(lead) as work:
        now = await in_force(work.session, lead.municipality_id, local_day(work.now))
        assert now is not None
        return await draft_rule_set(work, (S24, *now.rules), remark="Beschluss des Landes")


async def test_a_version_holds_from_its_day_on_and_never_before(database: Database, town: Town) -> None:
    today = local_day(database.clock())
    tomorrow = today + timedelta(days=1)
    id_ = await drafted(database, town.lead)
    async with database.work(town.lead) as work:
        with pytest.raises(InvalidInput, match="not-before-tomorrow"):
            await decide_rule_set(work, id_, 1, today)
        assert await change_rule_set(work, id_, 1, (S24,), remark=None) == 2
        with pytest.raises(StaleVersion):
            await decide_rule_set(work, id_, 1, tomorrow)
        assert await decide_rule_set(work, id_, 2, tomorrow) == 3
    async with database.view(ANONYMOUS) as session:
        before = await in_force(session, town.id, today)
        after = await in_force(session, town.id, tomorrow)
        elsewhere = await in_force(session, None, tomorrow)

    assert before is not None and after is not None and elsewhere is not None
    assert before.municipality_id is None
    assert (after.id, after.rules, after.valid_from) == (id_, (S24,), tomorrow)
    assert elsewhere.id == before.id


async def test_a_decided_version_never_changes(database: Database, town: Town, app_url: str) -> None:
    """Not by a LEAD, and not past the program either."""
    id_ = await drafted(database, town.lead)
    tomorrow = local_day(database.clock()) + timedelta(days=1)
    async with database.work(town.lead) as work:
        await decide_rule_set(work, id_, 1, tomorrow)
    acts: tuple[Callable[[Work], Awaitable[object]], ...] = (
        lambda work: change_rule_set(work, id_, 2, (S24,)),
        lambda work: decide_rule_set(work, id_, 2, tomorrow + timedelta(days=1)),
    )
    for act in acts:
        async with database.work(town.lead) as work:
            with pytest.raises(InvalidInput, match="never-changes"):
                await act(work)
    connection = await asyncpg.connect(app_url)
    try:
        async with connection.transaction():
            for name, value in (
                ("app.role", "LEAD"),
                ("app.member", str(town.lead.member_id)),
                ("app.partner", str(town.lead.partner_id)),
                ("app.municipality", str(town.lead.municipality_id)),
            ):
                await connection.execute("SELECT set_config($1, $2, true)", name, value)
            changed = await connection.execute("UPDATE rule_set SET remark = 'x' WHERE id = $1", id_)
            assert changed == "UPDATE 0"
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with connection.transaction():
                    await connection.execute("DELETE FROM rule_set WHERE id = $1", id_)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("who", "refusal"),
    [
        (lambda town: ANONYMOUS, NotSignedIn),
        (lambda town: town.coordinator, NotAllowed),
        (lambda town: town.jobcenter.member, NotAllowed),
    ],
)
async def test_only_a_lead_drafts_and_previews(
    database: Database, town: Town, who: Callable[[Town], Actor], refusal: type[Problem]
) -> None:
    actor = who(town)
    id_ = await drafted(database, town.lead)
    async with database.work(actor) as work:
        with pytest.raises(refusal):
            await draft_rule_set(work, (S24,))
        with pytest.raises(refusal):
            await change_rule_set(work, id_, 1, (S24,))
    async with database.view(actor) as session:
        today = local_day(database.clock())
        with pytest.raises(refusal):
            await preview_rule_set(session, actor, id_, today, today)
        assert await rule_set(session, actor, id_, today) is None


async def test_the_history_is_kept(database: Database, town: Town) -> None:
    """Everybody who is signed in reads what is decided; drafts are a LEAD's."""
    today = local_day(database.clock())
    first, second = await drafted(database, town.lead), await drafted(database, town.lead)
    async with database.work(town.lead) as work:
        await decide_rule_set(work, first, 1, today + timedelta(days=1))
    seen = {}
    for name, actor in (("lead", town.lead), ("coordinator", town.coordinator)):
        async with database.view(actor) as session:
            seen[name] = await history(session, actor, today)

    assert [one.id for one in seen["lead"]][:2] == [second, first]
    assert second not in {one.id for one in seen["coordinator"]}
    assert [one.current for one in seen["coordinator"]] == [False, True]
    assert seen["lead"][0].state is RuleSetState.DRAFT
    assert seen["lead"][0].remark == "Beschluss des Landes"


async def test_a_preview_counts_what_would_change_for_the_own_clients(
    database: Database, keys: KeyStore, town: Town
) -> None:
    """Small numbers are shown, and only the own organisation's people are counted."""
    async with database.work(town.lead) as work:
        for status in (Status.SECTION_24, Status.SECTION_24, Status.SECTION_60A, Status.OTHER):
            await create_client(work, keys, replace(draft(), residence_status=status))
    async with database.work(town.jobcenter.member) as work:
        await create_client(work, keys, replace(draft(), residence_status=Status.SECTION_24))
    id_ = await drafted(database, town.lead)
    today = local_day(database.clock())
    async with database.view(town.lead) as session:
        preview = await preview_rule_set(session, town.lead, id_, today + timedelta(days=9), today)

    assert (preview.people, preview.changing) == (4, 2)
    assert [(one.before, one.after, one.people) for one in preview.changes] == [
        (Answer.ASK, Answer.FITS, 2),
        (Answer.ASK, Answer.ASK, 1),
        (Answer.FITS, Answer.FITS, 1),
    ]
    assert preview.changes[0].before_advice is SupportAdvice.SIGNPOSTING


async def test_it_is_judged_at_intake_and_at_sending_and_a_change_ends_nothing(desk: Desk) -> None:
    """With a Fiktionsbescheinigung whoever was supported and applied in time keeps the former answer."""
    town, database, keys = desk.town, desk.database, desk.keys
    async with database.work(town.coordinator) as work:
        client_id = await create_client(
            work,
            keys,
            replace(draft(), residence_status=Status.SECTION_104C, supported_before=True),
        )
    async with database.work(town.coordinator) as work:
        await change_client(
            work,
            keys,
            client_id,
            1,
            ClientChange(residence_status=Status.SECTION_81, applied_in_time=True),
        )
    sent = await desk.sent(client_id, town.school)
    async with database.view(town.coordinator) as session:
        file = await view_client(session, town.coordinator, keys, client_id)

    assert sent.state.value == "SENT"
    assert [(one.occasion, one.status, one.answer, one.rule) for one in file.judged] == [
        (JudgedAt.INTAKE, Status.SECTION_104C, Answer.FITS, "supported-statuses"),
        (JudgedAt.SENDING, Status.SECTION_81, Answer.FITS, "provisional-supported"),
    ]
    assert all(one.rule_set is not None for one in file.judged)


async def test_a_change_after_intake_warns_before_sending(desk: Desk) -> None:
    """Whoever had § 104c at intake and has another status now: the sender is told, and sends all the same."""
    town, database, keys = desk.town, desk.database, desk.keys
    async with database.work(town.coordinator) as work:
        client_id = await create_client(work, keys, replace(draft(), residence_status=Status.SECTION_104C))
    warned = []
    for version, status in ((None, None), (1, Status.OTHER)):
        if version is not None:
            async with database.work(town.coordinator) as work:
                await change_client(work, keys, client_id, version, ClientChange(residence_status=status))
        async with database.view(town.coordinator) as session:
            asked = await requirements(
                session,
                town.coordinator,
                keys,
                client_id=client_id,
                service_id=town.school.service,
                categories=ORDINARY,
                report_depth=ReportDepth.NOTHING,
                at=database.clock(),
            )
        warned.append(Warned.SUPPORT_ANSWER_CHANGED in asked.warnings)

    assert warned == [False, True]
    assert (await desk.sent(client_id, town.school)).state.value == "SENT"
