"""The layout that everything depends on."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from directory.actors import SYSTEM
from directory.database import Database

ROOT = Path(__file__).parents[1]


def test_the_folder_graphql_is_not_a_package() -> None:
    """With an __init__.py it would hide graphql-core."""
    assert not (ROOT / "graphql" / "__init__.py").exists()


async def test_the_databases_of_the_test_run_are_migrated_and_serve_the_three_roles(
    empty_database: Database,
) -> None:
    """The rig itself: the app role and the reader are not superusers and own nothing."""
    async with empty_database.view(SYSTEM) as session:
        row = (
            await session.execute(
                text("SELECT current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)")
            )
        ).one()
    reader = await empty_database.reader.fetchval("SELECT current_user")

    assert tuple(row) == ("spurwechsel_app", False)
    assert reader == "spurwechsel_reader"
