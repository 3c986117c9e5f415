"""What one operation may ask at most: size, depth, aliases, lists and cost, judged before anything runs.

Pure: works on parsed documents and plain numbers; knows neither HTTP nor the database. The same judgement
holds for the ordinary and for the later prepared way of answering (DESIGN 3.4).
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

import msgspec
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLSyntaxError,
    InlineFragmentNode,
    IntValueNode,
    Node,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    Undefined,
    ValueNode,
    VariableNode,
    get_named_type,
    is_introspection_type,
    parse,
    specified_rules,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import validate_document

SIZE_ARGUMENTS: Final = frozenset({"first", "last"})
"""Arguments that say how many elements a list has; all bounded by ``Limits.list_size``."""

CODE_ARGUMENT: Final = "code"
"""The argument of every query that presents a one-time code."""

PROFILE_FIELDS: Final = frozenset({"situation", "profile", "profiles"})
"""Fields of questions that say something about a person."""

WEIGHTS: Final = {("Referral", "export"): 1_000, ("Query", "appointmentCalendar"): 200}
"""What a field costs that does more than to show something: setting pages, reading a whole referral."""

EMBEDDED_LIST: Final = 5
"""What a list without such an argument counts for: lists inside one document are short."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one request may ask at most; more is refused with HTTP 4xx and the limit's name.

    ``cost`` counts every selected field, times the sizes of the lists it stands in. ``introspection_depth``
    is for operations that only ask about the schema: the query page's own question is 15 deep.
    ``introspection_aliases``: each asks the schema once more, at no cost. ``body_seconds``: in which the
    body must arrive, else its sender holds a connection for ever.
    ``repetitions``: how often one name may be selected in a document; validation compares each with each.
    ``wrong_codes`` of one address, ``presented_codes`` of one address (right ones too) and
    ``wrong_codes_in_total`` of all addresses: in a window of ``graphapi.throttle``.
    """

    body_bytes: int = 200_000
    body_seconds: float = 20.0
    document_bytes: int = 60_000
    tokens: int = 4_000
    depth: int = 14
    introspection_depth: int = 16
    aliases: int = 30
    introspection_aliases: int = 5
    root_fields: int = 20
    directives: int = 50
    repetitions: int = 150
    list_size: int = 100
    cost: int = 20_000
    wrong_codes: int = 10
    presented_codes: int = 120
    wrong_codes_in_total: int = 2_000


class Refused(Exception):
    """The request asks more than a limit allows; ``limit`` is the limit's name, ``maximum`` its value."""

    def __init__(self, limit: str, maximum: int) -> None:
        super().__init__(f"{limit}: {maximum}")
        self.limit = limit
        self.maximum = maximum


class Unreadable(Exception):
    """The document is not GraphQL, or not valid for this schema; ``errors`` are shown to the caller."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = errors


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """The one operation of a request, judged: what it touches, and what it costs.

    ``fields``: every (object type, field) that it may read; the access map decides on them.
    ``presents_code``: it gives a one-time code as an argument, ``tells_profile``: it says something about a
    person (a profile, a situation); neither must come in an address.
    """

    document: DocumentNode
    name: str | None
    type: OperationType
    fields: frozenset[tuple[str, str]]
    cost: int
    document_hash: str
    presents_code: bool = False
    tells_profile: bool = False


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed document that passed the limits of form and is valid for the schema."""

    node: DocumentNode
    source_bytes: int
    hash: str
    operations: Mapping[str | None, OperationDefinitionNode]
    fragments: Mapping[str, FragmentDefinitionNode]


class Documents:
    """Reads documents, and keeps the valid ones: a bounded cache, the least recently used go first."""

    def __init__(self, schema: GraphQLSchema, limits: Limits, *, keep_bytes: int = 1_000_000) -> None:
        self._schema = schema
        self._limits = limits
        self._keep_bytes = keep_bytes
        self._kept: OrderedDict[bytes, Document] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def read(self, source: str) -> Document:
        """Return the document; raises Refused (a limit) or Unreadable (not GraphQL, or not valid)."""
        encoded = source.encode("utf-8", "surrogatepass")
        if len(encoded) > self._limits.document_bytes:
            raise Refused("documentBytes", self._limits.document_bytes)
        digest = sha256(encoded).digest()
        if (kept := self._kept.get(digest)) is not None:
            self._kept.move_to_end(digest)
            return kept
        try:
            document = self._examine(source, len(encoded), digest.hex())
        except RecursionError:
            raise Refused("depth", self._limits.depth) from None
        self._kept[digest] = document
        self._bytes += document.source_bytes
        while self._bytes > self._keep_bytes and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= dropped.source_bytes
        return document

    def _examine(self, source: str, size: int, hash_: str) -> Document:
        node = _parse(source, self._limits)
        operations = {
            d.name.value if d.name else None: d
            for d in node.definitions
            if isinstance(d, OperationDefinitionNode)
        }
        fragments = {d.name.value: d for d in node.definitions if isinstance(d, FragmentDefinitionNode)}
        _judge_form(node, operations, fragments, self._limits)
        if errors := validate_document(self._schema, node, tuple(specified_rules)):
            raise Unreadable(errors[:20])
        return Document(node=node, source_bytes=size, hash=hash_, operations=operations, fragments=fragments)

    def choose(self, document: Document, name: str | None, variables: Mapping[str, Any]) -> Operation:
        """Return the named (or only) operation with its cost; raises Refused or Unreadable."""
        if name is None and len(document.operations) == 1:
            chosen = next(iter(document.operations.values()))
        elif (found := document.operations.get(name)) is not None and name is not None:
            chosen = found
        else:
            said = "Unknown operation name." if name is not None else "Say which operation: operationName."
            raise Unreadable([GraphQLError(said)])
        weighing = _Weighing(self._schema, document.fragments, variables, self._limits)
        cost = weighing.operation(chosen)
        if cost > self._limits.cost:
            raise Refused("cost", self._limits.cost)
        return Operation(
            document=document.node,
            name=chosen.name.value if chosen.name else None,
            type=chosen.operation,
            fields=frozenset(weighing.fields),
            cost=cost,
            document_hash=document.hash,
            presents_code=weighing.presents_code,
            tells_profile=weighing.tells_profile,
        )


def _parse(source: str, limits: Limits) -> DocumentNode:
    try:
        return parse(source, max_tokens=limits.tokens, allow_empty_selection_sets=False)
    except GraphQLSyntaxError as error:
        if "more than" in error.message and "tokens" in error.message:
            raise Refused("tokens", limits.tokens) from None
        if "nested too deeply" in error.message:
            raise Refused("depth", limits.depth) from None
        raise Unreadable([error]) from None


def _judge_form(
    node: DocumentNode,
    operations: Mapping[str | None, OperationDefinitionNode],
    fragments: Mapping[str, FragmentDefinitionNode],
    limits: Limits,
) -> None:
    """Check what needs no schema, so that validation never sees an abusive document."""
    aliases = directives = 0
    names: Counter[str] = Counter()
    asked: set[str] = set()
    for part in _walk(node):
        if isinstance(part, FieldNode):
            aliases += part.alias is not None
            names[(part.alias or part.name).value] += 1
            asked.add(part.name.value)
        directives += len(getattr(part, "directives", None) or ())
    if aliases > limits.aliases:
        raise Refused("aliases", limits.aliases)
    # what is asked about the schema costs nothing but time, and each alias asks it all again
    if aliases > limits.introspection_aliases and asked & {"__schema", "__type"}:
        raise Refused("aliases", limits.introspection_aliases)
    if directives > limits.directives:
        raise Refused("directives", limits.directives)
    if max(names.values(), default=0) > limits.repetitions:
        raise Refused("repetitions", limits.repetitions)
    depths: dict[str, int] = {}
    for operation in operations.values():
        roots = list(_fields(operation.selection_set, fragments, set()))
        if len(roots) > limits.root_fields:
            raise Refused("rootFields", limits.root_fields)
        about_schema = bool(roots) and all(field.name.value.startswith("__") for field in roots)
        most = limits.introspection_depth if about_schema else limits.depth
        depth = _depth(operation.selection_set, fragments, depths, frozenset(), most)
        if depth > most:
            raise Refused("introspectionDepth" if about_schema else "depth", most)


def _walk(node: Node) -> Iterator[Node]:
    waiting: list[Node] = [node]
    while waiting:
        part = waiting.pop()
        yield part
        for key in part.keys:
            value = getattr(part, key, None)
            if isinstance(value, Node):
                waiting.append(value)
            elif isinstance(value, list | tuple):
                waiting.extend(v for v in value if isinstance(v, Node))


def _fields(
    selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode], seen: set[str]
) -> Iterator[FieldNode]:
    """Yield the fields that stand directly in a selection set, through its fragments."""
    for part in selections.selections:
        if isinstance(part, FieldNode):
            yield part
        elif isinstance(part, InlineFragmentNode):
            yield from _fields(part.selection_set, fragments, seen)
        elif isinstance(part, FragmentSpreadNode):
            name = part.name.value
            if name not in seen and name in fragments:
                seen.add(name)
                yield from _fields(fragments[name].selection_set, fragments, seen)


def _depth(
    selections: SelectionSetNode | None,
    fragments: Mapping[str, FragmentDefinitionNode],
    known: dict[str, int],
    inside: frozenset[str],
    most: int,
) -> int:
    """Return how deep the fields are nested; stops a little past ``most``. Circles are validation's work."""
    deepest = 0
    for part in selections.selections if selections is not None else ():
        if isinstance(part, FieldNode):
            if most <= 0:
                return 1
            depth = 1 + _depth(part.selection_set, fragments, known, inside, most - 1)
        elif isinstance(part, InlineFragmentNode):
            depth = _depth(part.selection_set, fragments, known, inside, most)
        elif isinstance(part, FragmentSpreadNode):
            name = part.name.value
            if name in inside or name not in fragments:
                continue
            if name not in known:
                # 50 is more than any limit: what is kept holds wherever the fragment is used
                known[name] = _depth(fragments[name].selection_set, fragments, known, inside | {name}, 50)
            depth = known[name]
        else:
            continue
        deepest = max(deepest, depth)
        if deepest > most:
            break
    return deepest


class _Weighing:
    """Adds up fields and cost of one operation; each fragment is weighed once, so no fan-out explodes."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
        limits: Limits,
    ) -> None:
        self.fields: set[tuple[str, str]] = set()
        self.presents_code = False
        self.tells_profile = False
        self._schema = schema
        self._fragments = fragments
        self._variables = variables
        self._defaults: dict[str, Any] = {}
        self._limits = limits
        self._known: dict[str, int] = {}

    def operation(self, operation: OperationDefinitionNode) -> int:
        for definition in operation.variable_definitions or ():
            if definition.default_value is not None:
                self.tells_profile |= self._tells(definition.default_value)
            if isinstance(definition.default_value, IntValueNode):
                self._defaults[definition.variable.name.value] = int(definition.default_value.value)
        root = self._schema.get_root_type(operation.operation)
        return 0 if root is None else self._selections(operation.selection_set, root)

    def _selections(self, selections: SelectionSetNode | None, parent: object) -> int:
        cost = 0
        for part in selections.selections if selections is not None else ():
            if isinstance(part, FieldNode):
                cost += self._field(part, parent)
            elif isinstance(part, InlineFragmentNode):
                condition = part.type_condition
                inner = parent if condition is None else self._schema.get_type(condition.name.value)
                cost += self._selections(part.selection_set, inner)
            elif isinstance(part, FragmentSpreadNode):
                name = part.name.value
                if name not in self._known:
                    fragment = self._fragments[name]
                    on = self._schema.get_type(fragment.type_condition.name.value)
                    self._known[name] = self._selections(fragment.selection_set, on)
                cost += self._known[name]
        return cost

    def _field(self, node: FieldNode, parent: object) -> int:
        name = node.name.value
        if name.startswith("__"):
            return 1  # the schema is bounded, and its depth is limited
        if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            return 1
        definition = parent.fields[name]
        if is_introspection_type(parent):
            return 1
        self._touch(parent, name)
        self.presents_code |= any(given.name.value == CODE_ARGUMENT for given in node.arguments or ())
        self.tells_profile |= any(self._tells(given.value) for given in node.arguments or ())
        if node.selection_set is None:
            return 1
        inner = self._selections(node.selection_set, get_named_type(definition.type))
        # the elements of a page are counted once, where its size is given: at the field that is the page
        paged = parent.name.endswith("Connection") and name in {"edges", "nodes"}
        own = WEIGHTS.get((parent.name, name), 1)
        return own + inner * (1 if paged else self._size(node, definition))

    def _tells(self, given: ValueNode) -> bool:
        """Whether an argument holds a profile, however it is written: in place or by a variable."""
        if isinstance(given, VariableNode):
            value = self._variables.get(given.name.value)
            return isinstance(value, dict) and any(value.get(name) is not None for name in PROFILE_FIELDS)
        if isinstance(given, ObjectValueNode):
            return any(field.name.value in PROFILE_FIELDS for field in given.fields)
        return False

    def _touch(self, parent: GraphQLObjectType | GraphQLInterfaceType, field: str) -> None:
        if isinstance(parent, GraphQLObjectType):
            self.fields.add((parent.name, field))
            return
        # which object stands behind an interface is not known yet: each of them counts
        for possible in self._schema.get_possible_types(parent):
            self.fields.add((possible.name, field))

    def _size(self, node: FieldNode, definition: GraphQLField) -> int:
        for argument in definition.args.keys() & SIZE_ARGUMENTS:
            size = self._given(node, argument, definition.args[argument].default_value)
            if size is None:
                continue
            if not 0 <= size <= self._limits.list_size:
                raise Refused("listSize", self._limits.list_size)
            return max(1, size)
        return EMBEDDED_LIST if _is_list(definition.type) else 1

    def _given(self, node: FieldNode, argument: str, default: object) -> int | None:
        for given in node.arguments or ():
            if given.name.value != argument:
                continue
            if isinstance(given.value, IntValueNode):
                return int(given.value.value)
            if isinstance(given.value, VariableNode):
                name = given.value.name.value
                value = self._variables.get(name, self._defaults.get(name))
                if isinstance(value, int | float) and not isinstance(value, bool):
                    return int(value)
            # null or not a number: the size is the most there can be, the executor says what is wrong
            return self._limits.list_size
        if default is Undefined or not isinstance(default, int):
            return self._limits.list_size
        return default


def _is_list(type_: GraphQLOutputType) -> bool:
    while isinstance(type_, GraphQLNonNull):
        type_ = type_.of_type
    return isinstance(type_, GraphQLList)


class Judged(SchemaExtension):
    """Has the executor use the document that was parsed, limited and validated already."""

    def on_operation(self) -> Iterator[None]:
        """Hand the judged document over."""
        operation = self.execution_context.context.operation
        self.execution_context.graphql_document = operation.document
        self.execution_context.validation_rules = ()
        yield
