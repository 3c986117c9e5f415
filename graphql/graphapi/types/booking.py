"""An interpreter booking as both sides see it; the name is read by itself, and that is recorded."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import strawberry
from strawberry import Parent

from directory.vocabulary import InterpretingMode
from graphapi.context import Info
from graphapi.relay import global_id
from graphapi.types import exchange_words as exchange_words
from graphapi.types.node import Node
from graphapi.types.partner import Partner
from graphapi.types.referral import labelled, named
from graphapi.types.service import Service
from graphapi.types.words import describe
from referrals.bookings import BookingMove, BookingView
from referrals.vocabulary import BookingState, GenderWish, LateReason

describe(BookingMove, "What can be done with a booking.")


def _id(root: Parent[BookingView]) -> strawberry.ID:
    return global_id("Booking", root.id)


def _service(root: Parent[BookingView], info: Info) -> Any:
    return info.context.loaders.service.load(root.service_id)


def _requester(root: Parent[BookingView], info: Info) -> Any:
    return info.context.loaders.partner.load(root.requester_partner_id)


def _recipient(root: Parent[BookingView], info: Info) -> Any:
    return info.context.loaders.partner.load(root.recipient_partner_id)


def _person(root: Parent[BookingView], info: Info) -> Any:
    return info.context.people.booked_person.load(root.id)


@strawberry.type(
    description="An interpreter booking (Sprachmittlung): language, time, place, topic and wish; no name."
)
class Booking(Node):
    """An interpreter booking."""

    id: strawberry.ID = strawberry.field(resolver=_id, description="Global id.")
    version: int = strawberry.field(description="Rises with every change; give it as expectedVersion.")
    state: BookingState = strawberry.field(description="The state.")
    state_label: str = strawberry.field(
        resolver=labelled("state"), graphql_type=str, description="The state, for people."
    )
    allowed_moves: list[BookingMove] = strawberry.field(
        resolver=lambda root: list(root.allowed),
        graphql_type=list[BookingMove],
        description="What you can do with it now.",
    )
    service: Service | None = strawberry.field(
        resolver=_service, graphql_type=Service | None, description="Which service; null when hidden."
    )
    requester: Partner | None = strawberry.field(
        resolver=_requester, graphql_type=Partner | None, description="Who asked; null when hidden."
    )
    requester_id: strawberry.ID = strawberry.field(
        resolver=named("Partner", "requester_partner_id"),
        graphql_type=strawberry.ID,
        description="Who asked.",
    )
    recipient: Partner | None = strawberry.field(
        resolver=_recipient, graphql_type=Partner | None, description="Who interprets; null when hidden."
    )
    recipient_id: strawberry.ID = strawberry.field(
        resolver=named("Partner", "recipient_partner_id"),
        graphql_type=strawberry.ID,
        description="Who interprets.",
    )
    language: str = strawberry.field(description="BCP 47.")
    variety: str | None = strawberry.field(description="Variety, where it matters.")
    mode: InterpretingMode = strawberry.field(description="By phone, by video, on site.")
    starts_at: datetime = strawberry.field(description="When the appointment begins.")
    minutes: int = strawberry.field(description="How long it takes.")
    place: str | None = strawberry.field(description="Where it is.")
    topic: str | None = strawberry.field(description="What it is about: topic code.")
    gender_wish: GenderWish = strawberry.field(description="Which interpreter the person would like.")
    interpreter: str | None = strawberry.field(description="Who will come.")
    late_reason: LateReason | None = strawberry.field(
        description="Why it was asked for later than the service would like."
    )
    person: str | None = strawberry.field(
        resolver=_person,
        graphql_type=str | None,
        description=(
            "For whom; null when no name was handed over, and for the interpreter's side unless CONFIRMED. "
            "Reading it is recorded."
        ),
    )
    requester_member_id: strawberry.ID | None = strawberry.field(
        resolver=named("Member", "requester_member_id"), description="Who asked, for the own side."
    )
    recipient_member_id: strawberry.ID | None = strawberry.field(
        resolver=named("Member", "recipient_member_id"), description="Who answered, for the own side."
    )
    created_at: datetime = strawberry.field(description="When it was asked for.")
    updated_at: datetime = strawberry.field(description="When it last changed.")

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell bookings from other nodes by the room's view."""
        return isinstance(value, BookingView | cls)
