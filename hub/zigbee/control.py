"""Commands to Zigbee devices, from intent to an honest outcome: switch, level, setpoint, mode, identify.

The intent is on disk before anything is sent. Then:

- the device said success: CONFIRMED, unless reading it back shows another state: then UNKNOWN;
- it said no: REFUSED, with the ZCL status;
- it was not delivered, or not answered: the state is read. As it should be: CONFIRMED. Something else: the command was
  lost, and what may be repeated (on, off, level, setpoint, mode) is sent once more; a toggle never is;
- not even the read was answered: UNKNOWN.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace

from hub.bus import Bus
from hub.clock import Clock
from hub.devices import Devices
from hub.errors import (
    HubError,
    InvalidError,
    RefusedError,
    UnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
    ZclStatusError,
)
from hub.events import CommandChanged
from hub.history import History
from hub.model import Action, Capability, Command, Device, Outcome, ThermostatMode, ThermostatState
from hub.registry import DEFAULT_TIMEOUT, Registry
from hub.zigbee import attributes
from hub.zigbee.member import Member
from hub.zigbee.model import AttributeValue
from hub.zigbee.network import Network
from hub.zigbee.transactions import ZclRequest
from protocols.zcl import datatypes
from protocols.zcl.clusters import IDENTIFY, LEVEL, ON_OFF, THERMOSTAT, cluster_name
from protocols.zcl.commands import Identify, MoveToLevelWithOnOff, OnOff
from protocols.zcl.datatypes import Value
from protocols.zcl.general import DefaultResponse
from protocols.zcl.header import FrameType
from protocols.zcl.status import Status
from radios.api import DeliveryError, NoReplyError, NotReachableError, NotSupportedError, RadioLostError

log = logging.getLogger(__name__)

WAITING_COMMANDS = 8
"""Commands that may wait for one device: a slider that is dragged gives a few, a loop gives no end of them."""
ANSWER_S = 15.0
"""A sleepy device polls within 7.68 s; what is not answered twice as long after is looked up. The registry's default
timeout may be shorter."""
READ_BACK_S = 10.0
ATTEMPTS = 2
"""Times that a command is sent which may be repeated."""
MAX_LEVEL = 254
"""Of the Level cluster (ZCL8, 3.10.2.3.1)."""
MAX_TRANSITION_S = 6553.4
MAX_IDENTIFY_S = 3600
SYSTEM_MODES = {
    ThermostatMode.OFF: 0,
    ThermostatMode.AUTO: 1,
    ThermostatMode.COOL: 3,
    ThermostatMode.HEAT: 4,
    ThermostatMode.EMERGENCY_HEATING: 5,
    ThermostatMode.PRECOOLING: 6,
    ThermostatMode.FAN_ONLY: 7,
    ThermostatMode.DRY: 8,
    ThermostatMode.SLEEP: 9,
}
"""ZCL8, 6.3.2.2.2.12."""
HEATING_SETPOINT, COOLING_SETPOINT, SYSTEM_MODE = 0x0012, 0x0011, 0x001C

Ended = tuple[Command, bool]


@dataclass(frozen=True, slots=True)
class _Ending:
    outcome: Outcome
    detail: str = ""
    sent: bool = True
    status: Status | None = None


class _Slot:
    """What is kept of one device between commands."""

    __slots__ = ("lock", "waiting")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0


@dataclass(frozen=True, slots=True)
class _Wanted:
    """How to see whether a command has worked: an attribute and the value it should have; None: it cannot be seen."""

    cluster: int
    attribute: int
    value: Value


class Controls:
    """Commands to all Zigbee devices that can be controlled."""

    def __init__(
        self,
        devices: Devices,
        history: History,
        registry: Registry,
        bus: Bus,
        clock: Clock,
        find: Callable[[str], tuple[Network, Member]],
        learn: Callable[[Member, tuple[AttributeValue, ...]], None],
        spawn: Callable[[Coroutine[None, None, Ended]], asyncio.Task[Ended | Exception]],
    ) -> None:
        """`find` gives a device's network and member, or raises; `spawn` runs a command although its caller leaves."""
        self._devices, self._history, self._registry = devices, history, registry
        self._bus, self._clock = bus, clock
        self._find, self._learn, self._spawn = find, learn, spawn
        self._slots: dict[str, _Slot] = {}
        self._pending: dict[str, Command] = {}

    def pending(self) -> list[Command]:
        """Commands under way."""
        return list(self._pending.values())

    # -- what can be asked ---------------------------------------------------------------------------------------

    async def switch(self, device_id: str, action: Action, requested_by: str, endpoint: int | None = None) -> Command:
        """Switch on, off or over; returns the confirmed command.

        Raises `RefusedError`, `UnknownOutcomeError` (both with the command), `UnavailableError`, `UnsupportedError`,
        `NotFoundError`, `InvalidError`, or `StorageError` when the intent cannot be recorded; then nothing is sent.
        """
        codes = {Action.ON: OnOff.ON, Action.OFF: OnOff.OFF, Action.TOGGLE: OnOff.TOGGLE}
        if action not in codes:
            raise InvalidError("action", action.value, "on, off or toggle")
        device, network, member = self._able(device_id, Capability.SWITCH, "is not a switch")
        where = self._endpoint(member, ON_OFF, endpoint)
        if device.protected and action is not Action.ON:
            raise RefusedError(
                f"{device.name} is protected: it is never switched off from here; remove the protection first"
            )
        wanted = _Wanted(ON_OFF, 0, {Action.ON: True, Action.OFF: False}.get(action))

        async def send() -> Status:
            return await self._command(network, member, where, ON_OFF, int(codes[action]), b"")

        return await self._run(device, action, requested_by, "", network, member, where, send, wanted)

    async def level(
        self, device_id: str, percent: float, transition_s: float, requested_by: str, endpoint: int | None = None
    ) -> Command:
        """Go to a level, 0 to 100 %, switching on or off as needed. Raises as `switch`."""
        if not 0 <= percent <= 100:
            raise InvalidError("level_percent", percent, "0 to 100")
        if not 0 <= transition_s <= MAX_TRANSITION_S:
            raise InvalidError("transition_s", transition_s, f"0 to {MAX_TRANSITION_S}")
        device, network, member = self._able(device_id, Capability.LEVEL, "has no level")
        where = self._endpoint(member, LEVEL, endpoint)
        raw = round(percent / 100 * MAX_LEVEL)
        if device.protected and raw == 0:
            raise RefusedError(f"{device.name} is protected: it is never switched off from here")
        payload = MoveToLevelWithOnOff(raw, round(transition_s * 10)).encode()

        async def send() -> Status:
            return await self._command(network, member, where, LEVEL, MoveToLevelWithOnOff.COMMAND, payload)

        # While it moves its level says nothing about the end; at 0 % it is the switch that tells.
        wanted = _Wanted(LEVEL, 0, None) if transition_s > 0 or raw == 0 else _Wanted(LEVEL, 0, raw)
        argument = f"{percent:g} %"
        return await self._run(device, Action.LEVEL, requested_by, argument, network, member, where, send, wanted)

    async def setpoint(
        self,
        device_id: str,
        requested_by: str,
        *,
        heating_c: float | None = None,
        cooling_c: float | None = None,
        endpoint: int | None = None,
    ) -> Command:
        """Choose the temperature to heat up to, or to cool down to. Raises as `switch`."""
        device, network, member = self._able(device_id, Capability.THERMOSTAT, "is not a thermostat")
        where = self._endpoint(member, THERMOSTAT, endpoint)
        state = device.thermostat or ThermostatState()
        if (heating_c is None) is (cooling_c is None):
            raise InvalidError("setpoint", "both or neither of heating_c and cooling_c", "one of the two")
        if heating_c is not None:
            _within("heating_c", heating_c, state.min_heating_c, state.max_heating_c)
            attribute, celsius, text = HEATING_SETPOINT, heating_c, f"heating {heating_c:g} °C"
        else:
            assert cooling_c is not None
            _within("cooling_c", cooling_c, state.min_cooling_c, state.max_cooling_c)
            attribute, celsius, text = COOLING_SETPOINT, cooling_c, f"cooling {cooling_c:g} °C"
        wanted = _Wanted(THERMOSTAT, attribute, round(celsius * 100))

        async def send() -> Status:
            return await self._write(network, member, where, wanted, datatypes.INT16)

        return await self._run(device, Action.SETPOINT, requested_by, text, network, member, where, send, wanted)

    async def mode(
        self, device_id: str, mode: ThermostatMode, requested_by: str, endpoint: int | None = None
    ) -> Command:
        """Choose what a thermostat does. Raises as `switch`."""
        device, network, member = self._able(device_id, Capability.THERMOSTAT, "is not a thermostat")
        where = self._endpoint(member, THERMOSTAT, endpoint)
        modes = device.thermostat.modes if device.thermostat is not None else ()
        if modes and mode not in modes:
            raise InvalidError("mode", mode.value, ", ".join(modes))
        wanted = _Wanted(THERMOSTAT, SYSTEM_MODE, SYSTEM_MODES[mode])

        async def send() -> Status:
            return await self._write(network, member, where, wanted, datatypes.ENUM8)

        return await self._run(device, Action.MODE, requested_by, mode.value, network, member, where, send, wanted)

    async def identify(
        self, device_id: str, duration_s: int, requested_by: str, endpoint: int | None = None
    ) -> Command:
        """Make a device show itself for some seconds; 0: stop. Raises as `switch`."""
        if not 0 <= duration_s <= MAX_IDENTIFY_S:
            raise InvalidError("duration_s", duration_s, f"0 to {MAX_IDENTIFY_S}")
        device, network, member = self._able(device_id, Capability.IDENTIFY, "has no way to show itself")
        where = self._endpoint(member, IDENTIFY, endpoint)

        async def send() -> Status:
            payload = Identify(duration_s).encode()
            return await self._command(network, member, where, IDENTIFY, Identify.COMMAND, payload)

        wanted = _Wanted(IDENTIFY, 0, None)
        text = f"{duration_s} s"
        return await self._run(device, Action.IDENTIFY, requested_by, text, network, member, where, send, wanted)

    # -- one command ---------------------------------------------------------------------------------------------

    def _able(self, device_id: str, capability: Capability, problem: str) -> tuple[Device, Network, Member]:
        device = self._devices.get(device_id)
        if capability not in device.capabilities:
            can = ", ".join(device.capabilities) or "nothing that can be controlled"
            raise UnsupportedError(f"{device.name} {problem}; it has: {can}")
        network, member = self._find(device_id)
        network.need_radio()
        return device, network, member

    def _endpoint(self, member: Member, cluster: int, endpoint: int | None) -> int:
        places = member.servers(cluster)
        if endpoint is None and places:
            return places[0]
        if endpoint not in places:
            allowed = ", ".join(map(str, places)) or "none has it"
            raise InvalidError("endpoint", endpoint, f"an endpoint with {cluster_name(cluster)}: {allowed}")
        return endpoint

    async def _run(
        self,
        device: Device,
        action: Action,
        requested_by: str,
        argument: str,
        network: Network,
        member: Member,
        endpoint: int,
        send: Callable[[], Awaitable[Status]],
        wanted: _Wanted,
    ) -> Command:
        slot = self._slots.setdefault(device.id, _Slot())
        if slot.waiting >= WAITING_COMMANDS:
            raise RefusedError(f"{device.name}: {slot.waiting} commands are waiting already")
        slot.waiting += 1

        async def whole() -> Ended:
            async with slot.lock:
                command = await self._history.begin_command(device.id, action, requested_by, argument)
                self._publish(command)
                ending = await self._execute(action, network, member, endpoint, send, wanted)
                return await self._finish(command, ending), ending.sent

        try:
            result = await asyncio.shield(self._spawn(whole()))
        finally:
            slot.waiting -= 1
        if isinstance(result, Exception):
            raise result
        return _or_raise(result)

    async def _execute(
        self,
        action: Action,
        network: Network,
        member: Member,
        endpoint: int,
        send: Callable[[], Awaitable[Status]],
        wanted: _Wanted,
    ) -> _Ending:
        problem = ""
        for attempt in range(ATTEMPTS):
            try:
                status = await send()
            except (NotReachableError, NotSupportedError, UnavailableError) as error:
                if attempt:
                    break
                return _Ending(Outcome.REFUSED, f"nothing was sent: {error}", sent=False)
            except ZclStatusError as error:
                return _Ending(Outcome.REFUSED, str(error), status=Status(error.status))
            except (DeliveryError, NoReplyError, RadioLostError) as error:
                problem = str(error)
            else:
                if status is not Status.SUCCESS:
                    return _Ending(Outcome.REFUSED, f"the device answered {status.name}", status=status)
                return await self._verify(network, member, endpoint, wanted)
            if isinstance(wanted.value, bool | int):
                seen = await self._read_back(network, member, endpoint, wanted)
                if seen is None:
                    return _Ending(Outcome.UNKNOWN, f"{problem}; nor does it say how it is now")
                if seen == wanted.value:
                    return _Ending(Outcome.CONFIRMED, "it did not answer, but it is as it should be")
                if action is not Action.TOGGLE:
                    continue
            await self._read_back(network, member, endpoint, wanted)
            return _Ending(Outcome.UNKNOWN, problem)
        return _Ending(Outcome.REFUSED, f"sent {ATTEMPTS} times and lost each time: {problem}")

    async def _verify(self, network: Network, member: Member, endpoint: int, wanted: _Wanted) -> _Ending:
        """The device said success: look whether it is so."""
        if wanted.cluster == IDENTIFY:
            return _Ending(Outcome.CONFIRMED)
        seen = await self._read_back(network, member, endpoint, wanted)
        if wanted.value is None or seen is None or seen == wanted.value:
            return _Ending(Outcome.CONFIRMED)
        return _Ending(
            Outcome.UNKNOWN, f"the device said success, but it says {seen!r} where {wanted.value!r} was asked for"
        )

    async def _read_back(self, network: Network, member: Member, endpoint: int, wanted: _Wanted) -> Value:
        """How it is now; None if it does not say. What is read is learnt."""
        places, timeout_s = [(wanted.cluster, wanted.attribute)], self._at_most(READ_BACK_S)
        if wanted.cluster == LEVEL and member.servers(ON_OFF):
            places.append((ON_OFF, 0))
        found: Value = None
        for cluster, attribute in places:
            try:
                values = await attributes.read(
                    network, member, endpoint, cluster, (attribute,), now=self._clock.now, timeout_s=timeout_s
                )
            except (DeliveryError, NoReplyError, RadioLostError, HubError) as error:
                log.info("%s: cannot be read back: %s", member.device_id, error)
                return None
            self._learn(member, values)
            if cluster == wanted.cluster and values and values[0].status == 0:
                found = values[0].value
        return found

    async def _command(
        self, network: Network, member: Member, endpoint: int, cluster: int, command: int, payload: bytes
    ) -> Status:
        answer = await network.request(
            member,
            endpoint,
            cluster,
            ZclRequest(
                command=command,
                payload=payload,
                frame_type=FrameType.CLUSTER,
                responses=frozenset(),
                confirm=True,
                timeout_s=self._at_most(ANSWER_S),
            ),
        )
        return DefaultResponse.decode(answer.payload).status

    async def _write(self, network: Network, member: Member, endpoint: int, wanted: _Wanted, type_id: int) -> Status:
        [result] = await attributes.write(
            network,
            member,
            endpoint,
            wanted.cluster,
            {wanted.attribute: wanted.value},
            data_types={wanted.attribute: type_id},
            timeout_s=self._at_most(ANSWER_S),
        )
        return Status(result.status)

    def _at_most(self, seconds: float) -> float:
        return min(seconds, self._registry.seconds(DEFAULT_TIMEOUT))

    def _publish(self, command: Command) -> None:
        if command.outcome is Outcome.PENDING:
            self._pending[command.id] = command
        else:
            self._pending.pop(command.id, None)
        self._bus.publish(CommandChanged(self._clock.now(), command))

    async def _finish(self, command: Command, ending: _Ending) -> Command:
        done = replace(command, outcome=ending.outcome, detail=ending.detail, finished_at=self._clock.now())
        try:
            await self._history.finish_command(done)
        finally:
            self._publish(done)
        return done


def _or_raise(ended: Ended) -> Command:
    command, sent = ended
    match command.outcome:
        case Outcome.REFUSED if not sent:
            raise UnavailableError(command.detail)
        case Outcome.REFUSED:
            raise RefusedError(command.detail, (command,))
        case Outcome.UNKNOWN:
            raise UnknownOutcomeError(command.detail, (command,))
    return command


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InvalidError(name, value, f"{low:g} to {high:g} °C")
