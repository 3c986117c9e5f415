"""The closed vocabularies as GraphQL enums, each value described, and their labels for people."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Final

import strawberry
from directory import actors, vocabulary
from directory.vocabulary import LABELS

from graphapi.messages import MessageLanguage


def describe(enum: type[Enum], description: str) -> None:
    """Make an enum a GraphQL enum; its values are described by their English and German labels."""
    strawberry.enum(enum, description=description)
    definition = enum.__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        labels = LABELS.get(enum[value.name], {})  # type: ignore[call-overload]
        if labels:
            value.description = f"{labels['en']} ({labels['de']})"


def label(value: StrEnum, language: MessageLanguage) -> str:
    """Return the label of a value for people; a value without one is shown as it is."""
    return LABELS.get(value, {}).get(language, value.value)


_DESCRIBED: Final[dict[type[Enum], str]] = {
    vocabulary.PartnerKind: "What sort of organisation a partner is.",
    vocabulary.ServiceKind: "What a service does.",
    vocabulary.ResidenceStatus: "Residence status of a person under German law.",
    vocabulary.LegalCircle: "Which benefits law applies (Rechtskreis).",
    vocabulary.PublicationState: "Who may see an entry: its partner and the coordination, everybody, nobody.",
    vocabulary.CapacityState: "Room for another person; UNKNOWN is told apart from NONE.",
    vocabulary.Responsibility: "Whether the place of residence decides who is responsible.",
    vocabulary.Answer: "The three answers of every rule about a person; unknown is never no.",
    vocabulary.CefrLevel: "Language level (CEFR); A0 stands for literacy courses.",
    vocabulary.CourseFormat: "How a course is held.",
    vocabulary.CourseAccess: "What a person needs to get a place in a course.",
    vocabulary.InterpretingMode: "How an interpreter takes part.",
    vocabulary.ContactKind: "Channel of a contact point.",
    vocabulary.DataProtectionLaw: "Which data protection law binds an organisation.",
    actors.Role: "What a member may do at most.",
}

for _enum, _description in _DESCRIBED.items():
    describe(_enum, _description)
