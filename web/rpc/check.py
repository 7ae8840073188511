"""Is a request one that can be done? Its name, its parameters, who asks: `check` says so before anything is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from web.roles import Role
from web.rpc import as_json, as_xml
from web.rpc.build import ArgumentsRefusedError, Context, Given, build
from web.rpc.declare import RequestRow
from web.rpc.markup import MAX_NAME, Element, is_tag
from web.rpc.response import IDENTIFIER
from web.rpc.rows.shared import REQUEST_IDENTIFIER
from web.rpc.types import ValueRefusedError, shown
from web.rpc.values import Octets, Value, Values

MAX_IDENTIFIER = 256
"""Characters or octets of a request's identifier: the mailbox keeps it with every response; clients use numbers."""


class Reason(StrEnum):
    """Why a request is not done."""

    MALFORMED = "malformed"
    UNKNOWN_REQUEST = "unknown request"
    NOT_FOUND = "not found"
    ARGUMENTS = "arguments"
    ALIAS = "alias"
    ROLE = "role"
    PENDING = "not implemented yet"
    BUSY = "busy"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request is not done: for people, and each parameter for programs."""

    reason: Reason
    text: str
    identifier: Value = None
    fields: tuple[ValueRefusedError, ...] = ()
    near: tuple[str, ...] = ()
    """Names much like one that there is not: of requests, or of what a request names."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A request that can be done."""

    row: RequestRow
    arguments: Values
    """In the order of their rows, defaults filled in; without the identifier."""
    identifier: Value = None
    synchronous: bool = False

    @property
    def given_name(self) -> str:
        """The name that the client chose, of a request that has such a parameter."""
        return next(iter(self.arguments))


def check_xml(element: Element, context: Context, role: Role = Role.ADMIN) -> Checked | Problem:
    """Check a request in XML, whose aliases have been replaced."""

    def given() -> Given:
        return as_xml.arguments(element, context)

    def synchronous() -> bool:
        return as_xml.is_synchronous(element)

    return _check(element.tag, given, synchronous, context, role)


def identifier_of(element: Element, context: Context) -> Value:
    """The identifier of a request in XML, whatever else is in it."""
    return _identifier(as_xml.arguments(element, context))


def identifier_in_json(parameters: Mapping[str, object], context: Context) -> Value:
    """The identifier of a request in JSON, whatever else is in it."""
    return _identifier(as_json.arguments(parameters, context))


def check_json(
    name: str, parameters: Mapping[str, object], context: Context, role: Role = Role.ADMIN, *, synchronous: bool = True
) -> Checked | Problem:
    """Check a request in JSON."""
    return _check(name, lambda: as_json.arguments(parameters, context), lambda: synchronous, context, role)


def _check(
    name: str, given: Callable[[], Given], synchronous: Callable[[], bool], context: Context, role: Role
) -> Checked | Problem:
    identifier = _identifier(given())
    if _size(identifier) > MAX_IDENTIFIER:
        refused = ValueRefusedError(IDENTIFIER, f"of {_size(identifier)} characters", f"at most {MAX_IDENTIFIER}")
        return Problem(Reason.ARGUMENTS, f"{shown(name)}: {refused}", None, (refused,))
    row = context.table.request(name)
    if row is None:
        near = context.table.near(name)
        hint = f"did you mean {' or '.join(near)}?" if near else "the request help with methods lists what there is"
        return Problem(Reason.UNKNOWN_REQUEST, f"there is no request {shown(name)}; {hint}", identifier, (), near)
    try:
        arguments = _free(row, given(), context) if row.has_free_name else _arguments(row, given(), context)
        waits = synchronous()
    except ArgumentsRefusedError as error:
        return Problem(Reason.ARGUMENTS, f"{row.name}: {error}", identifier, tuple(error.problems))
    except ValueRefusedError as error:
        return Problem(Reason.ARGUMENTS, f"{row.name}: {error}", identifier, (error,))
    arguments.pop(IDENTIFIER, None)
    needed = row.role_for(arguments)
    if not role.covers(needed):
        text = f"{row.name}: this needs the role {needed.value}; yours is {role.value}"
        return Problem(Reason.ROLE, text, identifier)
    return Checked(row, arguments, identifier, waits)


def _identifier(given: Given) -> Value:
    """The request's identifier, which goes with every answer, that to a request that is all wrong, too."""
    for name, read in given:
        if name.lower() == IDENTIFIER:
            try:
                return read(REQUEST_IDENTIFIER.type, IDENTIFIER)
            except (ValueRefusedError, ArgumentsRefusedError):
                return None
    return None


def _size(identifier: Value) -> int:
    """Characters or octets; numbers are short anyway."""
    match identifier:
        case str():
            return len(identifier)
        case Octets():
            return len(identifier.data)
    return 0


def _arguments(row: RequestRow, given: Given, context: Context) -> Values:
    return build(row.params, row.by_name, given, context)


def _free(row: RequestRow, given: Given, context: Context) -> Values:
    """The one parameter that is called as the client likes."""

    def chosen() -> Iterator[tuple[str, Callable[..., Value]]]:
        yield from ((name, read) for name, read in given if name.lower() != IDENTIFIER)

    type_ = row.params[0].type
    values = build((), {}, chosen(), context, others=type_)
    what = "one tag, whose name is that of the alias"
    if len(values) != 1:
        raise ValueRefusedError("alias_name", "missing" if not values else f"{len(values)} names", what)
    [name] = values
    if not is_tag(name):
        allowed = f"a name that can be a tag, of at most {MAX_NAME} letters, digits and underscores"
        raise ValueRefusedError("alias_name", shown(name), allowed)
    return values
