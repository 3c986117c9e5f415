"""Keys leave the main database for a store of their own; what is erased is listed on both sides.

``graphapi.migrating`` carries the keys of a former version over before, in the same transaction.
"""

from alembic import op
from sqlalchemy import text

revision = "0013_keys"
down_revision = "0012_row_security"

TABLES = """
CREATE TABLE erasure (
  client_id UUID PRIMARY KEY,
  at TIMESTAMPTZ NOT NULL
);
ALTER TABLE client NO FORCE ROW LEVEL SECURITY;
INSERT INTO erasure SELECT id, erased_at FROM client WHERE erased_at IS NOT NULL;
ALTER TABLE client FORCE ROW LEVEL SECURITY;
ALTER TABLE erasure ENABLE ROW LEVEL SECURITY;
ALTER TABLE erasure FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT ON erasure TO spurwechsel_app;
CREATE POLICY system ON erasure FOR ALL TO spurwechsel_app
  USING (acting_for_system()) WITH CHECK (acting_for_system());
CREATE POLICY own ON erasure FOR SELECT TO spurwechsel_app
  USING (EXISTS (SELECT FROM client c WHERE c.id = erasure.client_id AND c.partner_id = acting_partner()));
CREATE POLICY erase ON erasure FOR INSERT TO spurwechsel_app
  WITH CHECK (EXISTS (SELECT FROM client c WHERE c.id = erasure.client_id
    AND c.partner_id = leading_partner()))
"""


def upgrade() -> None:
    left = 0
    for table in ("client_key", "organisation_key"):
        op.execute(f"ALTER TABLE keystore.{table} NO FORCE ROW LEVEL SECURITY")
        left += op.get_bind().execute(text(f"SELECT count(*) FROM keystore.{table}")).scalar_one()
    if left:
        raise RuntimeError(
            f"{left} keys are still in the main database: they would be lost, and with them what they open. "
            "Set KEYS_DATABASE_OWNER_URL and run: spurwechsel migrate"
        )
    op.execute("DROP SCHEMA keystore CASCADE")
    for statement in TABLES.split(";\n"):
        op.execute(statement)
