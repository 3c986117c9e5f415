"""Empty so far."""

revision = "0022_reporting"
down_revision = "0021_red_team"


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
