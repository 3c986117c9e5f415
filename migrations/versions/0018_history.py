"""History of entries, ends and aliases, licences, dates of texts, keys of likeness."""

from alembic import op

revision = "0018_history"
down_revision = "0017_upkeep"

# `version` and `updated_at` are beside the snapshot; what else is left out is bookkeeping about the entry.
LEFT_OUT = "ARRAY['id', 'version', 'updated_at', 'text_dates']"
# What changes often and alone is kept as a patch on the last whole snapshot.
OFTEN = "ARRAY['capacity', 'assured_at', 'assured_kinds']"

TABLES = """
ALTER TABLE municipality ADD COLUMN licence TEXT;
ALTER TABLE partner ADD COLUMN source_language TEXT DEFAULT 'de' NOT NULL;
ALTER TABLE partner ADD COLUMN text_dates JSONB DEFAULT '{}' NOT NULL;
ALTER TABLE partner ADD COLUMN ended_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE service ADD COLUMN source_language TEXT DEFAULT 'de' NOT NULL;
ALTER TABLE service ADD COLUMN text_dates JSONB DEFAULT '{}' NOT NULL;
ALTER TABLE service ADD COLUMN ended_at TIMESTAMP WITH TIME ZONE;
CREATE INDEX partner_stale_texts ON partner (municipality_id, id) WHERE text_dates ? 'stale';
CREATE INDEX service_stale_texts ON service (partner_id, id) WHERE text_dates ? 'stale';
ALTER TABLE partner_document ADD COLUMN likeness TEXT[] DEFAULT '{}' NOT NULL;
ALTER TABLE service_document ADD COLUMN likeness TEXT[] DEFAULT '{}' NOT NULL;
CREATE INDEX partner_document_likeness ON partner_document USING gin (likeness);
CREATE INDEX service_document_likeness ON service_document USING gin (likeness);
ALTER TABLE change ADD COLUMN shown BOOLEAN DEFAULT false NOT NULL;
UPDATE change c SET shown = true WHERE
  EXISTS (SELECT FROM partner_document d WHERE d.id = c.id AND d.state <> 'DRAFT')
  OR EXISTS (SELECT FROM service_document d WHERE d.id = c.id AND d.state <> 'DRAFT');
CREATE TABLE entry_version (
  kind TEXT NOT NULL,
  id UUID NOT NULL,
  version INTEGER NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  municipality_id UUID NOT NULL,
  action TEXT NOT NULL,
  role TEXT NOT NULL,
  member_id UUID,
  partner_id UUID,
  reason TEXT,
  base INTEGER NOT NULL,
  snapshot JSONB,
  patch JSONB,
  PRIMARY KEY (kind, id, version),
  CONSTRAINT entry_version_whole_or_patch CHECK ((snapshot IS NULL) <> (patch IS NULL)),
  CONSTRAINT entry_version_base CHECK (snapshot IS NULL OR base = version),
  FOREIGN KEY(municipality_id) REFERENCES municipality (id)
);
CREATE TABLE entry_alias (
  id UUID NOT NULL,
  kind TEXT NOT NULL,
  survivor_id UUID NOT NULL,
  merged_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (id)
);
CREATE INDEX entry_alias_survivor ON entry_alias (survivor_id)
"""

GRANTS = """
GRANT SELECT, INSERT, DELETE ON entry_version TO spurwechsel_app;
GRANT SELECT, INSERT, UPDATE (survivor_id), DELETE ON entry_alias TO spurwechsel_app;
GRANT SELECT ON entry_alias TO spurwechsel_reader;
GRANT UPDATE (service_id, better_service_id) ON referral TO spurwechsel_app;
GRANT DELETE ON partner_document, service_document TO spurwechsel_app;
ALTER TABLE entry_version ENABLE ROW LEVEL SECURITY;
ALTER TABLE entry_version FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON entry_version FOR ALL TO spurwechsel_app USING (acting_for_system())
  WITH CHECK (acting_for_system());
CREATE POLICY coordination ON entry_version FOR SELECT TO spurwechsel_app
  USING (municipality_id = (SELECT coordinated_municipality()));
CREATE POLICY own ON entry_version FOR SELECT TO spurwechsel_app
  USING (acting_partner() IS NOT NULL AND keeps_entry(kind, id));
CREATE POLICY only_when_due ON entry_version AS RESTRICTIVE FOR DELETE TO spurwechsel_app
  USING (acting_for_deletion())
"""

FUNCTIONS = (
    """
CREATE FUNCTION keeps_entry(of_kind text, entry uuid) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
  RETURN CASE of_kind WHEN 'PARTNER' THEN entry = acting_partner()
    ELSE EXISTS (SELECT FROM service s WHERE s.id = entry AND s.partner_id = acting_partner()) END;
END $$""",
    f"""
CREATE FUNCTION partner_snapshot(p partner) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_strip_nulls(to_jsonb(p) - {LEFT_OUT}) || jsonb_build_object('locations',
    (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(l) - 'partner_id') ORDER BY l.name, l.id), '[]')
      FROM location l WHERE l.partner_id = p.id))
$$""",
    f"""
CREATE FUNCTION service_snapshot(s service) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_strip_nulls(to_jsonb(s) - {LEFT_OUT}) || jsonb_build_object(
    'topics', (SELECT coalesce(jsonb_agg(t.topic_code ORDER BY t.position, t.topic_code), '[]')
      FROM service_topic t WHERE t.service_id = s.id),
    'location_ids', (SELECT coalesce(jsonb_agg(l.location_id ORDER BY l.position, l.location_id), '[]')
      FROM service_location l WHERE l.service_id = s.id))
$$""",
    # Who acts may not read the history of what they touch (a place is taken by the holder of a code), so the
    # function reads it as the system. `told`: what was done and why, by id or for all ('*').
    f"""
CREATE FUNCTION keep_versions(of_kind text, ids uuid[], told jsonb) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  role_before text := coalesce(current_setting('app.role', true), '');
  member uuid := nullif(current_setting('app.member', true), '')::uuid;
  organisation uuid := nullif(current_setting('app.partner', true), '')::uuid;
  moment timestamptz := acting_now();
  kept integer;
BEGIN
  PERFORM set_config('app.role', 'SYSTEM', true);
  INSERT INTO entry_version
    (kind, id, version, at, municipality_id, action, role, member_id, partner_id, reason, base,
      snapshot, patch)
  SELECT of_kind, n.id, n.version, moment, n.municipality_id,
    coalesce(n.said ->> 'action', 'entry.follow'), role_before,
    -- what follows from something else is nobody's edit: whose referral took a place is not told
    CASE WHEN n.said IS NOT NULL THEN member END, organisation, n.said ->> 'reason',
    CASE WHEN n.often THEN n.base ELSE n.version END,
    CASE WHEN NOT n.often THEN n.snapshot END,
    CASE WHEN n.often THEN (SELECT coalesce(jsonb_object_agg(k, coalesce(n.snapshot -> k, 'null')), '{{}}')
      FROM unnest({OFTEN}) AS k WHERE n.snapshot -> k IS DISTINCT FROM n.whole -> k) END
  FROM (
    SELECT e.*, coalesce(told -> e.id::text, told -> '*') AS said, f.version AS base, f.snapshot AS whole,
      f.snapshot IS NOT NULL AND e.snapshot - {OFTEN} = f.snapshot - {OFTEN} AS often,
      CASE WHEN l.patch IS NULL THEN f.snapshot ELSE jsonb_strip_nulls(f.snapshot || l.patch) END AS latest
    FROM (
      SELECT p.id, p.version, p.municipality_id, partner_snapshot(p) AS snapshot
        FROM partner p WHERE of_kind = 'PARTNER' AND p.id = ANY (ids)
      UNION ALL
      SELECT s.id, s.version, p.municipality_id, service_snapshot(s)
        FROM service s JOIN partner p ON p.id = s.partner_id
        WHERE of_kind = 'SERVICE' AND s.id = ANY (ids)
    ) e
    LEFT JOIN LATERAL (SELECT v.version, v.base, v.patch FROM entry_version v
      WHERE v.kind = of_kind AND v.id = e.id ORDER BY v.version DESC LIMIT 1) l ON true
    LEFT JOIN entry_version f ON f.kind = of_kind AND f.id = e.id AND f.version = l.base
  ) n
  WHERE n.latest IS NULL OR n.latest <> n.snapshot OR n.said ? 'reason'
  ON CONFLICT (kind, id, version) DO NOTHING;
  GET DIAGNOSTICS kept = ROW_COUNT;
  PERFORM set_config('app.role', role_before, true);
  RETURN kept;
END $$""",
    # Who sends whom where never changes. A service that was merged into another of the same partner is the
    # same place under another id, and only there a referral follows.
    """
CREATE FUNCTION keep_way() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.service_id <> OLD.service_id AND NOT EXISTS (SELECT FROM entry_alias a
      JOIN service merged ON merged.id = a.id JOIN service survivor ON survivor.id = a.survivor_id
      WHERE a.id = OLD.service_id AND a.survivor_id = NEW.service_id AND a.kind = 'SERVICE'
        AND merged.partner_id = survivor.partner_id) THEN
    RAISE EXCEPTION 'A referral stays with its service.' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$""",
    """
CREATE TRIGGER referral_stays BEFORE UPDATE OF service_id ON referral
FOR EACH ROW EXECUTE FUNCTION keep_way()""",
    # Nothing new begins at what was merged or deleted, whoever tries it at that very moment: the lock waits
    # for who is ending the entry. The codes are answered as problems (directory.database).
    """
CREATE FUNCTION keep_from_ended() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  ended timestamptz;
BEGIN
  SELECT p.ended_at INTO ended FROM partner p WHERE p.id = (to_jsonb(NEW) ->> TG_ARGV[0])::uuid
    FOR KEY SHARE;
  IF ended IS NOT NULL THEN
    RAISE EXCEPTION 'This organisation has been merged or deleted.' USING ERRCODE = 'SPE01';
  END IF;
  IF TG_NARGS > 1 THEN
    SELECT s.ended_at INTO ended FROM service s WHERE s.id = (to_jsonb(NEW) ->> TG_ARGV[1])::uuid
      FOR KEY SHARE;
    IF ended IS NOT NULL THEN
      RAISE EXCEPTION 'This service has been merged or deleted.' USING ERRCODE = 'SPE02';
    END IF;
  END IF;
  RETURN NEW;
END $$""",
    """
CREATE TRIGGER referral_to_what_is BEFORE INSERT ON referral
FOR EACH ROW EXECUTE FUNCTION keep_from_ended('sender_partner_id', 'service_id')""",
    """
CREATE TRIGGER booking_of_what_is BEFORE INSERT ON booking
FOR EACH ROW EXECUTE FUNCTION keep_from_ended('requester_partner_id', 'service_id')""",
    """
CREATE TRIGGER client_of_who_is BEFORE INSERT ON client
FOR EACH ROW EXECUTE FUNCTION keep_from_ended('partner_id')""",
)

# What is there already begins its history as it is.
BEGINNING = """
INSERT INTO entry_version (kind, id, version, at, municipality_id, action, role, base, snapshot)
SELECT 'PARTNER', p.id, p.version, p.updated_at, p.municipality_id, 'entry.begin', 'SYSTEM', p.version,
  partner_snapshot(p) FROM partner p;
INSERT INTO entry_version (kind, id, version, at, municipality_id, action, role, base, snapshot)
SELECT 'SERVICE', s.id, s.version, s.updated_at, p.municipality_id, 'entry.begin', 'SYSTEM', s.version,
  service_snapshot(s) FROM service s JOIN partner p ON p.id = s.partner_id
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        op.execute(statement)
    for statement in FUNCTIONS:
        op.execute(statement)
    for statement in BEGINNING.split(";\n"):
        op.execute(statement)
    for statement in GRANTS.split(";\n"):
        op.execute(statement)
