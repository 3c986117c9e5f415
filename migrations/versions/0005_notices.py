"""To be filled."""

revision = "0005_notices"
down_revision = "0004_import"


def upgrade() -> None:
    pass
