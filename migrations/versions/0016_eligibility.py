"""Empty so far."""

revision = "0016_eligibility"
down_revision = "0015_own_rows"


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
