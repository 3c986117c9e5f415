"""What the clock could not do is set aside in a table of its own: it stops nothing else, and is tried again.

Rows hold the id of what was due and the kind of the error, nothing else; only the clock reaches them.
"""

from alembic import op

revision = "0022_reporting"
down_revision = "0021_red_team"

TABLE = """
CREATE TABLE clock_trouble (
  task TEXT NOT NULL,
  about_id UUID NOT NULL,
  error TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  since TIMESTAMP WITH TIME ZONE NOT NULL,
  next_try_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (task, about_id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON clock_trouble TO spurwechsel_app;
ALTER TABLE clock_trouble ENABLE ROW LEVEL SECURITY;
ALTER TABLE clock_trouble FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON clock_trouble FOR ALL TO spurwechsel_app
  USING ((SELECT acting_for_system())) WITH CHECK ((SELECT acting_for_system()))
"""


def upgrade() -> None:
    for statement in TABLE.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE clock_trouble")
