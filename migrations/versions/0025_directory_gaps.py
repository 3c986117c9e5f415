"""Close what the directory still lacked."""

revision = "0025_directory_gaps"
down_revision = "0024_requests_follow"


def upgrade() -> None:
    """Change nothing yet."""
