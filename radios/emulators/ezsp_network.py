"""How an emulated EZSP stick forms a network, joins one, comes back to it, leaves it, and listens on channels."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from radios.emulators.air import Air, Credentials
from radios.emulators.cursor import Cursor, u16, u64
from radios.emulators.ezsp_core import Core, Handler, Handlers, NetworkState
from radios.emulators.ezsp_security import Security
from radios.emulators.ezsp_store import (
    COORDINATOR_TYPE,
    HAS_LINK_KEY,
    HAS_NETWORK_KEY,
    HAS_TRUST_CENTRE,
    KEEPS_COUNTER,
    ROUTER_TYPE,
    STACK_PROFILE,
    InitialSecurity,
    Parameters,
    StoredNetwork,
)
from radios.emulators.ezsp_versions import Outcome

UP_S, DOWN_S, JOIN_S, SCAN_S_PER_CHANNEL = 0.05, 0.02, 0.3, 0.01
MAX_POWER = 20
"""dBm."""
FIRST_CHANNEL, LAST_CHANNEL = 11, 26
ANY_PAN = 0xFFFF
ALWAYS = 0xFF
LONGEST_S = 1e9
STACK_STATUS, ENERGY, NETWORK_FOUND, SCAN_DONE = 0x0019, 0x0048, 0x001B, 0x001C
ENERGY_SCAN, ACTIVE_SCAN = 0, 1
QUIET_DBM, ENERGY_RANGE_DB = -100, 80


class Network:
    """Commands about the network."""

    def __init__(self, core: Core, security: Security, station: Station) -> None:
        self._core, self._security, self._station = core, security, station
        self.wished: InitialSecurity | None = None
        """With what it tries to join."""
        self._closing: asyncio.TimerHandle | None = None
        self._scanning = False
        self._life = 0
        """Grows with each reset."""

    def restarted(self) -> None:
        """It is silent until it is told to come up."""
        core = self._core
        self._life += 1
        core.state = NetworkState.NONE
        core.own.short = ANY_PAN
        core.heard.clear()
        core.is_concentrator = False
        self.wished = None
        self._scanning = False
        self._station.silence()

    @property
    def commands(self) -> Handlers:
        """By number."""
        told: dict[int, Handler] = {
            0x0010: self._concentrator,
            0x0017: self._init,
            0x0018: lambda _: bytes((self._core.state,)),
            0x001A: self._scan,
            0x001D: self._stop_scan,
            0x001E: self._form,
            0x001F: self._join,
            0x0020: self._leave,
            0x0022: self._permit,
            0x0026: lambda _: u64(self._core.own.ieee),
            0x0027: lambda _: u16(self._core.own.short if self._core.is_up else 0xFFFE),
            0x0028: self._parameters,
            0x005A: lambda _: bytes(4),
            0x0099: self._set_power,
            0x009A: self._set_channel,
            0x00A8: self._remove,
            0x00BA: lambda _: bytes((self._core.air.channel if self._core.is_up else FIRST_CHANNEL,)),
            0x00E2: lambda _: b"",
            0x00FE: self._write_node_data,
        }
        return told

    def _stack(self, outcome: Outcome) -> bytes:
        return self._core.dialect.stack(outcome)

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        """Unless it is reset before."""
        life = self._life
        self._core.after(seconds, lambda: act() if life == self._life else None)

    def _status(self, outcome: Outcome) -> None:
        self._core.say(STACK_STATUS, self._stack(outcome))

    # -- up and down ---------------------------------------------------------------------------------------------------

    def _init(self, _: Cursor) -> bytes:
        core = self._core
        if core.is_up:
            return self._stack(Outcome.INVALID_CALL)
        network = core.flash.network
        if network is None or (network.role == ROUTER_TYPE and not self._station.is_known):
            core.flash.network = None
            return self._stack(Outcome.NOT_JOINED)
        self._later(UP_S, lambda: self._up(network))
        return self._stack(Outcome.OK)

    def _up(self, network: StoredNetwork) -> None:
        core = self._core
        if core.flash.network is not network or core.is_up:
            return
        core.state, core.own.short = NetworkState.JOINED, network.short
        self._station.speak(network)
        self._status(Outcome.NETWORK_UP)

    def _form(self, fields: Cursor) -> bytes:
        core, about = self._core, Parameters.read(fields)
        state = self._security.initial
        if core.state is not NetworkState.NONE or not self._station.may_form:
            return self._stack(Outcome.INVALID_CALL)
        if state is None:
            return self._stack(Outcome.NO_SECURITY_STATE)
        if not FIRST_CHANNEL <= about.channel <= LAST_CHANNEL:
            return self._stack(Outcome.BAD_CHANNEL)
        if about.power > MAX_POWER:
            return self._stack(Outcome.BAD_POWER)
        if about.pan_id == ANY_PAN:
            about.pan_id = core.random.randint(1, 0xFFFE)
        about.update_id = 0  # the stack takes no notice of what the host says
        if not state.bits & HAS_NETWORK_KEY:
            state.network_key, state.sequence = core.random.randbytes(16), 0
        if not state.bits & HAS_LINK_KEY:
            state.link_key = core.random.randbytes(16)
        if not state.bits & KEEPS_COUNTER:
            core.flash.network_counter = core.flash.link_counter = 0
        centre = state.trust_centre if state.bits & HAS_TRUST_CENTRE else core.own.ieee
        network = StoredNetwork(about, state, COORDINATOR_TYPE, 0, centre)
        core.flash.network = network
        core.flash.children.clear()
        core.state = NetworkState.JOINING
        self._later(UP_S, lambda: self._up(network))
        return self._stack(Outcome.OK)

    def _join(self, fields: Cursor) -> bytes:
        role, about = fields.u8(), Parameters.read(fields)
        core, state = self._core, self._security.initial
        if core.state is not NetworkState.NONE:
            return self._stack(Outcome.INVALID_CALL)
        if state is None:
            return self._stack(Outcome.NO_SECURITY_STATE)
        if role != ROUTER_TYPE:
            return self._stack(Outcome.BAD_ARGUMENT)
        core.state, self.wished = NetworkState.JOINING, state
        self._later(JOIN_S, lambda: self._try(about, state))
        return self._stack(Outcome.OK)

    def _try(self, wanted: Parameters, state: InitialSecurity) -> None:
        core, air = self._core, self._core.air
        if core.state is not NetworkState.JOINING:
            return None
        is_there = air.channel == wanted.channel and air.is_coordinator_on and air.coordinator is not None
        if not is_there or wanted.extended_pan_id not in (0, air.extended_pan_id):
            return self._failed(Outcome.NO_BEACONS)
        if not air.is_open:
            return self._failed(Outcome.JOIN_FAILED)
        if not self._station.enter():
            return self._failed(Outcome.NO_KEY_RECEIVED)
        about = Parameters(air.extended_pan_id, air.pan_id, wanted.power, air.channel)
        assert air.coordinator is not None
        if not state.bits & HAS_NETWORK_KEY:
            state.network_key = air.network.key if air.network is not None else core.random.randbytes(16)
        network = StoredNetwork(about, state, ROUTER_TYPE, self._station.short, air.coordinator.ieee)
        core.flash.network = network
        self._up(network)
        return None

    def _failed(self, outcome: Outcome) -> None:
        self._core.state, self.wished = NetworkState.NONE, None
        self._status(outcome)

    def _leave(self, _: Cursor) -> bytes:
        core = self._core
        if not core.is_up:
            return self._stack(Outcome.INVALID_CALL)
        core.state = NetworkState.LEAVING

        def down() -> None:
            self._gone()
            self._station.leave()
            self._status(Outcome.NETWORK_DOWN)

        self._later(DOWN_S, down)
        return self._stack(Outcome.OK)

    def _gone(self) -> None:
        """It is on no network any more."""
        core = self._core
        core.state, core.own.short, core.flash.network = NetworkState.NONE, ANY_PAN, None
        core.flash.children.clear()
        core.heard.clear()

    def made_to_leave(self) -> None:
        """Somebody has sent it away."""
        if self._core.is_up:
            self._gone()
            self._station.silence()
            self._status(Outcome.NETWORK_DOWN)

    # -- while it is up ------------------------------------------------------------------------------------------------

    def _permit(self, fields: Cursor) -> bytes:
        core, seconds = self._core, fields.u8()
        if not core.is_up:
            return self._stack(Outcome.NOT_JOINED)
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        open_s = LONGEST_S if seconds == ALWAYS else float(seconds)
        core.air.permit(open_s, via=self._station.name)
        if not seconds:
            core.after(0.0, lambda: self._status(Outcome.NETWORK_CLOSED))
        else:
            core.after(0.0, lambda: self._status(Outcome.NETWORK_OPENED))
            if seconds != ALWAYS:
                self._closing = asyncio.get_running_loop().call_later(open_s, self._close)
        return self._stack(Outcome.OK)

    def _close(self) -> None:
        self._closing = None
        if self._core.is_up:
            self._status(Outcome.NETWORK_CLOSED)

    def stop(self) -> None:
        """Nobody waits for the end of joining any more."""
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None

    def _parameters(self, _: Cursor) -> bytes:
        core = self._core
        network = core.flash.network
        if network is None or not core.is_up:
            return self._stack(Outcome.NOT_JOINED) + b"\x00" + Parameters(0, 0, 0, 0).written()
        return self._stack(Outcome.OK) + bytes((network.role,)) + network.parameters.written()

    def _concentrator(self, fields: Cursor) -> bytes:
        self._core.is_concentrator = bool(fields.u8())
        fields.take(9)
        return self._stack(Outcome.OK)

    def _set_power(self, fields: Cursor) -> bytes:
        power, network = fields.u8(), self._core.flash.network
        if power > MAX_POWER and power < 0xEC:  # down to -20 dBm
            return self._stack(Outcome.BAD_POWER)
        if network is not None:
            network.parameters.power = power
        return self._stack(Outcome.OK)

    def _set_channel(self, fields: Cursor) -> bytes:
        core, channel = self._core, fields.u8()
        if not FIRST_CHANNEL <= channel <= LAST_CHANNEL:
            return self._stack(Outcome.BAD_CHANNEL)
        if core.flash.network is not None and core.is_up:
            core.flash.network.parameters.channel = core.air.channel = channel
        return self._stack(Outcome.OK)

    def _write_node_data(self, fields: Cursor) -> bytes:
        if fields.u8():
            self._core.flash.network = None
        return self._stack(Outcome.OK)

    def _remove(self, fields: Cursor) -> bytes:
        """Somebody is made to leave: the last address is meant."""
        fields.take(10)
        ieee, core = fields.u64(), self._core
        if not core.is_up:
            return self._stack(Outcome.INVALID_CALL)
        core.after(2 * core.air.delay_s, lambda: self._drop(ieee))
        return self._stack(Outcome.OK)

    def _drop(self, ieee: int) -> None:
        self._core.air.drop(ieee, told=True)

    # -- listening -----------------------------------------------------------------------------------------------------

    def _scan(self, fields: Cursor) -> bytes:
        kind, mask, _ = fields.u8(), fields.u32(), fields.u8()
        channels = [channel for channel in range(FIRST_CHANNEL, LAST_CHANNEL + 1) if mask >> channel & 1]
        if self._scanning:
            return self._stack(Outcome.INVALID_CALL)
        if not channels:
            return self._stack(Outcome.BAD_MASK)
        self._scanning = True
        self._core.spawn(self._listen(kind, channels))
        return self._stack(Outcome.OK)

    async def _listen(self, kind: int, channels: list[int]) -> None:
        core = self._core
        for channel in channels:
            await asyncio.sleep(SCAN_S_PER_CHANNEL)
            if not self._scanning:
                break
            if kind == ENERGY_SCAN:
                level = QUIET_DBM + core.air.energy(channel) * ENERGY_RANGE_DB // 255
                core.say(ENERGY, bytes((channel, level & 0xFF)))
            elif channel == core.air.channel and self._station.hears_another:
                core.say(NETWORK_FOUND, self._beacon(core.air))
        self._scanning = False
        # The channel is only told when the scan failed there.
        core.say(SCAN_DONE, b"\x00" + self._stack(Outcome.OK))

    @staticmethod
    def _beacon(air: Air) -> bytes:
        head = bytes((air.channel,)) + u16(air.pan_id) + u64(air.extended_pan_id)
        return head + bytes((air.is_open, STACK_PROFILE, 0)) + bytes((220, (-50) & 0xFF))

    def _stop_scan(self, _: Cursor) -> bytes:
        self._scanning = False
        return self._stack(Outcome.OK)


class Station:
    """The stick on the air, as its network commands see it. `EzspEmulator` tells which one."""

    def __init__(
        self,
        core: Core,
        *,
        hold: Callable[[Credentials, int, int], None],
        join: Callable[[], bool],
        silence: Callable[[], None],
        is_guest: bool,
    ) -> None:
        """`is_guest`: somebody else holds the network in this room."""
        self._core, self._hold, self._join = core, hold, join
        self._is_guest = is_guest
        self.silence = silence

    @property
    def may_form(self) -> bool:
        """There is room for a network of its own."""
        return not self._is_guest

    @property
    def name(self) -> int:
        """As whom devices join through it."""
        return self._core.own.ieee if self._is_guest else 0

    @property
    def short(self) -> int:
        """Its network address."""
        found = self._core.air.short_of(self._core.own.ieee)
        return ANY_PAN if found is None else found

    @property
    def is_known(self) -> bool:
        """A router's place on the network is still there."""
        return self._core.own.ieee in self._core.air.places

    @property
    def hears_another(self) -> bool:
        """There is a network in the room that is not its own."""
        air = self._core.air
        return air.coordinator is not None and air.is_coordinator_on and (self._is_guest or not self._core.is_up)

    def speak(self, network: StoredNetwork) -> None:
        """It is on the air."""
        if network.role == COORDINATOR_TYPE:
            about = network.parameters
            credentials = Credentials(about.extended_pan_id, network.security.network_key)
            self._hold(credentials, about.channel, about.pan_id)
        else:
            self._core.air.places[self._core.own.ieee].power = True

    def enter(self) -> bool:
        """Join as a router; whether that worked."""
        return self._join()

    def leave(self) -> None:
        """It is not on the network any more; a coordinator's devices stay where they are."""
        if self._is_guest:
            self._core.air.drop(self._core.own.ieee, told=True)
        self.silence()
