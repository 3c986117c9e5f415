"""Sessions of the pages for people, and by what the town's own sign-on knows a member.

A session stands under row-level security as tokens do: the SHA-256 of what a browser holds, in
``app.session_hash``, opens that one row and the member it belongs to while nobody acts yet. It is begun and
ended by the system (at sign-in and sign-out) and ended by who removes the member.
"""

from alembic import op

revision = "0027_web"
down_revision = "0026_finding"

TABLE = """
CREATE TABLE web_session (
  id UUID NOT NULL,
  member_id UUID NOT NULL,
  session_hash BYTEA NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (session_hash),
  FOREIGN KEY(member_id) REFERENCES member (id)
)"""

FUNCTIONS = (
    # Whoever acts already does not sign in.
    """
CREATE FUNCTION acting_session() RETURNS bytea LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  RETURN CASE WHEN coalesce(current_setting('app.role', true), '') IN ('', 'ANONYMOUS')
    AND acting_member() IS NULL THEN decode(nullif(current_setting('app.session_hash', true), ''), 'hex') END;
END $$""",
    """
CREATE OR REPLACE FUNCTION presenting_member() RETURNS uuid LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF acting_token() IS NOT NULL THEN
    RETURN (SELECT t.member_id FROM access_token t WHERE t.token_hash = acting_token());
  END IF;
  IF acting_session() IS NOT NULL THEN
    RETURN (SELECT s.member_id FROM web_session s WHERE s.session_hash = acting_session());
  END IF;
  RETURN NULL;
END $$""",
    # A session in use is noted once a minute, so that most requests write nothing.
    """
CREATE FUNCTION holder_of_web_session(presented bytea, at timestamptz, idle interval)
RETURNS TABLE (id uuid, role text, administers boolean, partner_id uuid, municipality_id uuid)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('app.session_hash', encode(presented, 'hex'), true);
  UPDATE web_session s SET seen_at = at WHERE s.session_hash = presented AND s.expires_at > at
    AND s.seen_at > at - idle AND s.seen_at < at - interval '1 minute';
  RETURN QUERY SELECT m.id, m.role, m.administers, p.id, p.municipality_id
    FROM web_session s JOIN member m ON m.id = s.member_id JOIN partner p ON p.id = m.partner_id
    WHERE s.session_hash = presented AND s.expires_at > at AND s.seen_at > at - idle
      AND m.active AND p.active;
  PERFORM set_config('app.session_hash', '', true);
END $$""",
)

POLICIES = (
    ("sign_in", "SELECT", "session_hash = (SELECT acting_session())"),
    ("in_use", "UPDATE", "session_hash = (SELECT acting_session())"),
    ("keep", "SELECT", "keeps_tokens_of(member_id)"),
    ("removed", "DELETE", "keeps_tokens_of(member_id)"),
    ("system", "ALL", "(SELECT acting_for_system())"),
)


def upgrade() -> None:
    op.execute(TABLE)
    op.execute("CREATE INDEX web_session_member ON web_session (member_id)")
    op.execute("GRANT SELECT, INSERT, DELETE, UPDATE (seen_at) ON web_session TO spurwechsel_app")
    op.execute("ALTER TABLE member ADD COLUMN sign_in_email TEXT UNIQUE")
    op.execute("ALTER TABLE member ADD COLUMN sign_in_subject TEXT UNIQUE")
    for function in FUNCTIONS:
        op.execute(function)
    op.execute("ALTER TABLE web_session ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE web_session FORCE ROW LEVEL SECURITY")
    for name, verb, rows in POLICIES:
        checked = f" WITH CHECK ({rows})" if verb in {"ALL", "UPDATE"} else ""
        op.execute(
            f"CREATE POLICY {name} ON web_session FOR {verb} TO spurwechsel_app USING ({rows}){checked}"
        )
