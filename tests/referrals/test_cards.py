"""The person's code card: what its holder sees and does, and that it opens nothing of anybody else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import select, text

from directory.actors import ANONYMOUS, SYSTEM
from directory.database import Work
from directory.problems import (
    IdempotencyConflict,
    InvalidInput,
    NotFound,
    NotSignedIn,
    Problem,
    StaleVersion,
)
from referrals import answering
from referrals.appointments import AppointmentGiven, set_appointment
from referrals.codes import ALPHABET, CodePurpose, hash_of, present
from referrals.models import CodeCard, Consent, Referral
from referrals.moving import Moved
from referrals.person import cards
from referrals.person.card_page import CardPage, Receipt, open_card, receipt_of
from referrals.person.cards import Wish
from referrals.person.feedback import issue_code, list_feedback
from referrals.problems import CodeNotValid, TransitionNotAllowed
from referrals.states import Move
from referrals.values import Identity, PurposeTerms
from referrals.vocabulary import (
    Channel,
    ConsentState,
    FeedbackAnswer,
    OutcomeCode,
    Purpose,
    Reason,
    ReferralState,
    WithdrawalScope,
)
from tests.referrals.desk import TODAY, Desk, at
from tests.referrals.town import ORDINARY, Town

ALL = Wish(scope=WithdrawalScope.ALL)


def key() -> str:
    return f"test-{uuid4()}"


async def issued(desk: Desk, client_id: UUID, language: str = "en") -> str:
    async with desk.database.work(desk.town.coordinator) as work:
        return (await cards.issue_card(work, client_id, language)).code


async def page(desk: Desk, code: str, language: str | None = None) -> CardPage:
    async with desk.database.view(ANONYMOUS) as session:
        return await open_card(session, code, desk.database.clock(), language=language)


async def by_card(desk: Desk, act: Callable[[Work], Awaitable[UUID]]) -> UUID:
    async with desk.database.work(ANONYMOUS) as work:
        return await act(work)


async def withdraw(desk: Desk, code: str, wish: Wish = ALL, **given: str) -> UUID:
    plain = {"key": key(), **given}
    return await by_card(desk, lambda work: cards.withdraw_by_card(work, code, wish, **plain))


async def state(desk: Desk, referral_id: UUID) -> ReferralState:
    async with desk.database.view(SYSTEM) as session:
        return (await session.get_one(Referral, referral_id)).state


@pytest.fixture
async def other_id(desk: Desk) -> UUID:
    """Another person of the same organisation."""
    return await desk.client(identity=Identity(family_name="Anders", given_names="Otto"))


class TestThePage:
    async def test_tells_what_was_shared_with_whom_why_and_until_when(
        self, desk: Desk, town: Town, client_id: UUID
    ) -> None:
        running = await desk.running(client_id, town.provider)
        drafted = await desk.draft(client_id, town.school)
        found = await page(desk, await issued(desk, client_id))
        shown = {one.id: one for one in found.referrals}

        assert shown[running.id].partner == "provider"
        assert shown[running.id].service.text == "Angebot provider"
        assert shown[running.id].shared == (
            "name and date of birth",
            "phone, e-mail, address",
            "which languages you speak",
            "how well you know German",
        )
        assert shown[running.id].purposes == (
            "so that you get this service",
            "so that we hear what came of it",
            "so that we can ask you how it went",
        )
        assert shown[running.id].until is not None
        assert shown[running.id].state == "It has begun."
        assert [offer.move for offer in shown[running.id].offers] == [Move.CANCEL]
        assert shown[drafted.id].shared == ()
        assert [offer.move for offer in shown[drafted.id].offers] == [Move.ABANDON]
        assert found.ask.name == "coordination"
        [consent] = found.consents
        assert [party.name for party in consent.recipients] == ["provider"]
        assert [entry.purpose for entry in consent.purposes] == [
            Purpose.REFERRAL,
            Purpose.REPORT_BACK,
            Purpose.FEEDBACK,
        ]

    async def test_names_nobody_and_tells_no_status(self, desk: Desk, town: Town) -> None:
        from directory.vocabulary import ResidenceStatus

        person = await desk.client(
            identity=Identity(
                family_name="Kanarienvogel", given_names="Gelbe", date_of_birth=date(1991, 7, 23)
            ),
            residence_status=ResidenceStatus.SECTION_104C,
            status_valid_until=date(2031, 5, 17),
        )
        await desk.running(person, town.provider)
        async with desk.database.view(SYSTEM) as session:
            pseudonym = await session.scalar(select(Consent.subject).where(Consent.client_id == person))
        code = await issued(desk, person)
        for language in ("de", "en", "ar", "ti"):
            told = msgspec.json.encode(await page(desk, code, language)).decode()
            for canary in (
                "Kanarienvogel",
                "Gelbe",
                "1991-07-23",
                "23.07.1991",
                "SECTION_104C",
                "104c",
                "2031-05-17",
                "+4935500000",
                str(pseudonym),
                str(person),
                "Mitglied",
                code,
            ):
                assert canary not in told, (language, canary)

    async def test_speaks_the_cards_language_or_says_which_it_fell_back_to(
        self, desk: Desk, client_id: UUID
    ) -> None:
        assert (await page(desk, await issued(desk, client_id, "de"))).title == "Ihre Seite"
        code = await issued(desk, client_id, "zh")
        found = await page(desk, code)
        assert (found.wanted, found.language, found.direction) == ("zh", "de", "ltr")
        assert (await page(desk, code, "en")).title == "Your page"

    async def test_tells_no_more_of_an_outcome_than_its_sender_reads(self, desk: Desk, town: Town) -> None:
        """Whoever issued the card has seen its code."""
        person = await desk.client()
        silent = (PurposeTerms(purpose=Purpose.REFERRAL, categories=ORDINARY),)
        running = await desk.running(person, town.provider, asked=silent)
        before = await page(desk, await issued(desk, person))
        await desk.as_(
            town.provider.member,
            lambda w: answering.report_outcome(
                w, running.id, running.version, outcome=OutcomeCode.NEED_MET, outcome_on=TODAY
            ),
        )
        told = msgspec.json.encode(await page(desk, await issued(desk, person))).decode()

        assert before.referrals[0].purposes == ("so that you get this service",)
        assert "NEED_MET" not in told

    async def test_says_when_and_where_the_person_is_expected(
        self, desk: Desk, town: Town, client_id: UUID
    ) -> None:
        running = await desk.running(client_id, town.provider)
        starts_at = datetime.now(UTC) + timedelta(days=3)
        given = AppointmentGiven(starts_at=starts_at, place="Rathaus, Zimmer 12")
        async with desk.database.work(town.provider.member) as work:
            await set_appointment(work, desk.keys, running.id, running.version, given)
        [shown] = (await page(desk, await issued(desk, client_id))).referrals

        assert shown.appointment is not None
        assert (shown.appointment.at, shown.appointment.place) == (starts_at, "Rathaus, Zimmer 12")

    async def test_changes_nothing(self, desk: Desk, town: Town, client_id: UUID) -> None:
        await desk.running(client_id, town.provider)
        code = await issued(desk, client_id)
        first = await page(desk, code)

        assert all([await page(desk, code) == first for _ in range(10)])


class TestACard:
    async def test_is_dead_at_once_when_another_is_issued(self, desk: Desk, client_id: UUID) -> None:
        first, second = await issued(desk, client_id), await issued(desk, client_id)

        with pytest.raises(CodeNotValid):
            await page(desk, first)
        assert (await page(desk, second)).title

    async def test_of_many_issued_at_once_one_lives(self, desk: Desk, client_id: UUID) -> None:
        codes = await asyncio.gather(*(issued(desk, client_id) for _ in range(6)))
        alive = []
        for code in codes:
            try:
                await page(desk, code)
                alive.append(code)
            except CodeNotValid:
                pass

        assert len(alive) == 1
        async with desk.database.view(SYSTEM) as session:
            rows = await session.execute(
                select(CodeCard.ended_because).where(CodeCard.client_id == client_id)
            )
            assert sorted(str(row[0]) for row in rows) == ["None", *["REPLACED"] * 5]

    async def test_nothing_is_done_with_it_after_it_was_replaced(
        self, desk: Desk, town: Town, client_id: UUID
    ) -> None:
        """While the holder acts the replacement waits; once it is replaced, whoever waited finds it dead."""
        await desk.sent(client_id, town.provider)
        code = await issued(desk, client_id)
        entered, go_on = asyncio.Event(), asyncio.Event()

        async def acting() -> None:
            async with desk.database.work(ANONYMOUS) as work:
                await cards.presented(work.session, code, work.now, lock=True)
                entered.set()
                await go_on.wait()

        holder = asyncio.create_task(acting())
        await entered.wait()
        replacing = asyncio.create_task(issued(desk, client_id))
        await asyncio.sleep(0.2)
        assert not replacing.done()
        go_on.set()
        await holder
        await replacing
        with pytest.raises(CodeNotValid):
            await withdraw(desk, code)

    async def test_ends_when_it_is_lost_or_its_time_has_come(self, desk: Desk, client_id: UUID) -> None:
        code = await issued(desk, client_id)
        async with at(desk.database, datetime.now(UTC) + timedelta(days=367)):
            with pytest.raises(CodeNotValid):
                await page(desk, code)
        async with desk.database.work(desk.town.coordinator) as work:
            await cards.revoke_card(work, client_id)
        for tried in (code, "", "ABCDE-ABCDE-ABCDE-ABCDE-ABCDE"):
            with pytest.raises(CodeNotValid) as refused:
                await page(desk, tried)
            assert refused.value.args == ()

    async def test_lives_twelve_months_at_most(self, desk: Desk, client_id: UUID) -> None:
        async with desk.database.work(desk.town.coordinator) as work:
            with pytest.raises(InvalidInput):
                await cards.issue_card(work, client_id, "de", expires_at=work.now + timedelta(days=400))

    async def test_is_issued_by_whom_looks_after_the_person(
        self, desk: Desk, town: Town, client_id: UUID
    ) -> None:
        for actor, problem in (
            (town.provider.member, NotFound),
            (ANONYMOUS, NotSignedIn),
        ):
            with pytest.raises(problem):
                async with desk.database.work(actor) as work:
                    await cards.issue_card(work, client_id, "de")

    async def test_means_the_same_however_it_is_typed(self, desk: Desk, client_id: UUID) -> None:
        code = await issued(desk, client_id)

        assert (await page(desk, f" {code.lower().replace('-', ' ')} ")).title

    async def test_is_no_feedback_code(self, desk: Desk, client_id: UUID) -> None:
        code = await issued(desk, client_id)

        assert hash_of(code, CodePurpose.CODE_CARD) != hash_of(code, CodePurpose.FEEDBACK)
        assert set(code) <= {*ALPHABET, "-"}

    async def test_is_stored_nowhere(self, desk: Desk, client_id: UUID) -> None:
        code = await issued(desk, client_id)
        await page(desk, code)
        async with desk.database.view(SYSTEM) as session:
            for table in ("code_card", "card_act", "audit"):
                rows = await session.execute(text(f"SELECT to_jsonb(t)::text FROM {table} t"))
                assert not any(code in str(row) for row in rows.scalars())


class TestWithdrawing:
    async def test_everything_ends_access_at_once_and_leaves_a_receipt(
        self, desk: Desk, town: Town, client_id: UUID
    ) -> None:
        running = await desk.running(client_id, town.provider)
        sent = await desk.sent(client_id, town.school)
        code = await issued(desk, client_id)
        number = await withdraw(desk, code, language="de")

        assert [await state(desk, one.id) for one in (running, sent)] == [ReferralState.CONSENT_REVOKED] * 2
        async with desk.database.view(ANONYMOUS) as session:
            kept: Receipt = await receipt_of(session, code, number, desk.database.clock())
        assert (kept.number, kept.language) == (number, "de")
        assert kept.lines[-1] == "Ein Kurs oder eine Hilfe, die schon läuft, endet dadurch nicht."
        found = await page(desk, code)
        assert found.consents == ()
        assert [one.number for one in found.receipts] == [number]
        assert {one.after_the_end for one in found.referrals} == {
            "We have asked provider to delete your data.",
            "We have asked school to delete your data.",
        }
        async with desk.database.view(SYSTEM) as session:
            stored = (await session.scalars(select(Consent).where(Consent.client_id == client_id))).all()
        assert {one.state for one in stored} == {ConsentState.WITHDRAWN}
        assert {one.withdrawal.channel for one in stored if one.withdrawal} == {Channel.CODE}
        for organisation in (town.provider, town.school):
            with pytest.raises(Problem):
                await desk.package(organisation.member, running.id)

    async def test_one_recipient_leaves_the_others(self, desk: Desk, town: Town, client_id: UUID) -> None:
        running = await desk.running(client_id, town.provider)
        sent = await desk.sent(client_id, town.school)
        code = await issued(desk, client_id)
        await withdraw(desk, code, Wish(scope=WithdrawalScope.RECIPIENT, recipient_id=town.provider.id))

        assert await state(desk, running.id) is ReferralState.CONSENT_REVOKED
        assert await state(desk, sent.id) is ReferralState.SENT

    async def test_one_purpose_leaves_the_others(self, desk: Desk, town: Town, client_id: UUID) -> None:
        running = await desk.running(client_id, town.provider)
        code = await issued(desk, client_id)
        await withdraw(desk, code, Wish(scope=WithdrawalScope.PURPOSE, purpose=Purpose.REPORT_BACK))

        assert await state(desk, running.id) is ReferralState.IN_PROGRESS
        [consent] = (await page(desk, code)).consents
        assert [entry.purpose for entry in consent.purposes] == [Purpose.REFERRAL, Purpose.FEEDBACK]

    async def test_repeats_safely(self, desk: Desk, town: Town, client_id: UUID) -> None:
        await desk.sent(client_id, town.provider)
        code, once = await issued(desk, client_id), key()
        numbers = await asyncio.gather(*(withdraw(desk, code, key=once) for _ in range(5)))

        assert len(set(numbers)) == 1
        with pytest.raises(IdempotencyConflict):
            await withdraw(
                desk, code, Wish(scope=WithdrawalScope.PURPOSE, purpose=Purpose.REFERRAL), key=once
            )
        with pytest.raises(InvalidInput) as refused:
            await withdraw(desk, code)
        assert refused.value.reason == "nothing-in-force"

    @pytest.mark.parametrize("round_", range(4))
    async def test_races_with_whoever_opens_the_package(
        self, desk: Desk, town: Town, client_id: UUID, round_: int
    ) -> None:
        """Either the package is opened before the withdrawal, or never; afterwards nobody has access."""
        sent = await desk.sent(client_id, town.provider)
        code = await issued(desk, client_id)

        async def open_it() -> Moved:
            await asyncio.sleep(0.002 * round_)
            return await desk.as_(
                town.provider.member, lambda w: answering.acknowledge(w, sent.id, sent.version)
            )

        await asyncio.gather(open_it(), withdraw(desk, code), return_exceptions=True)

        assert await state(desk, sent.id) is ReferralState.CONSENT_REVOKED
        with pytest.raises(Problem):
            await desk.package(town.provider.member, sent.id)


class TestMoves:
    async def test_a_draft_is_not_sent_and_what_was_sent_is_taken_back(
        self, desk: Desk, town: Town, client_id: UUID
    ) -> None:
        drafted = await desk.draft(client_id, town.school)
        sent = await desk.sent(client_id, town.provider)
        code = await issued(desk, client_id)
        for referral, move in ((drafted, Move.ABANDON), (sent, Move.CANCEL)):
            once = key()
            for _ in range(2):
                await by_card(
                    desk,
                    lambda w, r=referral, m=move, k=once: cards.move_by_card(  # type: ignore[misc]
                        w, code, r.id, r.version, m, key=k
                    ),
                )

        assert await state(desk, drafted.id) is ReferralState.ABANDONED
        assert await state(desk, sent.id) is ReferralState.CANCELLED
        last = (await desk.events(town.coordinator, sent.id))[-1]
        assert (last.actor, last.source, last.reason) == ("PERSON", "CODE", "PERSON_DOES_NOT_WANT")

    async def test_an_outcome_is_contested(self, desk: Desk, town: Town, client_id: UUID) -> None:
        running = await desk.running(client_id, town.provider)
        await desk.as_(
            town.provider.member,
            lambda w: answering.report_outcome(
                w, running.id, running.version, outcome=OutcomeCode.NEED_MET, outcome_on=TODAY
            ),
        )
        code = await issued(desk, client_id)
        [shown] = (await page(desk, code)).referrals
        contest = next(offer for offer in shown.offers if offer.move is Move.CONTEST)
        await by_card(
            desk,
            lambda w: cards.move_by_card(
                w,
                code,
                shown.id,
                shown.version,
                contest.move,
                reason=Reason(contest.reasons[1].code),
                key=key(),
            ),
        )

        assert await state(desk, running.id) is ReferralState.IN_PROGRESS
        assert (await desk.view(town.coordinator, running.id)).disputed

    @pytest.mark.parametrize(
        ("move", "reason", "problem"),
        [
            (Move.CONTEST, None, TransitionNotAllowed),
            (Move.ABANDON, None, TransitionNotAllowed),
            (Move.CLOSE, None, InvalidInput),
            (Move.CANCEL, Reason.DUPLICATE, InvalidInput),
        ],
    )
    async def test_only_what_the_table_gives_the_person(
        self,
        desk: Desk,
        town: Town,
        client_id: UUID,
        move: Move,
        reason: Reason | None,
        problem: type[Problem],
    ) -> None:
        sent = await desk.sent(client_id, town.provider)
        code = await issued(desk, client_id)
        with pytest.raises(problem):
            await by_card(
                desk,
                lambda w: cards.move_by_card(w, code, sent.id, sent.version, move, reason=reason, key=key()),
            )

        assert await state(desk, sent.id) is ReferralState.SENT

    async def test_an_old_page_does_not_move_what_has_moved(
        self, desk: Desk, town: Town, client_id: UUID
    ) -> None:
        sent = await desk.sent(client_id, town.provider)
        code = await issued(desk, client_id)
        with pytest.raises(StaleVersion):
            await by_card(
                desk,
                lambda w: cards.move_by_card(w, code, sent.id, sent.version - 1, Move.CANCEL, key=key()),
            )


class TestAnswering:
    async def answer(self, desk: Desk, code: str, referral_id: UUID, **given: str) -> UUID:
        return await by_card(
            desk,
            lambda w: cards.answer_by_card(
                w,
                desk.keys,
                code,
                referral_id,
                FeedbackAnswer.HELPED,
                text_given=given.get("text"),
                key=given.get("key", key()),
            ),
        )

    async def test_is_taken_once_whichever_way(self, desk: Desk, town: Town, client_id: UUID) -> None:
        running = await desk.running(client_id, town.provider)
        code = await issued(desk, client_id)
        async with desk.database.work(town.coordinator) as work:
            await issue_code(work, running.id)
        results = await asyncio.gather(
            *(self.answer(desk, code, running.id, text="Danke") for _ in range(5)), return_exceptions=True
        )

        assert len([one for one in results if isinstance(one, UUID)]) == 1
        assert {one.reason for one in results if isinstance(one, InvalidInput)} == {"answered-already"}
        [shown] = (await page(desk, code)).referrals
        assert (shown.how_it_went, shown.your_answer) == (None, "It helped me.")
        async with desk.database.view(town.coordinator) as session:
            [read] = await list_feedback(session, town.coordinator, desk.keys, running.id)
        assert (read.answer, read.source, read.text) == (FeedbackAnswer.HELPED, "CODE", "Danke")

    async def test_waits_until_there_is_something_to_say(
        self, desk: Desk, town: Town, client_id: UUID
    ) -> None:
        sent = await desk.sent(client_id, town.provider)
        with pytest.raises(TransitionNotAllowed):
            await self.answer(desk, await issued(desk, client_id), sent.id)

    async def test_is_not_asked_of_who_does_not_want_to_be_asked(
        self, desk: Desk, town: Town, client_id: UUID
    ) -> None:
        running = await desk.running(client_id, town.provider)
        code = await issued(desk, client_id)
        assert (await page(desk, code)).referrals[0].how_it_went is not None
        await withdraw(desk, code, Wish(scope=WithdrawalScope.PURPOSE, purpose=Purpose.FEEDBACK))

        [shown] = (await page(desk, code)).referrals
        assert (shown.id, shown.how_it_went) == (running.id, None)


class TestAnotherPerson:
    """A card of A against everything of B, in the same organisation and in another."""

    async def test_is_never_seen_and_never_touched(
        self, desk: Desk, town: Town, client_id: UUID, other_id: UUID
    ) -> None:
        theirs = await desk.sent(other_id, town.provider)
        running = await desk.running(other_id, town.school)
        drafted = await desk.draft(other_id, town.business, categories=ORDINARY)
        async with desk.database.view(SYSTEM) as session:
            consent = await session.scalar(select(Consent).where(Consent.client_id == other_id).limit(1))
        assert consent is not None
        await desk.sent(client_id, town.provider)
        code = await issued(desk, client_id)
        found = await page(desk, code)

        assert not {theirs.id, running.id, drafted.id} & {one.id for one in found.referrals}
        attempts: list[Callable[[Work], Awaitable[UUID]]] = [
            lambda w: cards.withdraw_by_card(
                w, code, Wish(scope=WithdrawalScope.ALL, consent_id=consent.id), key=key()
            ),
            lambda w: cards.move_by_card(w, code, theirs.id, theirs.version, Move.CANCEL, key=key()),
            lambda w: cards.move_by_card(w, code, drafted.id, drafted.version, Move.ABANDON, key=key()),
            lambda w: cards.answer_by_card(w, desk.keys, code, running.id, FeedbackAnswer.HELPED, key=key()),
            lambda w: cards.answer_follow_up_by_card(w, code, uuid4(), "STILL_MET", key=key()),  # type: ignore[arg-type]
        ]
        for attempt in attempts:
            with pytest.raises(NotFound):
                await by_card(desk, attempt)
        await withdraw(desk, code)

        assert await state(desk, theirs.id) is ReferralState.SENT
        assert await state(desk, running.id) is ReferralState.IN_PROGRESS
        assert await state(desk, drafted.id) is ReferralState.DRAFT
        async with desk.database.view(ANONYMOUS) as session:
            with pytest.raises(CodeNotValid):
                await receipt_of(session, code, uuid4(), desk.database.clock())

    async def test_raw_sql_with_the_cards_hash_sees_own_rows_only(
        self, desk: Desk, town: Town, client_id: UUID, other_id: UUID
    ) -> None:
        await desk.sent(other_id, town.provider)
        await desk.running(client_id, town.provider)
        await issued(desk, other_id)
        code = await issued(desk, client_id)
        async with desk.database.work(ANONYMOUS) as work:
            for table in ("code_card", "consent", "referral", "referral_event", "follow_up", "feedback"):
                rows = await work.session.execute(text(f"SELECT count(*) FROM {table}"))
                assert rows.scalar() == 0
            await present(work.session, hash_of(code, CodePurpose.CODE_CARD))
            for table in ("code_card", "consent", "referral"):
                rows = await work.session.execute(text(f"SELECT DISTINCT client_id FROM {table}"))
                assert rows.scalars().all() == [client_id], table
            for table in ("client", "referral_package", "booking", "booking_person", "approval", "exclusion"):
                rows = await work.session.execute(text(f"SELECT count(*) FROM {table}"))
                assert rows.scalar() == 0, table

    async def test_raw_sql_does_no_more_than_the_card_may(
        self, desk: Desk, town: Town, client_id: UUID
    ) -> None:
        await desk.running(client_id, town.provider)
        code = await issued(desk, client_id)
        for statement in (
            "UPDATE consent SET valid_until = valid_until + interval '1 year' WHERE client_id = :id",
            "UPDATE consent SET state = 'WITHDRAWN', version = version + 1 WHERE client_id = :id",
            "UPDATE code_card SET ended_at = NULL, ended_because = NULL WHERE client_id = :id",
            "INSERT INTO feedback (id, referral_id, partner_id, answer, source, at) SELECT"
            " gen_random_uuid(), id, sender_partner_id, 'HELPED', 'PHONE', now() FROM referral"
            " WHERE client_id = :id",
        ):
            with pytest.raises(Exception, match=r"row-level security|permission denied|does not change"):
                async with desk.database.work(ANONYMOUS) as work:
                    await present(work.session, hash_of(code, CodePurpose.CODE_CARD))
                    await work.session.execute(text(statement), {"id": client_id})

    async def test_a_dead_card_sees_nothing(self, desk: Desk, town: Town, client_id: UUID) -> None:
        await desk.running(client_id, town.provider)
        code = await issued(desk, client_id)
        await issued(desk, client_id)
        async with desk.database.work(ANONYMOUS) as work:
            await present(work.session, hash_of(code, CodePurpose.CODE_CARD))
            for table in ("code_card", "consent", "referral", "referral_event"):
                rows = await work.session.execute(text(f"SELECT count(*) FROM {table}"))
                assert rows.scalar() == 0, table
