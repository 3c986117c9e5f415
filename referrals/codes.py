"""One-time codes for people without an account: made, hashed, presented; kept as SHA-256 only.

Whoever presents a code says its hash in ``app.code_hash``; what that opens is written in row-level security.
A hash belongs to one purpose, so that a code never opens what another kind of code does. How often somebody
may try is limited at the edge (``graphapi.throttle``).
"""

from __future__ import annotations

import hashlib
import secrets
from enum import StrEnum
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

ALPHABET: Final = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
"""Letters and digits that are not mistaken for one another, in print or read aloud."""

GROUPS: Final = 5
GROUP_LENGTH: Final = 5
"""25 signs of 30: 122 bits."""

LONGEST: Final = 200
"""Signs of a code as it is typed, blanks and hyphens included; what is longer is cut, and is no code."""


class CodePurpose(StrEnum):
    """What a code is for; the value is part of what is hashed, so it never changes."""

    FEEDBACK = "feedback"
    ANSWER_LINK = "answer link"
    CODE_CARD = "code card"
    UPKEEP = "upkeep"
    MAILBOX = "mailbox"


def new_code() -> str:
    """Return a new random code in groups; it is shown once and stored nowhere."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP_LENGTH)) for _ in range(GROUPS))


def derived_code(secret: bytes) -> str:
    """Return the code that a secret of 32 bytes stands for: the same one each time, never stored either."""
    number = int.from_bytes(secret, "big")
    signs = []
    for _ in range(GROUPS * GROUP_LENGTH):
        number, sign = divmod(number, len(ALPHABET))
        signs.append(ALPHABET[sign])
    return "-".join("".join(signs[i : i + GROUP_LENGTH]) for i in range(0, len(signs), GROUP_LENGTH))


def hash_of(code: str, purpose: CodePurpose) -> bytes:
    """Return the hash under which a code is kept, however it was typed (case, blanks, hyphens)."""
    plain = "".join(c for c in code[:LONGEST].upper() if c.isalnum())
    return hashlib.sha256(f"spurwechsel {purpose}\0{plain}".encode("utf-8", "replace")).digest()


async def present(session: AsyncSession, code_hash: bytes) -> None:
    """Say, for the rest of this transaction, which code is presented; an unknown hash opens nothing."""
    await session.execute(text("SELECT set_config('app.code_hash', :hash, true)"), {"hash": code_hash.hex()})
