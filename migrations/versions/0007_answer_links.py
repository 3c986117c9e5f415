"""To be filled."""

revision = "0007_answer_links"
down_revision = "0006_clock"


def upgrade() -> None:
    pass
