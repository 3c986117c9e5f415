"""Services as plain values, engines filled with them, and rows in a real database, for tests of search."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from msgspec.structs import replace

from directory.actors import SYSTEM
from directory.courses import CourseFilter
from directory.database import Database
from directory.documents import ServiceDocument
from directory.models import Municipality, Partner, Service, ServiceTopic, Topic
from directory.values import (
    Capacity,
    CourseFacts,
    CourseRun,
    LocationValue,
    MunicipalitySummary,
    PartnerSummary,
    TopicTerm,
)
from directory.vocabulary import (
    CefrLevel,
    CourseAccess,
    CourseFormat,
    PartnerKind,
    PublicationState,
    ServiceKind,
)
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


DAY = timedelta(days=1)
TWO_RUNS = CourseFacts(
    runs=(
        CourseRun(starts_on=TODAY - DAY, ends_on=TODAY + 80 * DAY),
        CourseRun(starts_on=TODAY + 20 * DAY, ends_on=TODAY + 95 * DAY),
    )
)
COURSE_CASES: list[tuple[CourseFilter, CourseFacts | None, bool]] = [
    (CourseFilter(), None, False),
    (CourseFilter(), CourseFacts(), True),
    (CourseFilter(level_to=CefrLevel.B1), CourseFacts(level_to=CefrLevel.B1), True),
    (CourseFilter(level_to=CefrLevel.B1), CourseFacts(level_to=CefrLevel.B2), True),
    (CourseFilter(level_to=CefrLevel.B1), CourseFacts(level_to=CefrLevel.A2), False),
    (CourseFilter(level_to=CefrLevel.B1), CourseFacts(), True),
    (CourseFilter(level_from=CefrLevel.A2), CourseFacts(level_from=CefrLevel.A1), True),
    (CourseFilter(level_from=CefrLevel.A2), CourseFacts(level_from=CefrLevel.B1), False),
    (CourseFilter(starts_after=TODAY), CourseFacts(runs=(CourseRun(starts_on=TODAY),)), True),
    (
        CourseFilter(starts_after=TODAY),
        CourseFacts(runs=(CourseRun(starts_on=TODAY - timedelta(days=1)),)),
        False,
    ),
    (CourseFilter(ends_before=TODAY), CourseFacts(runs=(CourseRun(ends_on=TODAY),)), True),
    (
        CourseFilter(ends_before=TODAY),
        CourseFacts(runs=(CourseRun(ends_on=TODAY + timedelta(days=1)),)),
        False,
    ),
    (CourseFilter(ends_before=TODAY), CourseFacts(), True),
    (CourseFilter(starts_after=TODAY, ends_before=TODAY + 90 * DAY), TWO_RUNS, False),
    (CourseFilter(starts_after=TODAY, ends_before=TODAY + 99 * DAY), TWO_RUNS, True),
    (CourseFilter(starts_after=TODAY + 99 * DAY), TWO_RUNS, False),
    (CourseFilter(starts_after=TODAY + 99 * DAY), replace(TWO_RUNS, repeats=True), True),
    (CourseFilter(bookable_on=TODAY), TWO_RUNS, True),
    (CourseFilter(bookable_on=TODAY + 21 * DAY), TWO_RUNS, False),
    (CourseFilter(bookable_on=TODAY), CourseFacts(), True),
    (CourseFilter(bookable_on=TODAY), CourseFacts(runs=(CourseRun(),)), True),
    (CourseFilter(bookable_on=TODAY), CourseFacts(runs=(CourseRun(full=True),)), False),
    (CourseFilter(bookable_on=TODAY), CourseFacts(runs=(CourseRun(starts_on=TODAY - DAY),)), False),
    (CourseFilter(bookable_on=TODAY), CourseFacts(runs=(CourseRun(apply_by=TODAY),)), True),
    (CourseFilter(bookable_on=TODAY), CourseFacts(runs=(CourseRun(apply_by=TODAY - DAY),)), False),
    (CourseFilter(access=(CourseAccess.DIRECT,)), CourseFacts(), True),
    (
        CourseFilter(access=(CourseAccess.DIRECT, CourseAccess.VOUCHER)),
        CourseFacts(access=(CourseAccess.VOUCHER, CourseAccess.BAMF_ADMISSION)),
        True,
    ),
    (
        CourseFilter(access=(CourseAccess.DIRECT,)),
        CourseFacts(access=(CourseAccess.BAMF_ADMISSION,)),
        False,
    ),
    (CourseFilter(exam="telc"), CourseFacts(exam="Telc Deutsch B1"), True),
    (CourseFilter(exam="Goethe"), CourseFacts(exam="telc Deutsch B1"), False),
    (CourseFilter(exam="Goethe"), CourseFacts(), True),
    (CourseFilter(cost_at_most=0), CourseFacts(cost_cents=0), True),
    (CourseFilter(cost_at_most=4_999), CourseFacts(cost_cents=5_000), False),
    (CourseFilter(cost_at_most=0), CourseFacts(), True),
    (CourseFilter(childcare=True), CourseFacts(childcare=True), True),
    (CourseFilter(childcare=True), CourseFacts(childcare=None), True),
    (CourseFilter(childcare=True), CourseFacts(childcare=False), False),
    (CourseFilter(women_only=True), CourseFacts(women_only=False), False),
    (CourseFilter(women_only=False), CourseFacts(women_only=True), False),
    (CourseFilter(format=CourseFormat.ONLINE), CourseFacts(format=CourseFormat.HYBRID), True),
    (CourseFilter(format=CourseFormat.ONLINE), CourseFacts(format=CourseFormat.ON_SITE), False),
    (CourseFilter(format=CourseFormat.HYBRID), CourseFacts(format=CourseFormat.ON_SITE), False),
]
"""A filter, the facts of a course (None: no course), and whether it passes; in searches and in lists."""
