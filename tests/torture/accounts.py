"""What must be true after everything was killed: journal, events, audit, places, notices and mails agree."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

import asyncpg

from graphapi.relay import parse_id
from referrals.notices import AFTER_MOVE
from referrals.outbox import NEEDED_IN
from referrals.states import Move, Step, replay
from referrals.vocabulary import OPEN_STATES, EventActor, NoticeKind, ReferralState
from tests.torture.load import PLACES, Entry, Journal, Office

MOVES: Final = {
    "draftReferral": (Move.DRAFT,),
    "referClient": (Move.DRAFT, Move.SEND),
    "sendReferral": (Move.SEND,),
    "acknowledgeReferral": (Move.ACKNOWLEDGE,),
    "askAboutReferral": (Move.ASK,),
    "answerQuestion": (Move.REPLY,),
    "waitlistReferral": (Move.WAITLIST,),
    "acceptReferral": (Move.ACCEPT,),
    "declineReferral": (Move.DECLINE,),
    "startReferral": (Move.START,),
    "holdReferral": (Move.HOLD,),
    "resumeReferral": (Move.RESUME,),
    "reportOutcome": (Move.REPORT_OUTCOME,),
    "contestOutcome": (Move.CONTEST,),
    "closeReferral": (Move.CLOSE,),
    "cancelReferral": (Move.CANCEL,),
    "acknowledgeReferrals": (Move.ACKNOWLEDGE,),
    "declineReferrals": (Move.DECLINE,),
    "cancelReferrals": (Move.CANCEL,),
}
"""Which moves an operation makes when it is acknowledged."""

PEOPLES: Final = {EventActor.SENDER.value, EventActor.RECIPIENT.value}


def uuid_of(given: str) -> UUID:
    """Return the id behind a global id."""
    found = parse_id(given)
    assert found is not None, given
    return found[1]


def _made(entry: Entry) -> Iterable[tuple[UUID, Move]]:
    """Return (referral, move) of everything that this operation was told to have done."""
    moves = MOVES.get(entry.field)
    if moves is None:
        return
    if "items" in entry.result:
        for item in entry.result["items"]:
            if item["result"]["__typename"] == "ReferralSaved":
                yield uuid_of(item["id"]), moves[0]
    elif entry.acknowledged:
        for move in moves:
            yield uuid_of(entry.result["referral"]["id"]), move


class Accounts:
    """Everything that is stored, read once when all is quiet."""

    def __init__(
        self, journal: Journal, offices: list[Office], rows: dict[str, list[asyncpg.Record]]
    ) -> None:
        self.journal = journal
        self.offices = offices
        self.rows = rows
        self.referrals = {row["id"]: row for row in rows["referral"]}
        self.events: dict[UUID, list[asyncpg.Record]] = defaultdict(list)
        for row in rows["referral_event"]:
            self.events[row["referral_id"]].append(row)
        self.notices = {row["id"]: row for row in rows["notice"]}

    def check_objects(self) -> None:
        """What was acknowledged is there once, and nothing is there that was not."""
        journal = self.journal
        clients = [uuid_of(entry.result["client"]["id"]) for entry in journal.acknowledged("createClient")]
        _same(clients, [row["id"] for row in self.rows["client"]])
        drafted = [
            uuid_of(entry.result["referral"]["id"])
            for entry in journal.acknowledged("draftReferral", "referClient")
        ]
        _same(drafted, self.referrals)
        asked = [uuid_of(e.result["consent"]["id"]) for e in journal.acknowledged("requestConsent")]
        asked += [uuid_of(e.result["referral"]["consentId"]) for e in journal.acknowledged("referClient")]
        _same(asked, [row["id"] for row in self.rows["consent"]])

    def check_moves(self) -> None:
        """Every acknowledged move is one event, and every event of a person was acknowledged."""
        acknowledged = Counter(made for entry in self.journal.entries for made in _made(entry))
        stored = Counter(
            (row["referral_id"], Move(row["move"]))
            for row in self.rows["referral_event"]
            if row["actor"] in PEOPLES and row["move"] in Move.__members__
        )
        assert stored - acknowledged == Counter(), "happened, but nobody was told"
        assert acknowledged - stored == Counter(), "somebody was told, but it did not happen"

    def check_keys(self) -> None:
        """A key that was acknowledged is kept with what it made; one that was refused left nothing."""
        kept = {(row["operation"], row["key"]): row["result_id"] for row in self.rows["idempotency"]}
        for entry in self.journal.entries:
            found = kept.get((entry.field, entry.key))
            if "items" in entry.result:
                continue
            assert (found is not None) == entry.acknowledged, (entry.field, entry.result)
            assert found != UUID(int=0), "a key was kept without what it made"

    def check_course(self) -> None:
        """Events count on without gaps and lead to the state; the version counts the changes."""
        for id_, referral in self.referrals.items():
            events = sorted(self.events[id_], key=lambda row: row["ordinal"])
            assert [row["ordinal"] for row in events] == list(range(1, len(events) + 1)), id_
            history = [
                Step(
                    sequence=row["ordinal"],
                    move=Move(row["move"]) if row["move"] in Move.__members__ else None,
                    party=EventActor(row["actor"]),
                )
                for row in events
            ]
            assert replay(history) == referral["state"], [row["move"] for row in events]
            for before, after in pairwise(events):
                assert after["from_state"] == before["to_state"], (before, after)
            changes = sum(row["move"] != "REMINDED" for row in events)
            assert referral["version"] == changes, [row["move"] for row in events]

    def check_audit(self) -> None:
        """Every event has its audit row, and no audit row is there without one."""
        written = Counter(
            (row["object_id"], row["action"])
            for row in self.rows["audit"]
            if row["object_kind"] == "referral" and row["action"] != "referral.view_package"
        )
        for id_, events in self.events.items():
            for action, count in Counter(_action(row) for row in events).items():
                assert written[id_, action] == count, (id_, action, written[id_, action], count)

    def check_places(self) -> None:
        """What is left of the places is what was there without those that are taken."""
        taken = Counter(row["service_id"] for row in self.rows["referral"] if row["place_taken"])
        shown = {row["id"]: row for row in self.rows["service_document"]}
        services = {row["id"]: row for row in self.rows["service"]}
        for office in self.offices:
            for service in map(uuid_of, office.counted):
                assert services[service]["places"] == PLACES - taken[service]
                assert shown[service]["version"] == services[service]["version"]

    def check_withdrawals(self) -> None:
        """A withdrawn consent ended every open referral that rested on it, once."""
        withdrawn = {uuid_of(e.given["id"]) for e in self.journal.acknowledged("withdrawConsent")}
        assert withdrawn == {row["id"] for row in self.rows["consent"] if row["state"] == "WITHDRAWN"}
        for row in self.rows["referral"]:
            revoked = sum(event["move"] == Move.REVOKE for event in self.events[row["id"]])
            if row["consent_id"] in withdrawn:
                assert ReferralState(row["state"]) not in OPEN_STATES, row["id"]
                assert revoked <= 1
            else:
                assert revoked == 0

    def check_clock(self) -> int:
        """Nothing that the clock does was done twice; return how much it did."""
        ticks = Counter(
            (row["referral_id"], row["move"], facts["clock"], facts["planned"])
            for row, facts in ((row, row["facts"]) for row in self.rows["referral_event"])
            if row["actor"] == EventActor.CLOCK.value
        )
        assert [tick for tick, count in ticks.items() if count > 1] == []
        return len(ticks)

    def check_promises(self) -> None:
        """Every move that tells somebody promised one notice, in the same transaction; no other did."""
        expected: Counter[tuple[UUID, str, UUID]] = Counter()
        for row in self.rows["referral_event"]:
            referral = self.referrals[row["referral_id"]]
            sides = {
                EventActor.SENDER: referral["sender_partner_id"],
                EventActor.RECIPIENT: referral["recipient_partner_id"],
            }
            told: list[tuple[EventActor, NoticeKind]] = []
            if row["move"] in Move.__members__:
                move, actor = Move(row["move"]), EventActor(row["actor"])
                if (move, actor) in AFTER_MOVE:
                    told = [AFTER_MOVE[move, actor]]
                if move is Move.EXPIRE:
                    told = [(side, NoticeKind.EXPIRED_NO_ANSWER) for side in sides]
            for whom, kind in told:
                if sides[whom] != row["partner_id"]:
                    expected[row["referral_id"], kind.value, sides[whom]] += 1
        kinds = {kind.value for _, kind in AFTER_MOVE.values()} | {NoticeKind.EXPIRED_NO_ANSWER.value}
        promised = Counter(
            (row["about_id"], row["kind"], row["partner_id"])
            for row in self.notices.values()
            if row["about_kind"] == "REFERRAL" and row["kind"] in kinds
        )
        assert expected - promised == Counter(), "happened, but nothing was promised"
        assert promised - expected == Counter(), "promised for what did not happen"

    def check_mails(self, mails: Counter[UUID]) -> None:
        """Every mail was promised by a commit; every promise was kept at least once, or is needed no more."""
        assert mails.keys() <= self.notices.keys(), "mails for what did not commit"
        for id_, notice in self.notices.items():
            assert notice["state"] in {"SENT", "CANCELLED"}, dict(notice)
            if notice["state"] == "SENT":
                assert mails[id_] >= 1, dict(notice)
            elif mails[id_] == 0:
                self._not_needed(notice)

    def _not_needed(self, notice: asyncpg.Record) -> None:
        assert notice["about_kind"] == "REFERRAL", dict(notice)
        events = self.events[notice["about_id"]]
        needed = NEEDED_IN.get(NoticeKind(notice["kind"]), frozenset(ReferralState))
        ended = any(
            row["at"] >= notice["created_at"] and ReferralState(row["to_state"]) not in needed
            for row in events
        )
        withdrawn = any(row["move"] == Move.REVOKE for row in events) or any(
            row["id"] == self.referrals[notice["about_id"]]["consent_id"] and row["state"] == "WITHDRAWN"
            for row in self.rows["consent"]
        )
        assert ended or withdrawn, (dict(notice), [(row["move"], row["to_state"]) for row in events])

    def lost_after_commit(self) -> int:
        """Return how many operations had committed when their answer was lost."""
        at = {(row["operation"], row["key"]): row["at"] for row in self.rows["idempotency"]}
        return sum(
            len(entry.began) > 1 and (kept := at.get((entry.field, entry.key))) is not None
            and kept < entry.began[-1]
            for entry in self.journal.entries
        )  # fmt: skip


def _same(told: Iterable[UUID], stored: Iterable[UUID]) -> None:
    """Check that what somebody was told of and what is stored are the same things, each of them once."""
    acknowledged, there = Counter(list(told)), Counter(list(stored))
    assert acknowledged - there == Counter(), "acknowledged, but not there"
    assert there - acknowledged == Counter(), "there, but nobody was told"


def _action(row: asyncpg.Record) -> str:
    return {"REMINDED": "referral.remind"}.get(row["move"], f"referral.{row['move'].lower()}")


READ: Final = {
    "client": "SELECT id FROM client",
    "consent": "SELECT id, state FROM consent",
    "referral": "SELECT * FROM referral",
    "referral_event": "SELECT * FROM referral_event",
    "notice": "SELECT * FROM notice",
    "audit": "SELECT object_id, object_kind, action FROM audit",
    "idempotency": "SELECT operation, key, result_id, at FROM idempotency",
    "service": "SELECT id, version, (capacity->>'places')::int AS places FROM service",
    "service_document": "SELECT id, version FROM service_document",
    "pgqueuer": "SELECT entrypoint, status, attempts FROM pgqueuer",
    "pgqueuer_log": "SELECT entrypoint, status, count(*) AS n FROM pgqueuer_log GROUP BY 1, 2",
}


async def read_accounts(connection: asyncpg.Connection, journal: Journal, offices: list[Office]) -> Accounts:
    """Read everything that is to be checked."""
    await connection.set_type_codec("jsonb", encoder=_json, decoder=_parsed, schema="pg_catalog")
    rows = {name: await connection.fetch(statement) for name, statement in READ.items()}
    return Accounts(journal, offices, rows)


def _json(value: Any) -> str:
    import json

    return json.dumps(value)


def _parsed(text: str) -> Any:
    import json

    return json.loads(text)
