"""What comes back: responses to requests, unsolicited ones, messages. One model, rendered as XML and as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from web.rpc.table import MESSAGE
from web.rpc.values import Value, Values

IDENTIFIER = "request_identifier"


class Severity(IntEnum):
    """How bad a message is (CPX2-SE, message)."""

    DEBUG = 0
    WARNING = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Response:
    """A response with its parameters."""

    name: str
    parameters: Values = field(default_factory=dict)
    timestamp: float | None = None
    """When it was made, in seconds since 1970; None: not to be told."""


def message(severity: Severity, description: str, identifier: Value = None, **more: Value) -> Response:
    """A message; `identifier` is that of the request that it concerns, None: none or of none."""
    parameters: Values = {"description": description, "severity": int(severity), **more}
    if identifier is not None:
        parameters[IDENTIFIER] = identifier
    return Response(MESSAGE, parameters)
