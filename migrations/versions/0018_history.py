"""Empty so far."""

revision = "0018_history"
down_revision = "0017_upkeep"


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
