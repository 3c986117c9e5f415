"""A referral as one side may see it, its history, and what was sent about the person."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from strawberry import Parent

from directory.problems import InvalidInput, NotFound
from directory.vocabulary import CefrLevel, LegalCircle, ResidenceStatus, WorkPermission
from graphapi.context import Info
from graphapi.messages import message_for
from graphapi.relay import global_id
from graphapi.types import exchange_words as exchange_words
from graphapi.types.appointment import Appointment, ExportedFile, ThreadEntry, exported
from graphapi.types.ids import labelled as labelled
from graphapi.types.ids import named as named
from graphapi.types.node import Node
from graphapi.types.notice import Notice
from graphapi.types.partner import Partner
from graphapi.types.service import Service
from graphapi.types.words import describe, label
from referrals import inbox, package, useful_start
from referrals.export import ExportFormat
from referrals.inbox import EventView, ReferralView
from referrals.outbox import reference_of
from referrals.problems import PackageClosed
from referrals.states import Move
from referrals.useful_start import Reckoned
from referrals.vocabulary import (
    AnswerSource,
    CapacityReason,
    DataCategory,
    DeclinedBy,
    DeclineReason,
    EventActor,
    FeedbackAsked,
    NextStepKind,
    OutcomeCode,
    OutcomeReason,
    Priority,
    Reason,
    ReferralState,
    RevocationAnswer,
    Warned,
)

if TYPE_CHECKING:
    from graphapi.types.answer_link import AnswerLink
    from graphapi.types.client import ClientSummary
    from graphapi.types.feedback import Feedback
    from graphapi.types.follow_up import FollowUp
    from graphapi.types.voices import Voices

describe(Warned, "What the sender is warned about; a warning never blocks.")
describe(NextStepKind, "What happens next to a referral when nobody does anything.")
describe(Reckoned, "From what it is known how long a service takes.")


@strawberry.type(description="What a package can hold about a person; what was not consented to is null.")
class PersonFacts:
    """Everything about a person that a category can share, flat."""

    family_name: str | None = strawberry.field(description="IDENTITY.")
    given_names: str | None = strawberry.field(description="IDENTITY.")
    date_of_birth: date | None = strawberry.field(description="IDENTITY.")
    phone: str | None = strawberry.field(description="CONTACT; E.164.")
    email: str | None = strawberry.field(description="CONTACT.")
    address: str | None = strawberry.field(description="CONTACT.")
    languages: list[str] = strawberry.field(description="LANGUAGE; BCP 47.")
    residence_status: ResidenceStatus | None = strawberry.field(description="STATUS.")
    legal_circle: LegalCircle | None = strawberry.field(description="STATUS.")
    status_valid_until: date | None = strawberry.field(description="STATUS_END.")
    work_permission: WorkPermission | None = strawberry.field(description="WORK_PERMISSION.")
    level: CefrLevel | None = strawberry.field(description="LEVEL.")
    qualifications: list[str] = strawberry.field(description="QUALIFICATION.")
    competences: list[str] = strawberry.field(description="QUALIFICATION.")
    experience: list[str] = strawberry.field(description="EXPERIENCE.")
    needs: list[str] = strawberry.field(description="NEEDS; topic codes.")
    family_care: str | None = strawberry.field(description="FAMILY_CARE.")
    health: str | None = strawberry.field(description="HEALTH.")
    documents: list[str] = strawberry.field(description="DOCUMENTS.")


@strawberry.type(description="What a recipient reads about a person: exactly the consented categories.")
class Package:
    """What a recipient reads about a person."""

    categories: list[DataCategory] = strawberry.field(description="The categories that were consented to.")
    person: PersonFacts = strawberry.field(description="Their fields.")

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell packages by the room's value."""
        return isinstance(value, package.Package | cls)


@strawberry.type(description="A code or date that belongs to an event.")
class EventFact:
    """A code or date that belongs to an event."""

    name: str = strawberry.field(description="What it is.")
    value: str = strawberry.field(description="The code or ISO date.")


def _facts(root: Parent[EventView]) -> list[EventFact]:
    return [EventFact(name=name, value=value) for name, value in sorted(root.facts.items())]


@strawberry.type(description="What happened to a referral; replaying the events gives its state.")
class ReferralEvent:
    """One event in a referral's history."""

    ordinal: int = strawberry.field(description="Counts from 1 per referral.")
    at: datetime = strawberry.field(description="When it was recorded.")
    move: str = strawberry.field(description="What was done.")
    from_state: ReferralState | None = strawberry.field(description="The state before.")
    to_state: ReferralState = strawberry.field(description="The state since then.")
    actor: EventActor = strawberry.field(description="As whom it was done.")
    partner_id: strawberry.ID | None = strawberry.field(
        resolver=named("Partner", "partner_id"), description="By which organisation (Partner)."
    )
    member_id: strawberry.ID | None = strawberry.field(
        resolver=named("Member", "member_id"), description="By whom; of the own organisation only (Member)."
    )
    source: AnswerSource = strawberry.field(description="How it came in.")
    source_on: date | None = strawberry.field(description="The day of an answer that was recorded later.")
    reason: str | None = strawberry.field(description="Code of the reason.")
    facts: list[EventFact] = strawberry.field(resolver=_facts, description="Codes and dates.")
    text: str | None = strawberry.field(description="Question or answer; deleted with the package.")


@strawberry.type(description="A recipient's answer after the consent ended.")
class Kept:
    """What a recipient did with the data after the consent ended."""

    answer: RevocationAnswer = strawberry.field(description="Deleted, or kept.")
    what: list[DataCategory] = strawberry.field(description="What is kept.")
    legal_basis: str | None = strawberry.field(description="On which basis.")
    until: date | None = strawberry.field(description="Until when.")


def _reason(root: Parent[useful_start.LatestUsefulStart], info: Info) -> str:
    return root.reason[info.context.language]


@strawberry.type(
    description="Until when it is useful to begin, reckoned back from the end of the residence status."
)
class LatestUsefulStart:
    """Until when it is useful to begin."""

    on: date = strawberry.field(description="The last day on which beginning is useful.")
    duration_days: int = strawberry.field(description="How long the service takes, in days.")
    needed_days: int = strawberry.field(description="Days that are needed to use its result.")
    reckoned: Reckoned = strawberry.field(description="From what the length is known.")
    reason: str = strawberry.field(resolver=_reason, graphql_type=str, description="Why, for people.")
    source: str = strawberry.field(description="The rule behind it, or that it is experience.")


@strawberry.type(description="What happens next to a referral when nobody does anything.")
class NextStep:
    """What happens next, and when."""

    what: NextStepKind = strawberry.field(description="What happens.")
    what_label: str = strawberry.field(
        resolver=labelled("what"), graphql_type=str, description="What happens, for people."
    )
    at: datetime = strawberry.field(description="When.")


def texts_of_warnings(root: Parent[Any], info: Info) -> list[str]:
    """Return the parent's warnings in the reader's language."""
    return [label(warned, info.context.language) for warned in root.warnings]


def _id(root: Parent[ReferralView]) -> strawberry.ID:
    return global_id("Referral", root.id)


def _service(root: Parent[ReferralView], info: Info) -> Any:
    return info.context.loaders.service.load(root.service_id)


def _better_service(root: Parent[ReferralView], info: Info) -> Any:
    better = root.better_service_id
    return None if better is None else info.context.loaders.service.load(better)


def _sender(root: Parent[ReferralView], info: Info) -> Any:
    return info.context.loaders.partner.load(root.sender_partner_id)


def _recipient(root: Parent[ReferralView], info: Info) -> Any:
    return info.context.loaders.partner.load(root.recipient_partner_id)


def _client(root: Parent[ReferralView], info: Info) -> Any:
    return None if root.client_id is None else info.context.people.summary.load(root.client_id)


def _events(root: Parent[ReferralView], info: Info) -> Any:
    return info.context.people.events.load(root.id)


async def _package(root: Parent[ReferralView], info: Info) -> Any:
    return await info.context.people.package.load(root.id) if root.package_readable else None


def _closed_because(root: Parent[ReferralView], info: Info) -> str | None:
    if root.package_readable:
        return None
    return message_for(PackageClosed(root.state), info.context.language)


def _notices(root: Parent[ReferralView], info: Info) -> Any:
    return info.context.people.notices.load(root.id)


def _answer_links(root: Parent[ReferralView], info: Info) -> Any:
    return info.context.people.answer_links.load(root.id)


def _voices(root: Parent[ReferralView], info: Info) -> Any:
    return info.context.people.voices.load(root.id)


def _later_follow_ups(root: Parent[ReferralView], info: Info) -> Any:
    return info.context.people.later_follow_ups.load(root.id)


def _feedback(root: Parent[ReferralView], info: Info) -> Any:
    return info.context.people.feedback.load(root.id)


async def _parent(root: Parent[ReferralView], info: Info) -> Any:
    return None if root.parent_id is None else await info.context.people.referral.load(root.parent_id)


async def _follow_ups(root: Parent[ReferralView], info: Info) -> Any:
    if root.client_id is None:
        return []
    return await info.context.people.follow_ups.load((root.client_id, root.id))


def _taken_over(root: Parent[ReferralView]) -> strawberry.ID | None:
    made = root.taken_over_client_id
    return None if made is None else global_id("Client", made)


def _thread(root: Parent[ReferralView], info: Info) -> Any:
    return info.context.people.thread.load(root.id)


def _appointments(root: Parent[ReferralView], info: Info) -> Any:
    return info.context.people.appointments.load(root.id)


async def _lineage(root: Parent[ReferralView], info: Info) -> Any:
    return [] if root.client_id is None else await info.context.people.lineage.load(root.id)


async def _export(
    root: Parent[ReferralView],
    info: Info,
    format: Annotated[ExportFormat, strawberry.argument(description="As what.")],
    language: Annotated[
        str, strawberry.argument(description="de or en; of the labels, not of what people wrote.")
    ] = "de",
) -> ExportedFile | None:
    if language not in {"de", "en"}:
        raise InvalidInput("language", "unknown-value")
    try:
        sheet = await info.context.people.sheet(root.id, language)
    except NotFound:
        return None
    return await exported(sheet, format, language)


@strawberry.type(
    description=(
        "That a person is sent to a service of a partner, and what came of it (Überleitung). Sender and "
        "recipient see different fields: what you may not see is null or empty. Before it acknowledges, the "
        "recipient sees topic, language and area only."
    )
)
class Referral(Node):
    """A referral as one side may see it."""

    id: strawberry.ID = strawberry.field(resolver=_id, description="Global id.")
    version: int = strawberry.field(description="Rises with every change; give it as expectedVersion.")
    reference: str = strawberry.field(
        resolver=lambda root: reference_of(root.id),
        graphql_type=str,
        description="Short reference by which both offices speak of it; it stands in mails.",
    )
    notices: list[Notice] = strawberry.field(
        resolver=_notices,
        graphql_type=list[Notice],
        description=(
            "What your organisation is told about it by mail, and whether what it waits for arrived: "
            "when it did not, phone the partner."
        ),
    )
    seen_as: EventActor = strawberry.field(description="As whom you see it: SENDER, RECIPIENT or LEAD.")
    state: ReferralState = strawberry.field(description="The state, as judged at this moment.")
    state_label: str = strawberry.field(
        resolver=labelled("state"), graphql_type=str, description="The state, for people."
    )
    state_since: datetime = strawberry.field(description="Since when.")
    allowed_moves: list[Move] = strawberry.field(
        resolver=lambda root: list(root.allowed),
        graphql_type=list[Move],
        description="What you can do with it now.",
    )
    recordable_moves: list[Move] = strawberry.field(
        resolver=lambda root: list(root.recordable),
        graphql_type=list[Move],
        description="What you, the sender, can record as the partner's answer (recordPartnerAnswer).",
    )
    warnings: list[Warned] = strawberry.field(description="What the sender is warned about.")
    warning_texts: list[str] = strawberry.field(
        resolver=texts_of_warnings, graphql_type=list[str], description="The warnings, for people."
    )
    latest_useful_start: LatestUsefulStart | None = strawberry.field(
        description="Until when beginning is useful; for the sender, it tells when the status ends."
    )
    next_step: NextStep | None = strawberry.field(
        description="What happens next on your side when nobody does anything, and when."
    )
    service: Service | None = strawberry.field(
        resolver=_service, graphql_type=Service | None, description="To which service; null when hidden."
    )
    service_id: strawberry.ID = strawberry.field(
        resolver=named("Service", "service_id"), graphql_type=strawberry.ID, description="Its id."
    )
    sender: Partner | None = strawberry.field(
        resolver=_sender, graphql_type=Partner | None, description="Who sends; null when hidden."
    )
    sender_id: strawberry.ID = strawberry.field(
        resolver=named("Partner", "sender_partner_id"), graphql_type=strawberry.ID, description="Its id."
    )
    recipient: Partner | None = strawberry.field(
        resolver=_recipient, graphql_type=Partner | None, description="Who receives; null when hidden."
    )
    recipient_id: strawberry.ID = strawberry.field(
        resolver=named("Partner", "recipient_partner_id"), graphql_type=strawberry.ID, description="Its id."
    )
    topic: str = strawberry.field(description="What it is about: topic code.")
    language: str | None = strawberry.field(description="Language to speak with the person (BCP 47).")
    area: str | None = strawberry.field(description="Where the person lives: territory key.")
    priority: Priority = strawberry.field(description="How soon an answer is due.")
    categories: list[DataCategory] = strawberry.field(description="Which data the package holds.")
    pseudonym: str | None = strawberry.field(description="The person's pseudonym.")
    client_id: strawberry.ID | None = strawberry.field(
        resolver=named("Client", "client_id"), description="The person; for the sender (Client)."
    )
    client: ClientSummary | None = strawberry.field(
        resolver=_client,
        graphql_type=Annotated["ClientSummary", strawberry.lazy("graphapi.types.client")] | None,
        description="The person as in the own list, for the sender; showing them is recorded.",
    )
    consent_id: strawberry.ID | None = strawberry.field(
        resolver=named("Consent", "consent_id"), description="The consent it rests on; for the sender."
    )
    package: Package | None = strawberry.field(
        resolver=_package,
        graphql_type=Package | None,
        description="What was sent about the person; reading it is recorded. Null while it is closed.",
    )
    package_closed_because: str | None = strawberry.field(
        resolver=_closed_because, description="Why the package cannot be read now; null when it can."
    )
    events: list[ReferralEvent] = strawberry.field(
        resolver=_events, graphql_type=list[ReferralEvent], description="What happened, in order."
    )
    parent: Referral | None = strawberry.field(
        resolver=_parent,
        graphql_type=Annotated["Referral", strawberry.lazy("graphapi.types.referral")] | None,
        description="The referral that this one follows; for the sender.",
    )
    follow_ups: list[Referral] = strawberry.field(
        resolver=_follow_ups,
        graphql_type=list[Annotated["Referral", strawberry.lazy("graphapi.types.referral")]],
        description="The referrals that follow this one; for the sender.",
    )
    lineage: list[Referral] = strawberry.field(
        resolver=_lineage,
        graphql_type=list[Annotated["Referral", strawberry.lazy("graphapi.types.referral")]],
        description="The whole chain of follow-ups that this one stands in, oldest first; for the sender.",
    )
    follow_up_offered: bool = strawberry.field(
        description="It ended without the need being met: followUpReferral or referOn leads on."
    )
    waits_for_sender: bool = strawberry.field(
        description=(
            "The sender has to do something: answer a question, confirm an outcome, or go on with the need "
            "after DECLINED or EXPIRED, until another referral for it is there, the person has no needs any "
            "more, or markThreadRead says that nothing more is to be done. False for everybody else."
        )
    )
    thread: list[ThreadEntry] = strawberry.field(
        resolver=_thread,
        graphql_type=list[ThreadEntry],
        description="Questions, answers and remarks, oldest first; opening them is recorded.",
    )
    unread: int = strawberry.field(description="Texts of the other side since markThreadRead.")
    appointments: list[Appointment] = strawberry.field(
        resolver=_appointments,
        graphql_type=list[Appointment],
        description="Appointments with the person, in order of time, as far as you may know of them.",
    )
    appointment_at: datetime | None = strawberry.field(description="The next planned appointment.")
    no_shows: int | None = strawberry.field(
        description="How often the person did not come; null where the person does not let you know."
    )
    interim_report_on: date | None = strawberry.field(description="The day of the last interim report.")
    last_sign_of_life: date | None = strawberry.field(
        description="When the recipient last said that it is at it."
    )
    taken_over_client_id: strawberry.ID | None = strawberry.field(
        resolver=_taken_over, description="Your own client that takeOverClient has made of it (Client)."
    )
    export: ExportedFile | None = strawberry.field(
        resolver=_export,
        graphql_type=ExportedFile | None,
        description=(
            "Exactly what you may see of it now, as pages (PDF), FHIR words (JSON) or a block of text; "
            "it is recorded."
        ),
    )
    sender_member_id: strawberry.ID | None = strawberry.field(
        resolver=named("Member", "sender_member_id"), description="Who looks after it at the sender."
    )
    sender_deputy_id: strawberry.ID | None = strawberry.field(
        resolver=named("Member", "sender_deputy_id"), description="Their deputy."
    )
    recipient_member_id: strawberry.ID | None = strawberry.field(
        resolver=named("Member", "recipient_member_id"), description="Who looks after it at the recipient."
    )
    sender_file_number: str | None = strawberry.field(description="The sender's own sign for it.")
    recipient_file_number: str | None = strawberry.field(description="The recipient's own sign for it.")
    recipient_contact: str | None = strawberry.field(description="The named contact at the recipient.")
    capacity_reason: CapacityReason | None = strawberry.field(
        description="Why it was sent although there were no places."
    )
    sent_at: datetime | None = strawberry.field(description="When it was sent.")
    answer_due_at: datetime | None = strawberry.field(description="When the recipient's answer is due.")
    question_due_at: datetime | None = strawberry.field(description="When an open question goes back.")
    expected_week: date | None = strawberry.field(description="Waiting list: Monday of the expected week.")
    first_contact_on: date | None = strawberry.field(description="The named day of first contact.")
    first_contact_made_on: date | None = strawberry.field(description="The day it happened.")
    expected_end: date | None = strawberry.field(description="When it is expected to end.")
    resume_on: date | None = strawberry.field(description="On hold until then.")
    decline_reason: DeclineReason | None = strawberry.field(description="Why it was declined.")
    declined_by: DeclinedBy | None = strawberry.field(description="Who declined.")
    better_service: Service | None = strawberry.field(
        resolver=_better_service, graphql_type=Service | None, description="A better service, if named."
    )
    reason: Reason | None = strawberry.field(description="Reason of a pause, a cancellation and the like.")
    outcome: OutcomeCode | None = strawberry.field(
        description="What came of it; NOT_DISCLOSED unless the person allowed reporting back."
    )
    outcome_label: str | None = strawberry.field(
        resolver=labelled("outcome"), description="The outcome, for people."
    )
    outcome_on: date | None = strawberry.field(description="The day of the outcome.")
    outcome_reason: OutcomeReason | None = strawberry.field(description="Why the need was not met.")
    feedback_asked: FeedbackAsked | None = strawberry.field(description="Whether the person was asked.")
    answer_links: list[Annotated[AnswerLink, strawberry.lazy("graphapi.types.answer_link")]] = (
        strawberry.field(
            resolver=_answer_links,
            graphql_type=list[Annotated["AnswerLink", strawberry.lazy("graphapi.types.answer_link")]],
            description="Links for the recipient to answer without an account, newest first; sender only.",
        )
    )
    voices: Voices | None = strawberry.field(
        resolver=_voices,
        graphql_type=Annotated["Voices", strawberry.lazy("graphapi.types.voices")] | None,
        description="Partner, sender and person side by side, as far as you may know them.",
    )
    later_follow_ups: list[FollowUp] = strawberry.field(
        resolver=_later_follow_ups,
        graphql_type=list[Annotated["FollowUp", strawberry.lazy("graphapi.types.follow_up")]],
        description="Asking the person again after it was closed; for the sender.",
    )
    feedback: list[Annotated[Feedback, strawberry.lazy("graphapi.types.feedback")]] = strawberry.field(
        resolver=_feedback,
        graphql_type=list[Annotated["Feedback", strawberry.lazy("graphapi.types.feedback")]],
        description="What the person said; empty for all but the sender.",
    )
    closed_at: datetime | None = strawberry.field(description="When it was closed.")
    revocation_due_at: datetime | None = strawberry.field(
        description="After the consent ended: when the recipient must say what it did with the data."
    )
    revocation_answer: Kept | None = strawberry.field(description="What it said.")
    overdue: bool = strawberry.field(description="An answer is overdue.")
    disputed: bool = strawberry.field(description="The outcome was contested.")
    unconfirmed: bool = strawberry.field(description="Closed by the clock, unconfirmed.")
    created_at: datetime = strawberry.field(description="When it was drafted.")
    updated_at: datetime = strawberry.field(description="When it last changed.")

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell referrals from other nodes: behind the type stands one side's view."""
        return isinstance(value, inbox.ReferralView | cls)
