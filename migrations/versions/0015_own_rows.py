"""Members and their tokens stand under row-level security too; a recipient reads its part of a consent only.

Signing in happens before anybody acts: the SHA-256 of a token in ``app.token_hash`` opens that token's row
and the member it belongs to, and nothing else. Members see their colleagues, a LEAD those of the town.

A record of a consent names every recipient. So it is the controller's and the person's alone; beside it
``consent_part`` keeps, for each recipient, what that one may read. A trigger writes it in the transaction
that changes the record, and nobody else can: whether a consent holds is still judged at reading.
"""

from alembic import op

revision = "0015_own_rows"
down_revision = "0014_directory_feedback"

LIVE = """l.code_hash = acting_code() AND l.used_at IS NULL AND l.revoked_at IS NULL
  AND l.expires_at > acting_now()"""
IN_FORCE = "c.state = 'GIVEN' AND c.valid_from <= acting_now() AND acting_now() < c.valid_until"
RESTS_ON = "c.consent_id = r.consent_id AND c.recipient_partner_id = r.recipient_partner_id"
OPENED = "'ACKNOWLEDGED', 'WAITLISTED', 'ACCEPTED', 'IN_PROGRESS', 'ON_HOLD', 'OUTCOME_REPORTED'"

FUNCTIONS = (
    # Readers of other municipalities have colleagues too, though no part in any referral.
    """
CREATE FUNCTION acting_organisation() RETURNS uuid LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  RETURN CASE WHEN current_setting('app.role', true)
      IN ('COORDINATOR', 'LEAD', 'PARTNER_MEMBER', 'OTHER_MUNICIPALITY')
    AND nullif(current_setting('app.member', true), '') IS NOT NULL
    THEN nullif(current_setting('app.partner', true), '')::uuid END;
END $$""",
    """
CREATE FUNCTION administered_partner() RETURNS uuid LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  RETURN CASE WHEN current_setting('app.administers', true) = 'true' THEN acting_organisation() END;
END $$""",
    # Whoever acts already does not sign in.
    """
CREATE FUNCTION acting_token() RETURNS bytea LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  RETURN CASE WHEN coalesce(current_setting('app.role', true), '') IN ('', 'ANONYMOUS')
    AND acting_member() IS NULL THEN decode(nullif(current_setting('app.token_hash', true), ''), 'hex') END;
END $$""",
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

PARTS = """
CREATE TABLE consent_part (
  consent_id UUID NOT NULL,
  recipient_partner_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  client_id UUID NOT NULL,
  subject TEXT NOT NULL,
  state TEXT NOT NULL,
  terms JSONB NOT NULL,
  record JSONB,
  decided_at TIMESTAMP WITH TIME ZONE,
  valid_from TIMESTAMP WITH TIME ZONE,
  valid_until TIMESTAMP WITH TIME ZONE,
  report_back_ended BOOLEAN NOT NULL,
  version INTEGER NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (consent_id, recipient_partner_id),
  FOREIGN KEY(consent_id) REFERENCES consent (id) ON DELETE CASCADE
);
GRANT SELECT, INSERT, UPDATE, DELETE ON consent_part TO spurwechsel_app
"""

PART_FUNCTIONS = (
    # As referrals.consent.terms_for: not who else is named, nor who else is released from secrecy.
    """
CREATE FUNCTION part_of(terms jsonb, recipient text) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT terms || jsonb_build_object(
    'recipients', coalesce((SELECT jsonb_agg(party.value ORDER BY party.ordinality)
      FROM jsonb_array_elements(terms -> 'recipients') WITH ORDINALITY party
      WHERE party.value ->> 'partner_id' = recipient), '[]'),
    'releases', coalesce((SELECT jsonb_agg(release.value ORDER BY release.ordinality)
      FROM jsonb_array_elements(coalesce(terms -> 'releases', '[]')) WITH ORDINALITY release
      WHERE recipient IN (release.value ->> 'released', release.value ->> 'towards')), '[]'))
$$""",
    """
CREATE FUNCTION parts_of(c consent) RETURNS SETOF consent_part LANGUAGE sql STABLE AS $$
  SELECT c.id, recipient::uuid, c.partner_id, c.client_id, c.subject, c.state, part_of(c.terms, recipient),
    c.record, c.decided_at, c.valid_from, c.valid_until,
    coalesce(c.withdrawal ->> 'purpose' = 'REPORT_BACK', false)
      OR coalesce(c.withdrawal ->> 'recipient' = recipient, false),
    c.version, c.created_at
  FROM (SELECT DISTINCT party ->> 'partner_id' AS recipient
    FROM jsonb_array_elements(c.terms -> 'recipients') party) named
$$""",
    """
CREATE FUNCTION keep_parts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO consent_part SELECT * FROM parts_of(NEW)
  ON CONFLICT (consent_id, recipient_partner_id) DO UPDATE SET state = excluded.state,
    terms = excluded.terms, record = excluded.record, decided_at = excluded.decided_at,
    valid_from = excluded.valid_from, valid_until = excluded.valid_until,
    report_back_ended = excluded.report_back_ended, version = excluded.version;
  RETURN NULL;
END $$""",
    """
CREATE TRIGGER consent_parts AFTER INSERT OR UPDATE ON consent
FOR EACH ROW EXECUTE FUNCTION keep_parts()""",
    # For whom a code was made: the recipient of the one referral that a living answer link is about.
    f"""
CREATE FUNCTION answered_under(consent uuid, recipient uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN acting_code() IS NOT NULL AND EXISTS (SELECT FROM answer_link l
    JOIN referral r ON r.id = l.referral_id
    WHERE {LIVE} AND r.consent_id = consent AND r.recipient_partner_id = recipient);
END $$""",
    """
CREATE FUNCTION received_under(consent uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN EXISTS (SELECT FROM referral r WHERE r.consent_id = consent
    AND r.recipient_partner_id = acting_partner() AND r.sent_at IS NOT NULL);
END $$""",
    f"""
CREATE FUNCTION package_opened(referral_ uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN EXISTS (SELECT FROM referral r JOIN consent_part c ON {RESTS_ON}
    WHERE r.id = referral_ AND r.recipient_partner_id = acting_partner() AND r.sent_at IS NOT NULL
      AND (r.state IN ({OPENED})
        OR r.state = 'INFO_REQUESTED' AND EXISTS (SELECT FROM referral_event e WHERE e.referral_id = r.id
          AND e.to_state IN ('ACKNOWLEDGED', 'WAITLISTED', 'ACCEPTED', 'IN_PROGRESS')))
      AND {IN_FORCE});
END $$""",
    f"""
CREATE FUNCTION package_opened_by_link(referral_ uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN acting_code() IS NOT NULL AND EXISTS (SELECT FROM referral r
    JOIN answer_link l ON l.referral_id = r.id JOIN consent_part c ON {RESTS_ON}
    WHERE r.id = referral_ AND {LIVE} AND r.state = ANY (l.states)
      AND r.state IN ('ACKNOWLEDGED', 'INFO_REQUESTED', 'WAITLISTED', 'ACCEPTED', 'IN_PROGRESS', 'ON_HOLD')
      AND {IN_FORCE});
END $$""",
)

# The records are the controller's, for their owner too: the rows are read here once, by nobody who acts.
BACKFILL = """
ALTER TABLE consent NO FORCE ROW LEVEL SECURITY;
INSERT INTO consent_part SELECT part.* FROM consent c, parts_of(c) part;
ALTER TABLE consent FORCE ROW LEVEL SECURITY
"""

KEPT_BY = """(partner_id = (SELECT acting_partner()) OR (SELECT acting_for_system())
  OR (SELECT acting_code()) IS NOT NULL AND carded(client_id, partner_id))"""
# Only what a change of the record itself brings about.
BY_TRIGGER = f"pg_trigger_depth() > 0 AND {KEPT_BY}"

OF_LED = """(SELECT leading_municipality()) IS NOT NULL AND EXISTS (SELECT FROM partner p
  WHERE p.id = member.partner_id AND p.municipality_id = (SELECT leading_municipality()))"""
COLLEAGUE = "partner_id = (SELECT acting_organisation())"
ADMINISTERED = "partner_id = (SELECT administered_partner())"
OF_ONESELF = "(SELECT acting_organisation()) IS NOT NULL AND member_id = (SELECT acting_member())"
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
    ("access_token", "own", "SELECT", OF_ONESELF, None),
    ("access_token", "own_ends", "UPDATE", OF_ONESELF, None),
    ("access_token", "keep", "ALL", KEPT, None),
    ("access_token", "sign_in", "SELECT", "token_hash = (SELECT acting_token())", None),
    ("access_token", "system", "ALL", "(SELECT acting_for_system())", None),
    ("consent_part", "kept", "SELECT", KEPT_BY, None),
    ("consent_part", "keep", "INSERT", BY_TRIGGER, None),
    ("consent_part", "deletion", "DELETE", "acting_for_deletion()", None),
    ("consent_part", "keep_up", "UPDATE", BY_TRIGGER, None),
    (
        "consent_part",
        "recipient",
        "SELECT",
        "recipient_partner_id = (SELECT acting_partner()) AND received_under(consent_id)",
        None,
    ),
    (
        "consent_part",
        "link",
        "SELECT",
        "(SELECT acting_code()) IS NOT NULL AND answered_under(consent_id, recipient_partner_id)",
        None,
    ),
)


def upgrade() -> None:
    for statement in PARTS.split(";\n"):
        op.execute(statement)
    for function in (*FUNCTIONS, *PART_FUNCTIONS):
        op.execute(function)
    for statement in BACKFILL.split(";\n"):
        op.execute(statement)
    op.execute("DROP POLICY service ON access_token")
    op.execute("DROP POLICY recipient ON consent")
    op.execute("DROP POLICY link ON consent")
    op.execute(
        "ALTER POLICY recipient ON referral_package"
        " USING (acting_partner() IS NOT NULL AND package_opened(referral_id))"
    )
    op.execute(
        "ALTER POLICY link ON referral_package"
        " USING (acting_code() IS NOT NULL AND package_opened_by_link(referral_id))"
    )
    for table in dict.fromkeys(table for table, _, _, _, _ in POLICIES):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    for table, name, verb, rows, becomes in POLICIES:
        clause = {
            "ALL": f"USING ({rows}) WITH CHECK ({becomes or rows})",
            "SELECT": f"USING ({rows})",
            "DELETE": f"USING ({rows})",
            "INSERT": f"WITH CHECK ({rows})",
            "UPDATE": f"USING ({rows}) WITH CHECK ({becomes or rows})",
        }[verb]
        op.execute(f"CREATE POLICY {name} ON {table} FOR {verb} TO spurwechsel_app {clause}")
    # A LEAD asked to confirm another organisation's move sees the referral, not the person's days.
    op.execute(
        "CREATE POLICY sides ON appointment AS RESTRICTIVE FOR ALL TO spurwechsel_app USING ("
        "(SELECT acting_partner()) IN (sender_partner_id, recipient_partner_id)"
        " OR (SELECT acting_for_system()) OR (SELECT acting_code()) IS NOT NULL)"
    )
    # Of tokens a member changes that they end; a token of somebody else's making does not become one's own.
    op.execute("REVOKE UPDATE ON access_token FROM spurwechsel_app")
    op.execute("GRANT UPDATE (revoked_at) ON access_token TO spurwechsel_app")
    op.execute(
        "ALTER POLICY own ON idempotency USING (acting_organisation() IS NOT NULL"
        " AND member_id = acting_member()) WITH CHECK (acting_organisation() IS NOT NULL"
        " AND member_id = acting_member())"
    )
