"""The README's walk is run as it is written; words in capitals stand for values of the run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.conftest import Demo

README = (Path(__file__).parents[2] / "README.md").read_text()
WALK = README.split("## A walk", 1)[1].split("\n## ", 1)[0]
STEP = re.compile(r"```graphql\n(?P<query>.*?)```\s+```json\n(?P<answer>.*?)```", re.DOTALL)
ROLE = re.compile(r"\*\*(the person|anybody|jobcenter|coordinator)\*\*", re.IGNORECASE)


def bind(expected: Any, found: Any, values: dict[str, str], where: str) -> None:
    """Compare an answer with the README's; a word in capitals takes the value that stands there."""
    if isinstance(expected, dict):
        assert isinstance(found, dict), where
        assert found.keys() == expected.keys(), where
        for name in expected:
            bind(expected[name], found[name], values, f"{where}.{name}")
    elif isinstance(expected, list):
        assert isinstance(found, list), where
        assert len(found) == len(expected), where
        for number, element in enumerate(expected):
            bind(element, found[number], values, f"{where}.{number}")
    elif isinstance(expected, str) and expected in NAMED:
        values[expected] = found
    else:
        assert found == expected, where


NAMED = {"WARNED", "CLIENT", "SERVICE", "PARTNER", "HASH", "REFERRAL", "DUE", "CODE"}


async def test_the_walk_of_the_readme(network: Demo) -> None:
    values: dict[str, str] = {}
    steps = list(STEP.finditer(WALK))
    assert len(steps) == 15
    actor: str | None = None
    end = 0
    for step in steps:
        named = ROLE.findall(WALK[end : step.start()])
        if named:
            actor = named[-1].lower() if named[-1].lower() in network.tokens else None
        end = step.end()
        query = re.sub(r'"([A-Z]+)"', lambda m: json.dumps(values.get(m[1], m[1])), step["query"])
        headers = {"authorization": f"Bearer {network.tokens[actor]}"} if actor else {}
        response = await network.http.post(
            "/graphql", json={"query": query}, headers=headers | {"accept-language": "en"}
        )
        body = response.json()
        assert "errors" not in body, body
        bind(json.loads(step["answer"]), body["data"], values, step["query"].split("(")[0].strip())


@pytest.mark.parametrize("command", ["make demo", "make test", "make check", "make smoke", "make torture"])
def test_the_commands_of_the_readme_exist(command: str) -> None:
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()

    assert command in README
    assert f"\n{command.split()[1]}:" in makefile
