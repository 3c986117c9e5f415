"""The demo knows where it is reached: codes on handouts, files and mails lead to its own pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphapi import demo
from graphapi.connecting import Addresses
from graphapi.settings import Settings

ADDRESSES = Addresses(app="a", reader="b", keys="c", owner=None, keys_owner=None, backup=None)


@pytest.mark.parametrize(
    ("said", "expected"),
    [(None, "http://127.0.0.1:8123"), ("http://192.0.2.7:8123", "http://192.0.2.7:8123")],
)
def test_the_demo_is_its_own_public_address_unless_another_is_said(
    tmp_path: Path, said: str | None, expected: str
) -> None:
    settings = Settings(data=tmp_path, port=8123, public_url=said)
    for child in demo._children(settings, ADDRESSES):
        assert child._environment["SPURWECHSEL_PUBLIC_URL"] == expected
