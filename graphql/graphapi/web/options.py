"""What the pages need of the settings, as one plain value."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec


class SignOn(msgspec.Struct, frozen=True, kw_only=True):
    """The town's own OpenID Connect provider, as its operators registered this installation there."""

    issuer: str
    client_id: str
    client_secret: str | None = None

    def __repr__(self) -> str:
        """Show everything but the secret: a repr ends up in logs."""
        return f"SignOn({self.issuer}, {self.client_id})"


class Tiles(msgspec.Struct, frozen=True, kw_only=True):
    """Images of another host under the map of a search; ``address`` has {z}, {x} and {y}."""

    address: str
    credit: str

    @property
    def host(self) -> str:
        """The host as a content policy names it."""
        return "/".join(self.address.split("/")[:3])


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How the pages of this installation are run.

    ``secure``: cookies go over https only. ``demo``: one click signs in as a role of the demo network.
    ``idle`` and ``life``: how long a session may go unused, and how long it lasts at most.
    ``assets``: folder with the files of packages (None: beside the Python environment).
    ``tiles``: what lies under the map (None: nothing, and no browser asks another host).
    """

    secure: bool = True
    demo: bool = False
    idle: timedelta = timedelta(minutes=30)
    life: timedelta = timedelta(hours=12)
    sign_on: SignOn | None = None
    assets: Path | None = None
    tiles: Tiles | None = None
