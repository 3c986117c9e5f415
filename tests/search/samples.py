"""Services as plain values, engines filled with them, and rows in a real database, for tests of search."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

from directory.actors import SYSTEM
from directory.database import Database
from directory.documents import ServiceDocument
from directory.models import Municipality, Partner, Service, ServiceTopic, Topic
from directory.values import Capacity, LocationValue, MunicipalitySummary, PartnerSummary, TopicTerm
from directory.vocabulary import PartnerKind, PublicationState, ServiceKind
from search.engine import (
    Batch,
    FollowingEngine,
    Position,
    SearchQuery,
    SearchResult,
    TopicWords,
    Vocabulary,
    checked,
)

TODAY = date(2026, 6, 1)
FEED = UUID(int=7)
COTTBUS = MunicipalitySummary(id=UUID(int=1), name={"de": "Cottbus", "dsb": "Chóśebuz"}, ars="120520000000")
BARNIM = MunicipalitySummary(id=UUID(int=2), name={"de": "Barnim"}, ars="12060")

VOCABULARY = Vocabulary(
    {
        "language-course": TopicWords(
            {"de": "Sprachkurs", "en": "Language course"},
            {"de": ("Deutsch lernen",), "en": ("learn German",)},
        ),
        "literacy-course": TopicWords(
            {"de": "Alphabetisierung", "en": "Literacy course"}, parent="language-course"
        ),
        "identity-papers": TopicWords({"de": "Identitätspapiere"}, {"de": ("Papiere verlängern", "Pass")}),
    }
)


def topic(code: str) -> TopicTerm:
    """Return a topic of the vocabulary as documents show it."""
    return TopicTerm(code=code, labels=dict(VOCABULARY.topics[code].labels))


def place(latitude: float, longitude: float) -> LocationValue:
    """Return a location at a point."""
    return LocationValue(id=uuid4(), name="Haus", latitude=latitude, longitude=longitude)


def service(title: str | dict[str, str] = "Angebot", **fields: Any) -> ServiceDocument:
    """Return a published service of Cottbus with this German title."""
    partner = fields.pop("partner", "Verein")
    kind = fields.pop("partner_kind", PartnerKind.FREE_PROVIDER)
    defaults: dict[str, Any] = {
        "id": uuid4(),
        "version": 1,
        "partner": PartnerSummary(id=UUID(int=3), name=partner, kind=kind),
        "municipality": COTTBUS,
        "kind": ServiceKind.MONITORING,
        "title": title if isinstance(title, dict) else {"de": title},
        "state": PublicationState.PUBLISHED,
        "updated_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return ServiceDocument(**(defaults | fields))


def position(sequence: int = 1, vocabulary: Vocabulary = VOCABULARY) -> Position:
    """Return a position in the feed of these tests."""
    return Position(feed=FEED, sequence=sequence, vocabulary=vocabulary.fingerprint)


def fill(engine: FollowingEngine, services: Sequence[ServiceDocument], sequence: int = 1) -> None:
    """Build the engine's index of these services."""
    assert engine.lead()
    rebuild = engine.rebuild(VOCABULARY)
    rebuild.apply(Batch(documents=services, removed=[], position=position(sequence)))
    rebuild.finish()


def put(engine: FollowingEngine, *services: ServiceDocument, sequence: int = 2, **batch: Any) -> None:
    """Apply these services to an index that is there."""
    engine.apply(
        Batch(documents=services, removed=batch.pop("removed", []), position=position(sequence), **batch),
        VOCABULARY,
    )


def find(engine: FollowingEngine, text: str = "", **query: Any) -> SearchResult:
    """Search with checked input."""
    return engine.search(checked(SearchQuery(text=text, **({"today": TODAY} | query))))


def ids(result: SearchResult) -> list[UUID]:
    """Return the ids of the hits in order."""
    return [hit.id for hit in result.hits]


class Directory:
    """Writes rows as the directory does, for followers to follow."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.partner_id = uuid4()

    async def begin(self) -> None:
        """Make a municipality with one published partner."""
        async with self.database.work(SYSTEM) as work:
            municipality = Municipality(ars=str(uuid4().int)[:12], name={"de": "Cottbus"}, kind_labels={})
            work.session.add(municipality)
            await work.session.flush()
            work.session.add(
                Partner(
                    id=self.partner_id,
                    municipality_id=municipality.id,
                    kind=PartnerKind.FREE_PROVIDER,
                    name="Verein",
                    description={},
                    contact_points=(),
                    languages=(),
                    state=PublicationState.PUBLISHED,
                    updated_at=work.now,
                )
            )
            await work.session.flush()
            work.touch_partner(self.partner_id)

    async def add(self, *titles: str, state: PublicationState = PublicationState.PUBLISHED) -> list[UUID]:
        """Make services with these German titles."""
        async with self.database.work(SYSTEM) as work:
            made = [
                Service(
                    id=uuid4(),
                    partner_id=self.partner_id,
                    kind=ServiceKind.MONITORING,
                    title={"de": title},
                    description={},
                    source_terms=(),
                    languages=(),
                    eligibility=(),
                    area=(),
                    contact_points=(),
                    capacity=Capacity(),
                    state=state,
                    updated_at=work.now,
                )
                for title in titles
            ]
            work.session.add_all(made)
            await work.session.flush()
            for one in made:
                work.touch_service(one.id)
        return [one.id for one in made]

    async def change(self, service_id: UUID, **values: Any) -> None:
        """Change a service and raise its version."""
        async with self.database.work(SYSTEM) as work:
            found = await work.session.get_one(Service, service_id)
            for name, value in values.items():
                setattr(found, name, value)
            found.version += 1
            work.touch_service(service_id)

    async def hide_partner(self) -> None:
        """Hide the partner, and with it all its services."""
        async with self.database.work(SYSTEM) as work:
            found = await work.session.get_one(Partner, self.partner_id)
            found.state = PublicationState.HIDDEN
            found.version += 1
            work.touch_partner(self.partner_id)

    async def add_topic(
        self, code: str, labels: dict[str, str], synonyms: dict[str, tuple[str, ...]]
    ) -> None:
        """Add a topic to the vocabulary."""
        async with self.database.work(SYSTEM) as work:
            work.session.add(Topic(code=code, labels=labels, synonyms=synonyms))

    async def give_topic(self, service_id: UUID, code: str) -> None:
        """Say that a service is about a topic."""
        async with self.database.work(SYSTEM) as work:
            work.session.add(ServiceTopic(service_id=service_id, topic_code=code))
            found = await work.session.get_one(Service, service_id)
            found.version += 1
            work.touch_service(service_id)
