"""What an attack on the finished service found: each test is one finding that must not come back."""

from __future__ import annotations

import base64
from typing import Any
from uuid import uuid4

import pytest

from directory.database import Database
from tests.graphapi.asking import Api
from tests.graphapi.exchanging import ACCEPTANCE, RECORD, Town, make_town


@pytest.fixture(scope="module")
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


def refused(found: Any) -> tuple[str, str]:
    assert found["__typename"] == "InvalidInputProblem", found
    return found["field"], found["reason"]


class TestWhatPostgresqlCannotStore:
    async def test_a_nul_in_a_file_number(self, town: Town) -> None:
        sent = await town.sent()
        given = {"id": sent["id"], "expectedVersion": sent["version"], **ACCEPTANCE, "fileNumber": "a\0b"}
        assert refused(await town.do("staff", "acceptReferral", **given)) == (
            "fileNumber",
            "control-character",
        )

    async def test_a_nul_deep_in_the_record_of_a_consent(self, town: Town) -> None:
        client = await town.client()
        purposes = [{"purpose": "REFERRAL", "categories": ["IDENTITY"]}]
        asked = await town.done(
            "coordinator",
            "requestConsent",
            clientId=client["id"],
            recipientIds=[town.partner_id],
            purposes=purposes,
        )
        record = {**RECORD, "notice": {**RECORD["notice"], "version": "\0"}}
        found = await town.do(
            "coordinator",
            "recordConsent",
            id=asked["id"],
            expectedVersion=1,
            granted=["REFERRAL"],
            record=record,
        )
        assert refused(found) == ("record.notice.version", "control-character")

    async def test_a_nul_in_an_idempotency_key(self, town: Town) -> None:
        found = await town.do(
            "coordinator", "createClient", idempotencyKey="key\0key\0key", identity={"familyName": "X"}
        )
        assert refused(found) == ("idempotencyKey", "control-character")

    @pytest.mark.parametrize(
        ("field", "filter_"),
        [("clients", {"need": "\0"}), ("clients", {"name": "a\0b"}), ("services", {"topics": ["\0"]})],
    )
    async def test_a_nul_in_a_filter(self, town: Town, field: str, filter_: dict[str, Any]) -> None:
        kind = {"clients": "ClientFilterInput", "services": "ServiceFilterInput"}[field]
        answer = await town.ask(
            f"query($f: {kind}) {{ {field}(filter: $f) {{ nodes {{ id }} }} }}",
            {"f": filter_},
            who="coordinator",
        )
        assert answer.codes == ["INVALID_INPUT"]

    @pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"])
    async def test_a_moment_that_is_none_in_utc(self, town: Town, moment: str) -> None:
        answer = await town.ask(
            "query($m: DateTime) { inbox(filter: {dueBefore: $m}) { nodes { id } } }",
            {"m": moment},
            who="coordinator",
        )
        assert (answer.status, answer.codes) == (400, ["REQUEST_NOT_VALID"])

    @pytest.mark.parametrize("field", ["inbox", "sentReferrals", "bookings"])
    @pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"])
    async def test_a_cursor_with_such_a_moment(self, town: Town, field: str, moment: str) -> None:
        cursor = base64.urlsafe_b64encode(f"{moment}|{uuid4()}".encode()).decode()
        answer = await town.ask(
            f"query($a: String) {{ {field}(after: $a) {{ nodes {{ id }} }} }}",
            {"a": cursor},
            who="coordinator",
        )
        assert answer.codes == ["INVALID_INPUT"]

    async def test_a_cursor_of_clients_with_a_nul(self, town: Town) -> None:
        cursor = base64.urlsafe_b64encode(b"K-\0").decode()
        answer = await town.ask(
            "query($a: String) { clients(after: $a) { nodes { id } } }", {"a": cursor}, who="coordinator"
        )
        assert answer.codes == ["INVALID_INPUT"]

    @pytest.mark.parametrize("week", ["9999-12-27", "9999-12-31"])
    async def test_a_waiting_list_at_the_end_of_the_calendar(self, town: Town, week: str) -> None:
        sent = await town.sent()
        found = await town.do(
            "staff", "waitlistReferral", id=sent["id"], expectedVersion=sent["version"], expectedWeek=week
        )
        assert refused(found) == ("expectedWeek", "too-late")
