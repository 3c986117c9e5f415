"""Keep saved searches, and count searches without a hit."""

revision = "0026_finding"
down_revision = "0025_directory_gaps"


def upgrade() -> None:
    """Change nothing yet."""
