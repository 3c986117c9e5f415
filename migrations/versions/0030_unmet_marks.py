"""Which searches without a hit were counted, so that several processes count a person once between them.

A few bits of a keyed hash, of a month; unlogged, so that neither a base backup nor the log holds them. What a
crash empties is counted again at worst.
"""

from alembic import op

revision = "0030_unmet_marks"
down_revision = "0029_capacity_ends"

TABLES = """
CREATE UNLOGGED TABLE unmet_mark (
  month DATE NOT NULL,
  bucket INTEGER NOT NULL,
  PRIMARY KEY (month, bucket)
);
GRANT SELECT, INSERT, DELETE ON unmet_mark TO spurwechsel_app
"""


def upgrade() -> None:
    """Make the table."""
    for statement in TABLES.split(";\n"):
        op.execute(statement)
