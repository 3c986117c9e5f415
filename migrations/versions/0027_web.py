"""Keep sessions of the pages for people."""

revision = "0027_web"
down_revision = "0026_finding"


def upgrade() -> None:
    """Change nothing yet."""
