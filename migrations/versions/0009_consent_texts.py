"""What a person was asked does not change by their decision, and nothing is given that nobody was asked.

The service keeps to that by itself; these triggers hold against whoever reaches the tables another way.
"""

from alembic import op

revision = "0009_consent_texts"
down_revision = "0008_cards"

# As in 0006, and besides: while it is only asked for, nobody goes back to edit it, and deciding changes
# nothing of the terms but what was granted and whether the person released from secrecy (§ 203 StGB).
KEEP = """
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
    OR OLD.state = 'REQUESTED' AND (
      (NEW.id, NEW.client_id, NEW.partner_id, NEW.subject, NEW.supersedes_id)
        IS DISTINCT FROM (OLD.id, OLD.client_id, OLD.partner_id, OLD.subject, OLD.supersedes_id)
      OR asked(NEW.terms) IS DISTINCT FROM asked(OLD.terms)
      OR coalesce(NEW.terms -> 'releases', '[]') NOT IN (coalesce(OLD.terms -> 'releases', '[]'), '[]'))
  THEN
    RAISE EXCEPTION 'A consent does not change, it is superseded.' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$
"""

ASKED = """
CREATE FUNCTION asked(terms jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_set(terms - 'releases', '{purposes}', coalesce(
    (SELECT jsonb_agg(entry.value - 'granted' ORDER BY entry.ordinality)
     FROM jsonb_array_elements(terms -> 'purposes') WITH ORDINALITY entry), '[]'::jsonb))
$$
"""

# A record begins as asked for. The one exception is what remains of a partial withdrawal: of a record in
# force, of the same person, decided at the same moment, and nowhere more than that one gave.
BEGIN = """
CREATE FUNCTION begin_consent() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  former consent;
BEGIN
  IF NEW.state = 'REQUESTED' AND NEW.record IS NULL AND NEW.valid_from IS NULL AND NEW.withdrawal IS NULL
    OR coalesce(current_setting('app.role', true), '') IN ('', 'SYSTEM')
  THEN
    RETURN NEW;
  END IF;
  SELECT * INTO former FROM consent c WHERE c.id = NEW.supersedes_id AND c.state = 'GIVEN';
  IF former.id IS NULL OR NEW.state <> 'GIVEN' OR NEW.withdrawal IS NOT NULL
    OR (NEW.client_id, NEW.partner_id, NEW.subject, NEW.record, NEW.decided_at, NEW.recorded_by,
        NEW.valid_from, NEW.valid_until)
      IS DISTINCT FROM (former.client_id, former.partner_id, former.subject, former.record,
        former.decided_at, former.recorded_by, former.valid_from, former.valid_until)
    OR (NEW.terms -> 'controller') IS DISTINCT FROM (former.terms -> 'controller')
    OR coalesce(former.terms -> 'recipients' @> (NEW.terms -> 'recipients'), false) IS FALSE
    OR NOT coalesce(former.terms -> 'releases', '[]') @> coalesce(NEW.terms -> 'releases', '[]')
    OR (asked(NEW.terms) -> 'purposes') IS DISTINCT FROM (asked(former.terms) -> 'purposes')
    OR EXISTS (
      SELECT FROM jsonb_array_elements(NEW.terms -> 'purposes') one
      JOIN jsonb_array_elements(former.terms -> 'purposes') other
        ON other.value ->> 'purpose' = one.value ->> 'purpose'
      WHERE (one.value ->> 'granted')::boolean AND (other.value ->> 'granted')::boolean IS NOT TRUE)
  THEN
    RAISE EXCEPTION 'A consent begins as asked for.' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$
"""


def upgrade() -> None:
    op.execute(ASKED)
    op.execute(KEEP)
    op.execute(BEGIN)
    op.execute(
        "CREATE TRIGGER consent_begins BEFORE INSERT ON consent FOR EACH ROW EXECUTE FUNCTION begin_consent()"
    )
