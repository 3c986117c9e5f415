"""Measures pages: what each weighs and how soon it begins to answer; the search page at size, beside a load.

``make page-weights``: every public page and those of a coordinator, of the demo. ``make page-pace
SIZE=100000``: the search page with two workers on generated services, while others ask by GraphQL. Other
programs on the machine make the times longer; ``cpu`` (processor time of the workers per request, the load's
included) suffers less from them. Search by meaning is off unless SEARCH_MEANING says otherwise: to index by
it takes 10 ms a service.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import re
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import asyncpg
import httpx
import msgspec

from directory.documents import SHAPE, encoder
from directory.sortkey import sort_key
from tests.graphapi.postoffice import free_port
from tests.search.generated import VOCABULARY, searches, services
from tests.torture.installation import Installation, installation
from tests.web.browsing import Demo

BATCH: Final = 2_000
TICK: Final = os.sysconf("SC_CLK_TCK")
PLACES: Final = {
    None: (
        "/",
        "/sign-in",
        "/search",
        "/search?text=Sprachkurs",
        "/search?view=map&text=Kurs",
        "/card",
        "/answer",
    ),
    "coordinator": (
        "/",
        "/clients",
        "/clients/new",
        "/referrals",
        "/due",
        "/inbox",
        "/figures",
        "/gaps",
        "/entry",
    ),
}
LOAD: Final = """query Load($text: String!) { searchServices(input: {text: $text}, first: 20) {
  totalCount edges { node { id title { text } partner { name } } } } }"""


# --- Weights ------------------------------------------------------------------------------------------------


def weigh() -> None:
    """Print of each page its bytes (as it is, as served), its files', and the time to the first byte."""
    demo = Demo()
    try:
        for role, places in PLACES.items():
            with httpx.Client(base_url=demo.url, timeout=20, follow_redirects=True) as http:
                if role:
                    page = http.get("/sign-in").text
                    number = re.search(r'name="number" value="([^"]+)"', page)
                    assert number is not None
                    sent = {"number": number[1], "role": role, "next": "/"}
                    http.post("/sign-in/demo", data=sent, headers={"sec-fetch-site": "same-origin"})
                if not role:
                    found = re.search(r'href="(/service/[^"]+)"', http.get("/search?text=Sprachkurs").text)
                    assert found is not None
                    partner = re.search(r'href="(/partner/[^"]+)"', http.get(found[1]).text)
                    places = (*places, found[1], *([partner[1]] if partner else []))
                for place in places:
                    _weigh(http, role or "nobody", place)
    finally:
        demo.end()


def _weigh(http: httpx.Client, who: str, place: str) -> None:
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        with http.stream("GET", place, headers={"accept": "text/html", "accept-encoding": "gzip"}) as answer:
            times.append((time.perf_counter() - begun) * 1e3)
            served = sum(len(part) for part in answer.iter_raw())
            packed = answer.headers.get("content-encoding") == "gzip"
    text = http.get(place, headers={"accept": "text/html", "accept-encoding": "identity"}).text
    files = {"css": 0, "js": 0}
    for address in re.findall(r'(?:href|src)="(/assets/[^"]+\.(?:css|js))"', text):
        with http.stream("GET", address, headers={"accept-encoding": "gzip"}) as answer:
            files[address.rpartition(".")[2]] += sum(len(part) for part in answer.iter_raw())
    size = len(text.encode())
    squeezed = len(gzip.compress(text.encode(), 6))
    place = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "…", place)
    print(
        f"{who:12} {place:32} html {size / 1e3:6.1f} kB, served {served / 1e3:6.1f}"
        f"{' packed' if packed else ''} (gzip {squeezed / 1e3:4.1f}),"
        f" css {files['css'] / 1e3:5.1f}, js {files['js'] / 1e3:5.1f};"
        f" first byte {sorted(times)[len(times) // 2]:5.1f} ms"
    )


# --- Pace ---------------------------------------------------------------------------------------------------


async def fill(made: Installation, size: int) -> None:
    """Publish generated services, by the doors of the database: documents and the feed are all that reads."""
    connection = await asyncpg.connect(made.superuser)
    await connection.execute("SET session_replication_role = replica")
    topics = [
        (code, json.dumps(words.labels), msgspec.json.encode(words.synonyms).decode())
        for code, words in VOCABULARY.topics.items()
    ]
    await connection.executemany("INSERT INTO topic (code, labels, synonyms) VALUES ($1, $2, $3)", topics)
    source = services(size)
    done = 0
    while batch := list(islice(source, BATCH)):
        rows, changes = [], []
        for one in batch:
            done += 1
            row: dict[str, Any] = {
                "id": one.id,
                "partner_id": one.partner.id,
                "municipality_id": one.municipality.id,
                "kind": one.kind.value if one.kind else None,
                "topics": [topic.code for topic in one.topics],
                "state": one.state.value,
                "sort_key": sort_key(one.title["de"]),
                "version": 1,
                "shape": SHAPE,
                "public": encoder.encode(one).decode(),
                "internal": "{}",
            }
            rows.append(tuple(row.values()))
            changes.append(("SERVICE", one.id, done, 1, False))
        await connection.copy_records_to_table("service_document", records=rows, columns=list(row))
        await connection.copy_records_to_table(
            "change", records=changes, columns=["kind", "id", "sequence", "version", "tombstone"]
        )
    await connection.execute("SELECT setval('change_sequence_seq', $1)", done)
    await connection.execute("ANALYZE")
    await connection.close()


def asked(number: int) -> list[str]:
    """Return addresses of the search page as people come to have them: words, and filters added to them."""
    filters: Sequence[dict[str, str]] = (
        {}, {}, {"topics": "language-course"}, {"languages": "ar"}, {"childcare": "true"}, {"level": "B1"},
        {"open": "true", "kinds": "COUNSELLING"},
    )  # fmt: skip
    return [
        f"/search?{urlencode({'text': text, **filters[at % len(filters)]})}"
        for at, text in enumerate(searches(number))
    ]


async def transactions(made: Installation) -> int:
    """Return how many transactions the main database has seen; each statement of a page is one."""
    await asyncio.sleep(2)  # a connection tells of its own once a second
    connection = await asyncpg.connect(made.superuser)
    try:
        number = await connection.fetchval(
            "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        )
    finally:
        await connection.close()
    return int(number)


def used(pids: Sequence[int]) -> float:
    """Return the seconds of processor time that processes have used."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


async def loading(address: str, every: float, stop: asyncio.Event) -> int:
    """Ask by GraphQL at a steady pace until told to stop; return how often."""
    count = 0
    texts = searches(200)
    async with httpx.AsyncClient(base_url=address, timeout=20) as http:
        while not stop.is_set():
            variables = {"text": texts[count % len(texts)][:200]}
            answer = await http.post("/graphql", json={"query": LOAD, "variables": variables})
            assert answer.status_code == 200, answer.text
            count += 1
            await asyncio.sleep(every)
    return count


async def pages(address: str, wanted: Sequence[str], times: list[float], sizes: list[int]) -> None:
    """Ask for pages as people who come one after another do: each on a connection of their own."""
    headers = {"accept": "text/html", "accept-language": "de", "accept-encoding": "gzip"}
    alone = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=address, timeout=30, headers=headers, limits=alone) as http:
        for place in wanted:
            begun = time.perf_counter()
            async with http.stream("GET", place) as answer:
                times.append((time.perf_counter() - begun) * 1e3)
                assert answer.status_code == 200, place
                sizes.append(sum([len(part) async for part in answer.aiter_raw()]))
            await asyncio.sleep(0.05)


def part(times: Sequence[float], share: float) -> float:
    """Return the value below which this share lies."""
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


async def pace(size: int, number: int, every: float) -> None:
    """Print p50, p95 and p99 of the search page's first byte, alone and beside a load; stops by itself."""
    async with installation(free_port(), free_port()) as made:
        begun = time.perf_counter()
        await fill(made, size)
        print(f"{size} services in {time.perf_counter() - begun:.0f} s", flush=True)
        made.server.watch()
        await made.ready(600)
        while (await made.ready(60)).json()["search"]["local"]["behind"]:  # noqa: ASYNC110 - another process
            await asyncio.sleep(1)
        print(f"ready after {time.perf_counter() - begun:.0f} s", flush=True)
        await measured(made, number, every)


async def measured(made: Installation, number: int, every: float) -> None:
    """Print the figures of a server that is ready."""
    await pages(made.address, asked(40), [], [])
    idle, begun = await transactions(made), time.perf_counter()
    await asyncio.sleep(3)
    idly = (await transactions(made) - idle) / (time.perf_counter() - begun)
    for what, beside in (("alone", 0), ("beside 2 loads", 2)):
        stop = asyncio.Event()
        loads = [asyncio.create_task(loading(made.address, every, stop)) for _ in range(beside)]
        workers = made.server.children()
        done, since = await transactions(made), time.perf_counter()
        before, at = used(workers), time.perf_counter()
        times: list[float] = []
        sizes: list[int] = []
        wanted = asked(number)
        await asyncio.gather(
            pages(made.address, wanted[::2], times, sizes),
            pages(made.address, wanted[1::2], times, sizes),
        )
        seconds, cpu = time.perf_counter() - at, used(workers) - before
        stop.set()
        asked_beside = sum(await asyncio.gather(*loads))
        done = await transactions(made) - done
        statements = max(0.0, done - idly * (time.perf_counter() - since)) / (len(times) + asked_beside)
        print(
            f"{what}: first byte p50 {part(times, 0.5):.1f}, p95 {part(times, 0.95):.1f},"
            f" p99 {part(times, 0.99):.1f} ms; {len(times) / seconds:.1f} pages/s,"
            f" {asked_beside / seconds:.1f} GraphQL searches/s;"
            f" cpu {cpu / len(times) * 1e3:.1f} ms per page"
            f" ({cpu / (len(times) + asked_beside) * 1e3:.1f} per request);"
            f" {statements:.1f} statements per request;"
            f" {sum(sizes) / len(sizes) / 1e3:.1f} kB; load of the machine {os.getloadavg()[0]:.1f}",
            flush=True,
        )


def main() -> None:
    """Measure and print."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("what", choices=("weights", "pace"))
    given.add_argument("--size", type=int, default=100_000)
    given.add_argument("--pages", type=int, default=300)
    given.add_argument("--every", type=float, default=0.1, help="seconds between two requests of a load")
    wanted = given.parse_args()
    if wanted.what == "weights":
        weigh()
    else:
        os.environ.setdefault("SEARCH_MEANING", "false")
        asyncio.run(pace(wanted.size, wanted.pages, wanted.every))


if __name__ == "__main__":
    main()
