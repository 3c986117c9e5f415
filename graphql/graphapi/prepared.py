"""The prepared way of answering: a query is turned once into a plan, and then read straight off documents.

The executor asks of every field anew what it is called, what it is given and what comes of it. For queries
that only read the directory all that is worked out once per document (DESIGN 3.4): which fields of which
object, by which resolver, with which arguments, written how. What is special (other roots, interfaces, other
directives, any error in a nested field) is left to the executor, which stays the reference: both ways give
the same answer. Authorisation, limits and cost are judged before.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeGuard, TypeVar

import strawberry
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLScalarType,
    GraphQLUnionType,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    get_argument_values,
    get_variable_values,
    located_error,
)
from graphql.execution.values import VariableValues
from graphql.pyutils import Path
from strawberry.schema.schema_converter import get_arguments
from strawberry.types import Info as StrawberryInfo
from strawberry.types.execution import ExecutionResult
from strawberry.types.field import StrawberryField

from graphapi.access_map import first_refusal
from graphapi.context import Context
from graphapi.limits import Operation

ROOTS: Final = frozenset({"searchServices", "services", "partners", "service", "partner", "topics"})
"""The root fields that are answered so: they read published documents; to read twice changes nothing."""

PLANS: Final = 200
"""How many plans are kept; the least recently used go first."""

K = TypeVar("K")
V = TypeVar("V")

_CONDITIONS: Final = frozenset({"skip", "include"})
_DEFINITION: Final = "strawberry-definition"

Complete: TypeAlias = Callable[[Any, "_Run"], Any]
"""Writes what a resolver gave as its type has it."""


class _NotPrepared(Exception):
    """This is for the executor: the plan has no way for it, or it went wrong."""


class _Step:
    """A field of an object: where its value comes from, and how it is written.

    ``attribute``: of the object behind it, for fields without a resolver of their own.
    """

    __slots__ = (
        "attribute",
        "complete",
        "definition",
        "field",
        "itself",
        "key",
        "node",
        "parent",
        "resolve",
        "type",
    )

    def __init__(self, type_: GraphQLObjectType, key: str, node: FieldNode, complete: Complete) -> None:
        self.type = type_
        self.key = key
        self.node = node
        self.complete = complete
        self.definition: GraphQLField = type_.fields[node.name.value]
        found = self.definition.extensions.get(_DEFINITION)
        if not isinstance(found, StrawberryField) or found.extensions:
            raise _NotPrepared(f"{type_.name}.{key}")
        self.field = found
        resolver = found.base_resolver
        self.attribute = found.python_name if resolver is None else None
        self.resolve: Callable[..., Any] | None = None
        self.itself = False
        self.parent: str | None = None
        if resolver is not None:
            self.resolve = resolver.wrapped_func if callable(resolver.wrapped_func) else None
            if self.resolve is None:
                raise _NotPrepared(f"{type_.name}.{key}")
            self.itself = resolver.self_parameter is not None
            named = resolver.parent_parameter or resolver.root_parameter
            self.parent = named.name if named is not None else None


class _Run:
    """One request on its way through a plan."""

    __slots__ = ("_given", "_of", "context", "pending", "variables")

    def __init__(self, of: _Plan, variables: VariableValues, context: Context) -> None:
        self._of = of
        self._given: dict[_Step, dict[str, Any]] = {}
        self.variables = variables
        self.context = context
        self.pending: list[tuple[dict[str, Any], _Step, Awaitable[Any]]] = []

    def value(self, step: _Step, source: Any) -> Any:
        """Ask a resolver; what it is given besides the object is the same for all objects."""
        given = self._given.get(step)
        if given is None:
            given = self._given[step] = self._arguments(step)
        resolve: Any = step.resolve
        if step.parent is not None:
            return resolve(**{**given, step.parent: source})
        return resolve(source, **given) if step.itself else resolve(**given)

    def _arguments(self, step: _Step) -> dict[str, Any]:
        of = self._of
        values = get_argument_values(step.definition, step.node, self.variables)
        raw = GraphQLResolveInfo(
            field_name=step.node.name.value,
            field_nodes=[step.node],
            return_type=step.definition.type,
            parent_type=step.type,
            path=Path(None, step.key, step.type.name),
            schema=of.schema._schema,
            fragments=dict(of.fragments),
            root_value=None,
            operation=of.operation,
            variable_values=self.variables,
            context=self.context,
            is_awaitable=_is_awaitable,
            abort_signal=None,
            async_helpers=None,  # type: ignore[arg-type] # for resolvers that leave work behind; ours do not
        )
        info: StrawberryInfo[Any, Any] = StrawberryInfo(_raw_info=raw, _field=step.field)
        converter = of.schema.schema_converter
        _, given = get_arguments(
            field=step.field,
            source=None,
            info=info,
            kwargs=values,
            config=converter.config,
            scalar_registry=converter.scalar_registry,
        )
        return given

    def drop(self) -> None:
        """Leave what is still to come."""
        for _, _, waiting in self.pending:
            if isinstance(waiting, asyncio.Future):
                waiting.cancel()
            elif hasattr(waiting, "close"):
                waiting.close()
        self.pending = []


def _is_awaitable(value: Any) -> TypeGuard[Awaitable[Any]]:
    return hasattr(type(value), "__await__")


class _Plan:
    """What is worked out once for an operation, and for each value of the variables in its conditions."""

    def __init__(
        self,
        schema: strawberry.Schema,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: VariableValues,
    ) -> None:
        self.schema = schema
        self.operation = operation
        self.fragments = fragments
        self._variables = variables
        root = schema._schema.query_type
        if root is None or operation.operation is not OperationType.QUERY or operation.directives:
            raise _NotPrepared
        steps = list(self._steps(root, [operation.selection_set]).values())
        if len(steps) != 1 or steps[0] is None or steps[0].node.name.value not in ROOTS:
            raise _NotPrepared
        self.root: _Step = steps[0]

    # --- Working out ------------------------------------------------------------------------------------

    def _steps(
        self, type_: GraphQLObjectType, sets: Iterable[SelectionSetNode | None]
    ) -> dict[str, _Step | None]:
        """Return the fields of an object in order; None: the name of its type."""
        found: dict[str, list[FieldNode]] = {}
        for selections in sets:
            self._collect(type_, selections.selections if selections is not None else (), found)
        steps: dict[str, _Step | None] = {}
        for key, nodes in found.items():
            if nodes[0].name.value == "__typename":
                steps[key] = None
                continue
            definition = type_.fields.get(nodes[0].name.value)
            if definition is None:
                raise _NotPrepared(f"{type_.name}.{key}")  # a question about the schema
            complete = self._complete(definition.type, [node.selection_set for node in nodes])
            steps[key] = _Step(type_, key, nodes[0], complete)
        return steps

    def _collect(
        self, type_: GraphQLObjectType, selections: Sequence[SelectionNode], found: dict[str, list[FieldNode]]
    ) -> None:
        for node in selections:
            if not self._included(node):
                continue
            if isinstance(node, FieldNode):
                found.setdefault((node.alias or node.name).value, []).append(node)
                continue
            if isinstance(node, InlineFragmentNode):
                condition, inner = node.type_condition, node.selection_set
            else:
                fragment = self.fragments[node.name.value]  # type: ignore[attr-defined]
                condition, inner = fragment.type_condition, fragment.selection_set
            if condition is None or self._is_of(type_, condition.name.value):
                self._collect(type_, inner.selections, found)

    def _is_of(self, type_: GraphQLObjectType, name: str) -> bool:
        wanted = self.schema._schema.get_type(name)
        if isinstance(wanted, GraphQLInterfaceType | GraphQLUnionType):
            return self.schema._schema.is_sub_type(wanted, type_)
        return wanted is type_

    def _included(self, node: SelectionNode) -> bool:
        for directive in node.directives or ():
            name = directive.name.value
            if name not in _CONDITIONS:
                raise _NotPrepared(name)
            definition = self.schema._schema.get_directive(name)
            if definition is None:
                raise _NotPrepared(name)
            met = get_argument_values(definition, directive, self._variables)["if"]
            if met is (name == "skip"):
                return False
        return True

    def _complete(self, type_: GraphQLOutputType, sets: list[SelectionSetNode | None]) -> Complete:
        if not isinstance(type_, GraphQLNonNull):
            inner = self._present(type_, sets)
            return lambda value, run: None if value is None else inner(value, run)
        needed = self._present(type_.of_type, sets)

        def complete(value: Any, run: _Run) -> Any:
            if value is None:
                raise _NotPrepared
            return needed(value, run)

        return complete

    def _present(self, type_: GraphQLOutputType, sets: list[SelectionSetNode | None]) -> Complete:
        """Return how what is there is written."""
        if isinstance(type_, GraphQLList):
            item = self._complete(type_.of_type, sets)

            def several(value: Any, run: _Run) -> Any:
                if not isinstance(value, list | tuple):
                    raise _NotPrepared
                return [item(one, run) for one in value]

            return several
        if isinstance(type_, GraphQLScalarType | GraphQLEnumType):
            return _leaf(type_)
        if isinstance(type_, GraphQLObjectType):
            return self._object(type_, sets)
        raise _NotPrepared(str(type_))

    def _object(self, type_: GraphQLObjectType, sets: list[SelectionSetNode | None]) -> Complete:
        steps = [
            (step, key, None if step is None else step.attribute, None if step is None else step.complete)
            for key, step in self._steps(type_, sets).items()
        ]
        is_type_of: Any = type_.is_type_of
        name = type_.name

        def whole(value: Any, run: _Run) -> dict[str, Any]:
            if is_type_of is not None and is_type_of(value, None) is not True:
                raise _NotPrepared
            made: dict[str, Any] = {}
            for step, key, attribute, complete in steps:
                if step is None or complete is None:
                    made[key] = name
                    continue
                if attribute is not None:
                    made[key] = complete(getattr(value, attribute), run)
                    continue
                found = run.value(step, value)
                if hasattr(type(found), "__await__"):
                    made[key] = None  # keeps its place
                    run.pending.append((made, step, found))
                else:
                    made[key] = complete(found, run)
            return made

        return whole

    # --- Running ----------------------------------------------------------------------------------------

    async def answer(self, variables: VariableValues, context: Context) -> ExecutionResult:
        """Answer; raises _NotPrepared, or whatever a nested resolver raises: then the executor's turn is."""
        run = _Run(self, variables, context)
        root = self.root
        try:
            found = run.value(root, None)
            if hasattr(type(found), "__await__"):
                found = await found
        except _NotPrepared:
            raise
        except Exception as error:
            # As the executor does it: asking again might count or wait again.
            told = located_error(error, [root.node], [root.key])
            needed = isinstance(root.definition.type, GraphQLNonNull)
            return ExecutionResult(data=None if needed else {root.key: None}, errors=[told])
        data: dict[str, Any] = {}
        try:
            data[root.key] = root.complete(found, run)
            while run.pending:
                waiting, run.pending = run.pending, []
                values = await asyncio.gather(*(one for _, _, one in waiting), return_exceptions=True)
                for (made, step, _), value in zip(waiting, values, strict=True):
                    if isinstance(value, BaseException):
                        raise value
                    made[step.key] = step.complete(value, run)
        finally:
            run.drop()
        return ExecutionResult(data=data, errors=None)


def _leaf(type_: GraphQLScalarType | GraphQLEnumType) -> Complete:
    """Return how a value of a leaf is written: by its type's own rule, which leaves texts as they are."""
    rule: Any = type_.coerce_output_value

    def by_rule(value: Any) -> Any:
        made = rule(value)
        if made is None or hasattr(type(made), "__await__"):
            raise _NotPrepared
        return made

    if isinstance(type_, GraphQLEnumType):
        known: dict[tuple[type, Any], Any] = {}

        def member(value: Any, _: _Run) -> Any:
            made = known.get((type(value), value))
            if made is None:
                made = by_rule(value)
                if len(known) < len(type_.values):
                    known[type(value), value] = made
            return made

        return member
    if type_.name in {"String", "ID"}:
        return lambda value, _: value if type(value) is str else by_rule(value)
    if type_.name == "Boolean":
        return lambda value, _: value if value is True or value is False else by_rule(value)
    return lambda value, _: by_rule(value)


def _switches(nodes: Iterable[SelectionNode]) -> Iterator[str]:
    """Yield the names of variables that conditions look at."""
    for node in nodes:
        for directive in node.directives or ():
            for given in directive.arguments or ():
                if isinstance(given.value, VariableNode):
                    yield given.value.name.value
        selections = getattr(node, "selection_set", None)
        if selections is not None:
            yield from _switches(selections.selections)


class _Known:
    """An operation that came before: its parts, and the plan for each setting of its conditions."""

    def __init__(self, operation: Operation) -> None:
        parts = operation.document.definitions
        self.fragments = {one.name.value: one for one in parts if isinstance(one, FragmentDefinitionNode)}
        self.operation = next(
            one
            for one in parts
            if isinstance(one, OperationDefinitionNode)
            and (one.name.value if one.name else None) == operation.name
        )
        sets = [self.operation.selection_set, *(one.selection_set for one in self.fragments.values())]
        self.switches = sorted({name for one in sets for name in _switches(one.selections)})


_Key: TypeAlias = tuple[str, str | None, tuple[Any, ...]]


class Prepared:
    """The plans of one schema."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self._schema = schema
        self._known: OrderedDict[tuple[str, str | None], _Known] = OrderedDict()
        self._plans: OrderedDict[_Key, _Plan | None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._plans)

    async def answer(
        self, operation: Operation, variables: Mapping[str, Any] | None, context: Context
    ) -> ExecutionResult | None:
        """Answer a judged operation; None: the executor must, which also says what is wrong."""
        if operation.type is not OperationType.QUERY or operation.presents_code:
            return None
        if not any(type_name == "Query" and field in ROOTS for type_name, field in operation.fields):
            return None
        if first_refusal(operation.fields, context.actor) is not None:
            return None
        known = _kept(self._known, (operation.document_hash, operation.name), lambda: _Known(operation))
        definitions = known.operation.variable_definitions or ()
        values = get_variable_values(self._schema._schema, definitions, dict(variables or {}))
        if isinstance(values, list):
            return None
        set_so = tuple(values.coerced.get(name) for name in known.switches)
        key: _Key = (operation.document_hash, operation.name, set_so)
        plan = _kept(self._plans, key, lambda: self._planned(known, values))
        if plan is None:
            return None
        try:
            return await plan.answer(values, context)
        except Exception:
            context.fresh()
            return None

    def _planned(self, known: _Known, values: VariableValues) -> _Plan | None:
        try:
            return _Plan(self._schema, known.operation, known.fragments, values)
        except _NotPrepared:
            return None


def _kept(keeping: OrderedDict[K, V], key: K, make: Callable[[], V]) -> V:
    """Return what is kept under a key, or make it; the least recently used goes where there is no room."""
    if key in keeping:
        keeping.move_to_end(key)
        return keeping[key]
    made = keeping[key] = make()
    if len(keeping) > PLANS:
        keeping.popitem(last=False)
    return made
