"""When the clock looks again: at referrals, at requests for four eyes; and that a renewal was offered."""

from alembic import op

revision = "0006_clock"
down_revision = "0005_notices"

COLUMNS = """
ALTER TABLE referral ADD COLUMN next_tick_at TIMESTAMP WITH TIME ZONE;
CREATE INDEX referral_next_tick ON referral (next_tick_at, id) WHERE next_tick_at IS NOT NULL;
GRANT UPDATE (next_tick_at) ON referral TO spurwechsel_app;
ALTER TABLE consent ADD COLUMN renewal_offered_at TIMESTAMP WITH TIME ZONE;
CREATE INDEX consent_renewal ON consent (valid_until) WHERE state = 'GIVEN' AND renewal_offered_at IS NULL;
CREATE INDEX consent_supersedes ON consent (supersedes_id) WHERE supersedes_id IS NOT NULL;
ALTER TABLE approval ADD COLUMN remind_at TIMESTAMP WITH TIME ZONE;
CREATE INDEX approval_waiting ON approval (lapses_at) WHERE state = 'REQUESTED'
"""

# The clock looks at what there is from the last change on: what ended since ends once, what was to be
# reminded of is reminded of once. The tables stand under forced row-level security, for their owner too.
BACKFILL = """
ALTER TABLE referral NO FORCE ROW LEVEL SECURITY;
UPDATE referral SET next_tick_at = updated_at WHERE state IN ('DRAFT', 'AWAITING_CONSENT', 'SENT',
  'ACKNOWLEDGED', 'INFO_REQUESTED', 'WAITLISTED', 'ACCEPTED', 'IN_PROGRESS', 'ON_HOLD', 'OUTCOME_REPORTED')
  OR state = 'CONSENT_REVOKED' AND revocation_due_at IS NOT NULL AND revocation_answer IS NULL;
ALTER TABLE referral FORCE ROW LEVEL SECURITY;
ALTER TABLE approval NO FORCE ROW LEVEL SECURITY;
UPDATE approval SET remind_at = requested_at + interval '1 day' WHERE state = 'REQUESTED';
ALTER TABLE approval FORCE ROW LEVEL SECURITY
"""

# That a renewal was offered is a fact beside a consent's terms; everything else stays as in 0002.
FUNCTION = """
CREATE OR REPLACE FUNCTION keep_consent() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  beside text[] := ARRAY['state', 'withdrawal', 'superseded_by_id', 'renewal_offered_at', 'version',
    'updated_at'];
BEGIN
  IF OLD.state IN ('WITHDRAWN', 'EXPIRED', 'SUPERSEDED', 'REFUSED') AND NEW.state <> OLD.state
    OR OLD.state = 'GIVEN' AND NEW.state NOT IN ('GIVEN', 'WITHDRAWN', 'EXPIRED', 'SUPERSEDED')
    OR OLD.state = 'REQUESTED' AND NEW.state NOT IN ('REQUESTED', 'GIVEN', 'REFUSED')
    OR OLD.withdrawal IS NOT NULL AND NEW.withdrawal IS DISTINCT FROM OLD.withdrawal
    OR OLD.state <> 'REQUESTED' AND to_jsonb(OLD) - beside IS DISTINCT FROM to_jsonb(NEW) - beside
  THEN
    RAISE EXCEPTION 'A consent that was decided on does not change.' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$"""


def upgrade() -> None:
    for block in (COLUMNS, BACKFILL):
        for statement in block.split(";\n"):
            op.execute(statement)
    op.execute(FUNCTION)
