"""Upkeep: what was assured when, how far a chain has come, corrections, links, dead websites."""

from alembic import op

revision = "0017_upkeep"
down_revision = "0016_eligibility"

COLUMNS = """
ALTER TABLE partner ADD COLUMN assured_kinds JSONB, ADD COLUMN hidden_because TEXT;
ALTER TABLE service ADD COLUMN assured_kinds JSONB, ADD COLUMN hidden_because TEXT;
ALTER TABLE partner_document ADD COLUMN due_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE service_document ADD COLUMN due_at TIMESTAMP WITH TIME ZONE;
CREATE INDEX partner_document_due ON partner_document (due_at, id);
CREATE INDEX service_document_due ON service_document (due_at, id)
"""

# The owner, too, stands under forced row-level security.
REQUESTS = """
ALTER TABLE change_request
  ALTER COLUMN service_id DROP NOT NULL,
  ADD COLUMN target_id UUID,
  ADD COLUMN source TEXT NOT NULL DEFAULT 'DECLINE',
  ADD COLUMN proposed JSONB,
  ADD COLUMN before JSONB,
  ADD COLUMN remark TEXT,
  ADD COLUMN digest BYTEA NOT NULL DEFAULT '';
ALTER TABLE change_request NO FORCE ROW LEVEL SECURITY;
UPDATE change_request SET target_id = service_id;
ALTER TABLE change_request FORCE ROW LEVEL SECURITY;
ALTER TABLE change_request ALTER COLUMN target_id SET NOT NULL;
DROP INDEX change_request_one_open;
CREATE UNIQUE INDEX change_request_one_open ON change_request (target_id, field, digest) WHERE state = 'OPEN';
CREATE INDEX change_request_service ON change_request (service_id);
GRANT UPDATE (remark) ON change_request TO spurwechsel_app
"""

TABLES = """
CREATE TABLE upkeep (
  entry_id UUID NOT NULL,
  entry_kind TEXT NOT NULL,
  partner_id UUID NOT NULL,
  version INTEGER NOT NULL,
  progress JSONB NOT NULL,
  next_on DATE,
  PRIMARY KEY (entry_id),
  FOREIGN KEY(partner_id) REFERENCES partner (id) ON DELETE CASCADE
);
CREATE TABLE link_check (
  target_id UUID NOT NULL,
  url TEXT NOT NULL,
  checked_on DATE NOT NULL,
  failed_days INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  PRIMARY KEY (target_id)
);
CREATE TABLE upkeep_link (
  id UUID NOT NULL,
  code_hash BYTEA NOT NULL,
  partner_id UUID NOT NULL,
  issued_at TIMESTAMP WITH TIME ZONE NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (code_hash),
  FOREIGN KEY(partner_id) REFERENCES partner (id)
);
CREATE INDEX upkeep_link_partner ON upkeep_link (partner_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON upkeep, link_check TO spurwechsel_app;
GRANT SELECT, INSERT, DELETE ON upkeep_link TO spurwechsel_app
"""

# Who presents a link's code sees the link, and the change requests of its partner, for whom they speak.
SECURITY = """
ALTER TABLE upkeep_link ENABLE ROW LEVEL SECURITY;
ALTER TABLE upkeep_link FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON upkeep_link FOR ALL TO spurwechsel_app USING ((SELECT acting_for_system()));
CREATE POLICY holder ON upkeep_link FOR SELECT TO spurwechsel_app
  USING (code_hash = acting_code() AND expires_at > acting_now());
CREATE POLICY upkeep_link ON change_request FOR ALL TO spurwechsel_app
  USING (EXISTS (SELECT FROM upkeep_link l WHERE l.code_hash = acting_code()
    AND l.expires_at > acting_now() AND l.partner_id = change_request.partner_id))
"""


def upgrade() -> None:
    for block in (COLUMNS, REQUESTS, TABLES, SECURITY):
        for statement in block.split(";\n"):
            op.execute(statement)
