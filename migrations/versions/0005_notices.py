"""The outbox of notices, the language that partners are written to in, and the calls to who is watching."""

from alembic import op

revision = "0005_notices"
down_revision = "0004_import"

TABLES = """
ALTER TABLE partner ADD COLUMN correspondence_language TEXT DEFAULT 'de' NOT NULL;
CREATE TABLE notice (
  id UUID NOT NULL,
  kind TEXT NOT NULL,
  addressee TEXT NOT NULL,
  partner_id UUID NOT NULL,
  waiting_partner_id UUID,
  about_kind TEXT NOT NULL,
  about_id UUID NOT NULL,
  dedupe TEXT NOT NULL,
  due_at TIMESTAMP WITH TIME ZONE,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  next_try_at TIMESTAMP WITH TIME ZONE,
  reply_code INTEGER,
  sent_at TIMESTAMP WITH TIME ZONE,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(partner_id) REFERENCES partner (id),
  FOREIGN KEY(waiting_partner_id) REFERENCES partner (id)
);
CREATE UNIQUE INDEX notice_once ON notice (about_id, kind, partner_id, addressee, dedupe);
CREATE INDEX notice_due ON notice (next_try_at) WHERE state = 'PENDING';
CREATE INDEX notice_partner ON notice (partner_id, created_at);
CREATE INDEX notice_waiting ON notice (waiting_partner_id, created_at);
GRANT SELECT, INSERT, UPDATE (state, attempts, next_try_at, reply_code, sent_at, updated_at)
  ON notice TO spurwechsel_app
"""

# Ids only: who may see what is judged by each listener when it reads (DESIGN section 6).
FUNCTIONS = (
    """
CREATE FUNCTION call_watchers() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  told jsonb;
BEGIN
  IF TG_TABLE_NAME = 'referral_event' THEN
    SELECT jsonb_build_object('referral', r.id, 'sender', r.sender_partner_id,
      'recipient', CASE WHEN r.sent_at IS NOT NULL THEN r.recipient_partner_id END)
    INTO told FROM referral r WHERE r.id = NEW.referral_id;
  ELSIF TG_TABLE_NAME = 'booking' THEN
    told := jsonb_build_object('booking', NEW.id, 'sender', NEW.requester_partner_id,
      'recipient', NEW.recipient_partner_id);
  ELSE
    told := jsonb_build_object('approval', NEW.id, 'referral', NEW.referral_id, 'sender', NEW.partner_id,
      'municipality', NEW.municipality_id);
  END IF;
  IF told IS NOT NULL THEN
    PERFORM pg_notify('spurwechsel_watchers', told::text);
  END IF;
  RETURN NULL;
END $$""",
    """
CREATE TRIGGER call_watchers AFTER INSERT ON referral_event
  FOR EACH ROW EXECUTE FUNCTION call_watchers()""",
    """
CREATE TRIGGER call_watchers AFTER INSERT OR UPDATE ON booking
  FOR EACH ROW EXECUTE FUNCTION call_watchers()""",
    """
CREATE TRIGGER call_watchers AFTER INSERT OR UPDATE ON approval
  FOR EACH ROW EXECUTE FUNCTION call_watchers()""",
)

# An organisation reads what it is told, and whether what it waits for arrived. It promises notices about
# what it has a part in, to those who have; and it cancels, no more.
# Conditions that look at other tables stand in functions, here and in the following migrations: a policy
# that holds a subquery is planned anew, with all policies of the tables it reads, in every statement that
# touches its table; what a plpgsql function asks is planned once per connection. They run with the caller's
# rights and rows.
CONCERNS = """
CREATE FUNCTION notice_concerns(of_kind text, about uuid, told uuid) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  CASE of_kind
  WHEN 'REFERRAL' THEN RETURN EXISTS (SELECT FROM referral r WHERE r.id = about
    AND told IN (r.sender_partner_id, r.recipient_partner_id));
  WHEN 'BOOKING' THEN RETURN EXISTS (SELECT FROM booking b WHERE b.id = about
    AND told IN (b.requester_partner_id, b.recipient_partner_id));
  WHEN 'APPROVAL' THEN RETURN EXISTS (SELECT FROM approval a WHERE a.id = about);
  WHEN 'CONSENT' THEN RETURN EXISTS (SELECT FROM consent c WHERE c.id = about AND c.partner_id = told);
  WHEN 'SERVICE' THEN RETURN EXISTS (SELECT FROM service s WHERE s.id = about AND s.partner_id = told);
  ELSE RETURN false;
  END CASE;
END $$"""
PROMISED = """state = 'PENDING' AND attempts = 0
  AND (acting_for_system() OR notice_concerns(about_kind, about_id, partner_id))"""
OWN = "(partner_id = acting_partner() OR waiting_partner_id = acting_partner())"
POLICIES = (
    ("told", "SELECT", "USING (partner_id = acting_partner())"),
    ("waiting", "SELECT", "USING (waiting_partner_id = acting_partner())"),
    ("promise", "INSERT", f"WITH CHECK ({PROMISED})"),
    ("cancel", "UPDATE", f"USING ({OWN} AND state = 'PENDING') WITH CHECK ({OWN} AND state = 'CANCELLED')"),
    ("system", "ALL", "USING (acting_for_system()) WITH CHECK (acting_for_system())"),
)


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        op.execute(statement)
    for function in (*FUNCTIONS, CONCERNS):
        op.execute(function)
    op.execute("ALTER TABLE notice ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE notice FORCE ROW LEVEL SECURITY")
    for name, verb, rows in POLICIES:
        op.execute(f"CREATE POLICY {name} ON notice FOR {verb} TO spurwechsel_app {rows}")
