"""To be filled."""

revision = "0008_cards"
down_revision = "0007_answer_links"


def upgrade() -> None:
    pass
