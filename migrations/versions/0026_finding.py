"""Saved searches, where news of them goes, coarse figures of partners, counts of searches without a hit."""

from alembic import op

revision = "0026_finding"
down_revision = "0025_directory_gaps"

TABLES = """
CREATE TABLE partner_figure (
  partner_id UUID NOT NULL,
  response_time TEXT NOT NULL,
  acceptance TEXT NOT NULL,
  since DATE NOT NULL,
  until DATE NOT NULL,
  PRIMARY KEY (partner_id),
  FOREIGN KEY(partner_id) REFERENCES partner (id) ON DELETE CASCADE
);
CREATE TABLE figure_window (
  until DATE NOT NULL,
  published_at TIMESTAMP WITH TIME ZONE NOT NULL,
  partners INTEGER NOT NULL,
  PRIMARY KEY (until)
);
CREATE TABLE unmet_search (
  month DATE NOT NULL,
  district TEXT NOT NULL,
  breakdown TEXT NOT NULL,
  kind TEXT NOT NULL,
  topic TEXT NOT NULL,
  language TEXT NOT NULL,
  outcome TEXT NOT NULL,
  searches INTEGER NOT NULL,
  PRIMARY KEY (month, district, breakdown, kind, topic, language, outcome),
  CONSTRAINT unmet_search_positive CHECK (searches > 0)
);
CREATE TABLE saved_search (
  id UUID NOT NULL,
  member_id UUID NOT NULL,
  name TEXT NOT NULL,
  text TEXT NOT NULL,
  filters JSONB NOT NULL,
  notify BOOLEAN NOT NULL,
  seen JSONB,
  news JSONB NOT NULL,
  too_broad BOOLEAN NOT NULL,
  looked_at TIMESTAMP WITH TIME ZONE,
  next_look_at TIMESTAMP WITH TIME ZONE,
  version INTEGER NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(member_id) REFERENCES member (id) ON DELETE CASCADE
);
CREATE INDEX saved_search_member ON saved_search (member_id, created_at, id);
CREATE INDEX saved_search_due ON saved_search (next_look_at, id) WHERE next_look_at IS NOT NULL;
CREATE TABLE member_mailbox (
  member_id UUID NOT NULL,
  address TEXT NOT NULL,
  language TEXT NOT NULL,
  asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
  confirmed_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (member_id),
  FOREIGN KEY(member_id) REFERENCES member (id) ON DELETE CASCADE
);
CREATE TABLE mailbox_link (
  id UUID NOT NULL,
  code_hash BYTEA NOT NULL,
  member_id UUID NOT NULL,
  address TEXT NOT NULL,
  issued_at TIMESTAMP WITH TIME ZONE NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (code_hash),
  FOREIGN KEY(member_id) REFERENCES member (id) ON DELETE CASCADE
);
CREATE INDEX mailbox_link_member ON mailbox_link (member_id);
GRANT SELECT, INSERT, DELETE ON partner_figure, figure_window TO spurwechsel_app;
GRANT SELECT ON partner_figure TO spurwechsel_reader;
GRANT SELECT, INSERT, UPDATE (searches), DELETE ON unmet_search TO spurwechsel_app;
GRANT SELECT, INSERT, DELETE,
  UPDATE (name, notify, seen, news, too_broad, looked_at, next_look_at, version)
  ON saved_search TO spurwechsel_app;
GRANT SELECT, INSERT, DELETE, UPDATE (address, language, asked_at, confirmed_at)
  ON member_mailbox TO spurwechsel_app;
GRANT SELECT, INSERT, DELETE ON mailbox_link TO spurwechsel_app
"""

# A member's searches and mailbox are theirs alone: no colleague, no lead reads them. They go when the member
# is removed, whoever does that; for so long the trigger acts as the system does, and sees what it deletes.
GUARDED = ("saved_search", "member_mailbox", "mailbox_link")
SWEEP = """
CREATE FUNCTION forget_searches() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE acted text := current_setting('app.role', true);
BEGIN
  PERFORM set_config('app.role', 'SYSTEM', true);
  DELETE FROM saved_search WHERE member_id = NEW.id;
  DELETE FROM member_mailbox WHERE member_id = NEW.id;
  DELETE FROM mailbox_link WHERE member_id = NEW.id;
  PERFORM set_config('app.role', coalesce(acted, ''), true);
  RETURN NULL;
END $$
"""
TRIGGER = """
CREATE TRIGGER forget_searches AFTER UPDATE OF active ON member
  FOR EACH ROW WHEN (OLD.active AND NOT NEW.active) EXECUTE FUNCTION forget_searches()
"""

# As in 0005, and: a member promises themselves what is about them, to nobody else.
CONCERNS = """
CREATE OR REPLACE FUNCTION notice_concerns(of_kind text, about uuid, told uuid) RETURNS boolean
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
  WHEN 'MEMBER' THEN RETURN about = acting_member()
    AND told = nullif(current_setting('app.partner', true), '')::uuid;
  ELSE RETURN false;
  END CASE;
END $$
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        op.execute(statement)
    for function in (SWEEP, CONCERNS):
        op.execute(function)
    for table in GUARDED:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY system ON {table} FOR ALL TO spurwechsel_app USING ((SELECT acting_for_system()))"
        )
        op.execute(
            f"CREATE POLICY own ON {table} FOR ALL TO spurwechsel_app"
            " USING (member_id = (SELECT acting_member()))"
        )
    op.execute(
        "CREATE POLICY holder ON mailbox_link FOR SELECT TO spurwechsel_app"
        " USING (code_hash = acting_code() AND expires_at > acting_now())"
    )
    op.execute(TRIGGER)
