"""Tokens for searches from a browser, on a real server: what they cannot see, do, and outlast."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import requests

from directory.vocabulary import PublicationState, ResidenceStatus
from search.engine import Filters, Near, ResidenceFilter
from search.folder import IndexFolder
from search.meili.engine import MeiliEngine
from search.meili.tokens import LONGEST, browser_token
from tests.search.conftest import Reached
from tests.search.openapi import Requests
from tests.search.samples import BARNIM, TODAY, fill, service


class Browser:
    """Asks the server with nothing but a token."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token

    def ask(self, method: str, path: str, body: Any = None) -> requests.Response:
        """Return the answer."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return requests.request(method, f"{self.url}/{path}", json=body, headers=headers, timeout=5)

    def titles(self, index: str, **asked: Any) -> list[str]:
        """Return the titles that a search finds; its total must be their number."""
        answer = self.ask("POST", f"indexes/{index}/search", {"page": 1, "hitsPerPage": 20, **asked})
        assert answer.status_code == 200, answer.text
        found = [hit["title"]["de"] for hit in answer.json()["hits"]]
        assert answer.json()["totalHits"] == len(found)
        return sorted(found)


@pytest.fixture(scope="module")
def remote(meili: Reached, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeiliEngine]:
    """An index with services of two places, a hidden one, and the follower's own documents."""
    lock = IndexFolder(tmp_path_factory.mktemp("lock"), "-")
    made = MeiliEngine(meili.url, meili.key, lock, prefix=f"test-{uuid4().hex}")
    fill(
        made,
        [
            service("Deutschkurs in Cottbus"),
            service("Deutschkurs im Barnim", municipality=BARNIM),
            service("Barnimer Schuldenhilfe", municipality=BARNIM),
            service("Geheimer Deutschkurs", state=PublicationState.HIDDEN),
        ],
    )
    yield made
    made.server.drop_later(made.index)
    made.resign()


def now() -> datetime:
    """Return the time; the server has the same clock."""
    return datetime.now(UTC)


def test_it_finds_what_is_published_and_nothing_else(remote: MeiliEngine) -> None:
    """Neither hidden services nor the documents that the follower keeps."""
    browser = Browser(remote.server.url, browser_token(remote.server, remote.index, now=now()))

    assert len(browser.titles(remote.index)) == 3
    assert browser.titles(remote.index, q="Geheimer", matchingStrategy="all") == []
    assert browser.titles(remote.index, filter='meta = "position" OR meta = "rules"') == []


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"q": "Deutschkurs"},
        {"filter": 'municipality = "12060"'},
        {"filter": 'municipality = "12060" OR meta EXISTS'},
        {"filter": "NOT meta IS NULL"},
        {"q": "Barnim", "matchingStrategy": "last"},
    ],
)
def test_its_filter_cannot_be_widened(remote: MeiliEngine, asked: dict[str, Any]) -> None:
    """Not by a filter of the search's own; nor do totals tell of what it hides."""
    cottbus = Filters(municipality="12052")
    token = browser_token(remote.server, remote.index, now=now(), filters=cottbus)
    browser = Browser(remote.server.url, token)

    assert set(browser.titles(remote.index, **asked)) <= {"Deutschkurs in Cottbus"}


def test_facets_and_words_do_not_tell_of_what_it_hides(remote: MeiliEngine) -> None:
    """Neither counts nor the words that are offered for a beginning."""
    cottbus = Filters(municipality="12052")
    token = browser_token(remote.server, remote.index, now=now(), filters=cottbus)
    browser = Browser(remote.server.url, token)
    asked = {"q": "", "facets": ["municipality", "words", "both"]}
    counted = browser.ask("POST", f"indexes/{remote.index}/search", asked).json()["facetDistribution"]
    offered = [
        browser.ask(
            "POST", f"indexes/{remote.index}/facet-search", {"facetName": name, "facetQuery": "schuld"}
        )
        for name in ("words", "both")
    ]

    assert counted["municipality"] == {"120520000000": 1}
    assert not any("schuld" in word for name in ("words", "both") for word in counted[name])
    assert [answer.json()["facetHits"] for answer in offered] == [[], []]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "indexes/{index}/documents", [{"id": "x"}]),
        ("POST", "indexes/{index}/documents/fetch", {}),
        ("GET", "indexes/{index}/documents", None),
        ("GET", "indexes/{index}/documents/position", None),
        ("DELETE", "indexes/{index}/documents", None),
        ("PATCH", "indexes/{index}/settings", {"stopWords": []}),
        ("GET", "indexes/{index}/settings", None),
        ("GET", "indexes/{index}/stats", None),
        ("DELETE", "indexes/{index}", None),
        ("GET", "indexes", None),
        ("GET", "keys", None),
        ("GET", "tasks", None),
        ("POST", "dumps", None),
        ("POST", "indexes/{other}/search", {"q": ""}),
        ("POST", "multi-search", {"queries": [{"indexUid": "{other}", "q": ""}]}),
    ],
)
def test_it_can_do_nothing_but_search_its_index(
    remote: MeiliEngine, method: str, path: str, body: Any
) -> None:
    """No writing, no reading past the filter, no other index."""
    other = f"{remote.index}-other"
    remote.server.create(other)
    try:
        browser = Browser(remote.server.url, browser_token(remote.server, remote.index, now=now()))
        named = json.loads(json.dumps(body).replace("{other}", other))
        answer = browser.ask(method, path.format(index=remote.index, other=other), named)
    finally:
        remote.server.drop(other)

    assert answer.status_code == 403, answer.text


def test_it_expires(remote: MeiliEngine) -> None:
    """After its time it is no key any more."""
    lasts = timedelta(seconds=1)
    browser = Browser(remote.server.url, browser_token(remote.server, remote.index, now=now(), lasts=lasts))
    assert len(browser.titles(remote.index)) == 3
    time.sleep(2.05)  # the server compares whole seconds

    assert browser.ask("POST", f"indexes/{remote.index}/search", {}).status_code == 403


def test_it_cannot_be_changed(remote: MeiliEngine) -> None:
    """A token without its filter, or with a later end, has no valid signature."""
    token = browser_token(remote.server, remote.index, now=now())
    head, payload, signature = token.split(".")
    said = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    changes: list[dict[str, Any]] = [
        {"searchRules": {remote.index: {}}},
        {"exp": said["exp"] + 3_600},
        {"exp": None},
    ]
    for change in changes:
        forged = base64.urlsafe_b64encode(json.dumps(said | change).encode()).decode().rstrip("=")
        browser = Browser(remote.server.url, f"{head}.{forged}.{signature}")
        assert browser.ask("POST", f"indexes/{remote.index}/search", {}).status_code == 403


def test_one_key_signs_them_all(remote: MeiliEngine) -> None:
    """It may only search, and only this index."""
    for _ in range(2):
        browser_token(remote.server, remote.index, now=now())
    keys = [
        key for key in remote.server.ask("keys?limit=1000")["results"] if key["indexes"] == [remote.index]
    ]

    assert [key["actions"] for key in keys] == [["search"]]


@pytest.mark.parametrize("lasts", [timedelta(), timedelta(seconds=-1), LONGEST + timedelta(seconds=1)])
def test_no_token_lasts_long(remote: MeiliEngine, lasts: timedelta) -> None:
    """At most an hour; never none, which would be for ever."""
    with pytest.raises(ValueError, match="lasts at most"):
        browser_token(remote.server, remote.index, now=now(), lasts=lasts)


@pytest.mark.parametrize(
    "filters",
    [
        Filters(near=Near(latitude=51.76, longitude=14.33, radius_km=5)),
        Filters(residence=ResidenceFilter(status=ResidenceStatus.SECTION_104C, on=TODAY)),
    ],
)
def test_what_changes_with_the_index_stands_in_no_token(remote: MeiliEngine, filters: Filters) -> None:
    """Such a filter would be wrong after the next commit."""
    with pytest.raises(ValueError, match="change with the index"):
        browser_token(remote.server, remote.index, now=now(), filters=filters)


def test_the_request_for_a_key_is_as_described() -> None:
    """Without a server too."""
    body = {"name": "x", "actions": ["search"], "indexes": ["x"], "expiresAt": None}

    assert Requests.kept().wrong("POST", "/keys", body) == []
    assert Requests.kept().wrong("POST", "/keys", body | {"actions": ["read"]})
