"""Change requests follow their entry to another partner, and to the service it is merged into."""

from alembic import op

revision = "0024_requests_follow"
down_revision = "0023_formats"


def upgrade() -> None:
    """Let an open change request be moved; row-level security says within which municipality."""
    op.execute("GRANT UPDATE (partner_id, service_id, target_id) ON change_request TO spurwechsel_app")
