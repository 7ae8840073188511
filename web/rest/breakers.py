"""Breakers: list, open, close, toggle, LEDs, groups, and the commands that were given."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from hub.breakers import LedPattern
from hub.errors import InvalidError, RefusedError, UnknownOutcomeError
from hub.model import Action, Capability, Command, Outcome
from protocols.emcb import LED_COUNT, MAX_LED_DURATION_S, Led
from web import schema
from web.auth import Role
from web.routes import API, Call, Route

DEFAULT_COMMANDS = 100
MAX_COMMANDS = 1000
"""Commands in one answer: 250 kB."""
MAX_GROUP = 1000
CONTROL_FAILS = (409, 503, 504, 507)

Id = Annotated[str, Meta(min_length=1, max_length=64)]


class BreakerList(Struct, frozen=True):
    """Devices that are breakers."""

    breakers: list[schema.Device]


class LedColour(Struct, frozen=True, forbid_unknown_fields=True):
    """One bargraph LED."""

    color: Annotated[str, Meta(pattern="^#[0-9a-fA-F]{6}$")]
    blinking: bool = False


class LedRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Five colours, the one nearest the status LED first, for `duration_s` (0: until told otherwise); or `off`."""

    leds: Annotated[list[LedColour], Meta(min_length=LED_COUNT, max_length=LED_COUNT)] | UnsetType = UNSET
    duration_s: Annotated[int, Meta(ge=0, le=MAX_LED_DURATION_S)] = 0
    off: bool = False


class GroupRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Which breakers: a list of ids, or `all`."""

    breakers: Annotated[list[Id], Meta(min_length=1, max_length=MAX_GROUP)] | UnsetType = UNSET
    all: bool = False


class GroupResult(Struct, frozen=True):
    """What became of every breaker of the group."""

    outcome: Outcome
    commands: list[schema.Command]


class CommandsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which commands."""

    device: Id | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=MAX_COMMANDS)] = DEFAULT_COMMANDS


class CommandList(Struct, frozen=True):
    """Commands, newest first."""

    commands: list[schema.Command]


async def list_breakers(call: Call[None, None]) -> BreakerList:
    """List breakers with their latest readings."""
    found = [device for device in call.hub.devices.all() if Capability.BREAKER in device.capabilities]
    return BreakerList(schema.devices(found, call.hub.devices))


async def open_breaker(call: Call[None, None]) -> schema.Command:
    """Open a breaker.

    The answer comes when the outcome is known: 200 confirmed, 409 refused, 504 unknown (it was sent and nobody knows).
    """
    return await _move(call, Action.OPEN)


async def close_breaker(call: Call[None, None]) -> schema.Command:
    """Close a breaker.

    The answer comes when the outcome is known: 200 confirmed, 409 refused, 504 unknown (it was sent and nobody knows).
    """
    return await _move(call, Action.CLOSE)


async def toggle_breaker(call: Call[None, None]) -> schema.Command:
    """Toggle a breaker; never sent twice.

    The answer comes when the outcome is known: 200 confirmed, 409 refused, 504 unknown (it was sent and nobody knows).
    """
    return await _move(call, Action.TOGGLE)


async def set_leds(call: Call[None, LedRequest]) -> schema.Command:
    """Show colours on a breaker's bargraph, or give it back (`off`)."""
    body = call.body
    if (body.leds is UNSET) is not body.off:
        raise InvalidError("leds", "both or neither of leds and off", "either five leds, or off: true")
    pattern = None if body.leds is UNSET else LedPattern(tuple(_led(one) for one in body.leds), body.duration_s)
    command = await call.hub.breakers.set_leds(call.path["id"], pattern, call.principal.token.name)
    return schema.command(command)


async def open_group(call: Call[None, GroupRequest]) -> GroupResult:
    """Open several breakers, or all.

    200 when all are confirmed, 504 when the outcome of one is unknown, else 409; `commands` tells of each.
    """
    return await _move_group(call, Action.OPEN)


async def close_group(call: Call[None, GroupRequest]) -> GroupResult:
    """Close several breakers, or all.

    200 when all are confirmed, 504 when the outcome of one is unknown, else 409; `commands` tells of each.
    """
    return await _move_group(call, Action.CLOSE)


async def list_commands(call: Call[CommandsQuery, None]) -> CommandList:
    """List the commands that were given, newest first."""
    device = call.query.device
    found = await call.hub.history.commands(None if device is UNSET else device, call.query.limit)
    return CommandList([schema.command(command) for command in found])


async def _move(call: Call[None, None], action: Action) -> schema.Command:
    return schema.command(await call.hub.breakers.move(call.path["id"], action, call.principal.token.name))


async def _move_group(call: Call[None, GroupRequest], action: Action) -> GroupResult:
    body = call.body
    if (body.breakers is UNSET) is not body.all:
        raise InvalidError("breakers", "both or neither of breakers and all", "either a list of ids, or all: true")
    ids = None if body.breakers is UNSET else tuple(body.breakers)
    commands = await call.hub.breakers.move_group(ids, action, call.principal.token.name)
    unknown = [command for command in commands if command.outcome is Outcome.UNKNOWN]
    refused = [command for command in commands if command.outcome is Outcome.REFUSED]
    if unknown:
        raise UnknownOutcomeError(_group_detail(unknown, commands, "have an unknown outcome"), commands)
    if refused:
        raise RefusedError(_group_detail(refused, commands, "were refused"), commands)
    return GroupResult(Outcome.CONFIRMED, [schema.command(command) for command in commands])


def _group_detail(some: list[Command], commands: tuple[Command, ...], what: str) -> str:
    first = some[0]
    reason = f": {first.detail}" if first.detail else ""
    return f"{len(some)} of {len(commands)} commands {what}; {first.device_id}{reason}"


def _led(colour: LedColour) -> Led:
    red, green, blue = bytes.fromhex(colour.color[1:])
    return Led(red, green, blue, int(colour.blinking))


ROUTES = (
    Route("GET", f"{API}/breakers", Role.VIEWER, list_breakers, tag="breakers"),
    *(
        Route("POST", f"{API}/breakers/{{id}}/{name}", Role.OPERATOR, handler, fails=CONTROL_FAILS, tag="breakers")
        for name, handler in (("open", open_breaker), ("close", close_breaker), ("toggle", toggle_breaker))
    ),
    Route("PUT", f"{API}/breakers/{{id}}/led", Role.OPERATOR, set_leds, fails=CONTROL_FAILS, tag="breakers"),
    *(
        Route(
            "POST", f"{API}/breakers/groups/{name}", Role.OPERATOR, handler, fails=(404, *CONTROL_FAILS), tag="breakers"
        )
        for name, handler in (("open", open_group), ("close", close_group))
    ),
    Route("GET", f"{API}/commands", Role.VIEWER, list_commands, fails=(507,), tag="breakers"),
)
