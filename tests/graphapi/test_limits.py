"""What one operation may ask at most: each limit is a 4xx with its name, before anything runs."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest
from graphql import get_introspection_query
from hypothesis import given, settings
from hypothesis import strategies as st

from graphapi.limits import Documents, Limits, Refused, Unreadable
from graphapi.schema import schema
from tests.graphapi.asking import Api


def judged(query: str, variables: dict[str, Any] | None = None, **limits: int) -> int:
    """Return the cost of a query."""
    documents = Documents(schema._schema, Limits(**limits))
    return documents.choose(documents.read(query), None, variables or {}).cost


def deep(levels: int) -> str:
    inner = "name"
    for level in range(levels):
        inner = f"services(first: 1) {{ nodes {{ partner {{ {inner} }} }} }}" if level else inner
    return f"{{ partners {{ nodes {{ {inner} }} }} }}"


def refusal(query: str, variables: dict[str, Any] | None = None, **limits: int) -> tuple[str, int]:
    with pytest.raises(Refused) as caught:
        judged(query, variables, **limits)
    return caught.value.limit, caught.value.maximum


class TestForm:
    def test_depth(self) -> None:
        assert judged(deep(3))
        assert refusal(deep(6)) == ("depth", 14)

    def test_depth_through_fragments(self) -> None:
        query = (
            "query { partners { nodes { ...a } } }"
            "fragment a on Partner { services { nodes { ...b } } }"
            "fragment b on Service { partner { services { nodes { partner { ...d } } } } }"
            "fragment d on Partner { services { nodes { ...c } } }"
            "fragment c on Service { partner { services { nodes { partner { name } } } } }"
        )

        assert refusal(query)[0] == "depth"

    def test_the_query_pages_question_about_the_schema_passes(self) -> None:
        assert judged(
            get_introspection_query(descriptions=True, specified_by_url=True, input_value_deprecation=True)
        )

    def test_introspection_has_a_depth_of_its_own(self) -> None:
        kind = "name"
        for _ in range(15):
            kind = f"name ofType {{ {kind} }}"

        assert (
            refusal(f"{{ __schema {{ types {{ fields {{ type {{ {kind} }} }} }} }} }}")[0]
            == "introspectionDepth"
        )

    def test_introspection_in_circles_is_not_valid(self) -> None:
        circle = "name"
        for _ in range(4):
            circle = f"fields {{ type {{ {circle} }} }}"
        documents = Documents(schema._schema, Limits())

        with pytest.raises(Unreadable):
            documents.read(f"{{ __schema {{ types {{ {circle} }} }} }}")

    def test_aliases_of_the_schema(self) -> None:
        """Each alias would go through the whole schema once more."""
        fields = " ".join(f"a{number}: fields {{ name }}" for number in range(6))
        assert refusal(f"{{ __schema {{ types {{ {fields} }} }} }}") == ("aliases", 5)

    def test_aliases(self) -> None:
        flood = " ".join(f"a{n}: topics {{ parent }}" for n in range(31))

        assert refusal(f"{{ {flood} }}", root_fields=100) == ("aliases", 30)

    def test_root_fields(self) -> None:
        flood = " ".join(f"a{n}: topics {{ parent }}" for n in range(21))

        assert refusal(f"{{ {flood} }}") == ("rootFields", 20)

    def test_directives(self) -> None:
        flood = " ".join("__typename @include(if: true)" for _ in range(51))

        assert refusal(f"{{ topics {{ {flood} }} }}") == ("directives", 50)

    @pytest.mark.parametrize(
        "query",
        [
            "{ topics { " + "topic{code} " * 151 + "} }",
            "{ services { nodes { " + "... on Service { id title { text } } " * 151 + " } } }",
            "{ services { nodes { "
            + " ".join(f'title(language:"a{n}"){{text}}' for n in range(151))
            + "} } }",
        ],
    )
    def test_repetitions(self, query: str) -> None:
        """Validation compares each with each: 700 of them would keep a processor busy for seconds."""
        assert refusal(query) == ("repetitions", 150)

    def test_tokens(self) -> None:
        assert refusal("{ " + "a " * 4_000 + "}") == ("tokens", 4_000)

    def test_document_bytes(self) -> None:
        assert refusal("{ me { role } } #" + "ä" * 30_000) == ("documentBytes", 60_000)

    @pytest.mark.parametrize(
        "query", ["{ a" * 900 + " }" * 900, "{ a(b: " + "[" * 1_900 + "]" * 1_900 + ") }"]
    )
    def test_nesting_that_breaks_the_parser_is_too_deep(self, query: str) -> None:
        assert refusal(query)[0] == "depth"


class TestCost:
    def test_lists_multiply(self) -> None:
        one = judged("{ services(first: 1) { nodes { id } } }")
        ten = judged("{ services(first: 10) { nodes { id } } }")
        nested = judged("{ partners(first: 10) { nodes { services(first: 10) { nodes { id } } } } }")

        assert (one, ten) == (3, 21)
        assert nested == 1 + 10 * (1 + 1 + 10 * 2)

    def test_variables_and_defaults_count_as_what_they_are(self) -> None:
        query = "query($n: Int! = 7) { services(first: $n) { nodes { id } } }"

        assert judged(query) == judged("{ services(first: 7) { nodes { id } } }")
        assert judged(query, {"n": 100}) == judged("{ services(first: 100) { nodes { id } } }")
        assert judged("{ services { nodes { id } } }") == judged("{ services(first: 20) { nodes { id } } }")

    @pytest.mark.parametrize("first", [101, 2_000_000_000, -1])
    def test_a_list_has_at_most_100(self, first: int) -> None:
        assert refusal(f"{{ services(first: {first}) {{ nodes {{ id }} }} }}") == ("listSize", 100)
        query = "query($n: Int!) { services(first: $n) { nodes { id } } }"
        assert refusal(query, {"n": first}) == ("listSize", 100)

    def test_the_product_is_bounded(self) -> None:
        query = "{ partners(first: 100) { nodes { services(first: 100) { nodes { id name: version } } } } }"

        assert refusal(query) == ("cost", 20_000)

    def test_fragments_that_double_each_other_cost_nothing_to_judge(self) -> None:
        fragments = [f"fragment f{n} on Service {{ id ...f{n + 1} ...f{n + 1} }}" for n in range(60)]
        query = "{ services { nodes { ...f0 } } } " + " ".join(fragments) + " fragment f60 on Service { id }"
        began = time.perf_counter()

        assert refusal(query)[0] == "cost"
        assert time.perf_counter() - began < 2

    def test_the_page_that_users_need_is_far_below(self) -> None:
        from tests.graphapi.test_directory_queries import PAGE

        assert judged(PAGE, {"partner": "x"}) < 10_000


class TestDocuments:
    def test_a_valid_document_is_kept(self) -> None:
        documents = Documents(schema._schema, Limits())

        assert documents.read("{ me { role } }") is documents.read("{ me { role } }")
        assert len(documents) == 1

    def test_what_is_kept_is_bounded(self) -> None:
        documents = Documents(schema._schema, Limits(), keep_bytes=1_000)
        for number in range(100):
            documents.read(f"query Q{number} {{ me {{ role }} }}")

        assert len(documents) < 60

    def test_an_invalid_one_is_not_kept(self) -> None:
        documents = Documents(schema._schema, Limits())
        with pytest.raises(Unreadable):
            documents.read("{ you }")

        assert len(documents) == 0

    @settings(max_examples=200, deadline=None)
    @given(
        st.lists(
            st.sampled_from([*'{}()[]$:!@"#.,&| \n', "a", "query", "fragment", "on", "é", "0"]), max_size=60
        ).map("".join)
    )
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        documents = Documents(schema._schema, Limits())
        with contextlib.suppress(Refused, Unreadable):
            documents.choose(documents.read(text), None, {})


@pytest.mark.parametrize(
    ("query", "limit"),
    [
        (deep(6), "depth"),
        ("{ services(first: 101) { nodes { id } } }", "listSize"),
        ("{ " + "a " * 4_000 + "}", "tokens"),
        ("{ partners(first: 100) { nodes { services(first: 100) { nodes { id version } } } } }", "cost"),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
async def test_over_http_a_limit_is_400_with_its_name(api: Api, query: str, limit: str, accept: str) -> None:
    answer = await api(query, accept=accept)

    assert (answer.status, answer.codes) == (400, ["LIMIT_EXCEEDED"])
    error = answer.body["errors"][0]
    assert error["extensions"]["limit"] == limit
    assert str(error["extensions"]["maximum"]) in error["message"]
