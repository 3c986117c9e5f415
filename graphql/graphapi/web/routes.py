"""The pages there are: each handler says under which address, for which roles, and where in the navigation.

Modules in ``graphapi.web.pages`` register theirs when they are imported; all of that folder are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from directory.actors import Role

if TYPE_CHECKING:
    from graphapi.web.running import Stopped
    from graphapi.web.visiting import Answer, Visit

Handler: TypeAlias = "Callable[..., Awaitable[Answer]]"
Stops: TypeAlias = "Callable[[Visit, Stopped], Answer]"

EVERYBODY: Final[frozenset[Role]] = frozenset(Role) - {Role.SYSTEM}
MEMBERS: Final[frozenset[Role]] = EVERYBODY - {Role.ANONYMOUS}
COORDINATION: Final[frozenset[Role]] = frozenset({Role.COORDINATOR, Role.LEAD})
LEADS: Final[frozenset[Role]] = frozenset({Role.LEAD})
PARTNERS: Final[frozenset[Role]] = frozenset({Role.PARTNER_MEMBER})
ORGANISATIONS: Final[frozenset[Role]] = COORDINATION | PARTNERS
OTHER_MUNICIPALITIES: Final[frozenset[Role]] = frozenset({Role.OTHER_MUNICIPALITY})


class Entry(msgspec.Struct, frozen=True):
    """A line of navigation and start page: its text (marked with ``N_``), what it is for, its place."""

    text: str
    says: str
    order: int = 50


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A page: GET shows and changes nothing, POST acts. ``roles``: who is let in (the schema judges anew).

    ``stopped``: answers in place of the page for problems, where that would speak the wrong language.
    """

    method: str
    path: str
    handler: Any
    roles: frozenset[Role]
    entry: Entry | None = None
    stopped: Stops | None = None


ROUTES: Final[dict[tuple[str, str], Route]] = {}


def _register(route: Route) -> None:
    if ROUTES.setdefault((route.method, route.path), route) is not route:
        raise ValueError(f"{route.method} {route.path} is registered twice")


def page(
    path: str,
    *,
    roles: Iterable[Role] = EVERYBODY,
    entry: Entry | None = None,
    stopped: Stops | None = None,
) -> Callable[[Handler], Handler]:
    """Register a page that is read (GET): ``async def handler(visit, **path_parameters) -> Answer``.

    Path parameters are written ``{id:str}``. ``entry`` puts it into the navigation of its roles.
    """

    def register(handler: Handler) -> Handler:
        let_in = frozenset(roles)
        _register(Route(method="GET", path=path, handler=handler, roles=let_in, entry=entry, stopped=stopped))
        return handler

    return register


def action(
    path: str, *, roles: Iterable[Role] = EVERYBODY, stopped: Stops | None = None
) -> Callable[[Handler], Handler]:
    """Register what a form does (POST); it answers with ``visit.go(…)``, or with the page and its errors."""

    def register(handler: Handler) -> Handler:
        let_in = frozenset(roles)
        _register(Route(method="POST", path=path, handler=handler, roles=let_in, stopped=stopped))
        return handler

    return register


def navigation(role: Role) -> list[tuple[str, Entry]]:
    """Return the navigation of a role: address and entry, in order."""
    found = [(r.path, r.entry) for r in ROUTES.values() if r.entry is not None and role in r.roles]
    return sorted(found, key=lambda one: (one[1].order, one[1].text))


def load_pages() -> None:
    """Import every module of ``graphapi.web.pages``, so that its pages are registered."""
    package = import_module("graphapi.web.pages")
    for module in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")
