"""Pages of lists: how large one may be, and where an entry stands in a list by moment and id; pure."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from uuid import UUID

from directory.problems import InvalidInput


def check_size(first: int, most: int) -> None:
    """Raise InvalidInput unless a page of ``first`` entries is neither empty nor larger than ``most``."""
    if not 1 <= first <= most:
        raise InvalidInput(
            "first", "too-large" if first > most else "too-small", maximum=str(most), minimum="1"
        )


def cursor_of(moment: datetime, id_: UUID) -> str:
    """Return an entry's place as opaque text, for the next page."""
    return base64.urlsafe_b64encode(f"{moment.isoformat()}|{id_}".encode()).decode()


def place_of(cursor: str) -> tuple[datetime, UUID]:
    """Return the place (UTC) that a cursor stands for; raises InvalidInput for what is none."""
    try:
        moment, _, id_ = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
        return datetime.fromisoformat(moment).astimezone(UTC), UUID(id_)
    except (ValueError, OverflowError, binascii.Error):
        raise InvalidInput("after", "cursor") from None
