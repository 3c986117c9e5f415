"""The person's own page by code card: no name, no status; every text in the person's language."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, TypeAlias

import strawberry
from strawberry import Parent

from directory.problems import Problem
from graphapi.context import Info
from graphapi.mutations.running import with_code
from graphapi.types import exchange_words as exchange_words
from graphapi.types.exchange_problems import CodeNotValidProblem, TooManyAttemptsProblem
from graphapi.types.problems import as_data
from graphapi.types.referral import named
from graphapi.types.texts import Text
from referrals.person import card_page
from referrals.states import Move
from referrals.vocabulary import Purpose


@strawberry.type(description="One answer to choose.")
class CardOption:
    """One answer to choose."""

    code: str = strawberry.field(description="What is sent.")
    text: str = strawberry.field(description="What it says.")


@strawberry.type(description="What the person is asked, and the answers to choose from.")
class CardQuestion:
    """What the person is asked."""

    text: str = strawberry.field(description="The question.")
    options: list[CardOption] = strawberry.field(description="The answers.")


@strawberry.type(description="Whom to ask: the organisation's office, never an employee.")
class CardOffice:
    """Whom to ask."""

    name: str = strawberry.field(description="The organisation.")
    phones: list[str] = strawberry.field(description="Its office's telephone numbers (E.164).")
    emails: list[str] = strawberry.field(description="Its office's mail addresses.")
    website: str | None = strawberry.field(description="Its website.")


@strawberry.type(description="When and where the person is expected.")
class CardAppointment:
    """When and where the person is expected."""

    at: datetime = strawberry.field(description="When.")
    place: str | None = strawberry.field(description="Name of the place.")
    street: str | None = strawberry.field(description="Street and number.")
    postcode: str | None = strawberry.field(description="Postcode.")
    city: str | None = strawberry.field(description="Town.")
    bring: str = strawberry.field(description="What to bring.")


@strawberry.type(description="What the person can do with a referral.")
class CardOffer:
    """What the person can do with a referral."""

    move: Move = strawberry.field(description="ABANDON, CANCEL or CONTEST: for `moveByCard`.")
    text: str = strawberry.field(description="The words on the button.")
    reasons: list[CardOption] = strawberry.field(description="Reasons to choose from; none is needed.")


@strawberry.type(description="A referral in the person's words.")
class CardReferral:
    """A referral in the person's words."""

    id: strawberry.ID = strawberry.field(
        resolver=named("Referral", "id"), graphql_type=strawberry.ID, description="For what is done with it."
    )
    version: int = strawberry.field(description="Give it as expectedVersion.")
    service: Text = strawberry.field(graphql_type=Text, description="Where to; the language that was found.")
    partner_id: strawberry.ID = strawberry.field(
        resolver=named("Partner", "partner_id"), graphql_type=strawberry.ID, description="With whom."
    )
    partner: str = strawberry.field(description="With whom: the name.")
    state: str = strawberry.field(description="How it stands, in plain words.")
    shared: list[str] = strawberry.field(description="What was shared, in words; never the data themselves.")
    purposes: list[str] = strawberry.field(description="What for.")
    until: datetime | None = strawberry.field(description="Until when; null: not any more.")
    sent_at: datetime | None = strawberry.field(description="Since when; null: nothing was shared.")
    after_the_end: str | None = strawberry.field(
        description="After the consent ended: what the recipient did with the data."
    )
    appointment: CardAppointment | None = strawberry.field(description="The next appointment.")
    offers: list[CardOffer] = strawberry.field(description="What the person can do.")
    how_it_went: CardQuestion | None = strawberry.field(
        description="How it went, while that is to be answered: with `answerByCard`."
    )
    your_answer: str | None = strawberry.field(description="What the person has answered.")


@strawberry.type(description="A purpose that was granted; it can be withdrawn by itself.")
class CardPurpose:
    """A purpose that was granted."""

    purpose: Purpose = strawberry.field(description="For `withdrawByCard`.")
    text: str = strawberry.field(description="In words.")
    shared: list[str] = strawberry.field(description="Which data, in words.")
    until: date | None = strawberry.field(description="An own last day of this purpose.")


@strawberry.type(description="An organisation that may receive something; it can be withdrawn by itself.")
class CardRecipient:
    """An organisation that may receive something."""

    partner_id: strawberry.ID = strawberry.field(
        resolver=named("Partner", "partner_id"),
        graphql_type=strawberry.ID,
        description="For `withdrawByCard`.",
    )
    name: str = strawberry.field(description="Its name.")
    contact: str | None = strawberry.field(description="How its office is reached.")


@strawberry.type(description="A consent in force, with what can be withdrawn of it.")
class CardConsent:
    """A consent in force."""

    id: strawberry.ID = strawberry.field(
        resolver=named("Consent", "id"), graphql_type=strawberry.ID, description="For `withdrawByCard`."
    )
    given_at: datetime | None = strawberry.field(description="Since when.")
    until: datetime | None = strawberry.field(description="Until when.")
    recipients: list[CardRecipient] = strawberry.field(description="Who may receive something.")
    purposes: list[CardPurpose] = strawberry.field(description="What for.")


@strawberry.type(description="A later question about a referral that is over.")
class CardFollowUp:
    """A later question about a referral that is over."""

    id: strawberry.ID = strawberry.field(
        resolver=named("FollowUp", "id"),
        graphql_type=strawberry.ID,
        description="For `answerFollowUpByCard`.",
    )
    service: Text = strawberry.field(graphql_type=Text, description="What it was.")
    need: CardQuestion = strawberry.field(description="How it is now.")
    occupation: CardQuestion = strawberry.field(description="What the person does now; may be left out.")


@strawberry.type(description="What the person keeps of a withdrawal.")
class CardReceipt:
    """What the person keeps of a withdrawal."""

    number: str = strawberry.field(
        resolver=lambda root: str(root.number), graphql_type=str, description="Number of the receipt."
    )
    at: datetime = strawberry.field(description="When it was withdrawn.")
    language: str = strawberry.field(description="Language of the text (BCP 47).")
    direction: str = strawberry.field(description="ltr or rtl.")
    title: str = strawberry.field(description="The heading.")
    lines: list[str] = strawberry.field(description="What it means, sentence by sentence.")


@strawberry.type(description="A heading of the page.")
class CardHeading:
    """A heading of the page."""

    name: str = strawberry.field(description="Which: referrals, shared, why, until, appointment …")
    text: str = strawberry.field(description="The words.")


def _headings(root: Parent[card_page.CardPage]) -> list[CardHeading]:
    return [CardHeading(name=name, text=text) for name, text in sorted(root.headings.items())]


@strawberry.type(description="The person's own page; it names nobody and tells no status.")
class CardPage:
    """The person's own page."""

    wanted: str = strawberry.field(description="The language that was asked for (BCP 47).")
    language: str = strawberry.field(description="The language that was found (BCP 47).")
    direction: str = strawberry.field(description="ltr or rtl.")
    title: str = strawberry.field(description="The heading.")
    introduction: str = strawberry.field(description="What the page is.")
    lost_card: str = strawberry.field(description="What to do when the card is lost.")
    nothing_shared: str | None = strawberry.field(description="Said when no consent is in force.")
    withdraw_all: str | None = strawberry.field(description="The words on the button that ends everything.")
    expires_at: datetime = strawberry.field(description="Until when the card can be used.")
    ask: CardOffice = strawberry.field(description="Whom to ask.")
    ask_text: str = strawberry.field(description="That they may ask.")
    headings: list[CardHeading] = strawberry.field(
        resolver=_headings, graphql_type=list[CardHeading], description="The headings."
    )
    referrals: list[CardReferral] = strawberry.field(description="Newest first, at most 100.")
    consents: list[CardConsent] = strawberry.field(description="Those in force, at most 100.")
    follow_ups: list[CardFollowUp] = strawberry.field(description="What is asked later.")
    receipts: list[CardReceipt] = strawberry.field(description="Of what was withdrawn, newest first.")


@strawberry.type(description="The page of whoever presents the code.")
class CodeCardOpened:
    """The page of whoever presents the code."""

    page: CardPage = strawberry.field(graphql_type=CardPage, description="The page.")


CodeCardResult: TypeAlias = Annotated[
    CodeCardOpened | CodeNotValidProblem | TooManyAttemptsProblem, strawberry.union(name="CodeCardResult")
]


@strawberry.type(description="The living code card of a person: never its code.")
class CodeCard:
    """The living code card of a person."""

    issued_at: datetime = strawberry.field(description="Since when.")
    expires_at: datetime = strawberry.field(description="Until when.")
    language: str = strawberry.field(description="In which language its page speaks (BCP 47).")


@strawberry.type
class CardQueries:
    """What the person reads with their card."""

    @strawberry.field(
        graphql_type=CodeCardResult,
        description=(
            "The person's own page: what was shared with whom, why and until when. Nobody needs to sign in; "
            "only by POST, so that no code stands in an address."
        ),
    )
    async def code_card(
        self,
        info: Info,
        code: Annotated[str, strawberry.argument(description="The code, however it was typed.")],
        language: Annotated[
            str | None, strawberry.argument(description="BCP 47, in place of the card's own language.")
        ] = None,
    ) -> Any:
        """Return the page, or that the code is not valid."""

        async def attempt() -> object:
            try:
                page = await info.context.people.card_page(code[:200], language)
            except Problem as problem:
                return as_data(problem, info.context.language)
            return CodeCardOpened(page=page)  # type: ignore[arg-type]

        return await with_code(info, attempt)
