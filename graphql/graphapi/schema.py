"""The map of the API: which queries and mutations there are, and the contract printed from them."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import strawberry
from strawberry.exceptions import StrawberryInputCoercionError
from strawberry.printer import print_schema as _print
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.types.base_scalars import DateTimeDefinition

from graphapi.access_map import Doors
from graphapi.endpoint import Schema
from graphapi.limits import Judged
from graphapi.mutations.answer_links import AnswerLinkMutations
from graphapi.mutations.approvals import ApprovalMutations
from graphapi.mutations.beside import NoteMutations
from graphapi.mutations.bookings import BookingMutations
from graphapi.mutations.bulk import BulkMutations
from graphapi.mutations.cards import CardMutations
from graphapi.mutations.change_requests import ChangeRequestMutations
from graphapi.mutations.clients import ClientMutations
from graphapi.mutations.consents import ConsentMutations
from graphapi.mutations.ending import EndingMutations
from graphapi.mutations.feedback import FeedbackMutations
from graphapi.mutations.follow_ups import FollowUpMutations
from graphapi.mutations.mailbox_links import MailboxLinkMutations
from graphapi.mutations.members import MemberMutations
from graphapi.mutations.municipalities import MunicipalityMutations
from graphapi.mutations.partners import PartnerMutations
from graphapi.mutations.referrals import ReferralMutations
from graphapi.mutations.retention import RetentionMutations
from graphapi.mutations.rule_sets import RuleSetMutations
from graphapi.mutations.saved_searches import SavedSearchMutations
from graphapi.mutations.services import ServiceMutations
from graphapi.mutations.upkeep_links import UpkeepLinkMutations
from graphapi.types.answer_link import AnswerLinkQueries
from graphapi.types.card import CardQueries
from graphapi.types.consent_query import ConsentQueries
from graphapi.types.eligibility_preview import EligibilityPreviewQueries
from graphapi.types.exchange_query import ExchangeQueries
from graphapi.types.follow_up import FollowUpQueries
from graphapi.types.history import HistoryQueries
from graphapi.types.mailbox_link import MailboxLinkQueries
from graphapi.types.match import MatchQueries
from graphapi.types.query import DirectoryQueries
from graphapi.types.retention import RetentionQueries
from graphapi.types.rule_set import RuleSetQueries
from graphapi.types.saved_search import SavedSearchQueries
from graphapi.types.search import SearchQueries
from graphapi.types.subscription import Subscription
from graphapi.types.suggestion import SuggestionQueries
from graphapi.types.unmet import UnmetQueries
from graphapi.types.upkeep import UpkeepQueries
from graphapi.types.upkeep_link import UpkeepLinkQueries
from graphapi.types.voices import VoiceQueries


@strawberry.type(description="What can be read.")
class Query(
    DirectoryQueries,
    SearchQueries,
    SuggestionQueries,
    MatchQueries,
    EligibilityPreviewQueries,
    UnmetQueries,
    SavedSearchQueries,
    ExchangeQueries,
    ConsentQueries,
    AnswerLinkQueries,
    UpkeepQueries,
    UpkeepLinkQueries,
    MailboxLinkQueries,
    HistoryQueries,
    CardQueries,
    VoiceQueries,
    FollowUpQueries,
    RetentionQueries,
    RuleSetQueries,
):
    """What can be read; one mixin per room."""


@strawberry.type(description="What can be changed.")
class Mutation(
    PartnerMutations,
    ServiceMutations,
    EndingMutations,
    MemberMutations,
    ClientMutations,
    ConsentMutations,
    ReferralMutations,
    NoteMutations,
    BulkMutations,
    BookingMutations,
    FeedbackMutations,
    CardMutations,
    FollowUpMutations,
    ApprovalMutations,
    RetentionMutations,
    MunicipalityMutations,
    RuleSetMutations,
    ChangeRequestMutations,
    AnswerLinkMutations,
    SavedSearchMutations,
    UpkeepLinkMutations,
    MailboxLinkMutations,
):
    """What can be changed; one mixin per family of verbs."""


_parse_moment = DateTimeDefinition.parse_value


def _moment(value: object) -> datetime:
    """Return the moment that a text means; it lies within the calendar in UTC too, as it is stored."""
    moment = _parse_moment(value) if _parse_moment is not None else value
    if not isinstance(moment, datetime):
        raise TypeError("a moment is no datetime")
    try:
        return moment if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise StrawberryInputCoercionError("Value cannot represent a DateTime: none in UTC.") from None


_DATE_TIME = dataclasses.replace(DateTimeDefinition, parse_value=_moment)

schema = Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    extensions=[Judged, Doors],
    config=StrawberryConfig(scalar_map={datetime: _DATE_TIME}),
)


def print_schema() -> str:
    """Return the published contract, as ``graphql/schema.graphql`` keeps it."""
    return _print(schema) + "\n"
