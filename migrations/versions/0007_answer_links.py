"""Answers without an account: how often codes were tried, and the links of receiving organisations."""

from alembic import op

revision = "0007_answer_links"
down_revision = "0006_clock"

TABLES = """
CREATE UNLOGGED TABLE code_attempt (
  bucket INTEGER NOT NULL,
  "window" TIMESTAMP WITH TIME ZONE NOT NULL,
  presented INTEGER NOT NULL,
  wrong INTEGER NOT NULL,
  PRIMARY KEY (bucket, "window")
)
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON code_attempt TO spurwechsel_app
"""


def upgrade() -> None:
    for block in (TABLES, GRANTS):
        for statement in block.split(";\n"):
            op.execute(statement)
