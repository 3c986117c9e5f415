"""Where and how to reach somebody: places, contact points, opening hours, municipalities."""

from __future__ import annotations

from typing import Any, TypeAlias

import strawberry
from strawberry import Parent

from directory import values
from directory.sources import MunicipalityTerm
from directory.vocabulary import ContactKind
from graphapi.context import Info
from graphapi.relay import global_id
from graphapi.types.node import Node
from graphapi.types.texts import LanguageArgument, Text, choose, every

Known: TypeAlias = values.MunicipalitySummary | MunicipalityTerm


def _name(root: Parent[Known], info: Info, language: LanguageArgument = None) -> Text | None:
    return choose(root.name, language, info.context.languages)


def _municipality_id(root: Parent[Known]) -> strawberry.ID:
    return global_id("Municipality", root.id)


@strawberry.type(description="A town or district that runs the project (Kommune).")
class Municipality(Node):
    """A town or district that runs the project."""

    id: strawberry.ID = strawberry.field(resolver=_municipality_id, description="Global id.")
    ars: str = strawberry.field(description="Official key (Amtlicher Regionalschlüssel) or its prefix.")
    name: Text | None = strawberry.field(resolver=_name, description="Its name.")
    licence: str | None = strawberry.field(
        description="Under which its own entries may be used on (SPDX identifier or address); null: not said."
    )

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell municipalities from other nodes: behind the type stands a summary or a term."""
        return isinstance(value, values.MunicipalitySummary | MunicipalityTerm | cls)


def _label(root: Parent[values.ContactPoint], info: Info, language: LanguageArgument = None) -> Text | None:
    return choose(root.label, language, info.context.languages)


def _labels(root: Parent[values.ContactPoint]) -> list[Text]:
    return every(root.label)


@strawberry.type(description="How to reach a partner or a service.")
class ContactPoint:
    """How to reach a partner or a service."""

    kind: ContactKind = strawberry.field(description="The channel.")
    value: str = strawberry.field(description="Phone number (E.164), mail address or web address.")
    extension: str | None = strawberry.field(description="Extension of a phone number.")
    label: Text | None = strawberry.field(resolver=_label, description="What it is for, e.g. reception.")
    labels: list[Text] = strawberry.field(resolver=_labels, description="The same in all its languages.")
    languages: list[str] = strawberry.field(description="Languages spoken there (BCP 47).")


@strawberry.type(description="Open from `opens` to `closes` on a weekday, local wall time.")
class OpeningPeriod:
    """Open from ``opens`` to ``closes`` on a weekday."""

    weekday: int = strawberry.field(description="ISO weekday: 1 Monday to 7 Sunday.")
    opens: str = strawberry.field(description="HH:MM.")
    closes: str = strawberry.field(description="HH:MM; 24:00 is the end of the day.")


@strawberry.type(description="Opening hours.")
class OpeningHours:
    """Opening hours."""

    osm: str = strawberry.field(description="As OpenStreetMap opening_hours text.")
    periods: list[OpeningPeriod] = strawberry.field(description="The same, structured.")
    by_appointment: bool = strawberry.field(description="Whether an appointment is needed.")
    closed_on_holidays: bool = strawberry.field(description="Whether closed on public holidays.")
    timezone: str = strawberry.field(description="IANA time zone of the times.")


def _location_id(root: Parent[values.LocationValue]) -> strawberry.ID:
    return global_id("Location", root.id)


def _accessibility(
    root: Parent[values.LocationValue], info: Info, language: LanguageArgument = None
) -> Text | None:
    return choose(root.accessibility, language, info.context.languages)


def _accessibilities(root: Parent[values.LocationValue]) -> list[Text]:
    return every(root.accessibility)


@strawberry.type(description="A place of a partner, where services are offered (Standort).")
class Location:
    """A place of a partner."""

    id: strawberry.ID = strawberry.field(resolver=_location_id, description="Global id.")
    name: str = strawberry.field(description="What the place is called.")
    street: str | None = strawberry.field(description="Street and number.")
    postcode: str | None = strawberry.field(description="Postcode.")
    city: str | None = strawberry.field(description="Town.")
    ars: str | None = strawberry.field(description="Official key of the municipality it lies in.")
    latitude: float | None = strawberry.field(description="Degrees north, WGS 84.")
    longitude: float | None = strawberry.field(description="Degrees east, WGS 84.")
    accessibility: Text | None = strawberry.field(
        resolver=_accessibility, description="How accessible the place is."
    )
    accessibility_texts: list[Text] = strawberry.field(
        resolver=_accessibilities, description="The same in all its languages."
    )
    hours: OpeningHours | None = strawberry.field(description="When it is open.")
