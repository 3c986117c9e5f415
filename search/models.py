"""The tables of search: what members have saved, and counts of what was not found.

Both hold what was looked for, and neither a person: a saved search has no profile, a count no words.
"""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from directory.models import Base, Json
from search.engine import Filters


class SavedSearch(Base):
    """A search that a member keeps (gespeicherte Suche): words and filters, never anything about a person.

    ``seen``: what was found when it was last looked at, service to what it said (None: never looked at).
    ``news``: what the member has not been told yet, service to NEW or CHANGED. ``too_broad``: it finds more
    than is watched. ``next_look_at``: when it is looked at again; None where nobody wants to be told.
    """

    __tablename__ = "saved_search"
    __table_args__ = (
        Index("saved_search_member", "member_id", "created_at", "id"),
        Index("saved_search_due", "next_look_at", "id", postgresql_where=text("next_look_at IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    member_id: Mapped[UUID] = mapped_column(ForeignKey("member.id", ondelete="CASCADE"))
    name: Mapped[str]
    text: Mapped[str]
    filters: Mapped[Filters] = mapped_column(Json(Filters))
    notify: Mapped[bool]
    seen: Mapped[dict[str, str] | None]
    news: Mapped[dict[str, str]]
    too_broad: Mapped[bool]
    looked_at: Mapped[datetime | None]
    next_look_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]


class UnmetSearch(Base):
    """How many searches of a month found nothing, in one cell of one of the report's tables.

    ``district``: official key with five digits ("" unknown). ``breakdown`` names the table
    (``search.unmet``); of ``kind``, ``topic`` and ``language`` those are set that it counts by.
    """

    __tablename__ = "unmet_search"
    __table_args__ = (CheckConstraint("searches > 0", name="unmet_search_positive"),)

    month: Mapped[date] = mapped_column(primary_key=True)
    district: Mapped[str] = mapped_column(primary_key=True)
    breakdown: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    topic: Mapped[str] = mapped_column(primary_key=True)
    language: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    searches: Mapped[int]


class UnmetMark(Base):
    """That a search without a hit was counted in a month: a few bits of a keyed hash of who, and of the cell.

    Swept when the month is over. So few bits that two searches share one now and then, which then count once.
    """

    __tablename__ = "unmet_mark"
    __table_args__ = {"prefixes": ["UNLOGGED"]}

    month: Mapped[date] = mapped_column(primary_key=True)
    bucket: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
