"""Empty so far."""

revision = "0020_importing"
down_revision = "0019_hsds"


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
