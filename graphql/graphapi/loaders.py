"""Typed loaders: what resolvers ask for one by one is read in one statement per kind and turn.

They live as long as one request, so what was read once is not read again; after a mutation the context makes
new ones. Rights are the sources' (``directory.sources``): None is what the actor may not see.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from strawberry.dataloader import DataLoader

from directory import keeping, membership, sources
from directory.actors import Actor
from directory.database import Database
from directory.documents import PartnerDocument, ServiceDocument
from directory.keeping import PartnerSettings
from directory.membership import MemberEntry
from directory.problems import NotFound
from directory.sources import MunicipalityTerm, Page, ServiceFilter, TopicEntry


class Loaders:
    """The loaders of one request."""

    def __init__(self, database: Database, actor: Actor) -> None:
        self._database = database
        self._actor = actor
        self.partner: DataLoader[UUID, PartnerDocument | None] = DataLoader(
            self._partners, max_batch_size=sources.MOST_KEYS
        )
        self.service: DataLoader[UUID, ServiceDocument | None] = DataLoader(
            self._services, max_batch_size=sources.MOST_KEYS
        )
        self.partner_note: DataLoader[UUID, str | None] = DataLoader(
            self._partner_notes, max_batch_size=sources.MOST_KEYS
        )
        self.service_note: DataLoader[UUID, str | None] = DataLoader(
            self._service_notes, max_batch_size=sources.MOST_KEYS
        )
        self.partner_settings: DataLoader[UUID, PartnerSettings | None] = DataLoader(
            self._partner_settings, max_batch_size=sources.MOST_KEYS
        )
        self.member: DataLoader[UUID, MemberEntry | None] = DataLoader(self._members)
        self.municipality: DataLoader[UUID, MunicipalityTerm | None] = DataLoader(
            self._municipalities, max_batch_size=sources.MOST_KEYS
        )
        self._topics: DataLoader[None, Mapping[str, TopicEntry]] = DataLoader(self._all_topics)
        self._services_of: dict[tuple[int, bool], DataLoader[UUID, Page[ServiceDocument]]] = {}

    async def topics(self) -> Mapping[str, TopicEntry]:
        """Return the topics by their code: they are few, and read together."""
        return await self._topics.load(None)

    async def services_of(self, partner_id: UUID, first: int, *, total: bool) -> Page[ServiceDocument]:
        """Return a page of a partner's services; pages of the same size are read together."""
        loader = self._services_of.get((first, total))
        if loader is None:

            async def load(ids: list[UUID]) -> list[Page[ServiceDocument]]:
                return await sources.services_by_partner(
                    self._database, self._actor, ids, ServiceFilter(), first=first, total=total
                )

            loader = DataLoader(load, max_batch_size=sources.MOST_KEYS)
            self._services_of[first, total] = loader
        return await loader.load(partner_id)

    async def _partners(self, ids: list[UUID]) -> list[PartnerDocument | None]:
        return await sources.partners_by_id(self._database, self._actor, ids)

    async def _services(self, ids: list[UUID]) -> list[ServiceDocument | None]:
        return await sources.services_by_id(self._database, self._actor, ids)

    async def _partner_notes(self, ids: list[UUID]) -> list[str | None]:
        return await sources.partner_notes(self._database, self._actor, ids)

    async def _service_notes(self, ids: list[UUID]) -> list[str | None]:
        return await sources.service_notes(self._database, self._actor, ids)

    async def _partner_settings(self, ids: list[UUID]) -> list[PartnerSettings | None]:
        return await keeping.partner_settings(self._database, self._actor, ids)

    async def _members(self, ids: list[UUID]) -> list[MemberEntry | None]:
        if not self._actor.signed_in:
            return [None for _ in ids]
        found: list[MemberEntry | None] = []
        async with self._database.view(self._actor) as session:
            for member_id in ids:
                try:
                    found.append(await membership.member(session, self._actor, member_id))
                except NotFound:
                    found.append(None)
        return found

    async def _all_topics(self, keys: list[None]) -> list[Mapping[str, TopicEntry]]:
        topics = {topic.code: topic for topic in await sources.topics(self._database)}
        return [topics for _ in keys]

    async def _municipalities(self, ids: list[UUID]) -> list[MunicipalityTerm | None]:
        return await sources.municipalities_by_id(self._database, ids)
