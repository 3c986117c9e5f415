"""The open vocabularies: topics that classify services and needs, and occupations."""

from __future__ import annotations

from typing import Any, TypeAlias

import strawberry
from strawberry import Parent

from directory.sources import OccupationTerm, TopicEntry
from directory.values import TopicTerm
from graphapi.context import Info
from graphapi.types.texts import LanguageArgument, Text, choose

Known: TypeAlias = TopicTerm | TopicEntry


def _topic_label(root: Parent[Known], info: Info, language: LanguageArgument = None) -> Text | None:
    return choose(root.labels, language, info.context.languages)


@strawberry.type(
    description="A topic of the open vocabulary (Thema): what a service is about, what a need is."
)
class Topic:
    """A topic of the open vocabulary."""

    code: str = strawberry.field(description="Its code.")
    label: Text | None = strawberry.field(resolver=_topic_label, description="What people call it.")


def _synonyms(root: Parent[TopicEntry], info: Info, language: LanguageArgument = None) -> list[str]:
    wanted = (language,) if language is not None else info.context.languages
    for tag in (*wanted, "de", "en"):
        if tag in root.synonyms:
            return list(root.synonyms[tag])
    return []


def _topic(root: Parent[TopicEntry]) -> Any:
    return root


@strawberry.type(description="A topic in the vocabulary, with the topic above it.")
class TopicInVocabulary:
    """A topic in the vocabulary, with the topic above it."""

    topic: Topic = strawberry.field(graphql_type=Topic, resolver=_topic, description="The topic.")
    parent: str | None = strawberry.field(description="Code of the topic above it.")
    synonyms: list[str] = strawberry.field(resolver=_synonyms, description="Words people use for it.")


def _occupation_label(
    root: Parent[OccupationTerm], info: Info, language: LanguageArgument = None
) -> Text | None:
    return choose(root.labels, language, info.context.languages)


@strawberry.type(description="An occupation (Beruf).")
class Occupation:
    """An occupation."""

    esco: str = strawberry.field(description="Its ESCO URI.")
    label: Text | None = strawberry.field(resolver=_occupation_label, description="What it is called.")
    regulated: bool = strawberry.field(description="Whether German law regulates it.")
