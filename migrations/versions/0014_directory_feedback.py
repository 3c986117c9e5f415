"""To be filled."""

revision = "0014_directory_feedback"
down_revision = "0013_keys"


def upgrade() -> None:
    pass
