"""Runs the migrations; the connection is handed in by ``graphapi.migrating`` as ``config.attributes``."""

from alembic import context
from sqlalchemy import Connection

import directory.importing.tables  # noqa: F401 - its tables belong to the same metadata
import referrals.models  # noqa: F401 - both belong to the same metadata
import search.models  # noqa: F401 - and these
from directory.models import Base

connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    include_object=lambda _object, name, kind, _reflected, _compare_to: (
        not (kind == "table" and str(name).startswith("pgqueuer"))
    ),
    include_schemas=True,
    version_table="schema_version",
)
with context.begin_transaction():
    context.run_migrations()
