"""What others may choose the feed by, what exports call an entry, and when its source last said something."""

from alembic import op

revision = "0025_directory_gaps"
down_revision = "0024_requests_follow"

# facets: what a published entry is chosen by now; ever_facets: by what it was ever chosen, so that who
# follows a part of the directory hears that an entry has left it. exported_as: the id under which exports as
# HSDS give an entry back that came with one. said_at: when the source of an imported entry last said
# something new of it, whatever has changed around it since.
COLUMNS = """
ALTER TABLE change ADD COLUMN facets TEXT[] DEFAULT '{}' NOT NULL;
ALTER TABLE change ADD COLUMN ever_facets TEXT[] DEFAULT '{}' NOT NULL;
ALTER TABLE change ADD COLUMN source TEXT;
ALTER TABLE change ADD COLUMN exported_as TEXT;
ALTER TABLE partner ADD COLUMN said_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE service ADD COLUMN said_at TIMESTAMP WITH TIME ZONE
"""

# Of an entry that is published. Nothing for one that is not: what it was stays in ever_facets.
FACETS = """
CREATE FUNCTION entry_facets(the_kind TEXT, the_id UUID)
  RETURNS TABLE (facets TEXT[], source TEXT, exported_as TEXT) LANGUAGE sql STABLE AS $$
  SELECT ARRAY['municipality:' || d.municipality_id, 'partner:' || d.id, 'partner-kind:' || d.kind],
    p.provenance->>'source', CASE WHEN EXISTS (SELECT FROM import_original o
      WHERE o.kind = 'PARTNER' AND o.id = d.id AND o.format LIKE 'hsds-3%')
      THEN p.provenance->>'foreign_id' END
  FROM partner_document d JOIN partner p ON p.id = d.id
  WHERE the_kind = 'PARTNER' AND d.id = the_id AND d.state = 'PUBLISHED'
  UNION ALL
  SELECT ARRAY['municipality:' || d.municipality_id, 'partner:' || d.partner_id, 'partner-kind:' || p.kind]
    || CASE WHEN d.kind IS NULL THEN '{}' ELSE ARRAY['kind:' || d.kind] END
    || ARRAY(SELECT 'topic:' || t FROM unnest(d.topics) t),
    s.provenance->>'source', CASE WHEN EXISTS (SELECT FROM import_original o
      WHERE o.kind = 'SERVICE' AND o.id = d.id AND o.format LIKE 'hsds-3%')
      THEN s.provenance->>'foreign_id' END
  FROM service_document d JOIN service s ON s.id = d.id JOIN partner p ON p.id = d.partner_id
  WHERE the_kind = 'SERVICE' AND d.id = the_id AND d.state = 'PUBLISHED'
$$
"""

# What an entry was before is not known: '*' stands for whatever it may have been.
KNOWN = """
UPDATE change SET ever_facets = '{*}' WHERE shown;
UPDATE change c SET facets = f.facets, ever_facets = '{*}' || f.facets, source = f.source,
  exported_as = f.exported_as, shown = true
  FROM change d CROSS JOIN LATERAL entry_facets(d.kind, d.id) f WHERE d.kind = c.kind AND d.id = c.id
"""

# The history tells what an entry says, not when that was said.
SNAPSHOTS = (
    """
CREATE OR REPLACE FUNCTION partner_snapshot(p partner) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_strip_nulls(to_jsonb(p) - ARRAY['id', 'version', 'updated_at', 'text_dates', 'said_at'])
    || jsonb_build_object('locations',
    (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(l) - 'partner_id') ORDER BY l.name, l.id), '[]')
      FROM location l WHERE l.partner_id = p.id))
$$""",
    """
CREATE OR REPLACE FUNCTION service_snapshot(s service) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_strip_nulls(to_jsonb(s) - ARRAY['id', 'version', 'updated_at', 'text_dates', 'said_at'])
    || jsonb_build_object(
    'topics', (SELECT coalesce(jsonb_agg(t.topic_code ORDER BY t.position, t.topic_code), '[]')
      FROM service_topic t WHERE t.service_id = s.id),
    'location_ids', (SELECT coalesce(jsonb_agg(l.location_id ORDER BY l.position, l.location_id), '[]')
      FROM service_location l WHERE l.service_id = s.id))
$$""",
)

# Until now an imported entry's age began anew with every change around it. Its history knows when it was its
# own; the jobs write the documents anew, as those of an older shape.
AGES = """
ALTER TABLE entry_version NO FORCE ROW LEVEL SECURITY;
UPDATE partner p SET said_at = coalesce((SELECT max(v.at) FROM entry_version v
  WHERE v.kind = 'PARTNER' AND v.id = p.id), p.updated_at) WHERE p.provenance IS NOT NULL;
UPDATE service s SET said_at = coalesce((SELECT max(v.at) FROM entry_version v
  WHERE v.kind = 'SERVICE' AND v.id = s.id), s.updated_at) WHERE s.provenance IS NOT NULL;
ALTER TABLE entry_version FORCE ROW LEVEL SECURITY;
UPDATE partner_document d SET shape = 1 FROM partner p
  WHERE p.id = d.id AND p.said_at IS NOT NULL AND p.assured_at IS NULL;
UPDATE service_document d SET shape = 1 FROM service s
  WHERE s.id = d.id AND s.said_at IS NOT NULL AND s.assured_at IS NULL
"""


def upgrade() -> None:
    """Add what the feed, the exports and the age of an entry go by."""
    for statement in COLUMNS.split(";\n"):
        op.execute(statement)
    for function in (FACETS, *SNAPSHOTS):
        op.execute(function)
    for block in (KNOWN, AGES):
        for statement in block.split(";\n"):
            op.execute(statement)
