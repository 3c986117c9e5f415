"""Change requests follow their entry to another partner, and to the service it is merged into."""

from alembic import op

revision = "0024_requests_follow"
down_revision = "0023_formats"

# A request goes where its service or place is and nowhere else, whoever writes.
FOLLOWS = """
CREATE FUNCTION change_request_follows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT (CASE WHEN NEW.service_id IS NULL
    THEN EXISTS (SELECT FROM location l WHERE l.id = NEW.target_id AND l.partner_id = NEW.partner_id)
    ELSE EXISTS (SELECT FROM service s WHERE s.id = NEW.service_id AND s.partner_id = NEW.partner_id) END)
  THEN
    RAISE EXCEPTION 'a change request follows its entry only' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$
"""

TRIGGER = """
CREATE TRIGGER change_request_follows BEFORE UPDATE OF partner_id, service_id, target_id ON change_request
  FOR EACH ROW WHEN ((OLD.partner_id, OLD.service_id, OLD.target_id)
    IS DISTINCT FROM (NEW.partner_id, NEW.service_id, NEW.target_id))
  EXECUTE FUNCTION change_request_follows()
"""


def upgrade() -> None:
    """Let an open change request be moved with its entry."""
    op.execute(FOLLOWS)
    op.execute(TRIGGER)
    op.execute("GRANT UPDATE (partner_id, service_id, target_id) ON change_request TO spurwechsel_app")
