"""The importer's staging tables, and what each source last said of an entry."""

from alembic import op

revision = "0004_import"
down_revision = "0003_jobs"

TABLES = """
CREATE TABLE import_run (
  id UUID NOT NULL,
  source TEXT NOT NULL,
  format TEXT NOT NULL,
  state TEXT NOT NULL,
  started_at TIMESTAMP WITH TIME ZONE NOT NULL,
  ended_at TIMESTAMP WITH TIME ZONE,
  report JSONB,
  PRIMARY KEY (id)
);
CREATE TABLE import_row (
  run_id UUID NOT NULL,
  file TEXT NOT NULL,
  number INTEGER NOT NULL,
  key TEXT,
  parent_file TEXT,
  parent_key TEXT,
  owner TEXT,
  rejected BOOLEAN NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (run_id, file, number),
  FOREIGN KEY(run_id) REFERENCES import_run (id)
);
CREATE INDEX import_row_key ON import_row (run_id, file, key);
CREATE INDEX import_row_parent ON import_row (run_id, parent_file, parent_key, file);
CREATE INDEX import_row_owner ON import_row (run_id, file, owner);
CREATE TABLE import_staging (
  run_id UUID NOT NULL,
  kind TEXT NOT NULL,
  id UUID NOT NULL,
  partner_id UUID,
  base_version INTEGER NOT NULL,
  partner_version INTEGER NOT NULL,
  shown_elsewhere BOOLEAN NOT NULL,
  digest BYTEA NOT NULL,
  row JSONB,
  document JSONB,
  links JSONB,
  PRIMARY KEY (run_id, kind, id),
  FOREIGN KEY(run_id) REFERENCES import_run (id)
);
CREATE INDEX import_staging_partner ON import_staging (run_id, partner_id);
CREATE TABLE import_origin (
  kind TEXT NOT NULL,
  id UUID NOT NULL,
  source TEXT NOT NULL,
  digest BYTEA NOT NULL,
  PRIMARY KEY (kind, id)
);
CREATE INDEX import_origin_source ON import_origin (source)
"""

# Freshly filled tables have no statistics, and joins planned without them take minutes. Only an owner may
# make statistics, so the owner lends the importer this one thing.
ANALYZE = """
CREATE FUNCTION import_analyze() RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS 'ANALYZE import_row; ANALYZE import_staging'
"""

GRANTS = """
REVOKE ALL ON FUNCTION import_analyze() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION import_analyze() TO spurwechsel_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON import_run, import_row, import_staging, import_origin
  TO spurwechsel_app
"""


def upgrade() -> None:
    for block in (TABLES, ANALYZE, GRANTS):
        for statement in block.split(";\n"):
            op.execute(statement)
