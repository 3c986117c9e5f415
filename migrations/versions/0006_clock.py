"""To be filled."""

revision = "0006_clock"
down_revision = "0005_notices"


def upgrade() -> None:
    pass
