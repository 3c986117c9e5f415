"""What people declare in the scenarios: how a consent was explained, and what it allows."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Final

NOTICE_TEXT: Final = "Einwilligung in die Weitergabe Ihrer Daten. Sie können jederzeit Nein sagen."

REPORT_BACK: Final = {"purpose": "REPORT_BACK", "reportDepth": "OUTCOME"}
FEEDBACK: Final = {"purpose": "FEEDBACK"}


def explained(
    language: str, *, section_87: datetime | None = None, interpreter: str | None = None
) -> dict[str, Any]:
    """Return the record of a consent on paper, in the person's language, perhaps through an interpreter."""
    return {
        "notice": {
            "textId": "einwilligung",
            "version": "2026-10",
            "sha256": hashlib.sha256(NOTICE_TEXT.encode()).hexdigest(),
            "language": language,
            "easyLanguage": True,
            "readAloud": True,
        },
        "medium": "PAPER",
        "noDisadvantageShown": True,
        "section87NoticeAt": section_87.isoformat() if section_87 else None,
        "interpreter": {"kind": interpreter, "language": language} if interpreter else None,
    }
