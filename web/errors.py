"""The one table exception -> HTTP status, problem type, exit code; and what the web layer itself raises.

RequestError
├── UnauthenticatedError   no token, or a wrong one
├── ForbiddenError         the token's role is too low, or the request comes from another site
├── BadRequestError        the request's values; names every field that is wrong
├── NoSuchCallError        no such address
├── MethodError            the address exists, the method does not
├── MisdirectedError       the Host header names somebody else (DNS rebinding)
├── TooLargeError          the body is longer than allowed
├── MediaTypeError         the body is not JSON
└── TooManyError           wait and try again

Every error of every call is `application/problem+json` (RFC 9457).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from msgspec import UNSET, Struct, UnsetType

from hub.errors import (
    ConfigError,
    HubError,
    InvalidError,
    NotFoundError,
    RefusedError,
    StorageError,
    UnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
    ZclStatusError,
)
from web import schema
from web.schema_base import Json

PROBLEM_TYPE = "application/problem+json"
REALM = "home-energy-hub"
TYPE_PREFIX = "urn:home-energy-hub:problem:"
LONGEST_SHOWN = 120
"""Characters of a refused value that are shown back."""


class FieldError(Struct, frozen=True, omit_defaults=True):
    """One value of a request that is wrong, and what is allowed instead. Secrets are never shown back."""

    field: str
    allowed: str
    value: str | UnsetType = UNSET


class Problem(Struct, frozen=True, omit_defaults=True):
    """What went wrong, for programs (`type`, `status`) and for people (`title`, `detail`)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str | UnsetType = UNSET
    errors: list[FieldError] | UnsetType = UNSET
    near: list[str] | UnsetType = UNSET
    outcome: str | UnsetType = UNSET
    command: schema.Command | UnsetType = UNSET
    commands: list[schema.Command] | UnsetType = UNSET
    zcl_status: str | UnsetType = UNSET
    """Name of the ZCL status with which a Zigbee device said no."""
    request_identifier: Json | UnsetType = UNSET
    """Of an RPC request that bore one."""


class RequestError(Exception):
    """Base of what the web layer refuses; the text is one sentence for people, `headers` go with the answer."""

    def __init__(self, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.headers = dict(headers or {})


class UnauthenticatedError(RequestError):
    """No token, or a wrong one."""

    def __init__(self, detail: str) -> None:
        # Bearer, although Basic is taken too: a browser that is told of Basic asks for a password by itself.
        super().__init__(detail, {"WWW-Authenticate": f'Bearer realm="{REALM}"'})


class ForbiddenError(RequestError):
    """The token's role is too low, or the request comes from another site."""


class BadRequestError(RequestError):
    """The request's values."""

    def __init__(self, detail: str, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail)
        self.errors = errors


class NoSuchCallError(RequestError):
    """There is nothing at this address."""


class MethodError(RequestError):
    """The address exists, the method does not."""

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        names = ", ".join(allowed)
        super().__init__(f"{method} is not possible here; allowed: {names}", {"Allow": names})


class MisdirectedError(RequestError):
    """The Host header names somebody else."""


class TooLargeError(RequestError):
    """The body is longer than allowed."""


class MediaTypeError(RequestError):
    """The body is not JSON."""

    def __init__(self, got: str) -> None:
        super().__init__(f"the body is {got[:LONGEST_SHOWN]!r}; allowed: application/json")


class TooManyError(RequestError):
    """Too much in too little time."""

    def __init__(self, detail: str, retry_after_s: float) -> None:
        super().__init__(detail, {"Retry-After": str(max(1, round(retry_after_s)))})


@dataclass(frozen=True, slots=True)
class Row:
    """How one kind of error is told: HTTP status, last part of the problem type, title, exit code of `hubctl`."""

    error: type[Exception]
    status: int
    slug: str
    title: str
    exit_code: int


OK, FAILED, USAGE, NOT_FOUND, UNKNOWN, UNREACHABLE = range(6)
"""Exit codes of hubctl; UNREACHABLE is for a hub that does not answer at all, so no row has it."""

TABLE: tuple[Row, ...] = (
    Row(NotFoundError, 404, "not-found", "Not found", NOT_FOUND),
    Row(InvalidError, 400, "invalid", "Invalid request", USAGE),
    Row(ConfigError, 400, "invalid", "Invalid request", USAGE),
    Row(UnsupportedError, 409, "unsupported", "Not supported", FAILED),
    Row(RefusedError, 409, "refused", "Refused", FAILED),
    Row(UnknownOutcomeError, 504, "unknown-outcome", "Outcome unknown", UNKNOWN),
    Row(UnavailableError, 503, "unavailable", "Not available", FAILED),
    Row(StorageError, 507, "storage", "The database cannot take it", FAILED),
    Row(BadRequestError, 400, "invalid", "Invalid request", USAGE),
    Row(UnauthenticatedError, 401, "unauthenticated", "A token is needed", FAILED),
    Row(ForbiddenError, 403, "forbidden", "Not allowed", FAILED),
    Row(NoSuchCallError, 404, "no-such-call", "No such address", NOT_FOUND),
    Row(MethodError, 405, "method", "No such method here", USAGE),
    Row(MisdirectedError, 421, "misdirected", "Not the host that was asked for", FAILED),
    Row(TooLargeError, 413, "too-large", "Too large", USAGE),
    Row(MediaTypeError, 415, "media-type", "Wrong kind of body", USAGE),
    Row(TooManyError, 429, "too-many", "Too many attempts", FAILED),
)
"""An error that no row names is a fault of ours: 500, and its text stays in the log."""

_BY_ERROR = {row.error: row for row in TABLE}
_OURS = Row(Exception, 500, "internal", "A fault in the hub", FAILED)


def row_of(error: BaseException) -> Row | None:
    """The row that tells of `error`, or None when it is a fault of ours."""
    for kind in type(error).__mro__:
        if kind in _BY_ERROR:
            return _BY_ERROR[kind]
    return None


def problem_of(error: BaseException, instance: str = "") -> Problem:
    """`error` as a client may see it."""
    row = row_of(error)
    where: str | UnsetType = instance or UNSET
    if row is None:
        return Problem(
            TYPE_PREFIX + _OURS.slug,
            _OURS.title,
            _OURS.status,
            "something went wrong inside the hub; its log says more",
            where,
        )
    commands: list[schema.Command] | UnsetType = UNSET
    outcome: str | UnsetType = UNSET
    if isinstance(error, RefusedError | UnknownOutcomeError) and error.commands:
        commands = [schema.command(command) for command in error.commands]
        outcome = "unknown" if isinstance(error, UnknownOutcomeError) else "refused"
    errors: list[FieldError] | UnsetType = UNSET
    if isinstance(error, InvalidError):
        errors = [FieldError(error.field, error.allowed, shown(error.value))]
    elif isinstance(error, BadRequestError) and error.errors:
        errors = list(error.errors)
    return Problem(
        type=TYPE_PREFIX + row.slug,
        title=row.title,
        status=row.status,
        detail=str(error) if isinstance(error, HubError | RequestError) else row.title,
        instance=where,
        errors=errors,
        near=list(error.near) if isinstance(error, NotFoundError) and error.near else UNSET,
        outcome=outcome,
        command=commands[0] if commands is not UNSET and len(commands) == 1 else UNSET,
        commands=commands,
        zcl_status=error.name if isinstance(error, ZclStatusError) else UNSET,
    )


def problem_of_status(status: int, detail: str) -> Problem:
    """A refusal that the HTTP parser made before anything of ours saw the request."""
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = "HTTP error"
    for row in TABLE:
        if row.status == status and issubclass(row.error, RequestError):
            return Problem(TYPE_PREFIX + row.slug, row.title, status, detail)
    return Problem("about:blank", title, status, detail)


def shown(value: object) -> str:
    """A refused value as text of bounded length."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "..."
