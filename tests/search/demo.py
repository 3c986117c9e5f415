"""The services of the demo network as documents, without a database, for tests of what search finds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec

from directory.documents import ServiceDocument
from directory.values import (
    CourseFacts,
    InterpretingFacts,
    LanguageOffered,
    LocationValue,
    MunicipalitySummary,
    PartnerSummary,
    TopicTerm,
)
from directory.vocabulary import PartnerKind, PublicationState, ServiceKind
from search.engine import TopicWords, Vocabulary

NETWORK: Final = Path(__file__).parents[2] / "graphql" / "graphapi" / "demo" / "network.json"
SPACE: Final = UUID(int=11)


def key_of(key: str) -> UUID:
    """Return the id of the service with this key."""
    return uuid5(SPACE, key)


def read() -> tuple[list[ServiceDocument], Vocabulary, dict[UUID, str]]:
    """Return the services, the topics with their words, and the key of each service by id."""
    network: dict[str, Any] = json.loads(NETWORK.read_text(encoding="utf-8"))
    topics = {topic["code"]: topic for topic in network["topics"]}
    vocabulary = Vocabulary(
        {
            code: TopicWords(
                topic["labels"],
                {language: tuple(words) for language, words in topic.get("synonyms", {}).items()},
                topic.get("parent"),
            )
            for code, topic in topics.items()
        }
    )
    town = network["municipality"]
    municipality = MunicipalitySummary(id=UUID(int=1), name=town["name"], ars=town["ars"])
    services, keys = [], {}
    for partner in network["partners"]:
        summary = PartnerSummary(
            id=uuid5(SPACE, partner["key"]), name=partner["name"], kind=PartnerKind(partner["kind"])
        )
        places = {place["key"]: place for place in partner.get("locations", [])}
        for entry in partner.get("services", []):
            id_ = key_of(entry["key"])
            keys[id_] = entry["key"]
            services.append(
                ServiceDocument(
                    id=id_,
                    version=1,
                    partner=summary,
                    municipality=municipality,
                    kind=ServiceKind(entry["kind"]),
                    title=entry["title"],
                    description=entry.get("description", {}),
                    topics=tuple(
                        TopicTerm(code=code, labels=topics[code]["labels"]) for code in entry["topics"]
                    ),
                    languages=msgspec.convert(entry.get("languages", []), tuple[LanguageOffered, ...]),
                    locations=tuple(
                        LocationValue(
                            id=uuid5(SPACE, key), name=places[key]["name"], city=places[key].get("city")
                        )
                        for key in entry.get("locations", [])
                        if key in places
                    ),
                    course=msgspec.convert(entry.get("course"), CourseFacts | None),
                    interpreting=msgspec.convert(entry.get("interpreting"), InterpretingFacts | None),
                    state=PublicationState.PUBLISHED,
                    updated_at=datetime(2026, 1, 1, tzinfo=UTC),
                )
            )
    return services, vocabulary, keys
