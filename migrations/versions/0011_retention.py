"""To be filled."""

revision = "0011_retention"
down_revision = "0010_exchange"


def upgrade() -> None:
    pass
