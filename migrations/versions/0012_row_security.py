"""To be filled."""

revision = "0012_row_security"
down_revision = "0011_retention"


def upgrade() -> None:
    pass
