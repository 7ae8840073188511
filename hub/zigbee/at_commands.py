"""Registers of the stick itself: read, written, carried out (`xbee_AT` of the gateway manual), within guard rails.

Everything is checked by the table in `protocols.xbee.at` before anything reaches the radio. Keys are never told: not in
answers, not in errors.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from hub.errors import InvalidError, NotFoundError, RefusedError, UnsupportedError
from hub.zigbee.network import Network
from hub.zigbee.service import told
from protocols.errors import RangeError
from protocols.xbee.at import REGISTERS, Access, Effect, Register
from radios.api import DeliveryError, OptionError

log = logging.getLogger(__name__)

NEAR = 0.5
"""Of two characters one has to be the same."""


@dataclass(frozen=True, slots=True)
class AtAnswer:
    """What the stick says of a register."""

    register: Register
    value: bytes | None = field(repr=False)
    """None: it was written or carried out, which gives none."""


class AtCommands:
    """`hub.at_commands`."""

    def __init__(self, network: Callable[[str], Network]) -> None:
        """`network(radio)` raises `NotFoundError`."""
        self._network = network

    async def run(
        self, radio: str, command: str, value: int | str | None = None, confirm: str | None = None
    ) -> AtAnswer:
        """Read a register (no value), write it (a number, or hex digits), or carry out a command.

        `confirm` is the radio's name, needed where the network is formed anew by it. Raises `InvalidError`,
        `RefusedError`.
        """
        network = self._network(radio)
        row = _row(command)
        data = _bytes(row, value)
        _check(row, data)
        if not network.capabilities.at_commands:
            raise UnsupportedError(f"{radio!r} has no AT commands: only XBee radios do")
        if row.effect_of(data) is Effect.NETWORK and confirm != radio:
            allowed = f"the radio's name, {radio!r}, since {Effect.NETWORK.value} by this"
            raise InvalidError("confirm", "missing" if confirm is None else confirm[:40], allowed)
        done = "read" if data is None and row.access is not Access.EXECUTE else "written"
        log.info("%s: %s is %s", radio, row.name, "carried out" if row.access is Access.EXECUTE else done)
        async with told(f"AT command {row.name} on {radio!r}"):
            try:
                found = await network.need_radio().at_command(row.name, data)
            except OptionError as error:
                raise RefusedError(error.problem) from None
            except DeliveryError as error:
                raise RefusedError(str(error)) from None
        return AtAnswer(row, found or None)


def _row(command: str) -> Register:
    row = REGISTERS.get(command.strip().upper())
    if row is None:
        near = difflib.get_close_matches(command.strip().upper()[:2], REGISTERS, 4, NEAR)
        raise NotFoundError("AT command", command[:20], tuple(near))
    return row


def _bytes(row: Register, value: int | str | None) -> bytes | None:
    """The value's bytes, the most significant first: as few as hold a number, as many as hex digits say."""
    if value is None:
        return None
    try:
        return row.value_of(value)
    except RangeError as error:
        raise _invalid(row, error) from None


def _check(row: Register, value: bytes | None) -> None:
    if row.effect is Effect.LINK and (value is not None or row.access is Access.EXECUTE):
        raise RefusedError(f"{row.name} ({row.meaning}) is not written from here: {row.effect.value}")
    if value is None:
        if row.access is Access.WRITE:
            raise InvalidError("value", "missing", f"what {row.name} shall be: it is written only, and never told")
        if row.access is Access.EXECUTE and row.minimum:
            raise InvalidError("value", "missing", f"{row.allowed}: {row.meaning}")
        return
    if row.access is Access.EXECUTE and not row.size:
        raise InvalidError("value", "given", f"none: {row.name} is carried out without one")
    try:
        row.check(value)
    except RangeError as error:
        raise _invalid(row, error) from None


def _invalid(row: Register, error: RangeError) -> InvalidError:
    if row.access is Access.READ:
        return InvalidError("command", row.name, "to be read only; leave the value out")
    return InvalidError("value", error.value, error.allowed)
