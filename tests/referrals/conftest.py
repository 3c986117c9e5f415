"""Fixtures of the referral exchange's tests: a key, a town, a client."""

from __future__ import annotations

from uuid import UUID

import pytest

from directory.database import Database
from referrals.clients import create_client
from referrals.personal_data.keystore import KeyStore
from tests.referrals.desk import Desk
from tests.referrals.town import Town, draft, make_town


@pytest.fixture
async def town(database: Database) -> Town:
    return await make_town(database)


@pytest.fixture
async def client_id(database: Database, keys: KeyStore, town: Town) -> UUID:
    """A client of the town's coordination, looked after by its coordinator."""
    async with database.work(town.coordinator) as work:
        return await create_client(work, keys, draft())


@pytest.fixture
def desk(database: Database, keys: KeyStore, town: Town) -> Desk:
    return Desk(database, keys, town)
