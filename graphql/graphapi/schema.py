"""The map of the API: which queries and mutations there are, and the contract printed from them."""

from __future__ import annotations

import strawberry
from strawberry.printer import print_schema as _print

from graphapi.access_map import Doors
from graphapi.endpoint import Schema
from graphapi.limits import Judged
from graphapi.mutations.approvals import ApprovalMutations
from graphapi.mutations.bookings import BookingMutations
from graphapi.mutations.clients import ClientMutations
from graphapi.mutations.consents import ConsentMutations
from graphapi.mutations.feedback import FeedbackMutations
from graphapi.mutations.members import MemberMutations
from graphapi.mutations.partners import PartnerMutations
from graphapi.mutations.referrals import ReferralMutations
from graphapi.mutations.services import ServiceMutations
from graphapi.types.exchange_query import ExchangeQueries
from graphapi.types.query import DirectoryQueries
from graphapi.types.search import SearchQueries


@strawberry.type(description="What can be read.")
class Query(DirectoryQueries, SearchQueries, ExchangeQueries):
    """What can be read; one mixin per room."""


@strawberry.type(description="What can be changed.")
class Mutation(
    PartnerMutations,
    ServiceMutations,
    MemberMutations,
    ClientMutations,
    ConsentMutations,
    ReferralMutations,
    BookingMutations,
    FeedbackMutations,
    ApprovalMutations,
):
    """What can be changed; one mixin per family of verbs."""


schema = Schema(query=Query, mutation=Mutation, extensions=[Judged, Doors])


def print_schema() -> str:
    """Return the published contract, as ``graphql/schema.graphql`` keeps it."""
    return _print(schema) + "\n"
