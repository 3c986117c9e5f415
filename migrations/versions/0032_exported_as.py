"""Entries are found by the id under which exports give them back."""

from alembic import op

revision = "0032_exported_as"
down_revision = "0031_not_duplicates"


def upgrade() -> None:
    """Add the index."""
    op.execute("CREATE INDEX change_exported_as ON change (exported_as) WHERE exported_as IS NOT NULL")
