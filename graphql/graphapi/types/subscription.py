"""What can be watched: changes in the own organisation's lists, and of one referral."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated

import msgspec
import strawberry
from strawberry import Parent

from directory.problems import NotFound
from graphapi.context import Info
from graphapi.relay import require_id
from graphapi.subscriptions import WatchingContext
from graphapi.types.approval import Approval
from graphapi.types.booking import Booking
from graphapi.types.referral import Referral
from graphapi.watching import Change, What


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A change that the watcher may see; the thing as it is to them at this moment."""

    missed: bool = False
    referral: object | None = None
    booking: object | None = None
    approval: object | None = None


def _missed(root: Parent[Seen]) -> bool:
    return root.missed


@strawberry.type(
    description=(
        "Something has changed: read the thing that is not null. `missed`: something may have changed "
        "without being told (the connection to the database was lost, or you were slow): read the list anew."
    )
)
class InboxChange:
    """That something has changed for the watcher's organisation."""

    missed: bool = strawberry.field(description="Read everything anew.")
    referral: Referral | None = strawberry.field(
        graphql_type=Referral | None, description="A referral as you may see it now; seenAs says the side."
    )
    booking: Booking | None = strawberry.field(
        graphql_type=Booking | None, description="An interpreter booking."
    )
    approval: Approval | None = strawberry.field(
        graphql_type=Approval | None, description="A request for four eyes."
    )


async def _seen(context: WatchingContext, change: Change) -> Seen | None:
    """Return what the watcher may see of a change now, or None; rights are judged anew each time."""
    await context.judge_again()
    if change.id is None:
        return Seen(missed=True)
    match change.what:
        case What.REFERRAL:
            referral = await context.people.referral.load(change.id)
            return None if referral is None else Seen(referral=referral)
        case What.BOOKING:
            booking = await context.people.booking(change.id)
            return None if booking is None else Seen(booking=booking)
        case What.APPROVAL:
            approval = await context.people.approval(change.id)
            return None if approval is None else Seen(approval=approval)
        case What.MISSED:
            return Seen(missed=True)


def _watching(info: Info) -> WatchingContext:
    context = info.context
    if not isinstance(context, WatchingContext):
        raise TypeError("subscriptions are watched on /graphql/ws only")
    return context


@strawberry.type(description="What can be watched, on /graphql/ws (graphql-transport-ws).")
class Subscription:
    """What can be watched."""

    @strawberry.subscription(
        graphql_type=InboxChange,
        description=(
            "Changes of the own organisation's referrals, received and sent, of its bookings, and of "
            "requests for four eyes. Watch first, then read the lists."
        ),
    )
    async def inbox_changed(self, info: Info) -> AsyncGenerator[Seen, None]:
        """Yield what changes in the own organisation's lists."""
        context = _watching(info)
        with context.watch() as watcher:
            async for change in watcher.changes():
                if (seen := await _seen(context, change)) is not None:
                    yield seen

    @strawberry.subscription(
        graphql_type=InboxChange,
        description="Changes of one referral; it ends with NOT_FOUND once you may not see it any more.",
    )
    async def referral_changed(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Global id.")]
    ) -> AsyncGenerator[Seen, None]:
        """Yield the changes of one referral."""
        context = _watching(info)
        key = require_id(id, "Referral", "id")
        with context.watch() as watcher:
            if await context.people.referral.load(key) is None:
                raise NotFound
            async for change in watcher.changes():
                if change.what is not What.MISSED and change != Change(What.REFERRAL, key):
                    continue
                seen = await _seen(context, change)
                if seen is None:
                    raise NotFound
                yield seen
