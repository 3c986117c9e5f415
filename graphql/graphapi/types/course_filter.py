"""What courses are looked for by, in searches and in lists."""

from __future__ import annotations

import datetime

import strawberry

from directory.courses import CourseFilter
from directory.vocabulary import CefrLevel, CourseAccess, CourseFormat
from graphapi.given import converted, plain


@strawberry.input(description="Courses that are not known to differ: what is not known passes.")
class CourseFilterInput:
    """Courses that are not known to differ."""

    level_from: CefrLevel | None = strawberry.field(default=None, description="Begins here or below.")
    level_to: CefrLevel | None = strawberry.field(default=None, description="Leads here or above.")
    starts_after: datetime.date | None = strawberry.field(default=None, description="First day or later.")
    ends_before: datetime.date | None = strawberry.field(default=None, description="Last day or earlier.")
    childcare: bool | None = strawberry.field(default=None, description="With childcare.")
    women_only: bool | None = strawberry.field(default=None, description="For women only.")
    format: CourseFormat | None = strawberry.field(default=None, description="How it is held.")
    bookable_on: datetime.date | None = strawberry.field(
        default=None, description="A run can be applied for on this day: not begun, not over, not full."
    )
    access: list[CourseAccess] = strawberry.field(
        default_factory=list, description="Any of these ways to get a place."
    )
    exam: str | None = strawberry.field(default=None, description="Part of what the exam is called.")
    cost_at_most: int | None = strawberry.field(
        default=None, description="What the participant pays at most, in euro cents."
    )


def course_filter(given: CourseFilterInput | None, field: str) -> CourseFilter | None:
    """Return the filter as the domain takes it; raises InvalidInput for what its type refuses."""
    if given is None:
        return None
    values = {name: value for name, value in plain(given, kept=False).items() if value is not None}
    return converted(values, CourseFilter, field)
