"""How long what is kept, as data, and the job that deletes what is due and proves it (DIN 66398).

A retention class is a moment from which it counts (Startzeitpunkt) and a period (Regelfrist), with a reason.
The periods are proposals: the data protection officer of the municipality decides. A run deletes in bounded
batches, each one transaction that also adds to the proof; a run that was cut off is gone on with by the next.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import Table, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from directory.actors import SYSTEM, Actor, Role
from directory.database import Database, Work
from directory.days import ZONE, local_day
from directory.models import Base
from directory.problems import InvalidInput, NotAllowed, NotFound, StaleVersion
from directory.values import Value
from referrals.models import Client, DeletionCount, DeletionRun, LegalHold, Referral
from referrals.personal_data.erasing import JOB, apply_erasure
from referrals.personal_data.keystore import KeyStore
from referrals.policy import ClientFacts, Rule, decide_exclusion, must_work_with_people
from referrals.vocabulary import TERMINAL_STATES, HoldReason, ReferralState

RULES: Final = "2026-11 (proposal)"
"""Version of the classes below; every proof names it. Raise it with every change of a class."""

BATCH: Final = 200
"""Rows that one transaction deletes at most."""

LONGEST_HOLD: Final = timedelta(days=3 * 366)
"""How far ahead a hold may end; it can be set again."""

MOST: Final = 100


# --- Classes (pure) ----------------------------------------------------------------------------------------


class Start(StrEnum):
    """From when a period counts: the three abstract moments of DIN 66398."""

    COLLECTED = "COLLECTED"
    TRANSACTION_ENDED = "TRANSACTION_ENDED"
    RELATION_ENDED = "RELATION_ENDED"


class Period(Value, frozen=True, kw_only=True):
    """A standard period; ``to_year_end``: it counts from the end of the year, as limitation (§ 199 BGB)."""

    days: int = 0
    months: int = 0
    years: int = 0
    to_year_end: bool = False


class RetentionClass(Value, frozen=True, kw_only=True):
    """One class of deletion (Löschklasse): what, from when, how long, why. Texts in German and English.

    ``automatic`` False: the period is kept outside this program (logs, backups), and only stated here.
    """

    key: str
    what: dict[str, str]
    start: Start
    since: dict[str, str]
    period: Period
    reason: dict[str, str]
    automatic: bool = True


def _class(
    key: str,
    what: tuple[str, str],
    start: Start,
    since: tuple[str, str],
    period: Period,
    reason: tuple[str, str],
    *,
    automatic: bool = True,
) -> RetentionClass:
    return RetentionClass(
        key=key,
        what={"de": what[0], "en": what[1]},
        start=start,
        since={"de": since[0], "en": since[1]},
        period=period,
        reason={"de": reason[0], "en": reason[1]},
        automatic=automatic,
    )


_REFERRAL_ENDED = ("Ende der Überleitung", "end of the referral")
_LIMITATION = (
    "Nachweis und Abwehr von Ansprüchen: regelmäßige Verjährung, §§ 195, 199 BGB; Art. 7 Abs. 1 DSGVO",
    "proof, and defence against claims: regular limitation, sections 195, 199 BGB; Art. 7(1) GDPR",
)
_GRANT = (
    "Nachweis der Verwendung der Landesförderung (fünf Jahre), ohne Angaben zur Person",
    "proof of how the state's funds were used (five years), without data about the person",
)
_TECHNICAL = ("nur für den Betrieb nötig", "needed for operation only")
_CODES = (
    "abgelaufene Codes öffnen nichts mehr; einige Wochen, um Fragen zu klären",
    "dead codes open nothing; some weeks to settle questions",
)

CLASSES: Final[tuple[RetentionClass, ...]] = (
    _class(
        "package",
        ("übermittelte Angaben zur Person, Rückfragen und Notizen", "what was sent, questions and notes"),
        Start.TRANSACTION_ENDED,
        _REFERRAL_ENDED,
        Period(days=30),
        (
            "so lange kann wieder geöffnet werden; bei Widerruf oder Irrtum sofort",
            "so long it can be reopened; at once when consent ends or it was entered in error",
        ),
    ),
    _class(
        "feedback-text",
        ("eigene Worte der Person in der Rückmeldung", "the person's own words in the feedback"),
        Start.COLLECTED,
        ("Eingang der Rückmeldung", "when the feedback came in"),
        Period(years=1),
        ("Auswertung im Projektjahr", "evaluation within the project's year"),
    ),
    _class(
        "booking-name",
        ("Name in einer Dolmetschbuchung", "name in an interpreter booking"),
        Start.TRANSACTION_ENDED,
        ("Ende des Termins", "end of the appointment"),
        Period(days=7),
        ("danach braucht ihn niemand mehr", "nobody needs it any more"),
    ),
    _class(
        "booking",
        ("Dolmetschbuchung ohne Namen der Person", "interpreter booking without the person's name"),
        Start.TRANSACTION_ENDED,
        ("Ende des Termins", "end of the appointment"),
        Period(years=1),
        ("Abrechnung und Rückfragen", "settling accounts, questions"),
    ),
    _class(
        "appointment",
        ("Termine einer Überleitung", "appointments of a referral"),
        Start.TRANSACTION_ENDED,
        ("Termin, nach Ende der Überleitung", "the appointment, once the referral has ended"),
        Period(years=1),
        ("Rückfragen", "questions"),
    ),
    _class(
        "feedback-code",
        ("Rückmeldecode (nur Prüfsumme)", "feedback code (hash only)"),
        Start.TRANSACTION_ENDED,
        ("benutzt oder abgelaufen", "used or expired"),
        Period(days=28),
        _CODES,
    ),
    _class(
        "code-card",
        ("Codekarte (nur Prüfsumme)", "code card (hash only)"),
        Start.TRANSACTION_ENDED,
        ("ersetzt, zurückgegeben oder abgelaufen", "replaced, given back or expired"),
        Period(days=28),
        _CODES,
    ),
    _class(
        "answer-link",
        ("Link zum Antworten (nur Prüfsumme)", "link to answer (hash only)"),
        Start.TRANSACTION_ENDED,
        ("benutzt, widerrufen oder abgelaufen", "used, revoked or expired"),
        Period(days=28),
        _CODES,
    ),
    _class(
        "notice",
        ("Benachrichtigungen (ohne Angaben zu Personen)", "notices (without data about persons)"),
        Start.TRANSACTION_ENDED,
        ("gesendet, abgesagt oder gescheitert", "sent, cancelled or failed"),
        Period(days=90),
        ("Klärung, ob etwas ankam", "settling whether something arrived"),
    ),
    _class(
        "unsent-referral",
        ("Überleitung, die nie gesendet wurde", "referral that was never sent"),
        Start.TRANSACTION_ENDED,
        ("aufgegeben", "given up"),
        Period(months=6),
        ("nichts wurde übermittelt", "nothing was shared"),
    ),
    _class(
        "referral",
        ("Überleitung ohne Angaben zur Person: Verlauf, Ergebnis", "referral without data: history, outcome"),
        Start.TRANSACTION_ENDED,
        _REFERRAL_ENDED,
        Period(years=5, to_year_end=True),
        _GRANT,
    ),
    _class(
        "consent-request",
        ("vorgelegte Einwilligung ohne Entscheidung", "consent put before somebody, never decided"),
        Start.COLLECTED,
        ("vorgelegt", "when it was put before the person"),
        Period(months=6),
        ("nichts wurde erklärt", "nothing was declared"),
    ),
    _class(
        "consent",
        (
            "Einwilligung mit Nachweis, Widerruf und Verweigerung",
            "consent with its proof, withdrawal and refusal",
        ),
        Start.TRANSACTION_ENDED,
        (
            "beendet oder verweigert, und keine Überleitung beruht mehr darauf",
            "ended or refused, and no referral rests on it",
        ),
        Period(years=3, to_year_end=True),
        _LIMITATION,
    ),
    _class(
        "client",
        (
            "Person: Name, Kontakt, Profil, Ausschluss (Schlüssel wird vernichtet)",
            "person: name, contact, profile, exclusion (the key is destroyed)",
        ),
        Start.RELATION_ENDED,
        (
            "letzter Vorgang, und keine Überleitung ist offen",
            "last thing that happened, and no referral is open",
        ),
        Period(years=2),
        ("die Begleitung ist beendet", "the support has ended"),
    ),
    _class(
        "client-skeleton",
        ("gelöschte Person: Pseudonym und Phasen", "erased person: pseudonym and phases"),
        Start.RELATION_ENDED,
        (
            "gelöscht, und keine Überleitung oder Einwilligung ist mehr da",
            "erased, and no referral or consent is left",
        ),
        Period(years=5, to_year_end=True),
        _GRANT,
    ),
    _class(
        "legal-hold",
        ("Löschsperre", "legal hold"),
        Start.TRANSACTION_ENDED,
        ("aufgehoben oder abgelaufen", "lifted or over"),
        Period(years=3, to_year_end=True),
        _LIMITATION,
    ),
    _class(
        "audit-reading",
        ("Protokoll: wer was gelesen hat", "audit: who read what"),
        Start.COLLECTED,
        ("gelesen", "when it was read"),
        Period(years=1),
        (
            "Kontrolle durch Datenschutzbeauftragte und Auskunft, Art. 5 Abs. 2, 15 DSGVO",
            "control by the data protection officer, and access, Art. 5(2), 15 GDPR",
        ),
    ),
    _class(
        "audit",
        ("Protokoll: wer was geändert hat", "audit: who changed what"),
        Start.COLLECTED,
        ("geändert", "when it was changed"),
        Period(years=3, to_year_end=True),
        _LIMITATION,
    ),
    _class(
        "idempotency",
        ("Schlüssel gegen doppelte Ausführung", "keys against acting twice"),
        Start.COLLECTED,
        ("benutzt", "when it was used"),
        Period(days=7),
        _TECHNICAL,
    ),
    _class(
        "access-token",
        ("Zugangstoken (nur Prüfsumme)", "access token (hash only)"),
        Start.TRANSACTION_ENDED,
        ("widerrufen oder abgelaufen", "revoked or expired"),
        Period(days=90),
        ("Klärung von Missbrauch", "settling misuse"),
    ),
    _class(
        "web-session",
        ("Sitzung eines Mitglieds im Browser (nur Prüfsumme)", "a member's session in a browser (hash only)"),
        Start.TRANSACTION_ENDED,
        ("abgelaufen; beim Abmelden sofort", "when it ran out; at once when they sign out"),
        Period(days=1),
        _TECHNICAL,
    ),
    _class(
        "member",
        ("Name eines entfernten Mitglieds", "name of a member who was removed"),
        Start.RELATION_ENDED,
        ("entfernt", "when they were removed"),
        Period(years=1),
        (
            "so lange zeigen Verlauf und Protokoll, wer es war",
            "so long history and audit show who it was",
        ),
    ),
    _class(
        "job-log",
        ("Verlauf der Aufträge (nur Kennungen)", "log of the jobs (ids only)"),
        Start.COLLECTED,
        ("erledigt", "when it was done"),
        Period(days=30),
        _TECHNICAL,
    ),
    _class(
        "deletion-proof",
        ("Löschnachweis (nur Zahlen)", "proof of deletion (figures only)"),
        Start.COLLECTED,
        ("Löschlauf", "the run"),
        Period(years=5, to_year_end=True),
        ("Rechenschaft, Art. 5 Abs. 2 DSGVO", "accountability, Art. 5(2) GDPR"),
    ),
    _class(
        "entry-history",
        (
            "Verlauf der Einträge im Verzeichnis: wer was geändert hat, frühere Ansprechstellen",
            "history of the directory's entries: who changed what, former contact points",
        ),
        Start.RELATION_ENDED,
        ("Eintrag zusammengeführt oder gelöscht", "entry merged or deleted"),
        Period(years=1),
        (
            "Nachvollziehen und Zurückholen; danach bleibt nur die Löschmarke (Kennung, Fassung, Zeit)",
            "accountability, and bringing entries back; then only the tombstone (id, version, time) remains",
        ),
    ),
    _class(
        "ended-partner",
        ("Ansprechstellen gelöschter Partner", "contact points of deleted partners"),
        Start.RELATION_ENDED,
        ("Partner zusammengeführt oder gelöscht", "partner merged or deleted"),
        Period(years=1),
        ("Zurückholen; danach bleibt nur der Name", "bringing it back; then only its name remains"),
    ),
    _class(
        "ended-service",
        ("Ansprechstellen gelöschter Angebote", "contact points of deleted services"),
        Start.RELATION_ENDED,
        ("Angebot zusammengeführt oder gelöscht", "service merged or deleted"),
        Period(years=1),
        ("Zurückholen; danach bleibt nur der Titel", "bringing it back; then only its title remains"),
    ),
    _class(
        "directory",
        ("veröffentlichte Ansprechstellen der Partner", "published contact points of the partners"),
        Start.RELATION_ENDED,
        ("Eintrag geändert oder verborgen", "entry changed or hidden"),
        Period(),
        ("der Partner hält seinen Eintrag selbst", "the partner keeps its own entry"),
        automatic=False,
    ),
    _class(
        "erasure-list",
        ("Liste der Löschungen (nur Kennungen)", "list of erasures (ids only)"),
        Start.COLLECTED,
        ("gelöscht", "when the person was erased"),
        Period(years=5, to_year_end=True),
        (
            "damit eine Rücksicherung niemanden wieder lesbar macht",
            "so that restoring a backup makes nobody readable again",
        ),
        automatic=False,
    ),
    _class(
        "server-log",
        ("Betriebsprotokolle ohne Angaben zu Personen", "server logs, without data about persons"),
        Start.COLLECTED,
        ("geschrieben", "when it was written"),
        Period(days=30),
        ("Fehlersuche; eingestellt im Betrieb", "finding faults; set where it runs"),
        automatic=False,
    ),
)
"""Every class there is, in the order in which a run takes them."""

BY_KEY: Final = {entry.key: entry for entry in CLASSES}


def _months_later(moment: datetime, months: int) -> datetime:
    month = moment.month - 1 + months
    year, month = moment.year + month // 12, month % 12 + 1
    first_after = date(year + month // 12, month % 12 + 1, 1)
    return moment.replace(year=year, month=month, day=min(moment.day, (first_after - timedelta(days=1)).day))


def due_at(period: Period, since: datetime) -> datetime:
    """Return from when something that began its period at ``since`` is to be deleted (Berlin's calendar)."""
    local = since.astimezone(ZONE)
    if period.to_year_end:
        local = datetime(local.year + 1, 1, 1, tzinfo=ZONE)
    return _months_later(local, period.years * 12 + period.months) + timedelta(days=period.days)


def cutoff(period: Period, now: datetime) -> datetime:
    """Return the moment before which a period must have begun to be over at ``now``; never too early."""
    local = now.astimezone(ZONE) - timedelta(days=period.days)
    if period.to_year_end:
        local = datetime(local.year, 1, 1, tzinfo=ZONE)
    return _months_later(local, -(period.years * 12 + period.months))


# --- What is due of each class, and how it goes ------------------------------------------------------------

Act = Callable[[Work, Sequence[str]], Awaitable[Sequence[str]]]
"""Deletes rows by their ids (as text); returns those that are gone."""


@dataclass(frozen=True, slots=True)
class _Step:
    """How a class is deleted: ``due`` selects id, since, partner_id, client_id, referral_id."""

    due: str
    act: Act


_ENDED = ", ".join(f"'{state}'" for state in sorted(TERMINAL_STATES))
_OVER = ", ".join(f"'{state}'" for state in sorted(TERMINAL_STATES - {ReferralState.ABANDONED}))
_BOOKED = """CASE WHEN b.state IN ('DECLINED', 'CANCELLED') THEN b.updated_at
  ELSE b.starts_at + make_interval(mins => b.minutes) END"""
READING: Final = (
    "view",
    "list",
    "texts",
    "evidence",
    "person",
    "preview",
    "exclusion_view",
    "access_export",
)
"""How the actions end with which the audit tells of a reading."""
_READ = r"'\.(" + "|".join(READING) + ")$'"


def _rows(table: str) -> Act:
    """Return what deletes rows of this table by ``id``, with everything that hangs on them."""

    async def act(work: Work, ids: Sequence[str]) -> Sequence[str]:
        found = Base.metadata.tables[table]
        wanted = [found.c.id.type.python_type(id_) for id_ in ids]
        return [str(id_) for id_ in await _delete(work.session, found, wanted)]

    return act


async def _delete(session: AsyncSession, table: Table, ids: Sequence[object]) -> list[object]:
    """Delete rows by ``id``; what may live without them lets go of them, what may not goes first."""
    if not ids:
        return []
    for child in Base.metadata.sorted_tables:
        for column in child.columns:
            pointing = [key for key in column.foreign_keys if key.column is table.c.id]
            if not pointing or pointing[0].ondelete == "CASCADE":  # the database deletes what goes with it
                continue
            hanging = column.in_(ids)
            if (child.name, column.name) in _GOES_TOO or not column.nullable:
                if "id" in child.columns:
                    inner = (await session.scalars(select(child.c.id).where(hanging))).all()
                    await _delete(session, child, inner)
                else:
                    await session.execute(delete(child).where(hanging))
            else:
                await session.execute(update(child).where(hanging).values({column.name: None}))
    gone = await session.execute(delete(table).where(table.c.id.in_(ids)).returning(table.c.id))
    return list(gone.scalars())


_GOES_TOO: Final = frozenset({("legal_hold", "referral_id")})
"""Columns that may be empty, but whose rows mean nothing without what they point to."""


def _sql(statement: str, type_: str = "uuid") -> Act:
    """Return what runs one statement over ``:ids`` that returns the ids it has dealt with."""

    async def act(work: Work, ids: Sequence[str]) -> Sequence[str]:
        found = await work.session.execute(
            text(statement.replace(":ids", f"CAST(CAST(:ids AS text[]) AS {type_}[])")), {"ids": ids}
        )
        return [str(id_) for id_ in found.scalars()]

    return act


async def _erase_packages(work: Work, ids: Sequence[str]) -> Sequence[str]:
    gone = await work.session.scalar(
        text("SELECT CAST(erase_packages(CAST(CAST(:ids AS text[]) AS uuid[])) AS text[])"), {"ids": ids}
    )
    for id_ in gone or ():
        work.record("package.delete", "referral", UUID(id_))
    return list(gone or ())


async def _erase_clients(work: Work, ids: Sequence[str]) -> Sequence[str]:
    gone = []
    for id_ in ids:
        if await apply_erasure(work, UUID(id_), work.now):
            gone.append(id_)
            work.later(JOB, UUID(id_), only_once=f"{JOB}:{id_}")
    return gone


# ruff: noqa: S608 - the statements are put together from constants of this module only
_STEPS: Final[dict[str, _Step]] = {
    "package": _Step(
        f"""SELECT r.id, r.state_since AS since, r.sender_partner_id AS partner_id, r.client_id,
          r.id AS referral_id FROM referral r WHERE r.state IN ({_ENDED})
          AND (EXISTS (SELECT FROM referral_package p WHERE p.referral_id = r.id)
            OR EXISTS (SELECT FROM referral_event e WHERE e.referral_id = r.id
              AND e.sealed_text IS NOT NULL))""",
        _erase_packages,
    ),
    "feedback-text": _Step(
        """SELECT f.id, f.at AS since, f.partner_id, r.client_id, r.id AS referral_id
          FROM feedback f JOIN referral r ON r.id = f.referral_id WHERE f.sealed_text IS NOT NULL""",
        _sql("UPDATE feedback SET sealed_text = NULL WHERE id = ANY (:ids) RETURNING id"),
    ),
    "booking-name": _Step(
        f"""SELECT p.booking_id AS id, {_BOOKED} AS since, b.requester_partner_id AS partner_id,
          p.client_id, NULL::uuid AS referral_id
          FROM booking_person p JOIN booking b ON b.id = p.booking_id""",
        _sql("DELETE FROM booking_person WHERE booking_id = ANY (:ids) RETURNING booking_id"),
    ),
    "booking": _Step(
        f"""SELECT b.id, {_BOOKED} AS since, b.requester_partner_id AS partner_id, p.client_id,
          NULL::uuid AS referral_id FROM booking b LEFT JOIN booking_person p ON p.booking_id = b.id""",
        _rows("booking"),
    ),
    "appointment": _Step(
        f"""SELECT a.id, greatest(a.starts_at, r.state_since) AS since, a.sender_partner_id AS partner_id,
          r.client_id, r.id AS referral_id FROM appointment a JOIN referral r ON r.id = a.referral_id
          WHERE r.state IN ({_ENDED})""",
        _rows("appointment"),
    ),
    "feedback-code": _Step(
        """SELECT f.id, least(coalesce(f.used_at, f.expires_at), f.expires_at) AS since, f.partner_id,
          f.client_id, f.referral_id FROM feedback_code f""",
        _rows("feedback_code"),
    ),
    "code-card": _Step(
        """SELECT k.id, least(coalesce(k.ended_at, k.expires_at), k.expires_at) AS since, k.partner_id,
          k.client_id, NULL::uuid AS referral_id FROM code_card k""",
        _rows("code_card"),
    ),
    "answer-link": _Step(
        """SELECT l.id, least(coalesce(l.used_at, l.expires_at), coalesce(l.revoked_at, l.expires_at),
            l.expires_at) AS since, l.partner_id, r.client_id, l.referral_id
          FROM answer_link l JOIN referral r ON r.id = l.referral_id""",
        _rows("answer_link"),
    ),
    "notice": _Step(
        """SELECT n.id, n.updated_at AS since, n.partner_id, NULL::uuid AS client_id,
          NULL::uuid AS referral_id FROM notice n WHERE n.state <> 'PENDING'""",
        _rows("notice"),
    ),
    "unsent-referral": _Step(
        f"""SELECT r.id, r.state_since AS since, r.sender_partner_id AS partner_id, r.client_id,
          r.id AS referral_id FROM referral r WHERE r.state IN ({_ENDED}) AND r.sent_at IS NULL""",
        _rows("referral"),
    ),
    "referral": _Step(
        f"""SELECT r.id, r.state_since AS since, r.sender_partner_id AS partner_id, r.client_id,
          r.id AS referral_id FROM referral r WHERE r.state IN ({_OVER}) AND r.sent_at IS NOT NULL""",
        _rows("referral"),
    ),
    "consent-request": _Step(
        """SELECT c.id, c.created_at AS since, c.partner_id, c.client_id, NULL::uuid AS referral_id
          FROM consent c WHERE c.state = 'REQUESTED'
          AND NOT EXISTS (SELECT FROM referral r WHERE r.consent_id = c.id)""",
        _rows("consent"),
    ),
    # A chain of records goes from its newest link on: each is the proof of the one before.
    "consent": _Step(
        """SELECT c.id, c.updated_at AS since, c.partner_id, c.client_id, NULL::uuid AS referral_id
          FROM consent c WHERE c.state IN ('WITHDRAWN', 'EXPIRED', 'REFUSED', 'SUPERSEDED')
          AND NOT EXISTS (SELECT FROM referral r WHERE r.consent_id = c.id)
          AND NOT EXISTS (SELECT FROM consent later WHERE later.supersedes_id = c.id)""",
        _rows("consent"),
    ),
    "client": _Step(
        f"""SELECT c.id, greatest(c.updated_at,
            (SELECT max(r.updated_at) FROM referral r WHERE r.client_id = c.id),
            (SELECT max(n.updated_at) FROM consent n WHERE n.client_id = c.id),
            (SELECT max(s.at) FROM client_phase_change s WHERE s.client_id = c.id)) AS since,
          c.partner_id, c.id AS client_id, NULL::uuid AS referral_id
          FROM client c WHERE c.erased_at IS NULL AND NOT EXISTS (SELECT FROM referral r
            WHERE r.client_id = c.id AND r.state NOT IN ({_ENDED}))""",
        _erase_clients,
    ),
    "client-skeleton": _Step(
        """SELECT c.id, c.erased_at AS since, c.partner_id, c.id AS client_id, NULL::uuid AS referral_id
          FROM client c WHERE c.erased_at IS NOT NULL
          AND NOT EXISTS (SELECT FROM referral r WHERE r.client_id = c.id)
          AND NOT EXISTS (SELECT FROM consent n WHERE n.client_id = c.id)""",
        _rows("client"),
    ),
    "legal-hold": _Step(
        """SELECT h.id, least(coalesce(h.lifted_at, (h.until + 1)::timestamptz), (h.until + 1)::timestamptz)
            AS since, h.partner_id, NULL::uuid AS client_id, NULL::uuid AS referral_id
          FROM legal_hold h""",
        _rows("legal_hold"),
    ),
    "audit-reading": _Step(
        f"""SELECT a.id, a.at AS since, a.partner_id, @person AS client_id, NULL::uuid AS referral_id
          FROM audit a WHERE a.action ~ {_READ}""",
        _sql("DELETE FROM audit WHERE id = ANY (:ids) RETURNING id", "bigint"),
    ),
    "audit": _Step(
        f"""SELECT a.id, a.at AS since, a.partner_id, @person AS client_id, NULL::uuid AS referral_id
          FROM audit a WHERE a.action !~ {_READ}""",
        _sql("DELETE FROM audit WHERE id = ANY (:ids) RETURNING id", "bigint"),
    ),
    "idempotency": _Step(
        """SELECT i.ctid AS id, i.at AS since, m.partner_id, NULL::uuid AS client_id,
          NULL::uuid AS referral_id FROM idempotency i LEFT JOIN member m ON m.id = i.member_id""",
        _sql("DELETE FROM idempotency WHERE ctid = ANY (:ids) RETURNING ctid::text", "tid"),
    ),
    "access-token": _Step(
        """SELECT t.id, least(coalesce(t.revoked_at, t.expires_at), t.expires_at) AS since, m.partner_id,
          NULL::uuid AS client_id, NULL::uuid AS referral_id
          FROM access_token t JOIN member m ON m.id = t.member_id""",
        _rows("access_token"),
    ),
    "web-session": _Step(
        """SELECT w.id, w.expires_at AS since, m.partner_id, NULL::uuid AS client_id,
          NULL::uuid AS referral_id FROM web_session w JOIN member m ON m.id = w.member_id""",
        _rows("web_session"),
    ),
    "member": _Step(
        """SELECT m.id, (SELECT max(a.at) FROM audit a WHERE a.object_kind = 'member'
            AND a.object_id = m.id AND a.action = 'member.remove') AS since, m.partner_id,
          NULL::uuid AS client_id, NULL::uuid AS referral_id
          FROM member m WHERE NOT m.active AND m.name <> '–'""",
        _sql("UPDATE member SET name = '–', version = version + 1 WHERE id = ANY (:ids) RETURNING id"),
    ),
    "entry-history": _Step(
        """SELECT v.ctid AS id, coalesce(p.ended_at, s.ended_at) AS since,
          coalesce(p.id, s.partner_id) AS partner_id, NULL::uuid AS client_id, NULL::uuid AS referral_id
          FROM entry_version v LEFT JOIN partner p ON v.kind = 'PARTNER' AND p.id = v.id
          LEFT JOIN service s ON v.kind = 'SERVICE' AND s.id = v.id
          WHERE coalesce(p.ended_at, s.ended_at) IS NOT NULL""",
        _sql("DELETE FROM entry_version WHERE ctid = ANY (:ids) RETURNING ctid::text", "tid"),
    ),
    "ended-partner": _Step(
        """SELECT p.id, p.ended_at AS since, p.id AS partner_id, NULL::uuid AS client_id,
          NULL::uuid AS referral_id FROM partner p WHERE p.ended_at IS NOT NULL
          AND (p.contact_points <> '[]' OR p.superior_contact IS NOT NULL OR p.note IS NOT NULL)""",
        _sql(
            "UPDATE partner SET contact_points = '[]', superior_contact = NULL, note = NULL,"
            " description = '{}', text_dates = '{}' WHERE id = ANY (:ids) RETURNING id"
        ),
    ),
    "ended-service": _Step(
        """SELECT s.id, s.ended_at AS since, s.partner_id, NULL::uuid AS client_id,
          NULL::uuid AS referral_id FROM service s WHERE s.ended_at IS NOT NULL
          AND (s.contact_points <> '[]' OR s.note IS NOT NULL)""",
        _sql(
            "UPDATE service SET contact_points = '[]', note = NULL, description = '{}', text_dates = '{}'"
            " WHERE id = ANY (:ids) RETURNING id"
        ),
    ),
    "job-log": _Step(
        """SELECT l.id, l.created AS since, NULL::uuid AS partner_id, NULL::uuid AS client_id,
          NULL::uuid AS referral_id FROM pgqueuer_log l WHERE l.aggregated""",
        _sql("DELETE FROM pgqueuer_log WHERE id = ANY (:ids) RETURNING id", "bigint"),
    ),
    "deletion-proof": _Step(
        """SELECT d.id, d.ended_at AS since, NULL::uuid AS partner_id, NULL::uuid AS client_id,
          NULL::uuid AS referral_id FROM deletion_run d WHERE d.ended_at IS NOT NULL""",
        _rows("deletion_run"),
    ),
}

_PERSON = """CASE a.object_kind WHEN 'client' THEN a.object_id
  WHEN 'referral' THEN (SELECT r.client_id FROM referral r WHERE r.id = a.object_id)
  WHEN 'consent' THEN (SELECT c.client_id FROM consent c WHERE c.id = a.object_id)
  WHEN 'booking' THEN (SELECT b.client_id FROM booking_person b WHERE b.booking_id = a.object_id) END"""

# A hold on a person holds everything of theirs; a hold on a referral holds the person's key with it.
_HELD = """EXISTS (SELECT FROM legal_hold h WHERE h.lifted_at IS NULL AND h.until >= :today
  AND h.client_id = d.client_id
  AND (h.referral_id IS NULL OR d.referral_id IS NULL OR h.referral_id = d.referral_id))"""


def _due(key: str) -> str:
    return f"({_STEPS[key].due.replace('@person', _PERSON)}) AS d"


# --- The run -----------------------------------------------------------------------------------------------


class ProofLine(Value, frozen=True, kw_only=True):
    """What a run deleted of one class in one municipality; ``held``: due, but kept by a legal hold.

    ``oldest_due`` and ``newest_due``: when what was deleted had become due.
    """

    retention_class: str
    municipality_id: UUID | None
    deleted: int
    held: int
    oldest_due: datetime | None = None
    newest_due: datetime | None = None


class Proof(Value, frozen=True, kw_only=True):
    """The written proof of a run; in a dry run ``id`` is None and ``deleted`` is what would have been."""

    id: UUID | None
    rules: str
    started_at: datetime
    ended_at: datetime | None
    lines: tuple[ProofLine, ...] = ()


class _Due(msgspec.Struct, frozen=True):
    id: str
    since: datetime
    partner_id: UUID | None


async def run_deletion(
    database: Database, keys: KeyStore, *, dry_run: bool = False, batch: int = BATCH
) -> Proof:
    """Delete what is due now, in bounded batches, and return the proof; for the clock and the command line.

    A run that was cut off is gone on with: what it deleted is in its proof already. ``dry_run`` only counts,
    and writes nothing. Raises Unavailable when a database does not answer.
    """
    now = database.clock()
    if dry_run:
        lines = []
        async with database.view(SYSTEM) as session:
            await session.execute(text("SELECT set_config('app.deletion_run', 'dry run', true)"))
            for entry in _automatic():
                lines += await _count(session, entry, now)
        return Proof(id=None, rules=RULES, started_at=now, ended_at=now, lines=tuple(lines))
    run_id = await _begin(database, now)
    for entry in _automatic():
        after: _Due | None = None
        gone: set[str] = set()
        while True:
            async with database.work(SYSTEM) as work:
                await _as_deletion(work.session, run_id)
                rows = await _next(work.session, entry, now, after, batch)
                if rows:
                    gone = set(await _STEPS[entry.key].act(work, [row.id for row in rows]))
                    await _add_up(work.session, run_id, entry, [row for row in rows if row.id in gone])
            if rows and entry.key == "client":  # the job does it again where this fails
                for id_ in gone:
                    await keys.erase(UUID(id_), now)
            if len(rows) < batch:
                break
            after = rows[-1]
        async with database.work(SYSTEM) as work:
            await _as_deletion(work.session, run_id)
            for line in await _count(work.session, entry, now):
                if line.held:
                    await _write(work.session, run_id, line, deleted=0)
    async with database.work(SYSTEM) as work:
        await _as_deletion(work.session, run_id)
        await work.session.execute(
            update(DeletionRun).where(DeletionRun.id == run_id).values(ended_at=work.now)
        )
        work.record("retention.run", "deletion_run", run_id, {"rules": RULES})
    async with database.view(SYSTEM) as session:
        return (await _proofs(session, [await session.get_one(DeletionRun, run_id)]))[0]


def _automatic() -> list[RetentionClass]:
    return [entry for entry in CLASSES if entry.automatic]


async def _as_deletion(session: AsyncSession, run_id: UUID) -> None:
    """Say that this transaction is the deletion job's; two runs at once take turns."""
    await session.execute(text("SELECT set_config('app.deletion_run', :run, true)"), {"run": str(run_id)})
    await session.execute(select(DeletionRun.id).where(DeletionRun.id == run_id).with_for_update())


async def _begin(database: Database, now: datetime) -> UUID:
    """Return the run that is open, else a new one."""
    async with database.work(SYSTEM) as work:
        run_id = uuid4()
        await work.session.execute(
            text("SELECT set_config('app.deletion_run', :run, true)"), {"run": str(run_id)}
        )
        made = await work.session.execute(
            insert(DeletionRun)
            .values(id=run_id, rules=RULES, started_at=now)
            .on_conflict_do_nothing()
            .returning(DeletionRun.id)
        )
        if made.scalar_one_or_none() is not None:
            return run_id
        return (
            await work.session.scalars(select(DeletionRun.id).where(DeletionRun.ended_at.is_(None)))
        ).one()


async def _next(
    session: AsyncSession, entry: RetentionClass, now: datetime, after: _Due | None, batch: int
) -> list[_Due]:
    past = "" if after is None else " AND (d.since, d.id::text) > (:after, :last)"
    rows = await session.execute(
        text(
            f"SELECT d.id::text, d.since, d.partner_id FROM {_due(entry.key)}"
            f" WHERE d.since < :cutoff{past} AND NOT {_HELD}"
            " ORDER BY d.since, d.id::text LIMIT :batch"
        ),
        {
            "cutoff": cutoff(entry.period, now),
            "today": local_day(now),
            "batch": batch,
            **({} if after is None else {"after": after.since, "last": after.id}),
        },
    )
    return [_Due(*row) for row in rows]


async def _count(session: AsyncSession, entry: RetentionClass, now: datetime) -> list[ProofLine]:
    """Return what is due of a class by municipality: to be deleted, and held."""
    rows = await session.execute(
        text(
            "SELECT p.municipality_id, count(*) FILTER (WHERE NOT d.held), count(*) FILTER (WHERE d.held),"
            " min(d.since) FILTER (WHERE NOT d.held), max(d.since) FILTER (WHERE NOT d.held)"
            f" FROM (SELECT d.*, {_HELD} AS held FROM {_due(entry.key)} WHERE d.since < :cutoff) d"
            " LEFT JOIN partner p ON p.id = d.partner_id GROUP BY p.municipality_id"
            " ORDER BY p.municipality_id"
        ),
        {"cutoff": cutoff(entry.period, now), "today": local_day(now)},
    )
    return [
        ProofLine(
            retention_class=entry.key,
            municipality_id=municipality_id,
            deleted=due,
            held=held,
            oldest_due=oldest and due_at(entry.period, oldest),
            newest_due=newest and due_at(entry.period, newest),
        )
        for municipality_id, due, held, oldest, newest in rows
    ]


async def _add_up(session: AsyncSession, run_id: UUID, entry: RetentionClass, gone: Sequence[_Due]) -> None:
    found = await session.execute(
        text("SELECT id, municipality_id FROM partner WHERE id = ANY (CAST(:ids AS uuid[]))"),
        {"ids": [str(row.partner_id) for row in gone if row.partner_id is not None]},
    )
    where: dict[UUID | None, UUID] = {row[0]: row[1] for row in found}
    by_town: dict[UUID | None, list[_Due]] = {}
    for row in gone:
        by_town.setdefault(where.get(row.partner_id), []).append(row)
    for municipality_id, rows in by_town.items():
        due = [due_at(entry.period, row.since) for row in rows]
        line = ProofLine(
            retention_class=entry.key,
            municipality_id=municipality_id,
            deleted=len(rows),
            held=0,
            oldest_due=min(due),
            newest_due=max(due),
        )
        await _write(session, run_id, line, deleted=len(rows))


async def _write(session: AsyncSession, run_id: UUID, line: ProofLine, *, deleted: int) -> None:
    added = insert(DeletionCount).values(
        id=uuid4(),
        run_id=run_id,
        municipality_id=line.municipality_id,
        retention_class=line.retention_class,
        deleted=deleted,
        held=line.held,
        oldest_due=line.oldest_due if deleted else None,
        newest_due=line.newest_due if deleted else None,
    )
    await session.execute(
        added.on_conflict_do_update(
            constraint="deletion_count_once",
            set_={
                "deleted": DeletionCount.deleted + added.excluded.deleted,
                "held": func.greatest(DeletionCount.held, added.excluded.held),
                "oldest_due": func.least(DeletionCount.oldest_due, added.excluded.oldest_due),
                "newest_due": func.greatest(DeletionCount.newest_due, added.excluded.newest_due),
            },
        )
    )


async def _proofs(session: AsyncSession, runs: Sequence[DeletionRun]) -> list[Proof]:
    counts = await session.scalars(
        select(DeletionCount)
        .where(DeletionCount.run_id.in_([run.id for run in runs]))
        .execution_options(populate_existing=True)
    )
    lines: dict[UUID, list[ProofLine]] = {run.id: [] for run in runs}
    for count in counts:
        lines[count.run_id].append(
            ProofLine(
                retention_class=count.retention_class,
                municipality_id=count.municipality_id,
                deleted=count.deleted,
                held=count.held,
                oldest_due=count.oldest_due,
                newest_due=count.newest_due,
            )
        )
    order = {entry.key: number for number, entry in enumerate(CLASSES)}
    return [
        Proof(
            id=run.id,
            rules=run.rules,
            started_at=run.started_at,
            ended_at=run.ended_at,
            lines=tuple(
                sorted(
                    lines[run.id],
                    key=lambda line: (order.get(line.retention_class, 99), str(line.municipality_id)),
                )
            ),
        )
        for run in runs
    ]


async def list_runs(session: AsyncSession, actor: Actor, *, first: int = 20) -> tuple[Proof, ...]:
    """Return the latest proofs to a LEAD: of the own municipality, and of what belongs to none."""
    _must_lead(actor)
    runs = await session.scalars(
        select(DeletionRun)
        .order_by(DeletionRun.started_at.desc(), DeletionRun.id)
        .limit(max(1, min(first, MOST)))
    )
    return tuple(await _proofs(session, list(runs)))


def _must_lead(actor: Actor) -> None:
    must_work_with_people(actor)
    if actor.role is not Role.LEAD:
        raise NotAllowed(Rule.LEAD_ONLY)


# --- Legal hold --------------------------------------------------------------------------------------------


class HoldView(Value, frozen=True, kw_only=True):
    """A legal hold as a LEAD sees it; ``in_force`` is judged at reading."""

    id: UUID
    version: int
    client_id: UUID
    referral_id: UUID | None
    reason: HoldReason
    set_by: UUID
    set_at: datetime
    until: date
    lifted_by: UUID | None
    lifted_at: datetime | None
    in_force: bool


def _hold_view(hold: LegalHold, at: datetime) -> HoldView:
    return HoldView(
        id=hold.id,
        version=hold.version,
        client_id=hold.client_id,
        referral_id=hold.referral_id,
        reason=hold.reason,
        set_by=hold.set_by,
        set_at=hold.set_at,
        until=hold.until,
        lifted_by=hold.lifted_by,
        lifted_at=hold.lifted_at,
        in_force=hold.lifted_at is None and hold.until >= local_day(at),
    )


async def set_hold(
    work: Work, client_id: UUID, reason: HoldReason, until: date, *, referral_id: UUID | None = None
) -> UUID:
    """Stop the deletion of a person's data, or of one referral's, up to and with a day; for a LEAD.

    A withdrawn consent still takes effect: access ends, and what was sent is erased (GDPR Art. 7(3)).
    Raises NotFound, NotAllowed, InvalidInput.
    """
    must_work_with_people(work.actor)
    client = await work.session.get(Client, client_id, with_for_update={"read": True, "key_share": True})
    if client is None:
        raise NotFound
    decide_exclusion(
        work.actor,
        ClientFacts(
            partner_id=client.partner_id, responsible_id=client.responsible_id, deputy_id=client.deputy_id
        ),
    )
    today = local_day(work.now)
    if until < today:
        raise InvalidInput("until", "in-the-past")
    if until > today + LONGEST_HOLD:
        raise InvalidInput("until", "too-late", maximum=(today + LONGEST_HOLD).isoformat())
    if referral_id is not None:
        referral = await work.session.get(Referral, referral_id)
        if referral is None or referral.client_id != client_id:
            raise InvalidInput("referralId", "unknown-value")
    hold = LegalHold(
        id=uuid4(),
        partner_id=client.partner_id,
        client_id=client_id,
        referral_id=referral_id,
        reason=reason,
        set_by=work.actor.member_id,
        set_at=work.now,
        until=until,
        version=1,
    )
    work.session.add(hold)
    await work.session.flush()
    work.record("client.hold_set", "client", client_id, {"reason": reason, "until": until.isoformat()})
    return hold.id


async def lift_hold(work: Work, hold_id: UUID, expected_version: int) -> UUID:
    """Lift a legal hold; for a LEAD of the own organisation. What is due is deleted with the next run."""
    _must_lead(work.actor)
    hold = await work.session.get(LegalHold, hold_id, with_for_update=True, populate_existing=True)
    if hold is None:
        raise NotFound
    if hold.version != expected_version:
        raise StaleVersion(hold.version)
    if hold.lifted_at is not None:
        raise InvalidInput("id", "unchanged")
    hold.lifted_at, hold.lifted_by = work.now, work.actor.member_id
    hold.version += 1
    work.record("client.hold_lifted", "client", hold.client_id)
    return hold.id


async def list_holds(
    session: AsyncSession, actor: Actor, at: datetime, *, first: int = MOST
) -> tuple[HoldView, ...]:
    """Return the holds of the own organisation to a LEAD, those not lifted first, newest first."""
    _must_lead(actor)
    rows = await session.scalars(
        select(LegalHold)
        .order_by(LegalHold.lifted_at.is_not(None), LegalHold.set_at.desc(), LegalHold.id)
        .limit(max(1, min(first, MOST)))
        .execution_options(populate_existing=True)
    )
    return tuple(_hold_view(hold, at) for hold in rows)
