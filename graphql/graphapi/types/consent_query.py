"""Queries about consents: what to show before one is asked for, and who owes an answer after it ended."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from graphapi.context import Info
from graphapi.given import Given, plain, renaming
from graphapi.mutations.consents import ConsentPurposeInput
from graphapi.relay import require_id
from graphapi.types.consent_notice import ConsentNotice, language_of
from graphapi.types.paging import First
from graphapi.types.referral import Referral
from referrals.values import PurposeTerms

Language = Annotated[str, strawberry.argument(description="The person's language (BCP 47).")]


@strawberry.type
class ConsentQueries:
    """What can be read about consents beside the records."""

    @strawberry.field(
        graphql_type=ConsentNotice,
        description=(
            "The notice for a consent that you are going to ask for; nothing is stored. Where asking, "
            "recording and sending are one operation, its hash goes into the record."
        ),
    )
    async def consent_notice(
        self,
        info: Info,
        recipient_ids: Annotated[
            list[strawberry.ID], strawberry.argument(description="Who is to receive data (Partner).")
        ],
        purposes: Annotated[
            list[ConsentPurposeInput], strawberry.argument(description="What is to be decided on.")
        ],
        language: Language,
    ) -> object:
        """Return the notice."""
        given = Given({"purposes": plain(purposes)})
        with renaming({"recipients": "recipientIds"}):
            return await info.context.people.planned_notice(
                recipients=[
                    require_id(one, "Partner", f"recipientIds.{position}")
                    for position, one in enumerate(recipient_ids)
                ],
                purposes=given.part("purposes", tuple[PurposeTerms, ...]),
                language=language_of(language),
            )

    @strawberry.field(
        name="section87Notice",
        graphql_type=ConsentNotice | None,
        description=(
            "The notice about § 87 AufenthG, to be shown before any data are entered: it needs no client. "
            "Null where none is due. Give when it was shown as section87NoticeAt of the record."
        ),
    )
    async def section_87_notice(
        self,
        info: Info,
        language: Language,
        service_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Where the person may be sent.")
        ] = None,
        recipient_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="To whom (Partner).")
        ] = None,
    ) -> Any:
        """Return the notice, or None."""
        return await info.context.people.section_87_notice(
            language=language_of(language),
            service_id=require_id(service_id, "Service", "serviceId") if service_id else None,
            recipient_id=require_id(recipient_id, "Partner", "recipientId") if recipient_id else None,
        )

    @strawberry.field(
        graphql_type=list[Referral],
        description=(
            "Your referrals whose consent has ended and whose recipient has not said what it did with the "
            "data, longest due first: since `stateSince`, due at `revocationDueAt`."
        ),
    )
    async def revocations_unanswered(self, info: Info, first: First = 100) -> object:
        """Return the referrals."""
        people = info.context.people
        found = await people.referral.load_many(await people.revocations_unanswered(first))
        return [referral for referral in found if referral is not None]
