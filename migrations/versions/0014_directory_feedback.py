"""Change requests: what somebody who does not keep an entry says is wrong with it."""

from alembic import op

revision = "0014_directory_feedback"
down_revision = "0013_keys"

TABLES = """
CREATE TABLE change_request (
  id UUID NOT NULL,
  partner_id UUID NOT NULL,
  service_id UUID NOT NULL,
  field TEXT NOT NULL,
  reason TEXT NOT NULL,
  times INTEGER NOT NULL,
  state TEXT NOT NULL,
  opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
  last_at TIMESTAMP WITH TIME ZONE NOT NULL,
  decided_at TIMESTAMP WITH TIME ZONE,
  decided_by UUID,
  decision_reason TEXT,
  version INTEGER NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT change_request_times_positive CHECK (times > 0),
  FOREIGN KEY(partner_id) REFERENCES partner (id),
  FOREIGN KEY(service_id) REFERENCES service (id),
  FOREIGN KEY(decided_by) REFERENCES member (id)
);
CREATE UNIQUE INDEX change_request_one_open ON change_request (service_id, field) WHERE state = 'OPEN';
CREATE INDEX change_request_partner ON change_request (partner_id, last_at, id);
GRANT SELECT, INSERT, UPDATE (times, state, last_at, decided_at, decided_by, decision_reason, version)
  ON change_request TO spurwechsel_app;
ALTER TABLE change_request ENABLE ROW LEVEL SECURITY;
ALTER TABLE change_request FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON change_request FOR ALL TO spurwechsel_app USING (partner_id = (SELECT acting_partner()));
CREATE POLICY coordination ON change_request FOR ALL TO spurwechsel_app
  USING ((SELECT coordinated_municipality()) IS NOT NULL AND EXISTS (SELECT FROM partner p
    WHERE p.id = change_request.partner_id AND p.municipality_id = (SELECT coordinated_municipality())));
CREATE POLICY system ON change_request FOR ALL TO spurwechsel_app USING ((SELECT acting_for_system()))
"""

FUNCTION = """
CREATE FUNCTION coordinated_municipality() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN current_setting('app.role', true) IN ('COORDINATOR', 'LEAD')
    AND nullif(current_setting('app.member', true), '') IS NOT NULL
    THEN nullif(current_setting('app.municipality', true), '')::uuid END
$$"""


def upgrade() -> None:
    op.execute(FUNCTION)
    for statement in TABLES.split(";\n"):
        op.execute(statement)
