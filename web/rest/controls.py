"""Switches, lights, thermostats: commands with an outcome, as for breakers."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from hub.model import Action, ThermostatMode
from hub.zigbee.control import MAX_IDENTIFY_S
from web import schema
from web.auth import Role
from web.rest.attributes import Endpoint
from web.rest.breakers import CONTROL_FAILS
from web.routes import API, Call, Route

DEFAULT_IDENTIFY_S = 10


class SwitchRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Which of several switches; the first where it is left out."""

    endpoint: Endpoint | UnsetType = UNSET


class LevelRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """0 to 100 %, in so many seconds."""

    level_percent: Annotated[float, Meta(ge=0, le=100)]
    transition_s: Annotated[float, Meta(ge=0, le=6553)] = 0.0
    endpoint: Endpoint | UnsetType = UNSET


class SetpointRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The temperature to heat up to, or to cool down to, in °C, within the device's own limits."""

    heating_c: Annotated[float, Meta(ge=-273, le=327)] | UnsetType = UNSET
    cooling_c: Annotated[float, Meta(ge=-273, le=327)] | UnsetType = UNSET
    endpoint: Endpoint | UnsetType = UNSET


class ModeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What a thermostat does."""

    mode: ThermostatMode
    endpoint: Endpoint | UnsetType = UNSET


class IdentifyRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """For how long; 0: stop."""

    duration_s: Annotated[int, Meta(ge=0, le=MAX_IDENTIFY_S)] = DEFAULT_IDENTIFY_S
    endpoint: Endpoint | UnsetType = UNSET


def _endpoint(given: int | UnsetType) -> int | None:
    return None if given is UNSET else given


async def _switch(call: Call[None, SwitchRequest], action: Action) -> schema.Command:
    name = call.principal.token.name
    return schema.command(await call.hub.controls.switch(call.path["id"], action, name, _endpoint(call.body.endpoint)))


async def switch_on(call: Call[None, SwitchRequest]) -> schema.Command:
    """Switch a device on.

    The answer comes when the outcome is known: 200 confirmed, 409 refused, 504 unknown (it was sent and nobody knows).
    """
    return await _switch(call, Action.ON)


async def switch_off(call: Call[None, SwitchRequest]) -> schema.Command:
    """Switch a device off.

    The answer comes when the outcome is known: 200 confirmed, 409 refused, 504 unknown (it was sent and nobody knows).
    """
    return await _switch(call, Action.OFF)


async def toggle(call: Call[None, SwitchRequest]) -> schema.Command:
    """Switch a device over; never sent twice.

    The answer comes when the outcome is known: 200 confirmed, 409 refused, 504 unknown (it was sent and nobody knows).
    """
    return await _switch(call, Action.TOGGLE)


async def set_level(call: Call[None, LevelRequest]) -> schema.Command:
    """Dim a light."""
    body = call.body
    return schema.command(
        await call.hub.controls.level(
            call.path["id"],
            body.level_percent,
            body.transition_s,
            call.principal.token.name,
            _endpoint(body.endpoint),
        )
    )


async def set_setpoint(call: Call[None, SetpointRequest]) -> schema.Command:
    """Set the temperature that a thermostat holds."""
    body = call.body
    return schema.command(
        await call.hub.controls.setpoint(
            call.path["id"],
            call.principal.token.name,
            heating_c=None if body.heating_c is UNSET else body.heating_c,
            cooling_c=None if body.cooling_c is UNSET else body.cooling_c,
            endpoint=_endpoint(body.endpoint),
        )
    )


async def set_mode(call: Call[None, ModeRequest]) -> schema.Command:
    """Choose what a thermostat does."""
    body = call.body
    return schema.command(
        await call.hub.controls.mode(call.path["id"], body.mode, call.principal.token.name, _endpoint(body.endpoint))
    )


async def identify(call: Call[None, IdentifyRequest]) -> schema.Command:
    """Make a device show itself: it blinks, beeps or clicks."""
    body = call.body
    return schema.command(
        await call.hub.controls.identify(
            call.path["id"], body.duration_s, call.principal.token.name, _endpoint(body.endpoint)
        )
    )


ROUTES = tuple(
    Route(method, f"{API}/devices/{{id}}/{name}", Role.OPERATOR, handler, fails=CONTROL_FAILS, tag="devices")
    for method, name, handler in (
        ("POST", "on", switch_on),
        ("POST", "off", switch_off),
        ("POST", "toggle", toggle),
        ("PUT", "level", set_level),
        ("PUT", "setpoint", set_setpoint),
        ("PUT", "mode", set_mode),
        ("POST", "identify", identify),
    )
)
