"""Empty so far."""

revision = "0023_formats"
down_revision = "0022_reporting"


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
