"""Appointments, what the sender may know of, where a client came from, and who is called when.

``told`` marks, in the row itself, what the sender was to know of when it happened (consent to REPORT_BACK):
a hidden appointment is no row for the sender at all, and a hidden event calls nobody on the sender's side.
"""

from alembic import op

revision = "0010_exchange"
down_revision = "0009_consent_texts"

TABLES = """
ALTER TABLE client ADD COLUMN from_referral_id UUID
  CONSTRAINT client_from_referral_id_fkey REFERENCES referral (id);
CREATE UNIQUE INDEX client_from_referral ON client (from_referral_id);
ALTER TABLE referral ADD COLUMN no_shows INTEGER DEFAULT 0 NOT NULL;
ALTER TABLE referral ADD COLUMN sender_read INTEGER DEFAULT 0 NOT NULL;
ALTER TABLE referral ADD COLUMN recipient_read INTEGER DEFAULT 0 NOT NULL;
ALTER TABLE referral ADD COLUMN hidden_changes INTEGER DEFAULT 0 NOT NULL;
ALTER TABLE referral ADD COLUMN sender_updated_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE referral_event ADD COLUMN told BOOLEAN DEFAULT true NOT NULL;
CREATE INDEX referral_waiting ON referral (service_id, sent_at, id) WHERE state = 'WAITLISTED';
CREATE INDEX referral_parent ON referral (parent_id);
GRANT UPDATE (no_shows, sender_read, recipient_read, hidden_changes, sender_updated_at) ON referral
  TO spurwechsel_app;
CREATE TABLE appointment (
  id UUID NOT NULL,
  referral_id UUID NOT NULL,
  sender_partner_id UUID NOT NULL,
  recipient_partner_id UUID NOT NULL,
  kind TEXT NOT NULL,
  starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
  minutes INTEGER NOT NULL,
  location_id UUID,
  place TEXT,
  bring TEXT[] NOT NULL,
  state TEXT NOT NULL,
  told BOOLEAN NOT NULL,
  sender_state TEXT NOT NULL,
  successor_id UUID,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT appointment_takes_time CHECK (minutes > 0),
  FOREIGN KEY(referral_id) REFERENCES referral (id),
  FOREIGN KEY(sender_partner_id) REFERENCES partner (id),
  FOREIGN KEY(recipient_partner_id) REFERENCES partner (id),
  FOREIGN KEY(location_id) REFERENCES location (id) ON DELETE SET NULL,
  FOREIGN KEY(successor_id) REFERENCES appointment (id)
);
CREATE INDEX appointment_referral ON appointment (referral_id, starts_at);
CREATE INDEX appointment_sender ON appointment (sender_partner_id, starts_at);
CREATE INDEX appointment_recipient ON appointment (recipient_partner_id, starts_at);
GRANT SELECT, INSERT, UPDATE (state, sender_state, successor_id, updated_at) ON appointment TO spurwechsel_app
"""

# Whoever sees the referral; the sender only what it is told of. Both partners stand in the row to find it by,
# and must be those of the referral.
FUNCTIONS = (
    """
CREATE FUNCTION appointment_seen(referral_id uuid, told boolean) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  RETURN EXISTS (SELECT FROM referral r WHERE r.id = appointment_seen.referral_id AND (told
    OR r.recipient_partner_id = acting_partner() OR acting_code() IS NOT NULL));
END $$""",
    """
CREATE FUNCTION appointment_between(referral_id uuid, sender uuid, recipient uuid) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  RETURN EXISTS (SELECT FROM referral r WHERE r.id = appointment_between.referral_id
    AND r.sender_partner_id = sender AND r.recipient_partner_id = recipient);
END $$""",
)
SEEN = "acting_for_system() OR appointment_seen(referral_id, told)"
BETWEEN = "appointment_between(referral_id, sender_partner_id, recipient_partner_id)"
POLICIES = (
    ("seen", "SELECT", f"USING ({SEEN})"),
    ("set", "INSERT", f"WITH CHECK ({BETWEEN})"),
    ("change", "UPDATE", f"USING ({SEEN}) WITH CHECK ({BETWEEN})"),
)

# The sender is called for what it may know of only: a call without news would be news.
WATCHERS = (
    "DROP TRIGGER call_watchers ON referral_event",
    """
CREATE FUNCTION call_referral_watchers() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  called jsonb;
BEGIN
  SELECT jsonb_strip_nulls(jsonb_build_object('referral', r.id,
    'sender', CASE WHEN NEW.told THEN r.sender_partner_id END,
    'recipient', CASE WHEN r.sent_at IS NOT NULL THEN r.recipient_partner_id END))
  INTO called FROM referral r WHERE r.id = NEW.referral_id;
  IF called IS NOT NULL THEN
    PERFORM pg_notify('spurwechsel_watchers', called::text);
  END IF;
  RETURN NULL;
END $$""",
    """
CREATE TRIGGER call_watchers AFTER INSERT ON referral_event
  FOR EACH ROW EXECUTE FUNCTION call_referral_watchers()""",
)


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        op.execute(statement)
    for function in FUNCTIONS:
        op.execute(function)
    op.execute("ALTER TABLE appointment ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE appointment FORCE ROW LEVEL SECURITY")
    for name, verb, clause in POLICIES:
        op.execute(f"CREATE POLICY {name} ON appointment FOR {verb} TO spurwechsel_app {clause}")
    for statement in WATCHERS:
        op.execute(statement)
