"""What a row of the table says: a parameter, a record, a request, a response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum

from web.roles import Role
from web.rpc.types import Kind, Type
from web.rpc.values import Value

SAFE_INTEGER = 1 << 53
"""From here on JavaScript's numbers have gaps."""
_PLAIN = frozenset((Kind.INT, Kind.BOOL, Kind.STRING, Kind.NONE))


class Default(Enum):
    """Defaults that are no value."""

    REQUIRED = "must be given"
    LEFT_OUT = "may be missing"
    NOW = "the time when the record is made"
    AT_SENDING = "the time when it is sent"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a parameter of a response says of how its request went."""

    successes: tuple[Value, ...] = (0,)
    """The values of a request that did what it was asked for; any other is a failure."""
    meanings: Mapping[int, str] = field(default_factory=dict)
    """Of numbers, where the parameter may have others as well; of a bool those of 0 and 1."""
    reason: str = ""
    """The parameter beside it that says why; empty: none does."""
    has_message: bool = False
    """A message by the mailbox, with the same identifier, says why."""


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter of a request or response, or a field of a record."""

    name: str
    type: Type
    meaning: str
    default: Value | Default = Default.REQUIRED
    names: tuple[str, ...] = ()
    """Other names it is taken under: misprints of the manual and what clients send."""
    is_answer_only: bool = False
    """Seen in answers, never given in a request."""
    is_ours: bool = False
    """Not in the manual."""
    is_secret: bool = False
    """A key or a code: no error shows it back."""
    outcome: Outcome | None = None
    """Of a response: this tells whether the request did what it was asked for."""

    @property
    def is_required(self) -> bool:
        """Whether it must be given."""
        return self.default is Default.REQUIRED

    def meaning_of(self, value: object) -> str:
        """What a number or bool means here; empty where nobody says so."""
        if not isinstance(value, int):
            return ""
        told = self.outcome.meanings.get(value, "") if self.outcome else ""
        return told if isinstance(value, bool) else self.type.meanings.get(value, told)

    @property
    def default_text(self) -> str:
        """The default for people; empty without one."""
        match self.default:
            case Default.REQUIRED | Default.LEFT_OUT:
                return ""
            case Default.NOW | Default.AT_SENDING:
                return str(self.default.value)
            case bool():
                return "TRUE" if self.default else "FALSE"
            case int():
                return f"{self.default:#x}"
        return repr(self.default) if isinstance(self.default, str) else str(self.default)


class Chapter(StrEnum):
    """Chapters of the manual's Appendix A."""

    GENERAL = "General Requests/Responses"
    ZIGBEE = "ZigBee Requests/Responses"
    ZCL = "ZCL Requests/Responses"
    DRLC = "SE Requests/Responses: Demand Response / Load Control"
    MESSAGING = "SE Requests/Responses: Messaging"
    PRICE = "SE Requests/Responses: Price"
    ALIASING = "Aliasing Commands"
    RECORDS = "Record Reference"
    ADDED = "Added Modules"
    """Not the manual's: what add_module has brought."""


def _by_name(params: tuple[Param, ...]) -> Mapping[str, Param]:
    found: dict[str, Param] = {}
    for param in params:
        for name in (param.name, *param.names):
            assert name.lower() not in found, f"{name} stands twice"
            found[name.lower()] = param
    return found


def _is_plain(type_: Type) -> bool:
    return _PLAIN.issuperset(type_.kinds) and (
        Kind.INT not in type_.kinds or bool(type_.meanings) or (type_.maximum or SAFE_INTEGER) < SAFE_INTEGER
    )


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    chapter: Chapter
    meaning: str
    params: tuple[Param, ...] = ()
    by_name: Mapping[str, Param] = field(init=False, repr=False, compare=False)
    """Lower case name, of the misprinted ones too -> parameter."""
    is_plain: bool = field(init=False, repr=False, compare=False)
    """Its values are the same in JSON: numbers that JavaScript keeps, text, true and false."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", _by_name(self.params))
        object.__setattr__(self, "is_plain", all(_is_plain(param.type) for param in self.params))


@dataclass(frozen=True, slots=True)
class RecordRow(_Row):
    """A class of records."""

    names: tuple[str, ...] = ()
    """Other names it is taken under."""
    is_ours: bool = False


@dataclass(frozen=True, slots=True)
class RequestRow(_Row):
    """A request."""

    response: str | None = None
    """Name of the response; None: there is none."""
    role: Role = Role.OPERATOR
    """The least role that may."""
    role_with: Mapping[str, Role] = field(default_factory=dict)
    """The least role that may give a parameter."""
    is_quick: bool = False
    """It is answered out of what the hub knows, so it waits for nobody."""
    has_free_name: bool = False
    """The one parameter bears a name that the client chooses."""
    is_ours: bool = False
    """Not in the manual."""

    @property
    def section(self) -> str:
        """Where the manual describes it."""
        return "not in the manual" if self.is_ours else f"Appendix A, {self.chapter}"

    def role_for(self, given: Mapping[str, Value]) -> Role:
        """The least role that may make this request with these parameters."""
        needed = [self.role, *(role for name, role in self.role_with.items() if name in given)]
        return max(needed, key=lambda role: role.rank)


@dataclass(frozen=True, slots=True)
class ResponseRow(_Row):
    """A response: to a request, or unsolicited."""

    is_unsolicited: bool = False
    has_free_names: bool = False
    """Beside its parameters there may be others."""
    is_ours: bool = False
