"""Give imported capacity figures an end."""

revision = "0029_capacity_ends"
down_revision = "0028_pages"


def upgrade() -> None:
    """Change nothing yet."""
