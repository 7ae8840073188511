"""What the hub raises. It says whose fault it is and carries what the caller needs to go on.

HubError
├── ConfigError          hub.toml, the environment or an argument: names key, value and what is allowed
├── NotFoundError        no such device, radio, token, command
├── InvalidError         the request's values: names field, value and what is allowed
├── UnsupportedError     the device or its radio cannot do this
├── RefusedError         it could be done, but policy or the device says no (carries the command where there is one)
│   └── ZclStatusError   a Zigbee device said no: carries the ZCL status
├── UnknownOutcomeError  it was sent and nobody knows whether it happened (carries the command)
├── UnavailableError     the device or its radio does not answer, or has no valid key
│   └── ConversationError    a Zigbee device was asked something: carries where, and the radio's status
└── StorageError         the database cannot take it now: disk full, read-only
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hub.model import Command
    from protocols.ids import Eui64


@dataclass(frozen=True, slots=True)
class Conversing:
    """With whom, and about what."""

    ieee: Eui64
    endpoint: int
    profile: int
    cluster: int


class HubError(Exception):
    """Base of everything the hub raises on purpose; the text is one sentence for people."""


class ConfigError(HubError):
    """The configuration is wrong at `key`."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key, self.problem = key, problem


class NotFoundError(HubError):
    """There is no `what` called `name`; `near` are names that exist and look alike."""

    def __init__(self, what: str, name: str, near: tuple[str, ...] = ()) -> None:
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        super().__init__(f"there is no {what} {name!r}{hint}")
        self.what, self.name, self.near = what, name, near


class InvalidError(HubError):
    """`field` of a request holds `value`, which is not `allowed`."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(f"{field} is {value!r}; allowed: {allowed}")
        self.field, self.value, self.allowed = field, value, allowed


class UnsupportedError(HubError):
    """The device or its radio cannot do this."""


class RefusedError(HubError):
    """Policy or the device said no."""

    def __init__(self, detail: str, commands: tuple[Command, ...] = ()) -> None:
        super().__init__(detail)
        self.commands = commands


class ZclStatusError(RefusedError):
    """A Zigbee device answered with a ZCL status that is not success."""

    def __init__(self, detail: str, status: int, name: str, commands: tuple[Command, ...] = ()) -> None:
        super().__init__(f"{detail}: {name} (0x{status:02X})", commands)
        self.status, self.name = status, name


class UnknownOutcomeError(HubError):
    """It was sent, and nobody knows whether it happened."""

    def __init__(self, detail: str, commands: tuple[Command, ...] = ()) -> None:
        super().__init__(detail)
        self.commands = commands


class UnavailableError(HubError):
    """The device or its radio does not answer, or has no valid key."""


class ConversationError(UnavailableError):
    """A Zigbee device was asked something, and that came to nothing.

    `cause` is why, for people: the name of `status`, which is the radio's for the transmission, or all that there is to
    say where that is None. `lacks_key`: no keys are established with the device.
    """

    def __init__(self, where: Conversing, cause: str, status: int | None = None, *, lacks_key: bool = False) -> None:
        code = f" (0x{status:02X})" if status is not None else ""
        super().__init__(f"{where.ieee}, endpoint {where.endpoint}, cluster 0x{where.cluster:04x}: {cause}{code}")
        self.where, self.cause, self.status, self.lacks_key = where, cause, status, lacks_key


class StorageError(HubError):
    """The database cannot take it now."""
