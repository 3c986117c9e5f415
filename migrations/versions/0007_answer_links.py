"""Answers without an account: links of receiving organisations, how often codes are tried; no double booking.

Who presents a link's code (``app.code_hash``) sees the link, its referral and what that rests on, and moves
it; the package only while it is open to the recipient and the consent is in force. Nothing else: no client,
no other referral. Appointments of one interpreter never overlap once they are confirmed.
"""

from alembic import op

revision = "0007_answer_links"
down_revision = "0006_clock"

TABLES = """
CREATE UNLOGGED TABLE code_attempt (
  bucket INTEGER NOT NULL,
  "window" TIMESTAMP WITH TIME ZONE NOT NULL,
  presented INTEGER NOT NULL,
  wrong INTEGER NOT NULL,
  PRIMARY KEY (bucket, "window")
);
CREATE TABLE answer_link (
  id UUID NOT NULL,
  code_hash BYTEA NOT NULL,
  referral_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  recipient_partner_id UUID NOT NULL,
  states TEXT[] NOT NULL,
  issued_by UUID,
  issued_at TIMESTAMP WITH TIME ZONE NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  revoked_at TIMESTAMP WITH TIME ZONE,
  used_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (id),
  UNIQUE (code_hash),
  FOREIGN KEY(referral_id) REFERENCES referral (id),
  FOREIGN KEY(partner_id) REFERENCES partner (id),
  FOREIGN KEY(recipient_partner_id) REFERENCES partner (id),
  FOREIGN KEY(issued_by) REFERENCES member (id)
);
CREATE UNIQUE INDEX answer_link_one_live ON answer_link (referral_id)
  WHERE used_at IS NULL AND revoked_at IS NULL;
CREATE INDEX answer_link_referral ON answer_link (referral_id, issued_at);
CREATE TABLE answer_link_use (
  link_id UUID NOT NULL,
  key_hash BYTEA NOT NULL,
  input_hash BYTEA NOT NULL,
  answer TEXT NOT NULL,
  ended BOOLEAN NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (link_id, key_hash),
  FOREIGN KEY(link_id) REFERENCES answer_link (id)
)
"""

# The end is counted in minutes, which no time zone changes: so it may stand in an index.
BOOKED_TIME = """
CREATE FUNCTION booked_time(starts_at timestamptz, minutes integer) RETURNS tstzrange
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT tstzrange(starts_at, starts_at + make_interval(mins => minutes))
$$"""

# Who is named is one person in the whole organisation; a service that names nobody counts as one.
BOOKINGS = """
CREATE EXTENSION IF NOT EXISTS btree_gist;
ALTER TABLE booking ADD COLUMN late_reason TEXT;
ALTER TABLE booking ADD CONSTRAINT booking_no_overlap EXCLUDE USING gist (
  recipient_partner_id WITH =,
  coalesce(lower(interpreter), service_id::text) WITH =,
  booked_time(starts_at, minutes) WITH &&
) WHERE (state = 'CONFIRMED')
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON code_attempt TO spurwechsel_app;
GRANT SELECT, INSERT, UPDATE (used_at, revoked_at) ON answer_link TO spurwechsel_app;
GRANT SELECT, INSERT ON answer_link_use TO spurwechsel_app
"""

LIVE = """l.code_hash = acting_code() AND l.used_at IS NULL AND l.revoked_at IS NULL
  AND l.expires_at > acting_now()"""
HOLDS = "acting_code() IS NOT NULL AND sent_at IS NOT NULL AND holds_link(id)"
SENDS = "sends_referral(referral_id)"

# What a policy asks of another table; each is planned once per connection (see 0005).
FUNCTIONS = (
    (
        "sends_referral(referral_id uuid)",
        """SELECT FROM referral r
      WHERE r.id = sends_referral.referral_id AND r.sender_partner_id = acting_partner()""",
    ),
    (
        "holds_link(referral_id uuid)",
        f"""SELECT FROM answer_link l
      WHERE l.referral_id = holds_link.referral_id AND {LIVE}""",
    ),
)


def exists(signature: str, query: str) -> str:
    """Return the function that says whether the query finds a row, asked as who asks."""
    return f"""CREATE FUNCTION {signature} RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  RETURN EXISTS ({query});
END $$"""


# What is read of a link must not depend on the referral: the referral's own policies ask for the link.
POLICIES = (
    ("answer_link", "sender", "SELECT", "partner_id = acting_partner()"),
    ("answer_link", "issue", "INSERT", "partner_id = acting_partner() AND " + SENDS),
    ("answer_link", "sender_ends", "UPDATE", "partner_id = acting_partner()"),
    ("answer_link", "holder", "SELECT", "code_hash = acting_code()"),
    ("answer_link", "holder_uses", "UPDATE", "code_hash = acting_code()"),
    ("answer_link", "system", "ALL", "acting_for_system()"),
    (
        "answer_link_use",
        "holder",
        "SELECT",
        "EXISTS (SELECT FROM answer_link l WHERE l.id = {table}.link_id AND l.code_hash = acting_code())",
    ),
    (
        "answer_link_use",
        "answer",
        "INSERT",
        f"EXISTS (SELECT FROM answer_link l WHERE l.id = {{table}}.link_id AND {LIVE})",
    ),
    ("answer_link_use", "system", "ALL", "acting_for_system()"),
    ("referral", "link_select", "SELECT", HOLDS),
    ("referral", "link_update", "UPDATE", HOLDS),
    (
        "consent",
        "link",
        "SELECT",
        "acting_code() IS NOT NULL AND EXISTS (SELECT FROM referral r"
        f" JOIN answer_link l ON l.referral_id = r.id WHERE r.consent_id = {{table}}.id AND {LIVE})",
    ),
    (
        "referral_package",
        "link",
        "SELECT",
        f"""acting_code() IS NOT NULL AND EXISTS (SELECT FROM referral r
  JOIN answer_link l ON l.referral_id = r.id JOIN consent c ON c.id = r.consent_id
  WHERE r.id = {{table}}.referral_id AND {LIVE} AND r.state = ANY (l.states)
    AND r.state IN ('ACKNOWLEDGED', 'INFO_REQUESTED', 'WAITLISTED', 'ACCEPTED', 'IN_PROGRESS', 'ON_HOLD')
    AND c.state = 'GIVEN' AND c.valid_from <= acting_now() AND acting_now() < c.valid_until)""",
    ),
)


def upgrade() -> None:
    op.execute(BOOKED_TIME)
    for block in (TABLES, BOOKINGS, GRANTS):
        for statement in block.split(";\n"):
            op.execute(statement)
    for signature, query in FUNCTIONS:
        op.execute(exists(signature, query))
    for table in ("answer_link", "answer_link_use"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    for table, name, verb, condition in POLICIES:
        rows = condition.format(table=table)
        clause = {
            "ALL": f"USING ({rows}) WITH CHECK ({rows})",
            "SELECT": f"USING ({rows})",
            "INSERT": f"WITH CHECK ({rows})",
            "UPDATE": f"USING ({rows}) WITH CHECK ({rows})",
        }[verb]
        op.execute(f"CREATE POLICY {name} ON {table} FOR {verb} TO spurwechsel_app {clause}")
