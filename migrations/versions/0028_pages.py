"""Keep what the pages for people need besides."""

revision = "0028_pages"
down_revision = "0027_web"


def upgrade() -> None:
    """Change nothing yet."""
