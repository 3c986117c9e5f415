"""The query page: for browsers, from this host only, with files that are really there."""

from __future__ import annotations

import re

import pytest

from graphapi.query_page import ASSETS_PATH, PAGE, SCRIPT
from tests.graphapi.asking import Api

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize("path", ["/graphql", "/query"])
async def test_a_browser_gets_the_page(api: Api, path: str) -> None:
    response = await api.http.get(path, headers=BROWSER)

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-frame-options"] == "DENY"
    policy = response.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "http" not in policy
    assert "token" in response.text


async def test_everything_the_page_loads_is_here(api: Api) -> None:
    page = (await api.http.get("/query")).text
    wanted = re.findall(r'(?:src|href)="(?!data:)([^"]+)"', page)

    assert len(wanted) == 6
    for path in wanted:
        assert path.startswith(f"{ASSETS_PATH}/"), path
        response = await api.http.get(path)
        assert response.status_code == 200, path
        assert response.headers["x-content-type-options"] == "nosniff"
        again = await api.http.get(path, headers={"if-none-match": response.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_the_page_names_no_other_host() -> None:
    assert re.findall(r"https?://", PAGE + SCRIPT) == []


@pytest.mark.parametrize("name", ["graphql-ws.min.js", "..%2Fviews.py", "x.js", "%2Fetc%2Fpasswd"])
async def test_nothing_else_is_served(api: Api, name: str) -> None:
    assert (await api.http.get(f"{ASSETS_PATH}/{name}")).status_code == 404


async def test_the_example_on_the_page_runs(api: Api) -> None:
    found = re.search(r"`(.*?)`", SCRIPT, re.DOTALL)
    assert found is not None

    assert (await api(found[1])).status == 200
