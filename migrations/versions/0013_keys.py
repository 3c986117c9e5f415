"""To be filled."""

revision = "0013_keys"
down_revision = "0012_row_security"


def upgrade() -> None:
    pass
