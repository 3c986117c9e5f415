"""Whether a website answers: asked of real servers, and never where only this machine can go."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from directory.reaching import Guard, Reached, look, public

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
HERE = Guard([LOOPBACK])
"""A guard that may go to this machine: what the tests' own servers need."""

Answer = Callable[[str, str], str]


class Site:
    """A web server of a few lines; ``answer`` gives the head of the answer to (method, path)."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str]] = []
        self.heads: list[str] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split(" ", 2)
        self.asked.append((method, path))
        self.heads.append(head)
        writer.write(self.answer(method, path).encode())
        try:
            if method == "GET":  # a body without an end: whoever reads it never comes back
                for _ in range(200):
                    writer.write(b"x" * 65_536)
                    await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


@asynccontextmanager
async def site(answer: Answer) -> AsyncIterator[Site]:
    made = Site(answer)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made


def status(code: int, **headers: str) -> str:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {code} X\r\n{lines}connection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "get", "reached", "methods"),
    [
        (200, 200, Reached.ALIVE, ["HEAD"]),
        (204, 200, Reached.ALIVE, ["HEAD"]),
        (405, 200, Reached.ALIVE, ["HEAD", "GET"]),
        (404, 200, Reached.ALIVE, ["HEAD", "GET"]),
        (401, 401, Reached.ALIVE, ["HEAD", "GET"]),
        (403, 403, Reached.ALIVE, ["HEAD", "GET"]),
        (429, 429, Reached.ALIVE, ["HEAD", "GET"]),
        (404, 404, Reached.GONE, ["HEAD", "GET"]),
        (410, 410, Reached.GONE, ["HEAD", "GET"]),
        (500, 503, Reached.GONE, ["HEAD", "GET"]),
    ],
)
async def test_what_an_answer_means(head: int, get: int, reached: Reached, methods: list[str]) -> None:
    async with site(lambda method, path: status(head if method == "HEAD" else get)) as asked:
        assert await look(asked.url("/seite?a=1"), HERE) is reached

    assert [method for method, _ in asked.asked] == methods
    assert {path for _, path in asked.asked} == {"/seite?a=1"}
    assert "user-agent: spurwechsel" in asked.heads[0].lower()
    assert f"host: 127.0.0.1:{asked.port}\r\n" in asked.heads[0].lower()


async def test_redirects_are_followed_to_the_end() -> None:
    def answer(method: str, path: str) -> str:
        return status(302, location="/b") if path == "/a" else status(404 if path == "/b" else 200)

    async with site(answer) as asked:
        assert await look(asked.url("/a"), HERE) is Reached.GONE
        assert await look(asked.url("/c"), HERE) is Reached.ALIVE


async def test_a_circle_ends() -> None:
    async with site(lambda method, path: status(301, location="/again")) as asked:
        assert await look(asked.url(), HERE) is Reached.GONE

    assert len(asked.asked) == 6


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0.0.0.0/",
        "http://10.0.0.1/",
        "http://192.168.1.1/",
        "http://172.16.0.1/",
        "http://100.64.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://224.0.0.1/",
        "https://127.0.0.1/",
        "http://8.8.8.8:22/",
        "http://8.8.8.8:8080/",
        "https://8.8.8.8:80/",
        "ftp://8.8.8.8/",
        "file:///etc/passwd",
        "http://user:secret@8.8.8.8/",
        "http:///x",
        "nonsense",
    ],
)
async def test_where_nobody_goes(url: str) -> None:
    assert await look(url, Guard()) is Reached.NOT_ASKED


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/",
        "http://[::1]/",
        "http://10.0.0.1/",
        "file:///etc/passwd",
        "//192.168.0.1/",
        "http://a:b@8.8.8.8/",
    ],
)
async def test_nobody_is_led_there_by_a_redirect(location: str) -> None:
    async with site(lambda method, path: status(302, location=location)) as asked:
        assert await look(asked.url(), HERE) is Reached.NOT_ASKED

    assert len(asked.asked) == 1


async def test_a_name_is_resolved_once_and_the_checked_address_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name server that answers differently the second time (DNS rebinding) wins nothing."""
    loop = asyncio.get_running_loop()
    real, resolved = loop.getaddrinfo, list[object]()

    async def once(host: object, port: object, **more: object) -> object:
        if host == "seite.example.org":
            resolved.append(host)
            first = len(resolved) == 1
            return await real("127.0.0.1" if first else "169.254.169.254", port, **more)  # type: ignore[arg-type]
        return await real(host, port, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "getaddrinfo", once)
    async with site(lambda method, path: status(200)) as asked:
        assert await look(asked.url(host="seite.example.org"), HERE) is Reached.ALIVE

    assert resolved == ["seite.example.org"]
    assert f"host: seite.example.org:{asked.port}" in asked.heads[0].lower()


async def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()

    async def two(host: object, port: object, **more: object) -> object:
        return [(2, 1, 6, "", ("8.8.8.8", 80)), (2, 1, 6, "", ("10.0.0.1", 80))]

    monkeypatch.setattr(loop, "getaddrinfo", two)

    assert await look("http://seite.example.org/", Guard()) is Reached.NOT_ASKED


async def test_nobody_there_is_unreachable() -> None:
    async with site(lambda method, path: status(200)) as asked:
        url = asked.url()

    assert await look(url, HERE) is Reached.UNREACHABLE
    assert await look("http://gibt-es-nicht.invalid/", HERE) is Reached.UNREACHABLE


async def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("directory.reaching.TOTAL_SECONDS", 0.2)
    silent = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await look(f"http://127.0.0.1:{port}/", HERE) is Reached.UNREACHABLE
        silent.set()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("255.255.255.255", False),
        ("fec0::1", False),
        ("2001:0:1::", False),
        ("ff02::1", False),
        ("::", False),
    ],
)
def test_what_the_public_internet_is(address: str, expected: bool) -> None:
    assert public(ipaddress.ip_address(address)) is expected
