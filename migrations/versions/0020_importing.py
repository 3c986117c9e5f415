"""Imports that go on after they were killed, and what a source said beyond what our entries can hold."""

from alembic import op

revision = "0020_importing"
down_revision = "0019_hsds"

# fingerprint: of the source and of how it is imported; cursor and kept: how far staging has come, and the
# report up to there. withdrawn: the state of an entry when it was hidden because its source no longer has it.
TABLES = """
ALTER TABLE import_run ADD COLUMN fingerprint BYTEA;
ALTER TABLE import_run ADD COLUMN cursor TEXT;
ALTER TABLE import_run ADD COLUMN kept BYTEA;
ALTER TABLE import_staging ADD COLUMN original TEXT;
ALTER TABLE import_origin ADD COLUMN withdrawn TEXT;
CREATE TABLE import_original (
  kind TEXT NOT NULL,
  id UUID NOT NULL,
  source TEXT NOT NULL,
  format TEXT NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (kind, id)
);
CREATE INDEX import_original_source ON import_original (source, kind, id)
"""

# Exports read as the reader role: of an entry what its source said may be read exactly where the entry may.
# What belongs to no entry (terms of a vocabulary, places of nobody) is not about anybody and was published.
ACCESS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON import_original TO spurwechsel_app;
GRANT SELECT ON import_original TO spurwechsel_reader;
ALTER TABLE import_original ENABLE ROW LEVEL SECURITY;
CREATE POLICY import_original_app ON import_original TO spurwechsel_app USING (true) WITH CHECK (true);
CREATE POLICY import_original_reader ON import_original FOR SELECT TO spurwechsel_reader USING (
  CASE kind
    WHEN 'PARTNER' THEN EXISTS (
      SELECT FROM partner_document d WHERE d.id = import_original.id AND d.state = 'PUBLISHED'
    )
    WHEN 'SERVICE' THEN EXISTS (
      SELECT FROM service_document d WHERE d.id = import_original.id AND d.state = 'PUBLISHED'
    )
    ELSE true
  END
)
"""


def upgrade() -> None:
    for block in (TABLES, ACCESS):
        for statement in block.split(";\n"):
            op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE import_original")
    op.execute("ALTER TABLE import_origin DROP COLUMN withdrawn")
    op.execute("ALTER TABLE import_staging DROP COLUMN original")
    for column in ("kept", "cursor", "fingerprint"):
        op.execute(f"ALTER TABLE import_run DROP COLUMN {column}")
