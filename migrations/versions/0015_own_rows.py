"""Members and their tokens stand under row-level security too.

Signing in happens before anybody acts: the SHA-256 of a token in ``app.token_hash`` opens that token's row and
the member it belongs to, and nothing else. Members see their colleagues, a LEAD those of the municipality.
"""

from alembic import op

revision = "0015_own_rows"
down_revision = "0014_directory_feedback"

FUNCTIONS = (
    # Readers of other municipalities have colleagues too, though no part in any referral.
    """
CREATE FUNCTION acting_organisation() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN current_setting('app.role', true)
      IN ('COORDINATOR', 'LEAD', 'PARTNER_MEMBER', 'OTHER_MUNICIPALITY')
    AND nullif(current_setting('app.member', true), '') IS NOT NULL
    THEN nullif(current_setting('app.partner', true), '')::uuid END
$$""",
    """
CREATE FUNCTION administered_partner() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN current_setting('app.administers', true) = 'true' THEN acting_organisation() END
$$""",
    # Whoever acts already does not sign in.
    """
CREATE FUNCTION acting_token() RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN coalesce(current_setting('app.role', true), '') IN ('', 'ANONYMOUS')
    AND acting_member() IS NULL THEN decode(nullif(current_setting('app.token_hash', true), ''), 'hex') END
$$""",
    # Functions with bodies of their own, so that the two tables' policies do not go round in a circle.
    """
CREATE FUNCTION presenting_member() RETURNS uuid LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF acting_token() IS NULL THEN
    RETURN NULL;
  END IF;
  RETURN (SELECT t.member_id FROM access_token t WHERE t.token_hash = acting_token());
END $$""",
    """
CREATE FUNCTION keeps_tokens_of(member_ uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF administered_partner() IS NULL AND leading_municipality() IS NULL THEN
    RETURN false;
  END IF;
  RETURN EXISTS (SELECT FROM member m JOIN partner p ON p.id = m.partner_id WHERE m.id = member_
    AND (m.partner_id = administered_partner() OR p.municipality_id = leading_municipality()));
END $$""",
    """
CREATE FUNCTION holder_of_access_token(presented bytea, at timestamptz)
RETURNS TABLE (id uuid, role text, administers boolean, partner_id uuid, municipality_id uuid)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('app.token_hash', encode(presented, 'hex'), true);
  RETURN QUERY SELECT m.id, m.role, m.administers, p.id, p.municipality_id
    FROM access_token t JOIN member m ON m.id = t.member_id JOIN partner p ON p.id = m.partner_id
    WHERE t.token_hash = presented AND t.revoked_at IS NULL AND t.expires_at > at
      AND m.active AND p.active;
  PERFORM set_config('app.token_hash', '', true);
END $$""",
)

OF_LED = """(SELECT leading_municipality()) IS NOT NULL AND EXISTS (SELECT FROM partner p
  WHERE p.id = member.partner_id AND p.municipality_id = (SELECT leading_municipality()))"""
COLLEAGUE = "partner_id = (SELECT acting_organisation())"
ADMINISTERED = "partner_id = (SELECT administered_partner())"
OWN_TOKEN = "(SELECT acting_organisation()) IS NOT NULL AND member_id = (SELECT acting_member())"
KEPT = "keeps_tokens_of(member_id)"

# Per table: name, verb, which rows it is allowed for, and (if other) what they may become.
POLICIES = (
    ("member", "colleague", "SELECT", COLLEAGUE, None),
    ("member", "add", "INSERT", ADMINISTERED, None),
    # A colleague's row may be locked while something is decided about it; who administers changes it.
    ("member", "change", "UPDATE", COLLEAGUE, ADMINISTERED),
    ("member", "lead", "ALL", OF_LED, None),
    ("member", "sign_in", "SELECT", "id = (SELECT presenting_member())", None),
    ("member", "system", "ALL", "(SELECT acting_for_system())", None),
    ("access_token", "own", "SELECT", OWN_TOKEN, None),
    ("access_token", "own_ends", "UPDATE", OWN_TOKEN, None),
    ("access_token", "keep", "ALL", KEPT, None),
    ("access_token", "sign_in", "SELECT", "token_hash = (SELECT acting_token())", None),
    ("access_token", "system", "ALL", "(SELECT acting_for_system())", None),
)


def upgrade() -> None:
    for function in FUNCTIONS:
        op.execute(function)
    op.execute("DROP POLICY service ON access_token")
    for table in dict.fromkeys(table for table, _, _, _, _ in POLICIES):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    for table, name, verb, rows, becomes in POLICIES:
        clause = {
            "ALL": f"USING ({rows}) WITH CHECK ({becomes or rows})",
            "SELECT": f"USING ({rows})",
            "INSERT": f"WITH CHECK ({rows})",
            "UPDATE": f"USING ({rows}) WITH CHECK ({becomes or rows})",
        }[verb]
        op.execute(f"CREATE POLICY {name} ON {table} FOR {verb} TO spurwechsel_app {clause}")
    # Of tokens a member changes that they end; a token of somebody else's making does not become one's own.
    op.execute("REVOKE UPDATE ON access_token FROM spurwechsel_app")
    op.execute("GRANT UPDATE (revoked_at) ON access_token TO spurwechsel_app")
    op.execute(
        "ALTER POLICY own ON idempotency USING (acting_organisation() IS NOT NULL"
        " AND member_id = acting_member()) WITH CHECK (acting_organisation() IS NOT NULL"
        " AND member_id = acting_member())"
    )
