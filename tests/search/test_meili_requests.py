"""The adapter's requests are what Meilisearch's published OpenAPI description allows; no server is needed."""

from __future__ import annotations

import json
import os
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from search.folder import IndexFolder
from search.meili.engine import MeiliEngine
from tests.search.openapi import FILE, SENT, Requests, facts
from tests.search.recorded import replayed
from tests.search.test_meili_recorded import scenario

ABSENT = "needs MEILI_OPENAPI: the file with the OpenAPI description of a release of Meilisearch"

Asked = list[tuple[str, str, Any]]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Every request of the recorded scenario as it is sent: a rebuild, batches, searches of all kinds."""
    lock = IndexFolder(tmp_path_factory.mktemp("lock"), "-")
    with replayed(MeiliEngine("http://127.0.0.1:1", "key", lock).index) as server:
        engine = MeiliEngine(server.url, "key", lock)
        try:
            scenario(engine)
        finally:
            engine.resign()
    return server.asked


def test_every_request_is_as_described(asked: Asked) -> None:
    """Paths, parameters, members and types; a member that is not described is refused."""
    known = Requests.kept()
    wrong = [message for request in asked for message in known.wrong(*request)]

    assert wrong == []
    assert len(asked) > 30


def test_the_scenario_asks_for_all_that_matters(asked: Asked) -> None:
    """Else the check above says little."""
    sent = {(method, path.partition("?")[0].rstrip("0123456789")) for method, path, _ in asked}
    ends = {(method, path.rpartition("/")[2]) for method, path in sent}

    assert {
        ("PATCH", "settings"),
        ("POST", "documents"),
        ("POST", "fetch"),
        ("POST", "multi-search"),
        ("POST", "facet-search"),
        ("POST", "swap-indexes"),
        ("POST", "delete"),
        ("POST", "indexes"),
        ("GET", ""),
    } <= ends


@pytest.mark.parametrize(
    ("ending", "change"),
    [
        ("/multi-search", lambda body: body["queries"][0].update(hitPerPage=5)),
        ("/multi-search", lambda body: body["queries"][0].update(q=5)),
        ("/multi-search", lambda body: body["queries"][0].pop("indexUid")),
        ("/multi-search", lambda body: body["queries"][0].update(matchingStrategy="some")),
        ("/settings", lambda body: body.update(rankingrules=[])),
        ("/settings", lambda body: body["typoTolerance"].update(disableOnNumbers="yes")),
        ("/settings", lambda body: body["localizedAttributes"][0].update(locales=["ger"])),
        ("/settings", lambda body: body["filterableAttributes"][0]["features"].update(facetSearch="yes")),
        ("/fetch", lambda body: body.update(ids="all")),
        ("/facet-search", lambda body: body.pop("facetName")),
        ("/swap-indexes", lambda body: body[0].update(rename="no")),
    ],
)
def test_a_request_that_is_not_described_is_noticed(asked: Asked, ending: str, change: Any) -> None:
    """The check itself."""
    method, path, body = next(request for request in asked if request[1].endswith(ending))
    changed = deepcopy(body)
    change(changed)

    assert Requests.kept().wrong(method, path, body) == []
    assert Requests.kept().wrong(method, path, changed)


def test_unknown_paths_and_parameters_are_noticed() -> None:
    """Misspelt ones, and bodies where there is none."""
    known = Requests.kept()

    assert known.wrong("POST", "/indexes/x/documents?primarykey=id", [])
    assert known.wrong("PUT", "/multi-search", {"queries": []})
    assert known.wrong("POST", "/indexes/x/document", [])
    assert known.wrong("GET", "/tasks/1", {"x": 1})


def test_the_facts_are_those_of_the_description() -> None:
    """With the whole description at hand; another release may say something else."""
    where = os.environ.get("MEILI_OPENAPI")
    if not where:
        pytest.skip(ABSENT)
    said = facts(json.loads(Path(where).read_text()))
    kept = json.loads(FILE.read_text())

    assert said["operations"] == kept["operations"]
    assert said["components"] == kept["components"]
    assert len(kept["operations"]) == len(SENT)
