"""To be filled."""

revision = "0010_exchange"
down_revision = "0009_consent_texts"


def upgrade() -> None:
    pass
