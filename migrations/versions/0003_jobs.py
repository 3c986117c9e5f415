"""The job queue: pgqueuer's own tables, as the pinned version of the library makes them."""

import asyncpg
from alembic import op
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment
from sqlalchemy.util import await_only

revision = "0003_jobs"
down_revision = "0002_referrals"

GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON pgqueuer, pgqueuer_log, pgqueuer_schedules, pgqueuer_statistics
  TO spurwechsel_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO spurwechsel_app;
REVOKE EXECUTE ON FUNCTION fn_pgqueuer_changed() FROM PUBLIC
"""


def upgrade() -> None:
    # The library's script is several statements, which a prepared statement cannot hold.
    driver: asyncpg.Connection = op.get_bind().connection.driver_connection
    await_only(driver.execute(QueryBuilderEnvironment().build_install_query()))
    for statement in GRANTS.split(";\n"):
        op.execute(statement)
