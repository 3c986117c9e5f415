"""To be filled."""

revision = "0009_consent_texts"
down_revision = "0008_cards"


def upgrade() -> None:
    pass
