"""Everything that is kept about a person, for the person: machine-readable and printed (GDPR Art. 15, 20).

What the organisation itself may not know (an outcome without consent to report back) is not in it: the
recipient is named, and answers for its own copy. Members are named by their organisation and role only.
Of a referral whose course the sender may not read in full, the audit has of others only that they have read
the package, and when first: what the sender may know of what they did stands among the events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import Actor, Role
from directory.database import seen
from directory.days import ZONE
from directory.models import Partner
from directory.problems import NotFound
from directory.values import Value
from referrals.appointments import list_appointments
from referrals.clients import exclusion_of, facts_of, view_client
from referrals.consent.consents import ConsentView, list_consents, open_evidence
from referrals.inbox import list_events, view_package, view_referral
from referrals.models import Client, Referral
from referrals.person.feedback import list_feedback
from referrals.personal_data.holdings import ACTIVITIES, HOLDINGS, About
from referrals.personal_data.keystore import KeyStore
from referrals.personal_data.retention import BY_KEY, RetentionClass
from referrals.policy import change_client, must_work_with_people
from referrals.printing import Block, Heading, Notice, Paragraph, Printout, Rows, Title
from referrals.problems import Erased, PackageClosed
from referrals.vocabulary import EventActor, Purpose, ReportDepth

FORMAT: Final = "spurwechsel-access-export"
FORMAT_VERSION: Final = 1
MOST: Final = 1_000
"""Referrals, bookings and audit rows of one person in an export at most; ``cut`` says if there are more."""

Plain = dict[str, Any]


class Recipient(Value, frozen=True, kw_only=True):
    """To whom data went (Art. 15(1)(c)): named, with the categories and the day."""

    name: str
    contact: str | None
    categories: tuple[str, ...]
    sent_at: datetime


class AccessExport(Value, frozen=True, kw_only=True):
    """What is kept about a person, section by section; ``format`` and ``version`` name this structure.

    ``exclusion_included``: only a LEAD sees whether there is one, so only a LEAD's export is complete.
    """

    format: str
    version: int
    made_at: datetime
    controller: Plain
    person: Plain
    phases: list[Plain]
    exclusion: Plain | None
    exclusion_included: bool
    consents: list[Plain]
    recipients: tuple[Recipient, ...]
    referrals: list[Plain]
    bookings: list[Plain]
    cards: list[Plain]
    holds: list[Plain]
    audit: list[Plain]
    retention: list[Plain]
    purposes: list[Plain]
    source: dict[str, str]
    rights: dict[str, str]
    copies: dict[str, str]
    cut: bool


_SOURCE: Final = {
    "de": "Die Angaben haben Sie selbst gemacht, oder eine Stelle, die Sie mit Ihrer Einwilligung "
    "vermittelt hat.",
    "en": "You gave these data yourself, or an office that referred you with your consent did.",
}
_RIGHTS: Final = {
    "de": "Sie können Ihre Angaben berichtigen, löschen oder ihre Nutzung einschränken lassen, "
    "Einwilligungen jederzeit widerrufen, der Nutzung widersprechen, Ihre Daten mitnehmen und sich bei der "
    "Landesbeauftragten für den Datenschutz Brandenburg beschweren (Art. 7, 15 bis 21, 77 DSGVO). "
    "Entscheidungen trifft kein Automat.",
    "en": "You can have your data corrected or erased or their use restricted, withdraw consents at any "
    "time, object, take your data with you, and complain to the data protection commissioner of Brandenburg "
    "(Art. 7, 15 to 21, 77 GDPR). No decision is made by a machine.",
}
_COPIES: Final = {
    "de": "Die genannten Empfänger haben eigene Kopien und geben dazu selbst Auskunft; was sie uns nicht "
    "melden dürfen, steht hier nicht.",
    "en": "The recipients named hold copies of their own and answer for them; what they may not report to us "
    "is not in here.",
}

# Which rows of a table are about the person; the sections that have readers of their own are not among them.
_ROWS: Final = {
    "code_card": "client_id = :client",
    "legal_hold": "client_id = :client",
    "booking": "id IN (SELECT p.booking_id FROM booking_person p WHERE p.client_id = :client)",
    "follow_up": "referral_id = :referral",
    "approval": "referral_id = :referral",
}
_AUDIT: Final = """SELECT a.at, a.action, a.role, p.name AS organisation FROM audit a
  LEFT JOIN partner p ON p.id = a.partner_id
  WHERE ((a.object_kind = 'client' AND a.object_id = :client)
    OR (a.object_kind = 'referral' AND a.object_id IN (SELECT id FROM referral WHERE client_id = :client))
    OR (a.object_kind = 'consent' AND a.object_id IN (SELECT id FROM consent WHERE client_id = :client))
    OR (a.object_kind = 'booking'
      AND a.object_id IN (SELECT booking_id FROM booking_person WHERE client_id = :client)))
    AND NOT (a.object_kind = 'referral' AND a.object_id = ANY(:withheld)
      AND a.partner_id IS DISTINCT FROM :own AND (a.action <> 'package.view' OR EXISTS (
        SELECT FROM audit b WHERE b.object_kind = a.object_kind AND b.object_id = a.object_id
          AND b.action = a.action AND b.partner_id IS NOT DISTINCT FROM a.partner_id AND b.id < a.id)))
  ORDER BY a.at DESC, a.id DESC LIMIT :most"""


def _shown(table: str) -> set[str]:
    """Return the columns of a table that are about the person and not sealed."""
    holding = next(holding for holding in HOLDINGS if holding.table == table)
    return {
        name
        for column in holding.columns
        if column.about is About.CLIENT and not column.sealed
        for name in column.names
    } - {"code_hash"}


async def _rows(session: AsyncSession, table: str, **about: UUID) -> list[Plain]:
    found = await session.execute(
        text(f"SELECT to_jsonb(t) FROM {table} t WHERE {_ROWS[table]} LIMIT {MOST}"),  # noqa: S608 - constants
        about,
    )
    shown = _shown(table)
    return [{name: value for name, value in row.items() if name in shown} for row in found.scalars()]


async def access_export(
    session: AsyncSession, actor: Actor, keys: KeyStore, client_id: UUID, at: datetime
) -> AccessExport:
    """Return everything kept about a person of the own organisation; the export itself is in the audit.

    For who looks after the person (responsible, deputy, LEAD). Raises NotFound, NotAllowed, Erased.
    """
    must_work_with_people(actor)
    client = await session.get(Client, client_id)
    if client is None:
        raise NotFound
    change_client(actor, facts_of(client))
    file = _plain(await view_client(session, actor, keys, client_id))
    leads = actor.role is Role.LEAD
    exclusion = await exclusion_of(session, actor, keys, client_id) if leads else None
    consents = []
    decided = await list_consents(session, actor, client_id, at, limit=MOST)
    for consent in decided:
        evidence = await open_evidence(session, actor, keys, consent.id) if consent.evidence_kept else None
        consents.append({**_plain(consent), "recorded_by": None, "evidence": _plain(evidence)})
    ids = (
        await session.execute(
            select(Referral.id, Referral.hidden_changes)
            .where(Referral.client_id == client_id)
            .order_by(Referral.created_at, Referral.id)
            .limit(MOST + 1)
        )
    ).all()
    kept_from = _told_less(decided)
    referrals, recipients, withheld = [], [], []
    for referral_id, hidden_changes in ids[:MOST]:
        entry, recipient = await _referral(session, actor, keys, referral_id, at)
        # what is as by default is left out of the plain form; what was untold once stays so, and whether
        # there was anything to leave untold is not said either
        if entry.get("outcome_withheld") or hidden_changes or entry["recipient_partner_id"] in kept_from:
            withheld.append(referral_id)
        referrals.append(entry)
        recipients += recipient
    bookings = await _rows(session, "booking", client=client_id)
    cards = await _rows(session, "code_card", client=client_id)
    holds = await _rows(session, "legal_hold", client=client_id)
    await seen(session, actor, "client.access_export", "client", [client_id])
    audit = await _audit(session, actor, client_id, withheld)
    controller = await session.get_one(Partner, client.partner_id)
    return AccessExport(
        format=FORMAT,
        version=FORMAT_VERSION,
        made_at=at,
        controller={"name": controller.name, "contact": _contact(controller)},
        person={
            name: value
            for name, value in file.items()
            if name not in {"phases", "responsible_id", "deputy_id"}
        },
        phases=[{k: v for k, v in step.items() if k != "member_id"} for step in file["phases"]],
        exclusion=None if exclusion is None else {"decided_on": exclusion.decided_on.isoformat()},
        exclusion_included=leads,
        consents=consents,
        recipients=tuple(recipients),
        referrals=referrals,
        bookings=bookings,
        cards=cards,
        holds=holds,
        audit=audit,
        retention=_retention(),
        purposes=_purposes(),
        source=_SOURCE,
        rights=_RIGHTS,
        copies=_COPIES,
        cut=len(ids) > MOST or len(audit) >= MOST,
    )


def _told_less(consents: Iterable[ConsentView]) -> set[str]:
    """Return the recipients that the person did not let tell everything, in any consent ever given."""
    return {
        str(party.partner_id)
        for consent in consents
        if consent.valid_from is not None
        and not any(
            entry.purpose is Purpose.REPORT_BACK
            and entry.granted
            and entry.report_depth is ReportDepth.OUTCOME
            for entry in consent.terms.purposes
        )
        for party in consent.terms.recipients
    }


def _plain(value: object) -> Any:
    return msgspec.to_builtins(value)


def _contact(partner: Partner) -> str | None:
    return partner.contact_points[0].value if partner.contact_points else partner.website


async def _referral(
    session: AsyncSession, actor: Actor, keys: KeyStore, referral_id: UUID, at: datetime
) -> tuple[Plain, list[Recipient]]:
    view = await view_referral(session, actor, referral_id, at)
    if view.seen_as is not EventActor.SENDER:
        raise NotFound
    partner = await session.get_one(Partner, view.recipient_partner_id)
    package: object = None
    try:
        package = await view_package(session, actor, keys, referral_id, at)
    except (PackageClosed, Erased):
        package = None
    hidden = {"allowed", "recordable", "sender_member_id", "sender_deputy_id", "recipient_member_id"}
    entry = {
        **{name: value for name, value in _plain(view).items() if name not in hidden},
        "recipient": partner.name,
        "package": _plain(package),
        "events": [
            {name: value for name, value in _plain(event).items() if name != "member_id"}
            for event in await list_events(session, actor, keys, referral_id, at)
        ],
        "feedback": [_plain(answer) for answer in await list_feedback(session, actor, keys, referral_id)],
        "appointments": [
            _plain(entry)
            for entry in (await list_appointments(session, actor, [referral_id], at))[referral_id]
        ],
        "follow_ups": await _rows(session, "follow_up", referral=referral_id),
        "approvals": await _rows(session, "approval", referral=referral_id),
    }
    if view.sent_at is None:
        return entry, []
    return entry, [
        Recipient(
            name=partner.name,
            contact=_contact(partner),
            categories=tuple(category.value for category in view.categories),
            sent_at=view.sent_at,
        )
    ]


async def _audit(
    session: AsyncSession, actor: Actor, client_id: UUID, withheld: Sequence[UUID]
) -> list[Plain]:
    # Who serves reads no audit; of this one person it is read here, for the person.
    setting = text("SELECT set_config('app.role', :role, true)")
    await session.flush()
    await session.execute(setting, {"role": Role.SYSTEM.value})
    about = {"client": client_id, "most": MOST, "own": actor.partner_id}
    rows = await session.execute(text(_AUDIT), {**about, "withheld": list(withheld)})
    found = [
        {"at": at.isoformat(), "action": action, "role": role, "organisation": organisation}
        for at, action, role, organisation in rows
    ]
    await session.execute(setting, {"role": actor.role.value})
    return found


def _retention() -> list[Plain]:
    used = {holding.retention for holding in HOLDINGS if holding.export}
    return [
        {"class": entry.key, "what": entry.what, "since": entry.since, "period": period_text(entry)}
        for key, entry in BY_KEY.items()
        if key in used
    ]


def period_text(entry: RetentionClass) -> dict[str, str]:
    """Return a class's period for people, in German and English."""
    period = entry.period
    words = {
        "de": (
            (period.years, "Jahr", "Jahre"),
            (period.months, "Monat", "Monate"),
            (period.days, "Tag", "Tage"),
        ),
        "en": (
            (period.years, "year", "years"),
            (period.months, "month", "months"),
            (period.days, "day", "days"),
        ),
    }
    end = {"de": " nach Ende des Jahres", "en": " after the end of the year"}
    none = {"de": "mit dem Eintrag", "en": "with the entry"}
    return {
        language: (
            " ".join(f"{count} {one if count == 1 else many}" for count, one, many in parts if count)
            or none[language]
        )
        + (end[language] if period.to_year_end else "")
        for language, parts in words.items()
    }


def _purposes() -> list[Plain]:
    return [
        {"title": entry.title, "purpose": entry.purpose, "legal_basis": entry.basis}
        for entry in ACTIVITIES
        if entry.key not in {"accounts", "directory"}
    ]


def as_json(export: AccessExport) -> bytes:
    """Return the export as JSON, indented, so that people can read it too (Art. 20: machine-readable)."""
    return msgspec.json.format(msgspec.json.encode(export), indent=2)


# --- Printed -----------------------------------------------------------------------------------------------

_TEXTS: Final = {
    "de": {
        "title": "Auskunft über Ihre Daten",
        "law": "Art. 15 und 20 DSGVO",
        "made": "Stand",
        "controller": "Verantwortlich",
        "person": "Ihre Angaben",
        "phases": "Verlauf der Begleitung",
        "exclusion": "Ausschluss von der Förderung",
        "consents": "Ihre Einwilligungen",
        "recipients": "Wer Daten von Ihnen bekommen hat",
        "referrals": "Überleitungen",
        "bookings": "Dolmetschbuchungen",
        "cards": "Codekarten",
        "holds": "Löschsperren",
        "audit": "Wer Ihre Daten gelesen oder geändert hat",
        "retention": "Wie lange wir das aufbewahren",
        "purposes": "Wozu, und auf welcher Grundlage",
        "source": "Woher die Daten kommen",
        "rights": "Ihre Rechte",
        "copies": "Kopien bei Empfängern",
        "none": "nichts gespeichert",
        "not_included": "Dazu gibt nur die Leitung Auskunft.",
        "yes": "ja",
        "no": "nein",
        "page": "Auskunft",
    },
    "en": {
        "title": "Your data",
        "law": "Art. 15 and 20 GDPR",
        "made": "As of",
        "controller": "Controller",
        "person": "About you",
        "phases": "Course of your support",
        "exclusion": "Exclusion from the project's support",
        "consents": "Your consents",
        "recipients": "Who received data about you",
        "referrals": "Referrals",
        "bookings": "Interpreter bookings",
        "cards": "Code cards",
        "holds": "Legal holds",
        "audit": "Who read or changed your data",
        "retention": "How long we keep it",
        "purposes": "What for, and on which basis",
        "source": "Where the data come from",
        "rights": "Your rights",
        "copies": "Copies held by recipients",
        "none": "nothing kept",
        "not_included": "Only the lead gives access to this.",
        "yes": "yes",
        "no": "no",
        "page": "Your data",
    },
}


def as_printout(export: AccessExport, language: str) -> Printout:
    """Return the export as pages, with headings in German or English (every other language: German)."""
    told = "en" if language.partition("-")[0] == "en" else "de"
    words = _TEXTS[told]
    blocks: list[Block] = [
        Title(text=words["title"]),
        Paragraph(text=words["law"], small=True),
        Rows(
            rows=(
                (words["made"], _moment(export.made_at)),
                (words["controller"], _line(export.controller, words)),
            )
        ),
        Notice(heading=words["copies"], text=export.copies[told]),
    ]
    sections: tuple[tuple[str, Sequence[Mapping[str, Any]]], ...] = (
        ("person", [export.person]),
        ("phases", export.phases),
        ("consents", export.consents),
        ("recipients", [_plain(entry) for entry in export.recipients]),
        ("referrals", export.referrals),
        ("bookings", export.bookings),
        ("cards", export.cards),
        ("holds", export.holds),
        ("audit", export.audit),
    )
    for name, entries in sections:
        blocks.append(Heading(text=words[name]))
        if not entries:
            blocks.append(Paragraph(text=words["none"]))
        for entry in entries:
            rows = tuple(_flat(entry, words))
            if rows:
                blocks.append(Rows(rows=rows))
    blocks.append(Heading(text=words["exclusion"]))
    if not export.exclusion_included:
        blocks.append(Paragraph(text=words["not_included"]))
    else:
        blocks.append(Paragraph(text=_line(export.exclusion, words) if export.exclusion else words["none"]))
    blocks.append(Heading(text=words["purposes"]))
    blocks += [
        Rows(rows=((entry["title"][told], f"{entry['purpose'][told]}\n{entry['legal_basis'][told]}"),))
        for entry in export.purposes
    ]
    blocks.append(Heading(text=words["retention"]))
    blocks.append(
        Rows(
            rows=tuple(
                (entry["what"][told], f"{entry['period'][told]} ({entry['since'][told]})")
                for entry in export.retention
            )
        )
    )
    for name, texts in (("source", export.source), ("rights", export.rights)):
        blocks += [Heading(text=words[name]), Paragraph(text=texts[told])]
    return Printout(language=told, blocks=tuple(blocks), footer=words["page"])


def _moment(value: datetime) -> str:
    return value.astimezone(ZONE).strftime("%Y-%m-%d %H:%M")


def _label(name: str) -> str:
    return name.replace("_", " ").strip()


def _flat(entry: Mapping[str, Any], words: Mapping[str, str], above: str = "") -> list[tuple[str, str]]:
    """Return an entry as rows of name and value; what is empty is left out."""
    rows: list[tuple[str, str]] = []
    for name, value in entry.items():
        label = f"{above} · {_label(name)}" if above else _label(name)
        if value is None or value in ("", [], {}):
            continue
        if isinstance(value, Mapping):
            rows += _flat(value, words, label)
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for number, inner in enumerate(value, 1):
                rows += _flat(inner, words, f"{label} {number}")
        else:
            rows.append((label, _text(value, words)))
    return rows


def _text(value: object, words: Mapping[str, str]) -> str:
    if isinstance(value, bool):
        return words["yes"] if value else words["no"]
    if isinstance(value, list):
        return ", ".join(str(part) for part in value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return str(value)


def _line(entry: Mapping[str, Any], words: Mapping[str, str]) -> str:
    return ", ".join(_text(value, words) for value in entry.values() if value)
