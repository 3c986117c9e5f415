"""Reads of personal data for one request: each in a transaction that begins by saying who acts.

What several resolvers ask for one by one is read in one transaction per kind and turn. Who may read what is
the referral room's: None is what the actor may not know of; every opening is recorded there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from strawberry.dataloader import DataLoader

from directory.actors import ANONYMOUS, Actor
from directory.database import Database
from directory.days import local_day
from directory.problems import NotAllowed, NotFound
from directory.sources import Page
from referrals import (
    answer_links,
    appointments,
    approvals,
    bookings,
    clients,
    hearing,
    inbox,
    outbox,
    rule_sets,
    thread,
)
from referrals.answer_links import LinkView
from referrals.appointments import AppointmentView
from referrals.approvals import ApprovalView
from referrals.bookings import BookingView
from referrals.clients import ClientFile, ClientSummary, ExclusionView
from referrals.consent import consents
from referrals.consent import notice as words
from referrals.consent.consents import ConsentView
from referrals.consent.renewals import list_renewals
from referrals.eligibility import Situation, Verdict, former_answer, judge
from referrals.export import Sheet
from referrals.exports import read_sheet
from referrals.hearing import VoiceCounts
from referrals.inbox import Box, EventView, ReferralView
from referrals.outbox import NoticeView
from referrals.package import Package
from referrals.person import feedback, follow_ups
from referrals.person.card_page import CardPage, Receipt, open_card, receipt_of
from referrals.person.cards import CardView, card_of
from referrals.person.feedback import FeedbackView
from referrals.person.follow_ups import FollowUpView
from referrals.personal_data.keystore import KeyStore
from referrals.problems import Erased, PackageClosed
from referrals.requirements import Requirements, requirements
from referrals.thread import Entry
from referrals.values import ConsentEvidence, PurposeTerms
from referrals.vocabulary import (
    BookingState,
    ClientPhase,
    ConsentWarning,
    DataCategory,
    ReferralState,
    ReportDepth,
)
from referrals.voices import Voices

T = TypeVar("T")
K = TypeVar("K")


class KeyStoreMissing(RuntimeError):
    """The service was started without a key store; nothing personal can be opened or sealed."""


class Support(NamedTuple):
    """What the project's rule says of a client today, by which version.

    ``changed``: another answer than what was judged last, at intake or at sending; that ends nothing.
    """

    verdict: Verdict
    rule_set: rule_sets.RuleSetView | None
    changed: bool


class People:
    """The personal data that one request reads."""

    def __init__(self, database: Database, actor: Actor, keys: KeyStore | None) -> None:
        self._database = database
        self._actor = actor
        self._keys = keys
        self.summary: DataLoader[UUID, ClientSummary | None] = DataLoader(self._summaries)
        self.referral: DataLoader[UUID, ReferralView | None] = DataLoader(self._each(self._referral))
        self.events: DataLoader[UUID, Sequence[EventView]] = DataLoader(self._each(self._events))
        self.package: DataLoader[UUID, Package | None] = DataLoader(self._each(self._package))
        self.follow_ups: DataLoader[tuple[UUID, UUID], Sequence[ReferralView]] = DataLoader(
            self._each(self._follow_ups)
        )
        self.thread: DataLoader[UUID, Sequence[Entry]] = DataLoader(self._each(self._thread))
        self.lineage: DataLoader[UUID, Sequence[ReferralView]] = DataLoader(self._each(self._lineage))
        self.appointments: DataLoader[UUID, Sequence[AppointmentView]] = DataLoader(self._appointments)
        self.notices: DataLoader[UUID, Sequence[NoticeView]] = DataLoader(self._notices)
        self.feedback: DataLoader[UUID, Sequence[FeedbackView]] = DataLoader(self._each(self._feedback))
        self.answer_links: DataLoader[UUID, Sequence[LinkView]] = DataLoader(self._each(self._answer_links))
        self.voices: DataLoader[UUID, Voices | None] = DataLoader(self._each(self._voices))
        self.later_follow_ups: DataLoader[UUID, Sequence[FollowUpView]] = DataLoader(self._later_follow_ups)
        self.booked_person: DataLoader[UUID, str | None] = DataLoader(self._each(self._booked_person))

    @property
    def keys(self) -> KeyStore:
        """Where every person's data key is kept."""
        if self._keys is None:
            raise KeyStoreMissing
        return self._keys

    @property
    def now(self) -> datetime:
        """The moment that access is judged at."""
        return self._database.clock()

    @property
    def today(self) -> date:
        """The day that rules are judged on, in Brandenburg."""
        return local_day(self.now)

    @asynccontextmanager
    async def view(self) -> AsyncIterator[AsyncSession]:
        """Open a reading transaction of this actor."""
        async with self._database.view(self._actor) as session:
            yield session

    def _each(
        self, read: Callable[[AsyncSession, K], Awaitable[T]]
    ) -> Callable[[list[K]], Awaitable[Sequence[T | BaseException]]]:
        """Return a batch reader that reads one after the other in one transaction."""

        async def load(keys: list[K]) -> list[T | BaseException]:
            async with self.view() as session:
                return [await read(session, key) for key in keys]

        return load

    # --- Clients ----------------------------------------------------------------------------------------

    async def client(self, client_id: UUID) -> ClientFile | None:
        """Return an own client's file, opened; None for everybody else. Raises Erased."""
        async with self.view() as session:
            try:
                return await clients.view_client(session, self._actor, self.keys, client_id)
            except NotFound:
                return None

    async def clients(
        self,
        *,
        name: str | None,
        phases: Sequence[ClientPhase],
        responsible_id: UUID | None,
        need: str | None,
        first: int,
        after: str | None,
    ) -> Page[ClientSummary]:
        """Return a page of the own organisation's clients."""
        async with self.view() as session:
            page = await clients.find_clients(
                session,
                self._actor,
                self.keys,
                name=name,
                phases=phases,
                responsible_id=responsible_id,
                need=need,
                first=first,
                after=after,
            )
        return Page(nodes=page.rows, cursors=page.cursors, has_next=page.more, total=page.total)

    async def _summaries(self, client_ids: list[UUID]) -> list[ClientSummary | None]:
        async with self.view() as session:
            found = await clients.summaries(session, self._actor, self.keys, client_ids)
        return [found.get(client_id) for client_id in client_ids]

    async def phase_counts(self) -> dict[ClientPhase, int]:
        """Return how many of the own organisation's clients stand in each phase."""
        async with self.view() as session:
            return await clients.phase_counts(session, self._actor)

    async def support(self, client: ClientFile) -> Support:
        """Return what the project's rule for its own support says about a client today."""
        async with self.view() as session:
            rules = await rule_sets.in_force(session, self._actor.municipality_id, self.today)
        situation = Situation(
            status=client.residence_status,
            supported_before=client.supported_before,
            applied_in_time=client.applied_in_time,
            former_answer=former_answer(client.judged, client.residence_status),
        )
        verdict = judge(rules.rules if rules is not None else (), situation, self.today)
        last = client.judged[-1] if client.judged else None
        return Support(
            verdict=verdict,
            rule_set=rules,
            changed=last is not None and (last.answer, last.advice) != (verdict.answer, verdict.advice),
        )

    async def rule_set_in_force(self, on: date) -> rule_sets.RuleSetView | None:
        """Return the version of the project's rule that is in force on a day."""
        async with self.view() as session:
            return await rule_sets.in_force(session, self._actor.municipality_id, on)

    async def rule_set(self, rule_set_id: UUID) -> rule_sets.RuleSetView | None:
        """Return one version of the project's rule, or None if this actor knows of none."""
        async with self.view() as session:
            return await rule_sets.rule_set(session, self._actor, rule_set_id, self.today)

    async def versions_of_the_rule(self, first: int) -> tuple[rule_sets.RuleSetView, ...]:
        """Return the versions of the project's rule, newest first; drafts for a LEAD only."""
        async with self.view() as session:
            return await rule_sets.history(session, self._actor, self.today, first=first)

    async def preview_rule_set(self, rule_set_id: UUID, on: date) -> rule_sets.RuleSetPreview:
        """Count what a version would change for the own clients. Raises NotFound, NotAllowed."""
        async with self.view() as session:
            return await rule_sets.preview_rule_set(session, self._actor, rule_set_id, on, self.today)

    async def exclusion(self, client_id: UUID) -> ExclusionView | None:
        """Return that a client is excluded; None for everybody but a LEAD of the own organisation."""
        async with self.view() as session:
            try:
                return await clients.exclusion_of(session, self._actor, self.keys, client_id)
            except (NotAllowed, NotFound):
                return None

    # --- Consents ---------------------------------------------------------------------------------------

    async def consent(self, consent_id: UUID) -> ConsentView | None:
        """Return a consent record as this actor may see it, or None."""
        async with self.view() as session:
            try:
                return await consents.view_consent(session, self._actor, consent_id, self.now)
            except NotFound:
                return None

    async def consents(self, client_id: UUID) -> list[ConsentView]:
        """Return the consent records of an own client, newest first."""
        async with self.view() as session:
            return await consents.list_consents(session, self._actor, client_id, self.now)

    async def evidence(self, consent: ConsentView) -> ConsentEvidence | None:
        """Return the evidence of a decision to its controller; None for others, and once it is erased."""
        async with self.view() as session:
            try:
                return await consents.open_evidence(session, self._actor, self.keys, consent.id)
            except (NotFound, Erased):
                return None

    async def notice(self, consent: ConsentView, language: str | None) -> words.Notice | None:
        """Return what is or was shown of a record, to its controller; None for others."""
        async with self.view() as session:
            try:
                return await consents.shown_notice(session, self._actor, consent.id, language)
            except NotFound:
                return None

    async def receipt(self, consent: ConsentView, language: str | None) -> words.Notice | None:
        """Return the person's receipt of a withdrawal, to its controller; None for others."""
        async with self.view() as session:
            try:
                return await consents.withdrawal_receipt(session, self._actor, consent.id, language)
            except NotFound:
                return None

    async def consent_warnings(self, consent: ConsentView) -> Sequence[ConsentWarning]:
        """Return what to think of before a record is decided; nothing for others, and once it is erased."""
        async with self.view() as session:
            try:
                return await consents.warnings_of(session, self._actor, self.keys, consent.id)
            except (NotFound, Erased):
                return ()

    async def planned_notice(
        self, *, recipients: Sequence[UUID], purposes: Sequence[PurposeTerms], language: str
    ) -> words.Notice:
        """Return the notice for a consent that the own organisation is going to ask for."""
        async with self.view() as session:
            return await consents.planned_notice(
                session, self._actor, recipients=recipients, purposes=purposes, language=language
            )

    async def section_87_notice(
        self, *, language: str, service_id: UUID | None, recipient_id: UUID | None
    ) -> words.Notice | None:
        """Return the notice about § 87 AufenthG, or None where none is due."""
        async with self.view() as session:
            return await consents.section_87_notice(
                session, self._actor, language=language, service_id=service_id, recipient_id=recipient_id
            )

    async def revocations_unanswered(self, first: int) -> list[UUID]:
        """Return the own referrals whose recipient owes an answer after the consent ended."""
        async with self.view() as session:
            return await consents.unanswered_revocations(session, self._actor, limit=first)

    # --- Referrals --------------------------------------------------------------------------------------

    async def renewals(self, *, first: int) -> Sequence[ConsentView]:
        """Return the own consents that end within 30 days."""
        async with self.view() as session:
            return await list_renewals(session, self._actor, self.now, first=first)

    async def requirements(
        self,
        *,
        client_id: UUID,
        service_id: UUID,
        categories: Sequence[DataCategory],
        report_depth: ReportDepth,
    ) -> Requirements:
        """Return what sending an own client to a service would need, with the preview of the package."""
        async with self.view() as session:
            return await requirements(
                session,
                self._actor,
                self.keys,
                client_id=client_id,
                service_id=service_id,
                categories=categories,
                report_depth=report_depth,
                at=self.now,
            )

    async def referrals(
        self,
        box: Box,
        *,
        first: int,
        after: str | None,
        total: bool,
        states: Sequence[ReferralState] = (),
        due_before: datetime | None = None,
        overdue: bool | None = None,
        waits_for_sender: bool | None = None,
        client_id: UUID | None = None,
        service_id: UUID | None = None,
        soonest_first: bool = False,
    ) -> Page[ReferralView]:
        """Return a page of the inbox or of what was sent."""
        async with self.view() as session:
            page = await inbox.list_referrals(
                session,
                self._actor,
                self.now,
                box,
                states=states,
                due_before=due_before,
                overdue=overdue,
                waits_for_sender=waits_for_sender,
                client_id=client_id,
                service_id=service_id,
                soonest_first=soonest_first,
                first=first,
                after=after,
                with_total=total,
            )
        return Page(
            nodes=page.items,
            cursors=page.cursors,
            has_next=page.has_next,
            total=page.total,
        )

    async def _referral(self, session: AsyncSession, referral_id: UUID) -> ReferralView | None:
        try:
            return await inbox.view_referral(session, self._actor, referral_id, self.now)
        except NotFound:
            return None

    async def _events(self, session: AsyncSession, referral_id: UUID) -> Sequence[EventView]:
        try:
            return await inbox.list_events(session, self._actor, self.keys, referral_id, self.now)
        except NotFound:
            return ()

    async def _package(self, session: AsyncSession, referral_id: UUID) -> Package | None:
        try:
            return await inbox.view_package(session, self._actor, self.keys, referral_id, self.now)
        except (NotFound, PackageClosed, Erased):
            return None

    async def _follow_ups(self, session: AsyncSession, key: tuple[UUID, UUID]) -> Sequence[ReferralView]:
        client_id, parent_id = key
        page = await inbox.list_referrals(
            session, self._actor, self.now, Box.SENT, client_id=client_id, first=inbox.MOST
        )
        return [item for item in page.items if item.parent_id == parent_id]

    async def _feedback(self, session: AsyncSession, referral_id: UUID) -> Sequence[FeedbackView]:
        try:
            return await feedback.list_feedback(session, self._actor, self.keys, referral_id)
        except (NotFound, NotAllowed, Erased):
            return ()

    # --- Notices ----------------------------------------------------------------------------------------

    async def _notices(self, referral_ids: list[UUID]) -> list[Sequence[NoticeView]]:
        async with self.view() as session:
            found = await outbox.notices_about(session, self._actor, referral_ids)
        return [found[referral_id] for referral_id in referral_ids]

    async def notices_not_arrived(self, *, first: int) -> Sequence[NoticeView]:
        """Return what the own organisation waits for and could not be delivered."""
        async with self.view() as session:
            return await outbox.list_not_arrived(session, self._actor, first=first)

    async def _answer_links(self, session: AsyncSession, referral_id: UUID) -> Sequence[LinkView]:
        return await answer_links.list_links(session, self._actor, referral_id, self.now)

    # --- Cards, voices and later follow-ups -------------------------------------------------------------

    async def card_page(self, code: str, language: str | None = None) -> CardPage:
        """Return the page of whoever presents a card's code; raises CodeNotValid."""
        async with self._database.view(ANONYMOUS) as session:
            return await open_card(session, code, self.now, language=language)

    async def card_receipt(self, code: str, number: UUID) -> Receipt:
        """Return the receipt of what was withdrawn with this card; raises CodeNotValid."""
        async with self._database.view(ANONYMOUS) as session:
            return await receipt_of(session, code, number, self.now)

    async def code_card(self, client_id: UUID) -> CardView | None:
        """Return the living code card of an own client, without its code."""
        async with self.view() as session:
            return await card_of(session, self._actor, client_id, self.now)

    async def _voices(self, session: AsyncSession, referral_id: UUID) -> Voices | None:
        try:
            return await hearing.voices_of(session, self._actor, referral_id, self.now)
        except NotFound:
            return None

    async def voice_counts(self, year: int, quarter: int) -> VoiceCounts:
        """Return what was heard about the own organisation's referrals in a quarter."""
        async with self.view() as session:
            return await hearing.count_voices(session, self._actor, year, quarter, self.now)

    async def _later_follow_ups(self, referral_ids: list[UUID]) -> list[Sequence[FollowUpView]]:
        async with self.view() as session:
            found = await follow_ups.follow_ups_of(session, self._actor, referral_ids)
        return [found[referral_id] for referral_id in referral_ids]

    async def follow_up(self, follow_up_id: UUID) -> FollowUpView | None:
        """Return one later follow-up of the own organisation, or None."""
        async with self.view() as session:
            try:
                return await follow_ups.view_follow_up(session, self._actor, follow_up_id)
            except NotFound:
                return None

    async def due_follow_ups(self, *, first: int) -> Sequence[FollowUpView]:
        """Return whom the own organisation is to ask again now."""
        async with self.view() as session:
            return await follow_ups.due_follow_ups(session, self._actor, self.now, first=first)

    # --- Threads, appointments, waiting lists, exports ---------------------------------------------------

    async def _thread(self, session: AsyncSession, referral_id: UUID) -> Sequence[Entry]:
        try:
            return await thread.read_thread(session, self._actor, self.keys, referral_id, self.now)
        except NotFound:
            return ()

    async def _lineage(self, session: AsyncSession, referral_id: UUID) -> Sequence[ReferralView]:
        try:
            return await inbox.lineage(session, self._actor, referral_id, self.now)
        except NotFound:
            return ()

    async def _appointments(self, referral_ids: list[UUID]) -> list[Sequence[AppointmentView]]:
        async with self.view() as session:
            found = await appointments.list_appointments(session, self._actor, referral_ids, self.now)
        return [found[referral_id] for referral_id in referral_ids]

    async def appointments_between(
        self, start: datetime, end: datetime, *, first: int
    ) -> tuple[AppointmentView, ...]:
        """Return the own organisation's appointments of a period, as sender and as recipient."""
        async with self.view() as session:
            return await appointments.appointments_between(
                session, self._actor, start, end, self.now, first=first
            )

    async def calendar(self, start: datetime, end: datetime, language: str) -> bytes:
        """Return the own organisation's appointments of a period as iCalendar."""
        async with self.view() as session:
            found = await appointments.appointments_between(session, self._actor, start, end, self.now)
            places = await appointments.places_of(session, found)
        return appointments.as_calendar(found, places, language, self.now)

    async def waiting_list(self, service_id: UUID, *, first: int) -> tuple[ReferralView, ...]:
        """Return who waits for a place of an own service, in order."""
        async with self.view() as session:
            return await inbox.waiting_list(session, self._actor, service_id, self.now, first=first)

    async def sheet(self, referral_id: UUID, language: str) -> Sheet:
        """Return what an export of a referral is made of; raises NotFound."""
        async with self.view() as session:
            return await read_sheet(session, self._actor, self.keys, referral_id, self.now, language)

    # --- Approvals and bookings -------------------------------------------------------------------------

    async def approvals(self, referral_id: UUID | None = None, *, first: int = 100) -> Sequence[ApprovalView]:
        """Return the requests for four eyes that this actor sees, open ones first."""
        async with self.view() as session:
            return await approvals.list_approvals(
                session, self._actor, self.now, referral_id=referral_id, first=first
            )

    async def approval(self, approval_id: UUID) -> ApprovalView | None:
        """Return one request for four eyes that this actor sees, else None."""
        return next((found for found in await self.approvals() if found.id == approval_id), None)

    async def booking(self, booking_id: UUID) -> BookingView | None:
        """Return a booking to either side, else None."""
        async with self.view() as session:
            try:
                return await bookings.view_booking(session, self._actor, booking_id)
            except NotFound:
                return None

    async def bookings(
        self, *, received: bool, states: Sequence[BookingState], first: int, after: str | None, total: bool
    ) -> Page[BookingView]:
        """Return a page of the bookings that were received or asked for."""
        async with self.view() as session:
            page = await bookings.list_bookings(
                session,
                self._actor,
                received=received,
                states=states,
                first=first,
                after=after,
                with_total=total,
            )
        return Page(
            nodes=page.items,
            cursors=tuple(item.cursor for item in page.items),
            has_next=page.has_next,
            total=page.total,
        )

    async def _booked_person(self, session: AsyncSession, booking_id: UUID) -> str | None:
        try:
            return await bookings.view_booked_person(session, self._actor, self.keys, booking_id)
        except (NotFound, Erased):
            return None
