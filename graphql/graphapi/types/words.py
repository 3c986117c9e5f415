"""The closed vocabularies as GraphQL enums, each value described; labels for people, names of languages."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import strawberry
from babel import Locale, UnknownLocaleError

from directory import actors, vocabulary
from graphapi.messages import MessageLanguage
from referrals import vocabulary as exchange


def describe(enum: type[StrEnum], description: str) -> None:
    """Make an enum a GraphQL enum; its values are described by their English and German labels."""
    strawberry.enum(enum, description=description)
    definition = enum.__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        member: StrEnum = enum[value.name]
        english, german = _label(member, "en"), _label(member, "de")
        if english and german:
            value.description = f"{english} ({german})"


def label(value: StrEnum, language: MessageLanguage) -> str:
    """Return the label of a value for people; a value without one is shown as it is."""
    return _label(value, language) or value.value


def _label(value: StrEnum, language: MessageLanguage) -> str | None:
    return vocabulary.label(value, language) or exchange.label(value, language)


UNNAMED: Final = {"kmr": {"de": "Kurmandschi", "en": "Kurmanji"}}
"""Languages of the project that the Unicode tables have no German and English name for."""


def tongue(tag: str, language: str) -> str:
    """Return the name of a language (BCP 47) in another one; a tag that nobody knows stays as it is.

    >>> tongue("ar", "de"), tongue("prs", "de"), tongue("xx-nothing", "de")
    ('Arabisch', 'Dari', 'xx-nothing')
    >>> tongue("kmr", "en")
    'Kurmanji'
    """
    if tag in UNNAMED:
        return UNNAMED[tag]["de" if language == "de" else "en"]
    try:
        known = Locale.parse(language)
        tag = {"prs": "fa_AF"}.get(tag, tag)  # the CLDR knows Dari as the Persian of Afghanistan
        return known.languages.get(tag) or known.languages.get(tag.split("-")[0].lower()) or tag
    except (UnknownLocaleError, ValueError):
        return tag


_DESCRIBED: Final[dict[type[StrEnum], str]] = {
    vocabulary.PartnerKind: "What sort of organisation a partner is.",
    vocabulary.ServiceKind: "What a service does.",
    vocabulary.ResidenceStatus: "Residence status of a person under German law.",
    vocabulary.LegalCircle: "Which benefits law applies (Rechtskreis).",
    vocabulary.WorkPermission: "May this person work? All that a business gets to know of a status.",
    vocabulary.EligibilityCriterion: "What a service's rule can ask of a person.",
    vocabulary.Gender: "Gender as a criterion of a service.",
    vocabulary.PublicationState: "Who may see an entry: its partner and the coordination, everybody, nobody.",
    vocabulary.CapacityState: "Room for another person; UNKNOWN is told apart from NONE.",
    vocabulary.Responsibility: "Whether the place of residence decides who is responsible.",
    vocabulary.Answer: "The three answers of every rule about a person; unknown is never no.",
    vocabulary.Standing: "Whether a criterion is met; UNKNOWN: nobody has said, which is never NOT_MET.",
    vocabulary.CefrLevel: "Language level (CEFR); A0 stands for literacy courses.",
    vocabulary.CourseFormat: "How a course is held.",
    vocabulary.CourseAccess: "What a person needs to get a place in a course.",
    vocabulary.InterpretingMode: "How an interpreter takes part.",
    vocabulary.ContactKind: "Channel of a contact point.",
    vocabulary.DataProtectionLaw: "Which data protection law binds an organisation.",
    vocabulary.ChangeField: "What of an entry a change request is about.",
    vocabulary.ChangeSource: "Who or what says that an entry is wrong.",
    vocabulary.DataKind: "What of an entry ages at a pace of its own.",
    vocabulary.FreshnessState: "How sure one can be of an entry.",
    vocabulary.UpkeepStep: "What is done about an entry that nobody confirms.",
    vocabulary.ChangeReason: "Why an entry seems to be wrong.",
    vocabulary.ChangeRequestState: "What became of a change request.",
    vocabulary.ChangeDecision: "Why a change request was accepted or rejected.",
    actors.Role: "What a member may do at most.",
}

for _enum, _description in _DESCRIBED.items():
    describe(_enum, _description)
