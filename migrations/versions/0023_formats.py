"""How to get a service, and which papers to bring: what a handout says."""

from alembic import op

revision = "0023_formats"
down_revision = "0022_reporting"


def upgrade() -> None:
    """Add what HSDS calls application_process and required_document to services."""
    op.execute("ALTER TABLE service ADD COLUMN application_process JSONB NOT NULL DEFAULT '{}'")
    op.execute("ALTER TABLE service ADD COLUMN required_documents JSONB NOT NULL DEFAULT '[]'")
