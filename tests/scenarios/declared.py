"""What people declare in the scenarios: how a consent was explained, and what it allows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

REPORT_BACK: Final = {"purpose": "REPORT_BACK", "reportDepth": "OUTCOME"}
FEEDBACK: Final = {"purpose": "FEEDBACK"}


def explained(
    notice: Mapping[str, Any], *, section_87: datetime | None = None, interpreter: str | None = None
) -> dict[str, Any]:
    """Return the record of a consent on paper: the notice that was shown, perhaps through an interpreter."""
    return {
        "notice": {
            **{name: notice[name] for name in ("textId", "version", "sha256", "language")},
            "readAloud": True,
        },
        "medium": "PAPER",
        "noDisadvantageShown": True,
        "section87NoticeAt": section_87.isoformat() if section_87 else None,
        "interpreter": {"kind": interpreter, "language": notice["language"]} if interpreter else None,
    }
