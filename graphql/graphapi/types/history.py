"""The history of entries, what may be there twice, and translations that are older than their source."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
import strawberry
from strawberry import Parent

from directory import actors
from directory.documents import DocumentKind, PartnerDocument
from directory.duplicate_pairs import DuplicatePair as Pair
from directory.duplicate_pairs import duplicate_pairs, told_apart
from directory.history import FieldChange, VersionView, differences, entry_history, entry_version
from directory.look_alikes import LookAlike, Sought, look_alikes_of, possible_duplicates
from directory.not_duplicates import NotDuplicatesView
from directory.problems import InvalidInput
from directory.published_feed import gone
from directory.translating import StaleEntry, stale_translations
from directory.vocabulary import Likeness
from graphapi.context import Info
from graphapi.relay import decode_cursor, encode_cursor, global_id, parse_id, require_id
from graphapi.types.node import Node
from graphapi.types.paging import PAGE_SIZE, After, Connection, First, connection
from graphapi.types.partner import Partner
from graphapi.types.texts import Text, choose
from graphapi.types.words import describe, label

describe(DocumentKind, "Whether an entry is a partner's or a service's.")
describe(Likeness, "Why two entries look alike.")

TYPES = {"Partner": DocumentKind.PARTNER, "Service": DocumentKind.SERVICE}


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value, order="sorted").decode()


@strawberry.type(description="What changed in one field of an entry.")
class EntryFieldChange:
    """What changed in one field."""

    field: str = strawberry.field(
        description="Path: the field, and behind a dot its language or part (title.ar, capacity.places)."
    )
    before: str | None = strawberry.field(
        resolver=lambda root: _json(root.before),
        graphql_type=str | None,
        description="Before, as JSON; null: nothing.",
    )
    after: str | None = strawberry.field(
        resolver=lambda root: _json(root.after),
        graphql_type=str | None,
        description="After, as JSON; null: nothing.",
    )

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell changes from other values: behind the type stands the domain's."""
        return isinstance(value, FieldChange | cls)


async def _organisation(root: Parent[VersionView], info: Info) -> Any:
    return None if root.partner_id is None else await info.context.loaders.partner.load(root.partner_id)


def _organisation_id(root: Parent[VersionView]) -> strawberry.ID | None:
    return None if root.partner_id is None else global_id("Partner", root.partner_id)


def _member_id(root: Parent[VersionView | NotDuplicatesView]) -> strawberry.ID | None:
    return None if root.member_id is None else global_id("Member", root.member_id)


def _entry_id(root: Parent[Any]) -> strawberry.ID:
    return global_id("Partner" if root.kind is DocumentKind.PARTNER else "Service", root.id)


def _fields(root: Parent[VersionView]) -> Any:
    return list(differences({}, root.snapshot))


@strawberry.type(
    description="A version of an entry: who made it, when, what it changed, and what the entry said then. "
    "For who keeps the entry and the coordination of its municipality."
)
class EntryVersion:
    """A version of an entry."""

    entry_id: strawberry.ID = strawberry.field(
        resolver=_entry_id, graphql_type=strawberry.ID, description="The partner or service."
    )
    version: int = strawberry.field(description="Its number; give it to restorePartner or restoreService.")
    at: datetime = strawberry.field(description="When it was made.")
    action: str = strawberry.field(
        description="Code of what was done: partner.change, service.restore, import, entry.follow (it "
        "followed from something else, e.g. a place was taken) …"
    )
    role: actors.Role = strawberry.field(
        resolver=lambda root: actors.Role(root.role),
        graphql_type=actors.Role,
        description="As what who made it acted; SYSTEM: an import, the clock, the command line.",
    )
    organisation: Partner | None = strawberry.field(
        graphql_type=Partner | None, resolver=_organisation, description="Whose member it was."
    )
    organisation_id: strawberry.ID | None = strawberry.field(
        graphql_type=strawberry.ID | None, resolver=_organisation_id, description="Its id."
    )
    member_id: strawberry.ID | None = strawberry.field(
        graphql_type=strawberry.ID | None,
        resolver=_member_id,
        description="Who it was, for colleagues of the same office and the coordination; null for others.",
    )
    reason: str | None = strawberry.field(description="Why, where a reason was given.")
    changes: list[EntryFieldChange] = strawberry.field(
        graphql_type=list[EntryFieldChange], description="What changed since the version before."
    )
    fields: list[EntryFieldChange] = strawberry.field(
        graphql_type=list[EntryFieldChange],
        resolver=_fields,
        description="All that the entry said in this version, as `after`.",
    )

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell versions from other values: behind the type stands the domain's view."""
        return isinstance(value, VersionView | cls)


def _title(root: Parent[LookAlike], info: Info) -> Text:
    if isinstance(root.entry, PartnerDocument):
        return Text(text=root.entry.name, language="und")
    found = choose(root.entry.title, None, info.context.languages)
    return found if found is not None else Text(text="", language="und")


def _reason_labels(root: Parent[LookAlike | Pair], info: Info) -> list[str]:
    return [label(reason, info.context.language) for reason in root.reasons]


@strawberry.type(description="An entry that may be the same as another one.")
class PossibleDuplicate:
    """An entry that may be the same as another one."""

    entry: Node = strawberry.field(graphql_type=Node, description="The partner or service that is there.")
    title: Text = strawberry.field(
        graphql_type=Text,
        resolver=_title,
        description="Its name or title.",
    )
    points: int = strawberry.field(description="How alike they are, 60 to 100.")
    reasons: list[Likeness] = strawberry.field(
        resolver=lambda root: list(root.reasons), graphql_type=list[Likeness], description="Why."
    )
    reason_labels: list[str] = strawberry.field(
        resolver=_reason_labels,
        graphql_type=list[str],
        description="Why, for people.",
    )

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell look-alikes from other values: behind the type stands the domain's."""
        return isinstance(value, LookAlike | cls)


def _not_duplicates_id(root: Parent[NotDuplicatesView]) -> strawberry.ID:
    return global_id("NotDuplicates", root.id)


@strawberry.type(
    description="That two entries which look alike are different ones, as the coordination says."
)
class NotDuplicates:
    """That two entries which look alike are different ones."""

    id: strawberry.ID = strawberry.field(
        resolver=_not_duplicates_id,
        graphql_type=strawberry.ID,
        description="With which it is withdrawn (withdrawNotDuplicates).",
    )
    at: datetime = strawberry.field(description="When it was said.")
    member_id: strawberry.ID | None = strawberry.field(
        resolver=_member_id, graphql_type=strawberry.ID | None, description="Who said it."
    )

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell these from other values: behind the type stands the domain's view."""
        return isinstance(value, NotDuplicatesView | cls)


@strawberry.type(description="Two entries of one municipality that may be the same.")
class DuplicatePair:
    """Two entries that may be the same."""

    entry: Node = strawberry.field(graphql_type=Node, description="One of them.")
    other: Node = strawberry.field(graphql_type=Node, description="The other one.")
    points: int = strawberry.field(
        description="How alike they are, 60 to 100; 0 to 100 of two that are known to be different."
    )
    reasons: list[Likeness] = strawberry.field(
        resolver=lambda root: list(root.reasons), graphql_type=list[Likeness], description="Why."
    )
    reason_labels: list[str] = strawberry.field(
        resolver=_reason_labels, graphql_type=list[str], description="Why, for people."
    )
    not_duplicates: NotDuplicates | None = strawberry.field(
        graphql_type=NotDuplicates | None, description="Set: they are different ones, says the coordination."
    )

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell pairs from other values: behind the type stands the domain's."""
        return isinstance(value, Pair | cls)


def look_alikes_in(payload: str) -> Any:
    """Return a resolver of what may be the same as the entry in this field of a payload."""

    async def resolve(root: Parent[Any], info: Info) -> Any:
        context = info.context
        return await look_alikes_of(context.database, context.actor, getattr(root, payload))

    return resolve


@strawberry.type(description="A text of an entry, and the languages in which it is older than its source.")
class StaleText:
    """A text of an entry, and the languages in which it is older than its source."""

    field: str = strawberry.field(description="title or description.")
    languages: list[str] = strawberry.field(description="BCP 47.")


async def _entry(root: Parent[StaleEntry], info: Info) -> Any:
    loaders = info.context.loaders
    return await (loaders.partner if root.kind is DocumentKind.PARTNER else loaders.service).load(root.id)


@strawberry.type(description="An entry with translations that are older than their source.")
class StaleTranslations:
    """An entry with translations that are older than their source."""

    entry_id: strawberry.ID = strawberry.field(
        resolver=_entry_id, graphql_type=strawberry.ID, description="The partner or service."
    )
    entry: Node | None = strawberry.field(
        graphql_type=Node | None,
        resolver=_entry,
        description="The entry.",
    )
    source_language: str = strawberry.field(description="Language they were translated from (BCP 47).")
    texts: list[StaleText] = strawberry.field(
        graphql_type=list[StaleText],
        resolver=lambda root: [
            StaleText(field=field, languages=list(languages))
            for field, languages in sorted(root.stale.items())
        ],
        description="Which texts.",
    )

    @classmethod
    def is_type_of(cls, value: object, info: Any) -> bool:
        """Tell these from other values: behind the type stands the domain's."""
        return isinstance(value, StaleEntry | cls)


@strawberry.input(description="What is known of an entry that is about to be made.")
class SoughtEntryInput:
    """What is known of an entry that is about to be made."""

    kind: DocumentKind = strawberry.field(description="Whether it will be a partner or a service.")
    name: str = strawberry.field(description="Its name or title.")
    municipality_id: strawberry.ID | None = strawberry.field(
        default=None, description="Of a partner: in whose directory it will stand."
    )
    partner_id: strawberry.ID | None = strawberry.field(
        default=None, description="Of a service: whose it will be."
    )
    phones: list[str] = strawberry.field(default_factory=list, description="In any spelling.")
    mails: list[str] = strawberry.field(default_factory=list, description="Mail addresses.")
    website: str | None = strawberry.field(default=None, description="Web address.")
    postcode: str | None = strawberry.field(default=None, description="Postcode.")
    street: str | None = strawberry.field(default=None, description="Street and number.")


EntryId = Annotated[strawberry.ID, strawberry.argument(description="A partner or a service.")]


def entry_of(id_: str, field: str = "id") -> tuple[DocumentKind, Any]:
    """Return kind and key of a partner's or service's id; raises InvalidInput for any other."""
    found = parse_id(id_)
    if found is None or found[0] not in TYPES:
        raise InvalidInput(field, "id", expected="Partner, Service")
    return TYPES[found[0]], found[1]


@strawberry.type
class HistoryQueries:
    """What can be read of the history of entries."""

    @strawberry.field(
        graphql_type=Connection[EntryVersion],
        description="The versions of a partner's or service's entry, the newest first; of one that "
        "was merged or deleted too.",
    )
    async def entry_history(
        self, info: Info, id: EntryId, first: First = PAGE_SIZE, after: After = None
    ) -> Connection[Any]:
        """Return a page of versions."""
        kind, key = entry_of(id)
        older = None
        if after is not None:
            (number,) = decode_cursor(after, "versions")
            if not number.isdigit():
                raise InvalidInput("after", "cursor")
            older = int(number)
        context = info.context
        async with context.database.view(context.actor) as session:
            page = await entry_history(
                session,
                context.actor,
                kind,
                key,
                first=first,
                after=older,
                with_total=context.asks("EntryVersionConnection", "totalCount"),
            )
        page = msgspec.structs.replace(
            page, cursors=tuple(encode_cursor("versions", number) for number in page.cursors)
        )
        return connection(page, after=after)

    @strawberry.field(
        graphql_type=EntryVersion,
        description="An entry as it was in this version, or in the last one before it that changed it.",
    )
    async def entry_version(
        self,
        info: Info,
        id: EntryId,
        version: Annotated[int, strawberry.argument(description="The version.")],
    ) -> object:
        """Return one version."""
        kind, key = entry_of(id)
        context = info.context
        async with context.database.view(context.actor) as session:
            return await entry_version(session, context.actor, kind, key, version)

    @strawberry.field(
        graphql_type=list[PossibleDuplicate],
        description="What may be the same as an entry that is about to be made, the most alike first; only "
        "of what you may see.",
    )
    async def possible_duplicates(
        self,
        info: Info,
        entry: Annotated[SoughtEntryInput, strawberry.argument(description="What is known of it.")],
    ) -> object:
        """Return possible duplicates."""
        sought = Sought(
            name=entry.name,
            municipality_id=(
                require_id(entry.municipality_id, "Municipality", "entry.municipalityId")
                if entry.municipality_id
                else None
            ),
            partner_id=(
                require_id(entry.partner_id, "Partner", "entry.partnerId") if entry.partner_id else None
            ),
            phones=tuple(entry.phones),
            mails=tuple(entry.mails),
            website=entry.website,
            postcode=entry.postcode,
            street=entry.street,
        )
        return await possible_duplicates(info.context.database, info.context.actor, entry.kind, sought)

    @strawberry.field(
        graphql_type=Connection[DuplicatePair],
        description="Coordination: pairs of entries of your municipality that may be the same, in any state, "
        "the most alike first; of very many the 1,000 that have most in common are compared, and others take "
        "the places of those that have been merged or told apart (markNotDuplicates).",
    )
    async def duplicate_pairs(
        self,
        info: Info,
        kind: Annotated[DocumentKind, strawberry.argument(description="Partners or services.")],
        not_duplicates: Annotated[
            bool,
            strawberry.argument(
                description="True: in place of these, the pairs that were told apart, the last one first."
            ),
        ] = False,
        first: First = PAGE_SIZE,
        after: After = None,
    ) -> Connection[Any]:
        """Return a page of pairs that may be the same, or of those that are not."""
        context, list_ = info.context, "different" if not_duplicates else "alike"
        behind = None
        if after is not None:
            (behind,) = decode_cursor(after, list_)
        if not_duplicates:
            page = await told_apart(
                context.database,
                context.actor,
                kind,
                first=first,
                after=behind,
                with_total=context.asks("DuplicatePairConnection", "totalCount"),
            )
        else:
            page = await duplicate_pairs(context.database, context.actor, kind, first=first, after=behind)
        page = msgspec.structs.replace(
            page, cursors=tuple(encode_cursor(list_, place) for place in page.cursors)
        )
        return connection(page, after=after)

    @strawberry.field(
        description="Whether this entry was published once and has left the directory for good (deleted, or "
        "merged into another). False for what is hidden, what never was published, and what does not exist: "
        "these are not told apart.",
    )
    async def entry_ended(self, info: Info, id: EntryId) -> bool:
        """Tell whether an entry is gone."""
        kind, key = entry_of(id)
        return await gone(info.context.database, kind, key)

    @strawberry.field(
        graphql_type=Connection[StaleTranslations],
        description="Entries that you keep with translations older than their source.",
    )
    async def stale_translations(
        self, info: Info, first: First = PAGE_SIZE, after: After = None
    ) -> Connection[Any]:
        """Return a page of entries with stale translations."""
        last = None
        if after is not None:
            (key,) = decode_cursor(after, "stale")
            last = _uuid(key)
        page = await stale_translations(info.context.database, info.context.actor, first=first, after=last)
        page = msgspec.structs.replace(
            page, cursors=tuple(encode_cursor("stale", key) for key in page.cursors)
        )
        return connection(page, after=after)


def _uuid(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        raise InvalidInput("after", "cursor") from None
