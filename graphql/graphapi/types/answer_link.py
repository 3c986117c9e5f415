"""Answer links: as the sender sees them, and what the holder of one sees."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Annotated, Any, TypeAlias

import strawberry
from strawberry import Parent

from directory.problems import Problem
from directory.values import TopicTerm
from graphapi.context import Info
from graphapi.mutations.running import with_code
from graphapi.types import exchange_words as exchange_words
from graphapi.types.exchange_problems import (
    AnswerLinkClosedProblem,
    CodeNotValidProblem,
    TooManyAttemptsProblem,
)
from graphapi.types.problems import as_data
from graphapi.types.referral import labelled, named
from graphapi.types.texts import LanguageArgument, Text, choose
from graphapi.types.topic import Topic
from referrals import answer_links
from referrals.answer_links import LinkNote, LinkView
from referrals.appointments import AppointmentView
from referrals.states import Move
from referrals.vocabulary import DataCategory, Priority, ReferralState

strawberry.enum(
    LinkNote, description="What the holder of an answer link can say beside the moves; see answerByLink."
)

PATH = "/answer/"
"""Where the page of an answer link is; the code follows."""


@strawberry.type(description="A one-time link for the recipient (Antwortlink), without its code.")
class AnswerLink:
    """A one-time link as the sender sees it."""

    issued_at: datetime = strawberry.field(description="When it was made.")
    issued_by_id: strawberry.ID | None = strawberry.field(
        resolver=named("Member", "issued_by"), description="Who made it; null: the system, for a mail."
    )
    expires_at: datetime = strawberry.field(description="Until when it can be used.")
    used_at: datetime | None = strawberry.field(description="When it answered.")
    revoked_at: datetime | None = strawberry.field(description="When a newer one or the sender ended it.")
    live: bool = strawberry.field(description="Neither used nor ended; the referral may have gone on.")

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell links by the room's view."""
        return isinstance(value, LinkView | cls)


@strawberry.type(description="An appointment that can still be moved or cancelled.")
class AnswerPageAppointment:
    """An appointment as the holder of an answer link sees it."""

    id: strawberry.ID = strawberry.field(resolver=named("Appointment", "id"), description="Its global id.")
    starts_at: datetime = strawberry.field(description="When.")
    minutes: int = strawberry.field(description="How long.")
    place: str | None = strawberry.field(description="Where, as it was typed.")

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell them by the room's view."""
        return isinstance(value, AppointmentView | cls)


def _service_title(
    root: Parent[answer_links.AnswerPage], info: Info, language: LanguageArgument = None
) -> Text | None:
    return choose(root.service, language, info.context.languages)


def _area_name(
    root: Parent[answer_links.AnswerPage], info: Info, language: LanguageArgument = None
) -> Text | None:
    return choose(root.area_names, language, info.context.languages)


def _topic(root: Parent[answer_links.AnswerPage]) -> Any:
    return TopicTerm(code=root.topic, labels=root.topic_labels)


@strawberry.type(
    description="What the holder of an answer link sees before opening anything: nothing says who it is."
)
class AnswerPage:
    """What the holder of an answer link sees."""

    sender: str = strawberry.field(description="Which organisation asks.")
    recipient: str = strawberry.field(description="Which organisation is asked.")
    service_title: Text | None = strawberry.field(resolver=_service_title, description="For which service.")
    topic: Topic = strawberry.field(resolver=_topic, graphql_type=Topic, description="What the person needs.")
    language: str | None = strawberry.field(description="The person's language (BCP 47).")
    area: str | None = strawberry.field(description="Where the person lives: territory key.")
    area_name: Text | None = strawberry.field(
        resolver=_area_name, description="What it is called, if it is known here."
    )
    letters_in: str = strawberry.field(description="Language that the recipient is written to in (BCP 47).")
    priority: Priority = strawberry.field(description="How soon an answer is needed.")
    state: ReferralState = strawberry.field(description="The state.")
    state_label: str = strawberry.field(
        resolver=labelled("state"), graphql_type=str, description="The state, for people."
    )
    sent_at: datetime | None = strawberry.field(description="Since when it waits.")
    due_at: datetime | None = strawberry.field(description="By when an answer is due.")
    expires_at: datetime = strawberry.field(description="Until when the link can be used.")
    allowed_moves: list[Move] = strawberry.field(
        resolver=lambda root: list(root.allowed), graphql_type=list[Move], description="What can be answered."
    )
    notable: list[LinkNote] = strawberry.field(
        resolver=lambda root: list(root.notable),
        graphql_type=list[LinkNote],
        description="What can be said beside the moves.",
    )
    appointments: list[AnswerPageAppointment] = strawberry.field(
        resolver=lambda root: list(root.appointments),
        graphql_type=list[AnswerPageAppointment],
        description="Appointments that can still be moved or cancelled.",
    )
    shared: list[DataCategory] = strawberry.field(
        resolver=lambda root: list(root.shared),
        graphql_type=list[DataCategory],
        description="After the consent has ended: which categories of data you had been sent.",
    )
    calls_left: int = strawberry.field(
        resolver=lambda root: root.may_call,
        graphql_type=int,
        description="How often a call can be asked for.",
    )
    opened: bool = strawberry.field(description="The data were opened; openAsRecipient shows them again.")

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell pages by the room's value."""
        return isinstance(value, answer_links.AnswerPage | cls)


AnswerPageResult: TypeAlias = Annotated[
    AnswerPage | CodeNotValidProblem | AnswerLinkClosedProblem | TooManyAttemptsProblem,
    strawberry.union(name="AnswerPageResult"),
]

Code: TypeAlias = Annotated[str, strawberry.argument(description="The code of the link, however typed.")]


@dataclasses.dataclass
class _Looking:
    info: Info
    code: str

    async def __call__(self) -> object:
        context = self.info.context
        try:
            async with context.people.view() as session:
                return await answer_links.look(session, self.code, context.clock())
        except Problem as problem:
            return as_data(problem, context.language)


@strawberry.type
class AnswerLinkQueries:
    """What the holder of an answer link can read."""

    @strawberry.field(
        graphql_type=AnswerPageResult,
        description="The holder of an answer link, without an account: what is asked. Changes nothing.",
    )
    async def answer_page(self, info: Info, code: Code) -> object:
        """Return what the link is about."""
        return await with_code(info, _Looking(info, code))
