"""What people enter in forms, made into the values that the schema takes; what does not fit is refused.

``entered = Entered(visit)``, then ``entered.day("firstContactOn")`` and so on; ``entered.right`` tells
whether all of it can be sent. Only what the schema could not even read is judged here; the rules are its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from graphapi.web.labels import enum_of
from graphapi.web.visiting import Visit
from graphapi.web.written_days import read_day, read_moment

MOST: Final = 2_000_000_000


class Entered:
    """The fields of one form."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._wrong = False

    @property
    def right(self) -> bool:
        """Whether everything asked for so far can be sent."""
        return not self._wrong

    def refuse(self, field: str, message: str) -> None:
        """Say that a field is not right."""
        self._wrong = True
        self._visit.refuse(field, message)

    def text(self, name: str, *, required: bool = False) -> str | None:
        """Return a text, None when it was left empty."""
        given = self._visit.form.given(name)
        if given is None and required:
            self.refuse(name, self._visit.gettext("Please fill this in."))
        return given

    def day(self, name: str, *, required: bool = True) -> str | None:
        """Return a day as the schema takes it (2026-12-31)."""
        given = self._visit.form.given(name)
        if given is None:
            if required:
                self.refuse(name, self._visit.gettext("Please enter a day."))
            return None
        found = read_day(given)
        if found is None:
            self.refuse(name, self._visit.gettext("Please enter a day, for example 31.12.2026."))
            return None
        return found.isoformat()

    def moment(self, name: str, *, required: bool = True) -> str | None:
        """Return a moment that was entered in the network's zone, with that zone."""
        given = self._visit.form.given(name)
        if given is None:
            if required:
                self.refuse(name, self._visit.gettext("Please enter day and time."))
            return None
        found = read_moment(given)
        if found is None:
            message = self._visit.gettext("Please enter day and time, for example 31.12.2026 14:30.")
            self.refuse(name, message)
            return None
        return found.isoformat()

    def number(self, name: str, *, required: bool = False) -> int | None:
        """Return a whole number, none below zero."""
        given = self._visit.form.given(name)
        if given is None:
            if required:
                self.refuse(name, self._visit.gettext("Please enter a number."))
            return None
        if given.isascii() and given.isdigit() and len(given) < 11 and int(given) <= MOST:
            return int(given)
        self.refuse(name, self._visit.gettext("Please enter a whole number."))
        return None

    def choice(self, name: str, enum: str, *, required: bool = True) -> str | None:
        """Return the chosen value of an enum."""
        given = self._visit.form.given(name)
        if given is None:
            if required:
                self.refuse(name, self._visit.gettext("Please choose."))
            return None
        if given not in enum_of(enum).__members__:
            self.refuse(name, self._visit.gettext("Please choose from the list."))
            return None
        return given

    def choices(self, name: str, enum: str, *, required: bool = False) -> Sequence[str]:
        """Return the chosen values of an enum (check boxes)."""
        given = self._visit.form.all(name)
        if not given and required:
            self.refuse(name, self._visit.gettext("Please choose."))
        if not set(given) <= set(enum_of(enum).__members__):
            self.refuse(name, self._visit.gettext("Please choose from the list."))
            return []
        return given

    def yes(self, name: str) -> bool:
        """Return whether a box was ticked."""
        return self._visit.form.get(name) == "true"
