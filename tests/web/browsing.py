"""Chromium against the demo: who goes where, with and without JavaScript; axe and screenshots."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
from playwright.async_api import Browser, Page, StorageState

from graphapi.web.running import document

CHROMIUM: Final = shutil.which("chromium") or "/usr/bin/chromium"
SHOTS: Final = Path(__file__).parents[2] / "build" / "screenshots"
STARTS_WITHIN: Final = 90.0
NARROW: Final = {"width": 320, "height": 700}
WIDE: Final = {"width": 1280, "height": 900}
_OURS: Final = ("SPURWECHSEL_", "DATABASE_", "KEYS_DATABASE_", "MEILI_")
_AXE: Final = files("axe_playwright_python").joinpath("axe.min.js")
_OPTIONS: Final = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}
_SIDEWAYS: Final = (
    "[...document.querySelectorAll('.table')].some((table) => table.scrollWidth > table.clientWidth + 1)"
)
SIDEWAYS: Final = """() => [document.documentElement, ...document.querySelectorAll("main *:not(input)")]
  .filter((e) => e.clientWidth > 1 && e.scrollWidth > e.clientWidth + 1)
  .filter((e) => e === document.documentElement || getComputedStyle(e).overflowX !== "visible")
  .map((e) => e.outerHTML.slice(0, 120))"""
"""In a page: what has more in it than it is wide."""
MOVING: Final = """() => [...document.querySelectorAll("*")].filter((e) => {
  const s = getComputedStyle(e);
  const lasts = (times) => times.split(",").some((one) => parseFloat(one) > 0);
  return (s.animationName !== "none" && lasts(s.animationDuration))
    || (s.transitionProperty !== "none" && lasts(s.transitionDuration));
}).map((e) => e.outerHTML.slice(0, 120))"""
"""In a page: what moves although whoever reads it wants that nothing does."""


class Demo:
    """``spurwechsel demo`` on a free port, for one run of tests."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="spurwechsel-web-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._log = (self._folder / "log").open("w+")
        data = self._folder / "data"
        environment = {name: text for name, text in os.environ.items() if not name.startswith(_OURS)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "graphapi", "demo", "--json", "--port", str(port), "--data", str(data)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environment,
            cwd=self._folder,
        )
        begun = time.monotonic()
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            said = self.said()
            self.end()
            raise AssertionError(f"the demo did not start:\n{said}")
        assert time.monotonic() - begun < STARTS_WITHIN
        told = json.loads(line)
        self.graphql: str = told["url"]
        self.tokens: dict[str, str] = told["tokens"]
        parts = urlsplit(self.graphql)
        self.url = f"{parts.scheme}://{parts.netloc}"

    async def ask(self, who: str, name: str, /, **variables: Any) -> Any:
        """Run a ready document as a role of the demo; return what its one field answers."""
        headers = {"authorization": f"Bearer {self.tokens[who]}"}
        asked = {"query": document(name), "variables": variables}
        async with httpx.AsyncClient(timeout=30) as http:
            answer = (await http.post(self.graphql, json=asked, headers=headers)).json()
        assert "errors" not in answer, answer
        return next(iter(answer["data"].values()))

    async def change(self, who: str, name: str, /, **given: Any) -> Any:
        """Run a ready mutation as a role of the demo; it must be taken."""
        answer = await self.ask(who, name, input={"idempotencyKey": str(uuid4()), **given})
        assert not answer["__typename"].endswith("Problem"), (name, answer)
        return answer

    def said(self) -> str:
        """Return what it logged."""
        return (self._folder / "log").read_text()

    def end(self) -> None:
        """End it, and remove its data."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class Visitors:
    """Opens pages as somebody: ``async with visitors.page("coordinator", language="de") as page``.

    Fails when the browser is told of an error, refuses a request by the content policy, or asks another host.
    """

    def __init__(self, browser: Browser, demo: Demo) -> None:
        self._browser = browser
        self.demo = demo
        self._states: dict[str, StorageState] = {}

    @asynccontextmanager
    async def page(
        self,
        role: str | None = None,
        *,
        language: str = "de",
        javascript: bool = True,
        narrow: bool = False,
        expects_errors: bool = False,
    ) -> AsyncIterator[Page]:
        """Open a page as a role of the demo (None: nobody), at the start page."""
        state = await self._signed_in(role) if role else None
        context = await self._browser.new_context(
            base_url=self.demo.url,
            locale=language,
            java_script_enabled=javascript,
            viewport=NARROW if narrow else WIDE,  # type: ignore[arg-type]
            storage_state=state,
            reduced_motion="reduce",
        )
        context.set_default_timeout(10_000)
        page = await context.new_page()
        wrong: list[str] = []
        page.on(
            "console", lambda said: wrong.append(f"{page.url}: {said.text}") if said.type == "error" else None
        )
        page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
        page.on(
            "request",
            lambda asked: (
                None
                if asked.url.startswith((self.demo.url, "data:", "blob:"))
                else wrong.append(f"foreign host: {asked.url}")
            ),
        )
        try:
            await page.goto("/")
            yield page
            assert expects_errors or not wrong, wrong
            assert not [line for line in wrong if "foreign host" in line or "Content Security" in line], wrong
        finally:
            await context.close()

    async def cookies(self, role: str | None) -> dict[str, str]:
        """Return the cookies of a role of the demo, to open pages without a browser (None: nobody)."""
        state = await self._signed_in(role) if role else StorageState(cookies=[])
        return {cookie["name"]: cookie["value"] for cookie in state["cookies"]}

    async def _signed_in(self, role: str) -> StorageState:
        if role not in self._states:
            context = await self._browser.new_context(base_url=self.demo.url, locale="de")
            page = await context.new_page()
            await page.goto("/sign-in")
            await page.locator(f"form:has(input[value='{role}']) button").click()
            await page.wait_for_url("**/")
            self._states[role] = await context.storage_state()
            await context.close()
        return self._states[role]


async def looked_at(page: Page, name: str) -> None:
    """Check a page as it stands with axe, at 320 pixels too, and keep a screenshot of both.

    Nothing may overlap the edge of the screen, have no heading, or break a rule of WCAG 2.2 AA.
    """
    SHOTS.mkdir(parents=True, exist_ok=True)
    language = await page.locator("html").get_attribute("lang")
    assert await page.locator("h1").count() == 1, "a page has one main heading"
    width = page.viewport_size
    for suffix, size in (("", WIDE), ("-narrow", NARROW)):
        await page.set_viewport_size(size)  # type: ignore[arg-type]
        file = SHOTS / f"{re.sub('[^a-z0-9-]+', '-', name)}-{language}{suffix}.png"
        await page.screenshot(path=file, full_page=True)
        if await _runs_scripts(page):
            told = await broken_rules(page)
            assert not told, f"{name}{suffix}: {told}"
            wide = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert wide <= 0, f"{name}{suffix} is {wide} pixels too wide"
            assert size is WIDE or not await page.evaluate(_SIDEWAYS), f"{name}: a table scrolls on a phone"
    if width:
        await page.set_viewport_size(width)


async def broken_rules(page: Page) -> list[str]:
    """Return which rules of WCAG 2.2 AA a page breaks as it stands, and where, as axe says."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(_AXE.read_text())
    found: Any = await page.evaluate("options => axe.run(document, options)", _OPTIONS)
    return [f"{broken['id']}: {[node['html'] for node in broken['nodes']]}" for broken in found["violations"]]


async def _runs_scripts(page: Page) -> bool:
    try:
        return bool(await page.evaluate("document.readyState") == "complete")
    except Exception:
        return False
