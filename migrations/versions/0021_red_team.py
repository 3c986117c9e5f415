"""Empty so far."""

revision = "0021_red_team"
down_revision = "0020_importing"


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
