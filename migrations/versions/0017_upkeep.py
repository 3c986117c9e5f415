"""Empty so far."""

revision = "0017_upkeep"
down_revision = "0016_eligibility"


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
