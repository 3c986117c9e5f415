"""The open vocabularies: topics that classify services and needs, and occupations."""

from __future__ import annotations

import strawberry
from directory import values
from strawberry import Parent

from graphapi.context import Info
from graphapi.types.texts import LanguageArgument, Text, choose


def _topic_label(root: Parent[values.TopicTerm], info: Info, language: LanguageArgument = None) -> Text | None:
    return choose(root.labels, language, info.context.languages)


@strawberry.type(description="A topic of the open vocabulary (Thema): what a service is about, what a need is.")
class Topic:
    """A topic of the open vocabulary."""

    code: str = strawberry.field(description="Its code.")
    label: Text | None = strawberry.field(resolver=_topic_label, description="What people call it.")
