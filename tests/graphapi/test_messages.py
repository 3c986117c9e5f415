"""Every problem, reason and rule that the code uses has a sentence in German and English."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from operator import attrgetter
from pathlib import Path

import pytest

import directory.policy
import referrals.policy
import referrals.problems
from directory.problems import InvalidInput, NotAllowed, Problem, StaleVersion
from graphapi import messages
from graphapi.access_map import Rule as Door
from graphapi.messages import message_for, message_language, preferred_languages

ROOT = Path(__file__).parents[2]
ROOMS = ("directory", "search", "referrals", "graphql/graphapi")


@cache
def all_calls() -> list[tuple[Path, ast.Call]]:
    return [
        (path, node)
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]


def literals(node: ast.expr) -> list[str]:
    """Return the texts an argument can be: a literal, or both branches of a conditional."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return literals(node.body) + literals(node.orelse)
    return []


def calls(name: str) -> Iterator[tuple[Path, ast.Call]]:
    for path, node in all_calls():
        called = node.func
        found = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if found == name:
            yield path, node


def all_problems(base: type[Problem] = Problem) -> Iterator[type[Problem]]:
    for kind in base.__subclasses__():
        yield kind
        yield from all_problems(kind)


@pytest.mark.parametrize("kind", sorted(set(all_problems()), key=attrgetter("code")))
def test_every_problem_has_a_sentence(kind: type[Problem]) -> None:
    assert referrals.problems.__doc__  # imported, so that its problems are among the subclasses
    assert set(messages.PROBLEMS.get(kind.code, {})) == {"de", "en"}, kind.code


def test_every_reason_in_the_code_has_a_sentence() -> None:
    missing = {
        f"{reason} ({path.relative_to(ROOT)})"
        for path, call in calls("InvalidInput")
        if len(call.args) > 1
        for reason in literals(call.args[1])
        if reason.replace("_", "-") not in messages.REASONS
    }

    assert sorted(missing) == []


def test_every_flaw_of_a_consent_has_a_sentence() -> None:
    """``flaws`` gives (field, reason) pairs that become InvalidInput elsewhere."""
    used = {
        reason
        for path, call in calls("append")
        if path == ROOT / "referrals" / "consent" / "rules.py" and isinstance(call.args[0], ast.Tuple)
        for reason in literals(call.args[0].elts[-1])
    }

    assert used
    assert sorted(used - messages.REASONS.keys()) == []


def test_every_reason_of_opening_hours_has_a_sentence() -> None:
    used = {
        reason for _, call in calls("refusal") if len(call.args) == 1 for reason in literals(call.args[0])
    }

    assert used
    assert sorted(used - messages.REASONS.keys()) == []


def test_every_literal_rule_has_a_sentence() -> None:
    used = {rule for _, call in calls("NotAllowed") if call.args for rule in literals(call.args[0])}
    used |= {rule.value for rule in (*directory.policy.Rule, *referrals.policy.Rule)}
    used |= {rule.value.lower().replace("_", "-") for rule in Door if rule not in {Door.PUBLIC, Door.OWN}}

    assert sorted(used - messages.RULES.keys()) == []


def test_every_reason_of_the_search_has_a_sentence() -> None:
    used = {
        code
        for path, call in calls("Reason")
        if path.parent.name == "search" and len(call.args) > 2
        for code in literals(call.args[2])
    }

    assert used
    assert sorted(used - messages.FINDINGS.keys()) == []


@pytest.mark.parametrize("table", ["PROBLEMS", "REASONS", "RULES", "REFUSALS", "FINDINGS"])
def test_both_languages_have_the_same_placeholders(table: str) -> None:
    for code, sentence in getattr(messages, table).items():
        assert set(sentence) == {"de", "en"}, code
        german, english = (set(re.findall(r"{(\w+)}", sentence[language])) for language in ("de", "en"))
        assert german == english, code


def test_a_message_is_filled_from_the_problem() -> None:
    assert message_for(StaleVersion(7), "en").count("7") == 1
    assert "120" in message_for(InvalidInput("name", "too-long", maximum="120"), "de")
    assert message_for(NotAllowed("of-a-rule-nobody-wrote-about"), "en").endswith(
        "(rule: of-a-rule-nobody-wrote-about)."
    )


def test_dates_are_written_as_the_language_writes_them() -> None:
    late = {"ends_on": "2027-09-17", "valid_until": "2027-06-22"}

    assert (
        messages.finding("ends-after-status", "de", late)
        == "Endet am 17.09.2027, nach dem Ende des Status am 22.06.2027."
    )
    assert messages.finding("ends-after-status", "en", late).startswith("Ends on 2027-09-17,")


@pytest.mark.parametrize(
    ("header", "preferred", "language"),
    [
        (None, (), "de"),
        ("en", ("en",), "en"),
        ("en-GB, de;q=0.5", ("en-GB", "de"), "en"),
        ("ti, ar;q=0.9, en;q=0.8", ("ti", "ar", "en"), "en"),
        ("de;q=0, en", ("en",), "en"),
        ("xx;q=quatsch, ,;;, *", (), "de"),
        ("ar", ("ar",), "de"),
    ],
)
def test_accept_language(header: str | None, preferred: tuple[str, ...], language: str) -> None:
    assert preferred_languages(header) == preferred
    assert message_language(preferred) == language
