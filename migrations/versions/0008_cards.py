"""The person's code card, and asking again 28 days and 6 months after a referral was closed.

Whoever presents a card acts without an account: the SHA-256 of its code in ``app.code_hash`` opens the card
itself, and of this person and this organisation the consents, referrals, feedback and later follow-ups, no
more; only while the card lives. It closes consents, never opens one.
"""

from alembic import op

revision = "0008_cards"
down_revision = "0007_answer_links"

TABLES = """
CREATE TABLE code_card (
  id UUID NOT NULL,
  code_hash BYTEA NOT NULL,
  client_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  language TEXT NOT NULL,
  issued_by UUID,
  issued_at TIMESTAMP WITH TIME ZONE NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  ended_at TIMESTAMP WITH TIME ZONE,
  ended_because TEXT,
  PRIMARY KEY (id),
  UNIQUE (code_hash),
  CONSTRAINT code_card_ended_because CHECK ((ended_at IS NULL) = (ended_because IS NULL)),
  FOREIGN KEY(client_id) REFERENCES client (id),
  FOREIGN KEY(partner_id) REFERENCES partner (id),
  FOREIGN KEY(issued_by) REFERENCES member (id)
);
CREATE UNIQUE INDEX code_card_one_living ON code_card (client_id, partner_id) WHERE ended_at IS NULL;
CREATE TABLE card_act (
  card_id UUID NOT NULL,
  operation TEXT NOT NULL,
  key_hash BYTEA NOT NULL,
  input_hash BYTEA NOT NULL,
  result_id UUID NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (card_id, operation, key_hash),
  FOREIGN KEY(card_id) REFERENCES code_card (id)
);
CREATE TABLE follow_up (
  id UUID NOT NULL,
  referral_id UUID NOT NULL,
  client_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  closed_at TIMESTAMP WITH TIME ZONE NOT NULL,
  due_at TIMESTAMP WITH TIME ZONE NOT NULL,
  asked_at TIMESTAMP WITH TIME ZONE,
  ended_at TIMESTAMP WITH TIME ZONE,
  need_now TEXT,
  occupied_with TEXT,
  source TEXT,
  recorded_by UUID,
  version INTEGER NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT follow_up_answered CHECK ((state = 'ANSWERED') = (need_now IS NOT NULL)),
  FOREIGN KEY(referral_id) REFERENCES referral (id),
  FOREIGN KEY(client_id) REFERENCES client (id),
  FOREIGN KEY(partner_id) REFERENCES partner (id),
  FOREIGN KEY(recorded_by) REFERENCES member (id)
);
CREATE UNIQUE INDEX follow_up_once ON follow_up (referral_id, kind);
CREATE INDEX follow_up_open ON follow_up (due_at) WHERE state IN ('PLANNED', 'ASKED');
CREATE INDEX follow_up_asked ON follow_up (partner_id, asked_at) WHERE state = 'ASKED';
CREATE INDEX follow_up_client ON follow_up (client_id);
CREATE INDEX referral_closed ON referral (closed_at) WHERE state = 'CLOSED';
CREATE INDEX referral_sender_ended ON referral (sender_partner_id, state_since)
  WHERE state IN ('CLOSED', 'DECLINED', 'EXPIRED')
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE (ended_at, ended_because) ON code_card TO spurwechsel_app;
GRANT SELECT, INSERT, UPDATE (result_id) ON card_act TO spurwechsel_app;
GRANT SELECT, INSERT, UPDATE (state, closed_at, due_at, asked_at, ended_at, need_now, occupied_with, source,
  recorded_by, version, updated_at) ON follow_up TO spurwechsel_app
"""

# What a policy asks of another table; each is planned once per connection (see 0005).
FUNCTIONS = (
    """
CREATE FUNCTION carded(person uuid, organisation uuid) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  RETURN EXISTS (SELECT FROM code_card k WHERE k.code_hash = acting_code() AND k.client_id = person
    AND k.partner_id = organisation AND k.ended_at IS NULL AND k.expires_at > acting_now());
END $$""",
    """
CREATE FUNCTION carded_referral(referral_id uuid) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  RETURN EXISTS (SELECT FROM referral r WHERE r.id = carded_referral.referral_id
    AND carded(r.client_id, r.sender_partner_id));
END $$""",
    """
CREATE FUNCTION sees_client(client_id uuid) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  RETURN EXISTS (SELECT FROM client c WHERE c.id = sees_client.client_id);
END $$""",
)


def carded(table: str, owner: str = "partner_id") -> str:
    """Return the condition that a row is about the person of the presented card, and its organisation's.

    Without a presented code nothing is looked up.
    """
    return f"(acting_code() IS NOT NULL AND carded({table}.client_id, {table}.{owner}))"


OF_CARD = """acting_code() IS NOT NULL AND EXISTS (SELECT FROM code_card k WHERE k.id = card_act.card_id
  AND k.code_hash = acting_code() AND k.ended_at IS NULL AND k.expires_at > acting_now())"""
FEEDBACK = "acting_code() IS NOT NULL AND carded_referral(referral_id)"
NOTICE = "about_kind = 'REFERRAL' AND acting_code() IS NOT NULL AND carded_referral(about_id)"

# Per table: name, verb, which rows it is allowed for, and (if other) what they may become.
POLICIES = (
    ("code_card", "own", "SELECT", "partner_id = acting_partner()", None),
    (
        "code_card",
        "issue",
        "INSERT",
        "partner_id = acting_partner() AND issued_by = acting_member() AND sees_client(client_id)",
        None,
    ),
    ("code_card", "end_own", "UPDATE", "partner_id = acting_partner()", "partner_id = acting_partner()"),
    ("code_card", "system", "ALL", "acting_for_system()", None),
    (
        "code_card",
        "holder",
        "SELECT",
        "code_hash = acting_code() AND ended_at IS NULL AND expires_at > acting_now()",
        None,
    ),
    # Locks the row while it acts, so that a replaced card is dead at once; changes nothing of it.
    ("code_card", "holder_locks", "UPDATE", "code_hash = acting_code() AND ended_at IS NULL", "false"),
    ("card_act", "holder", "ALL", OF_CARD, None),
    ("card_act", "system", "ALL", "acting_for_system()", None),
    ("consent", "card", "SELECT", carded("consent"), None),
    (
        "consent",
        "card_withdraws",
        "UPDATE",
        carded("consent") + " AND state = 'GIVEN'",
        carded("consent") + " AND state IN ('WITHDRAWN', 'SUPERSEDED') AND withdrawal IS NOT NULL",
    ),
    # What remains of a partial withdrawal.
    (
        "consent",
        "card_keeps",
        "INSERT",
        carded("consent") + " AND supersedes_id IS NOT NULL AND state = 'GIVEN'",
        None,
    ),
    ("referral", "card", "SELECT", carded("referral", "sender_partner_id"), None),
    ("referral", "card_moves", "UPDATE", carded("referral", "sender_partner_id"), None),
    ("feedback_code", "card", "SELECT", carded("feedback_code"), None),
    (
        "feedback_code",
        "card_ends",
        "UPDATE",
        carded("feedback_code"),
        "used_at IS NOT NULL AND " + carded("feedback_code"),
    ),
    ("feedback", "card", "SELECT", FEEDBACK, None),
    ("feedback", "card_answers", "INSERT", "source = 'CODE' AND code_id IS NULL AND " + FEEDBACK, None),
    ("follow_up", "sender", "SELECT", "partner_id = acting_partner()", None),
    ("follow_up", "sender_records", "UPDATE", "partner_id = acting_partner()", None),
    ("follow_up", "system", "ALL", "acting_for_system()", None),
    ("follow_up", "card", "SELECT", carded("follow_up"), None),
    (
        "follow_up",
        "card_answers",
        "UPDATE",
        carded("follow_up") + " AND state IN ('PLANNED', 'ASKED')",
        carded("follow_up") + " AND state IN ('ANSWERED', 'CANCELLED')",
    ),
    # A withdrawal cancels what recipients were still to be told.
    ("notice", "card", "SELECT", NOTICE, None),
    (
        "notice",
        "card_cancels",
        "UPDATE",
        NOTICE + " AND state = 'PENDING'",
        NOTICE + " AND state = 'CANCELLED'",
    ),
)


def upgrade() -> None:
    for block in (TABLES, GRANTS):
        for statement in block.split(";\n"):
            op.execute(statement)
    for function in FUNCTIONS:
        op.execute(function)
    for table in ("code_card", "card_act", "follow_up"):
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
