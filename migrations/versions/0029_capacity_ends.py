"""Give imported capacity figures an end.

Imports left them without one until they gave it as everybody else does (``freshness.with_end``): such a
figure would count for ever. It ends now as if it had been said here on its day: four weeks from it, the day
itself included. A figure without a day was said when its entry was, which is what its age went by already.
"""

from alembic import op

revision = "0029_capacity_ends"
down_revision = "0028_pages"

# As any change of an entry: version, moment, history, document, feed. What is read right away says it; the
# jobs write the documents anew, as those of an older shape.
ENDS = """
SELECT pg_advisory_xact_lock(1397773650);
SELECT set_config('app.role', 'SYSTEM', true), set_config('app.now', now()::text, true),
  set_config('app.member', '', true), set_config('app.partner', '', true);
CREATE TEMPORARY TABLE open_ended ON COMMIT DROP AS
  SELECT id, coalesce((capacity->>'as_of')::date,
    (coalesce(assured_at, said_at, updated_at) AT TIME ZONE 'Europe/Berlin')::date) AS said
  FROM service WHERE ended_at IS NULL AND capacity->>'expires_on' IS NULL
    AND coalesce(capacity->>'state', 'UNKNOWN') <> 'UNKNOWN';
UPDATE service s SET version = version + 1, updated_at = now(),
  capacity = capacity || jsonb_build_object('as_of', o.said, 'expires_on', o.said + 27)
  FROM open_ended o WHERE o.id = s.id;
UPDATE service_document d SET shape = 1, version = s.version, modified_at = s.updated_at,
  public = (d.public::jsonb || jsonb_build_object('capacity', s.capacity, 'version', s.version,
    'updated_at', s.updated_at))::text
  FROM service s JOIN open_ended o ON o.id = s.id WHERE d.id = s.id;
ALTER TABLE entry_version NO FORCE ROW LEVEL SECURITY;
SELECT keep_versions('SERVICE', ARRAY(SELECT id FROM open_ended), '{}');
ALTER TABLE entry_version FORCE ROW LEVEL SECURITY;
UPDATE change c SET sequence = nextval('change_sequence_seq'), version = d.version,
  changed_at = clock_timestamp()
  FROM service_document d JOIN open_ended o ON o.id = d.id WHERE c.kind = 'SERVICE' AND c.id = d.id;
SELECT pg_notify('spurwechsel_change', '') WHERE EXISTS (SELECT FROM open_ended);
SELECT set_config('app.role', '', true), set_config('app.now', '', true)
"""


def upgrade() -> None:
    """End what would count for ever."""
    for statement in ENDS.split(";\n"):
        op.execute(statement)
