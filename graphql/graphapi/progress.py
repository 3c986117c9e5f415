"""How far a command has come, shown on a terminal: one bar per phase, beside what the command prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

Shown: TypeAlias = Callable[[str, int, int | None], None]
"""Says of a phase how much is done, of how much; None: nobody knows."""


@contextmanager
def shown(phases: Mapping[str, str]) -> Iterator[Shown]:
    """Show how far each phase has come, on standard error; ``phases``: what each is called for people."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
    tasks: dict[str, TaskID] = {}

    def show(phase: str, done: int, total: int | None) -> None:
        if phase not in tasks:
            tasks[phase] = bar.add_task(phases.get(phase, phase), total=total)
        bar.update(tasks[phase], completed=done, total=total)

    with bar:
        yield show
