"""Registers of XBee radios."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from hub.zigbee.at_commands import AtAnswer
from protocols.xbee.at import LONGEST_NUMBER, to_number
from web.auth import Role
from web.routes import API, Call, Route


class AtCommand(Struct, frozen=True, forbid_unknown_fields=True):
    """A register to be read (without `value`) or written, or a command to be carried out."""

    secret_fields: ClassVar[frozenset[str]] = frozenset(("value",))
    command: Annotated[str, Meta(min_length=1, max_length=20)]
    value: int | Annotated[str, Meta(max_length=200)] | None = None
    """A number, or hex digits with the most significant byte first; hex keeps its length. Keys and certificates
    may have separators between their digits."""
    confirm: Annotated[str, Meta(max_length=64)] | None = None
    """The radio's name, where the network is formed anew by it and every device is lost."""

    def __repr__(self) -> str:
        return f"AtCommand({self.command!r}, ...)"


class AtRegister(Struct, frozen=True):
    """A register: `value` is its number (null where it gives none, or is a key), `value_hex` its bytes."""

    command: str
    value: int | None
    value_hex: str | None
    meaning: str
    unit: str


def _told(found: AtAnswer) -> AtRegister:
    row, value = found.register, None if found.register.is_written_only else found.value
    return AtRegister(
        command=row.name,
        value=to_number(value) if value is not None and len(value) <= LONGEST_NUMBER else None,
        value_hex=None if value is None else value.hex(),
        meaning=row.meaning,
        unit=row.unit,
    )


async def at_command(call: Call[None, AtCommand]) -> AtRegister:
    """Read or write a register of the radio itself, or carry out a command.

    Checked whole before anything reaches the radio: the name, who may write it, what fits. What would break the link to
    the radio is refused; what forms the network anew needs `confirm`, the radio's name. Keys are never told.
    """
    body = call.body
    return _told(await call.hub.at_commands.run(call.path["radio"], body.command, body.value, body.confirm))


ROUTES = (Route("POST", f"{API}/networks/{{radio}}/at", Role.ADMIN, at_command, fails=(409, 503), tag="networks"),)
