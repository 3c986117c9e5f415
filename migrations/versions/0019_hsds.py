"""Empty so far."""

revision = "0019_hsds"
down_revision = "0018_history"


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
