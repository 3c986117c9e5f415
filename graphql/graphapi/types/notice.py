"""What organisations are told by mail, and whether it arrived."""

from __future__ import annotations

from datetime import datetime

import strawberry
from strawberry import Parent

from graphapi.context import Info
from graphapi.relay import global_id
from graphapi.types.words import describe, label
from referrals.outbox import NoticeView, reference_of
from referrals.vocabulary import Addressee, NoticeAbout, NoticeKind, NoticeState

describe(NoticeKind, "What an organisation is told by mail.")
describe(Addressee, "Who at the organisation is written to.")
describe(NoticeAbout, "What a notice is about.")
describe(NoticeState, "What became of a notice.")

_THINGS = {
    NoticeAbout.REFERRAL: "Referral",
    NoticeAbout.BOOKING: "Booking",
    NoticeAbout.APPROVAL: "Approval",
    NoticeAbout.CONSENT: "Consent",
    NoticeAbout.SERVICE: "Service",
    NoticeAbout.PARTNER: "Partner",
}


def _partner_id(root: Parent[NoticeView]) -> strawberry.ID:
    return global_id("Partner", root.partner_id)


def _about_id(root: Parent[NoticeView]) -> strawberry.ID:
    return global_id(_THINGS[root.about_kind], root.about_id)


def _reference(root: Parent[NoticeView]) -> str:
    return reference_of(root.about_id)


def _kind_label(root: Parent[NoticeView], info: Info) -> str:
    return label(root.kind, info.context.language)


def _state_label(root: Parent[NoticeView], info: Info) -> str:
    return label(root.state, info.context.language)


@strawberry.type(
    description=(
        "What an organisation is told by mail. You see what your own organisation is told, and whether what "
        "it waits for arrived: when it did not, phone."
    )
)
class Notice:
    """A notice as the organisation that is told, or the one that waits, may see it."""

    kind: NoticeKind = strawberry.field(description="What it tells.")
    kind_label: str = strawberry.field(
        resolver=_kind_label, graphql_type=str, description="What it tells, for people."
    )
    addressee: Addressee = strawberry.field(description="Who at the organisation is written to.")
    partner_id: strawberry.ID = strawberry.field(
        resolver=_partner_id,
        graphql_type=strawberry.ID,
        description="The organisation that is told (Partner).",
    )
    about: NoticeAbout = strawberry.field(
        resolver=lambda root: root.about_kind, graphql_type=NoticeAbout, description="What it is about."
    )
    about_id: strawberry.ID = strawberry.field(
        resolver=_about_id, graphql_type=strawberry.ID, description="The thing it is about."
    )
    reference: str = strawberry.field(
        resolver=_reference, graphql_type=str, description="The reference in the mail's subject."
    )
    state: NoticeState = strawberry.field(description="What became of it.")
    state_label: str = strawberry.field(
        resolver=_state_label, graphql_type=str, description="What became of it, for people."
    )
    at: datetime = strawberry.field(description="When it was promised.")
    sent_at: datetime | None = strawberry.field(description="When a mail server took it.")
    due_at: datetime | None = strawberry.field(description="By when an answer is asked for.")
