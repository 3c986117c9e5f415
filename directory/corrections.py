"""Corrections of single fields: what anybody, or a partner through its link, says should stand in an entry.

A correction becomes a change request with the value it proposes, checked as if it were entered, and the value
it was proposed against. Whoever keeps the entry accepts it, which writes the value through the catalogue, or
rejects it with a reason. Nothing is kept of who suggested it, and no entry that is not public is spoken of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from directory import checking as check
from directory import contacts
from directory.catalogue import (
    LocationChange,
    PartnerChange,
    ServiceChange,
    change_location,
    change_partner,
    change_service,
    hide_partner,
    hide_service,
    set_capacity,
)
from directory.change_requests import (
    ChangeRequestView,
    Proposal,
    decide_change_request,
    deciding,
    propose,
)
from directory.database import Work
from directory.hours import format_hours, parse_hours
from directory.models import ChangeRequest, Location, Partner, Service, ServiceLocation
from directory.problems import InvalidInput, NotFound
from directory.values import Capacity, ContactPoint, Value
from directory.vocabulary import (
    CapacityState,
    ChangeDecision,
    ChangeField,
    ChangeReason,
    ChangeRequestState,
    ChangeSource,
    ContactKind,
    PublicationState,
)

MOST_OPEN: Final = 50
"""Open suggestions of the public about one partner at most: what comes then waits until some are decided."""

LONGEST_REMARK: Final = 500
LONGEST_DESCRIPTION: Final = 5_000

WITHOUT_VALUE: Final = frozenset({ChangeField.ELIGIBILITY, ChangeField.EXISTENCE})
"""Fields about which something is said, but no value is proposed."""

_F: Final = ChangeField
_CONTACT: Final = {_F.PHONE: ContactKind.PHONE, _F.EMAIL: ContactKind.EMAIL}
_REASON: Final = {
    ChangeSource.PUBLIC: ChangeReason.SUGGESTED,
    ChangeSource.PARTNER: ChangeReason.SAID_BY_PARTNER,
}


class Suggestion(Value, frozen=True, kw_only=True):
    """What a field of an entry should say: ``value`` as text, in the ``language`` where it has one.

    TITLE, DESCRIPTION: a text. WEBSITE, PHONE, EMAIL: an address. HOURS: an OpenStreetMap text, of the
    location ``location_id``. CAPACITY: a word of ``CapacityState``. ELIGIBILITY needs a remark and has no
    value; EXISTENCE (there is no such thing any more) has none.
    """

    field: ChangeField
    value: str | None = None
    language: str | None = None
    location_id: UUID | None = None
    remark: str | None = None


def _texts(said: Suggestion, longest: int, *, lines: bool) -> dict[str, str]:
    checker = check.long_text if lines else check.short_text
    language = check.language(said.language or "de", "language")
    return {"language": language, "text": checker(said.value or "", "value", maximum=longest)}


def _capacity(said: Suggestion) -> dict[str, str]:
    if said.value not in {state.value for state in CapacityState}:
        raise InvalidInput("value", "unknown-value")
    return {"state": str(said.value)}


_CHECKS: Final[Mapping[ChangeField, Callable[[Suggestion], dict[str, str]]]] = {
    _F.TITLE: lambda said: _texts(said, check.SHORT, lines=False),
    _F.DESCRIPTION: lambda said: _texts(said, LONGEST_DESCRIPTION, lines=True),
    _F.WEBSITE: lambda said: {"value": contacts.url(said.value or "", "value")},
    _F.PHONE: lambda said: {"value": contacts.phone(said.value or "", "value")},
    _F.EMAIL: lambda said: {"value": contacts.mail(said.value or "", "value")},
    _F.HOURS: lambda said: {"osm": parse_hours(said.value or "", "value").osm},
    _F.CAPACITY: _capacity,
}


def proposed_value(said: Suggestion) -> dict[str, str] | None:
    """Return the checked value that a suggestion proposes, as named texts; None for a field without one.

    Raises InvalidInput on ``value``, ``language`` or ``remark``.
    """
    if said.field in WITHOUT_VALUE:
        if said.value is not None:
            raise InvalidInput("value", "not-possible")
        if said.field is _F.ELIGIBILITY and not (said.remark or "").strip():
            raise InvalidInput("remark", "required")
        return None
    if said.value is None:
        raise InvalidInput("value", "required")
    return _CHECKS[said.field](said)


def _first(points: Sequence[ContactPoint], kind: ContactKind) -> str | None:
    return next((point.value for point in points if point.kind is kind), None)


def _now(
    entry: Partner | Service, location: Location | None, field: ChangeField, value: Mapping[str, str] | None
) -> dict[str, str] | None:
    """Return what the entry says of a field at present, in the shape of a proposal; None: nothing."""
    found: str | None
    match field:
        case _F.TITLE | _F.DESCRIPTION:
            language = value["language"] if value is not None else "de"
            if field is _F.DESCRIPTION:
                found = entry.description.get(language)
            else:
                found = entry.name if isinstance(entry, Partner) else entry.title.get(language)
            return None if found is None else {"language": language, "text": found}
        case _F.WEBSITE:
            return None if entry.website is None else {"value": entry.website}
        case _F.PHONE | _F.EMAIL:
            found = _first(entry.contact_points, _CONTACT[field])
            return None if found is None else {"value": found}
        case _F.HOURS:
            hours = location.hours if location is not None else None
            return None if hours is None else {"osm": hours.osm or format_hours(hours)}
        case _F.CAPACITY:
            return {"state": entry.capacity.state.value} if isinstance(entry, Service) else None
        case _:
            return None


async def _location_of(work: Work, partner_id: UUID, service_id: UUID | None, said: Suggestion) -> Location:
    if said.location_id is None:
        raise InvalidInput("locationId", "required")
    where = [Location.id == said.location_id, Location.partner_id == partner_id]
    if service_id is not None:
        offered = select(ServiceLocation.location_id).where(ServiceLocation.service_id == service_id)
        where.append(Location.id.in_(offered))
    location: Location | None = await work.session.scalar(select(Location).where(*where))
    if location is None:
        raise InvalidInput("locationId", "unknown-value")
    return location


async def propose_for(
    work: Work,
    partner_id: UUID,
    service_id: UUID | None,
    said: Suggestion,
    source: ChangeSource,
    *,
    unchanged_is_nothing: bool = False,
) -> ChangeRequestView | None:
    """Open a change request for what is said of an entry, or count the same one once more.

    Raises NotFound, and InvalidInput for what cannot be stored, or what the entry says already ("as-it-is";
    with ``unchanged_is_nothing`` that is None instead).
    """
    if service_id is None and said.field in {_F.CAPACITY, _F.ELIGIBILITY}:
        raise InvalidInput("field", "not-possible")
    value = proposed_value(said)
    entry: Partner | Service | None = await work.session.get(
        Partner if service_id is None else Service, service_id or partner_id, populate_existing=True
    )
    if entry is None:
        raise NotFound
    location = None
    if said.field is _F.HOURS:
        location = await _location_of(work, partner_id, service_id, said)
    before = _now(entry, location, said.field, value)
    if value is not None and value == before:
        if unchanged_is_nothing:
            return None
        raise InvalidInput("value", "as-it-is")
    remark = check.optional_text(said.remark, "remark", maximum=LONGEST_REMARK)
    return await propose(
        work,
        Proposal(
            partner_id=partner_id,
            service_id=service_id,
            target=location.id if location is not None else service_id or partner_id,
            field=said.field,
            reason=_REASON[source],
            source=source,
            proposed=value,
            before=before,
            remark=remark,
        ),
    )


async def suggest(
    work: Work, partner_id: UUID | None, service_id: UUID | None, said: Suggestion
) -> ChangeRequestView:
    """Take a correction from anybody, about a published partner or service; for SYSTEM, in their place.

    Whether it is new or counted, who suggests it learns nothing of what is proposed already. Raises NotFound
    for everything that is not public, InvalidInput ("too-many" while ``MOST_OPEN`` wait).
    """
    if service_id is not None:
        service = await work.session.scalar(
            select(Service).where(Service.id == service_id).options(joinedload(Service.partner))
        )
        if service is None or service.state is not PublicationState.PUBLISHED:
            raise NotFound
        partner: Partner | None = service.partner
    else:
        partner = await work.session.get(Partner, partner_id) if partner_id is not None else None
    if partner is None or partner.state is not PublicationState.PUBLISHED:
        raise NotFound
    waiting = await work.session.scalar(
        select(func.count())
        .select_from(ChangeRequest)
        .where(
            ChangeRequest.partner_id == partner.id,
            ChangeRequest.source == ChangeSource.PUBLIC,
            ChangeRequest.state == ChangeRequestState.OPEN,
        )
    )
    if (waiting or 0) >= MOST_OPEN:
        raise InvalidInput("id", "too-many", maximum=str(MOST_OPEN))
    made = await propose_for(work, partner.id, service_id, said, ChangeSource.PUBLIC)
    assert made is not None  # noqa: S101 - what says the same was refused
    return made


# --- Deciding -----------------------------------------------------------------------------------------------


async def decide(
    work: Work,
    id_: UUID,
    *,
    expected_version: int,
    accept: bool,
    reason: ChangeDecision,
    entry_version: int | None = None,
) -> ChangeRequestView:
    """Accept a request, which writes the value it proposes, or reject it; for who keeps the entry.

    ``entry_version``: the version of the entry that was read (for opening hours its partner's), needed when
    a value is accepted. Raises as ``change_requests.decide_change_request`` and ``catalogue`` do.
    """
    request = await deciding(work, id_)
    undecided = request.version == expected_version and request.state is ChangeRequestState.OPEN
    if accept and undecided and reason is ChangeDecision.ENTRY_UPDATED and _writes(request):
        if entry_version is None:
            raise InvalidInput("entryVersion", "required")
        await _write(work, request, entry_version)
    return await decide_change_request(
        work, id_, expected_version=expected_version, accept=accept, reason=reason
    )


def _writes(request: ChangeRequest) -> bool:
    return request.proposed is not None or request.field is _F.EXISTENCE


async def _write(work: Work, request: ChangeRequest, version: int) -> None:
    field, value = request.field, request.proposed or {}
    service_id, partner_id = request.service_id, request.partner_id
    if field is _F.EXISTENCE:
        if service_id is not None:
            await hide_service(work, service_id, expected_version=version)
        else:
            await hide_partner(work, partner_id, expected_version=version)
        return
    if field is _F.HOURS:
        change = LocationChange(hours=value["osm"])
        await change_location(work, request.target_id, change, expected_version=version)
        return
    if field is _F.CAPACITY and service_id is not None:
        said = Capacity(state=CapacityState(value["state"]), places=_none_left(value["state"]))
        await set_capacity(work, service_id, said, expected_version=version)
        return
    if service_id is not None:
        service = await work.session.get_one(Service, service_id, populate_existing=True)
        fields = _changed(service, request, value)
        await change_service(work, service_id, ServiceChange(**fields), expected_version=version)
    else:
        partner = await work.session.get_one(Partner, partner_id, populate_existing=True)
        fields = _changed(partner, request, value)
        await change_partner(work, partner_id, PartnerChange(**fields), expected_version=version)


def _none_left(state: str) -> int | None:
    # a place count that was kept does not outlive the word that replaces it
    return 0 if state == CapacityState.NONE else None


def _changed(entry: Partner | Service, request: ChangeRequest, value: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields that a proposal changes, as the catalogue's changes name them."""
    match request.field:
        case _F.TITLE:
            if isinstance(entry, Partner):
                return {"name": value["text"]}
            return {"title": {**entry.title, value["language"]: value["text"]}}
        case _F.DESCRIPTION:
            return {"description": {**entry.description, value["language"]: value["text"]}}
        case _F.WEBSITE:
            return {"website": value["value"]}
        case field:
            kind, before = _CONTACT[field], (request.before or {}).get("value")
            return {"contact_points": _with_contact(entry.contact_points, kind, before, value["value"])}


def _with_contact(
    points: Sequence[ContactPoint], kind: ContactKind, before: str | None, value: str
) -> tuple[ContactPoint, ...]:
    """Return the contact points with one value in place of the one it was proposed against, or added."""
    old = next(
        (point for point in points if point.kind is kind and point.value == before),
        None,
    )
    if any(point.kind is kind and point.value == value for point in points):
        return tuple(point for point in points if point is not old)
    new = ContactPoint(kind=kind, value=value)
    if old is None:
        return (*points, new)
    return tuple(
        ContactPoint(kind=kind, value=value, label=old.label, languages=old.languages)
        if point is old
        else point
        for point in points
    )
