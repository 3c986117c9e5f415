"""What a municipality's lead says of its directory as a whole."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry

from directory import municipalities
from directory.database import Work
from graphapi.context import Info
from graphapi.mutations.running import CreateProblems, Given, run
from graphapi.types.places import Municipality


@strawberry.type(description="The municipality as it is now.")
class MunicipalitySaved:
    """The municipality as it is now."""

    municipality: Municipality = strawberry.field(graphql_type=Municipality, description="The municipality.")


@strawberry.input(description="Under which licence the municipality's own entries may be used on.")
class SetMunicipalityLicenceInput:
    """Under which licence the municipality's own entries may be used on."""

    idempotency_key: str = strawberry.field(description="Chosen by you, 8 to 200 characters: acts once.")
    licence: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="SPDX identifier (CC-BY-4.0) or web address; left out or null: nobody has said.",
    )


SetMunicipalityLicenceResult: TypeAlias = Annotated[
    MunicipalitySaved | CreateProblems, strawberry.union(name="SetMunicipalityLicenceResult")
]


async def _saved(info: Info, municipality_id: UUID) -> MunicipalitySaved | None:
    found = await info.context.loaders.municipality.load(municipality_id)
    return None if found is None else MunicipalitySaved(municipality=found)  # type: ignore[arg-type]


@strawberry.type
class MunicipalityMutations:
    """What is said of a municipality's directory."""

    @strawberry.mutation(
        graphql_type=SetMunicipalityLicenceResult,
        description="LEAD: say under which licence your municipality's own entries may be used on; imported "
        "ones keep their source's. Entries, feed and exports show it within minutes.",
    )
    async def set_municipality_licence(self, info: Info, input: SetMunicipalityLicenceInput) -> object:
        """Say the licence."""

        async def act(work: Work, given: Given) -> UUID:
            return await municipalities.set_licence(work, given.values.get("licence"))

        return await run(info, input, act, read=_saved)
