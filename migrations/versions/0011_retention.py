"""Deletion that is proved: legal holds, the runs of the deletion job, and what each run deleted.

Also the one right that the job alone has: rows that must otherwise remain can be deleted by SYSTEM while the
setting ``app.deletion_run`` names a run. The policies for it are in ``0012_row_security``.
"""

from alembic import op

revision = "0011_retention"
down_revision = "0010_exchange"

TABLES = """
CREATE TABLE deletion_run (
  id UUID NOT NULL,
  rules TEXT NOT NULL,
  started_at TIMESTAMP WITH TIME ZONE NOT NULL,
  ended_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (id)
);
CREATE UNIQUE INDEX deletion_run_one_open ON deletion_run ((ended_at IS NULL)) WHERE ended_at IS NULL;
CREATE INDEX deletion_run_order ON deletion_run (started_at);
CREATE TABLE deletion_count (
  id UUID NOT NULL,
  run_id UUID NOT NULL,
  municipality_id UUID,
  retention_class TEXT NOT NULL,
  deleted INTEGER NOT NULL,
  held INTEGER NOT NULL,
  oldest_due TIMESTAMP WITH TIME ZONE,
  newest_due TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (id),
  CONSTRAINT deletion_count_once UNIQUE NULLS NOT DISTINCT (run_id, municipality_id, retention_class),
  FOREIGN KEY(run_id) REFERENCES deletion_run (id),
  FOREIGN KEY(municipality_id) REFERENCES municipality (id)
);
CREATE TABLE legal_hold (
  id UUID NOT NULL,
  partner_id UUID NOT NULL,
  client_id UUID NOT NULL,
  referral_id UUID,
  reason TEXT NOT NULL,
  set_by UUID NOT NULL,
  set_at TIMESTAMP WITH TIME ZONE NOT NULL,
  until DATE NOT NULL,
  lifted_by UUID,
  lifted_at TIMESTAMP WITH TIME ZONE,
  version INTEGER NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT legal_hold_lifted_by_somebody CHECK ((lifted_by IS NULL) = (lifted_at IS NULL)),
  FOREIGN KEY(partner_id) REFERENCES partner (id),
  FOREIGN KEY(client_id) REFERENCES client (id),
  FOREIGN KEY(referral_id) REFERENCES referral (id)
);
CREATE INDEX legal_hold_client ON legal_hold (client_id) WHERE lifted_at IS NULL;
CREATE INDEX legal_hold_partner ON legal_hold (partner_id, set_at)
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE (ended_at) ON deletion_run TO spurwechsel_app;
GRANT SELECT, INSERT, UPDATE (deleted, held, oldest_due, newest_due) ON deletion_count TO spurwechsel_app;
GRANT SELECT, INSERT, UPDATE (until, lifted_by, lifted_at, version) ON legal_hold TO spurwechsel_app
"""

FUNCTION = """
CREATE FUNCTION acting_for_deletion() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT acting_for_system() AND nullif(current_setting('app.deletion_run', true), '') IS NOT NULL
$$"""

LEADS = "leading_partner() IS NOT NULL"
OWN_CLIENT = "sees_client(client_id)"

# A proof tells a LEAD what was deleted in the own municipality, and of what belongs to none.
POLICIES = (
    ("deletion_run", "lead", "SELECT", LEADS),
    ("deletion_run", "read_by_system", "SELECT", "acting_for_system()"),
    ("deletion_run", "begin", "INSERT", "acting_for_deletion()"),
    (
        "deletion_run",
        "end_run",
        "UPDATE",
        "acting_for_deletion() AND id::text = current_setting('app.deletion_run', true)",
    ),
    (
        "deletion_count",
        "lead",
        "SELECT",
        LEADS + " AND (municipality_id IS NULL OR municipality_id = leading_municipality())",
    ),
    ("deletion_count", "read_by_system", "SELECT", "acting_for_system()"),
    ("deletion_count", "prove", "INSERT", "acting_for_deletion()"),
    ("deletion_count", "add_up", "UPDATE", "acting_for_deletion()"),
    ("legal_hold", "lead", "SELECT", "partner_id = leading_partner()"),
    ("legal_hold", "read_by_system", "SELECT", "acting_for_system()"),
    (
        "legal_hold",
        "set",
        "INSERT",
        "partner_id = leading_partner() AND set_by = acting_member() AND " + OWN_CLIENT,
    ),
    ("legal_hold", "change", "UPDATE", "partner_id = leading_partner()"),
)


def upgrade() -> None:
    for block in (TABLES, GRANTS):
        for statement in block.split(";\n"):
            op.execute(statement)
    op.execute(FUNCTION)
    for table in dict.fromkeys(table for table, _, _, _ in POLICIES):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    for table, name, verb, rows in POLICIES:
        clause = {
            "SELECT": f"USING ({rows})",
            "INSERT": f"WITH CHECK ({rows})",
            "UPDATE": f"USING ({rows}) WITH CHECK ({rows})",
        }[verb]
        op.execute(f"CREATE POLICY {name} ON {table} FOR {verb} TO spurwechsel_app {clause}")
