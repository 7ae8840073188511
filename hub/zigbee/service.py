"""Zigbee networks as interfaces see them: every call is checked here, and fails with a `HubError` that says what is
possible."""

from __future__ import annotations

import asyncio
import difflib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from hub.bus import Bus
from hub.clock import Clock
from hub.config import RadioSection
from hub.devices import Devices
from hub.errors import InvalidError, NotFoundError, RefusedError, StorageError, UnavailableError, UnsupportedError
from hub.events import NetworkChanged, TopologyScanned
from hub.registry import REQUIRE_EXPLICIT_DEVICE_ADD, Registry
from hub.zigbee import topology
from hub.zigbee.backup_rules import BackupStatus
from hub.zigbee.household import ZIGBEE_EPOCH, Household
from hub.zigbee.joining import Joining
from hub.zigbee.key_establishment import KeyEstablishment
from hub.zigbee.link_keys import LinkKeys, key_of
from hub.zigbee.member import Member
from hub.zigbee.model import (
    DEVICE_PREFIX,
    EnergyScan,
    NetworkClock,
    NetworkState,
    NetworkStatus,
    RadioCan,
    Topology,
    ZigbeeDevice,
)
from hub.zigbee.network import Network
from protocols.errors import RangeError
from protocols.ids import COORDINATOR, Eui64
from protocols.zdo import MgmtLeaveRequest, MgmtLeaveResponse, ZdoStatus
from radios.api import (
    Capabilities,
    DeliveryError,
    KeysBy,
    NoReplyError,
    NotReachableError,
    NotSupportedError,
    RadioError,
    RadioLostError,
    ZigbeeEvent,
    ZigbeeRadio,
)

log = logging.getLogger(__name__)

MAX_JOINING_S = 3600
"""Longest joining window: an hour with the door open is enough for a house full of devices."""
CHANNELS = range(11, 27)

Spawn = Callable[[Coroutine[None, None, None], str], "asyncio.Task[None]"]


class Networks:
    """All Zigbee networks, one for each radio that carries Zigbee."""

    def __init__(
        self,
        sections: tuple[RadioSection, ...],
        household: Household,
        registry: Registry,
        devices: Devices,
        link_keys: LinkKeys,
        key_establishments: Mapping[str, KeyEstablishment],
        bus: Bus,
        clock: Clock,
        spawn: Spawn,
        clock_of: Callable[[str], NetworkClock | None] = lambda _: None,
        backup_of: Callable[[str], BackupStatus | None] = lambda _: None,
    ) -> None:
        """`clock_of(radio)`: the network's time, where we are a client of that; `backup_of(radio)`: of its backups."""
        self._clock_of, self._backup_of = clock_of, backup_of
        self.on_erased: Callable[[str], None] = lambda _: None
        """Told of a radio that has left its network since somebody wanted that."""
        self._sections = {section.name: section for section in sections}
        self._household, self._registry, self._link_keys = household, registry, link_keys
        self._key_establishments = key_establishments
        self._devices, self._bus, self._clock, self._spawn = devices, bus, clock, spawn
        self._joining = Joining(clock, spawn, self.changed)
        self._topologies: dict[str, Topology] = {}
        self._scanning: set[str] = set()
        self._state: dict[str, NetworkState] = dict.fromkeys(self._sections, NetworkState.STARTING)

    # -- radios --------------------------------------------------------------------------------------------------

    def radio_up(self, name: str, radio: ZigbeeRadio) -> None:
        """A radio is there; its events follow."""
        self._state[name] = NetworkState.UP
        self._key_establishments[name].up(radio)
        self._household.radio_up(name, radio)
        self.moved(self._household.networks[name])

    def radio_down(self, name: str, reason: str) -> None:
        """A radio is gone."""
        self._state[name] = NetworkState.DOWN
        self._joining.radio_down(name)
        self._key_establishments[name].down()
        self._household.radio_down(name, reason)
        self.changed(self._household.networks[name])

    def hear(self, name: str, event: ZigbeeEvent) -> None:
        """An event of a radio."""
        self._household.networks[name].hear(event)

    def moved(self, network: Network) -> None:
        """A network is there, or is another one than before: its radio may have forgotten all that it was told."""
        if network.radio is not None and not network.radio.network.is_operational:
            self._joining.radio_down(network.name)
        else:
            self._spawn(self._restore(network), f"what {network.name} was told")
        self.changed(network)

    async def _restore(self, network: Network) -> None:
        await self._key_establishments[network.name].restore()
        await self._remove_keys(network)
        await self._register_keys(network)
        await self._joining.restore(network)

    async def _register_keys(self, network: Network) -> None:
        if network.radio is None or not network.radio.capabilities.link_keys:
            return
        for ieee, key in dict(self._link_keys.of(network.name)).items():
            if network.radio is None:
                return
            if self._link_keys.of(network.name).get(ieee) != key:
                continue  # forgotten meanwhile, or another one by now
            if ieee in self._link_keys.established(network.name):
                continue  # another has its place
            try:
                await network.radio.register_key(ieee, key)
            except RadioError as error:
                log.error("%s: the key of %s could not be registered: %s", network.name, ieee, error)

    async def _remove_keys(self, network: Network) -> None:
        """Have the radio remove the keys of forgotten devices; what it cannot now, it does when it is back."""
        for ieee in tuple(self._link_keys.forgotten(network.name)):
            if network.radio is None or not network.radio.capabilities.link_keys:
                return
            if ieee not in self._link_keys.forgotten(network.name):
                continue  # it was added again meanwhile
            try:
                await network.radio.remove_key(ieee)
                self._link_keys.removed(network.name, ieee)
            except (RadioError, StorageError) as error:
                log.warning("%s: the key of %s could not be removed: %s", network.name, ieee, error)

    def changed(self, network: Network) -> None:
        """Tell everybody how a network is now."""
        self._bus.publish(NetworkChanged(self._clock.now(), self.get(network.name)))

    # -- networks ------------------------------------------------------------------------------------------------

    def all(self) -> list[NetworkStatus]:
        """Every network, as configured."""
        return [self.get(name) for name in self._sections]

    def get(self, radio: str) -> NetworkStatus:
        """One network. Raises `NotFoundError`."""
        network = self.network(radio)
        status = NetworkStatus(
            radio=radio,
            driver=self._sections[radio].radio.driver,
            state=self._state[radio],
            detail=network.down_reason if network.radio is None else "",
            joining_until=self._joining.until(radio),
            devices=len(network.members),
            explicit_add=self._registry.is_on(REQUIRE_EXPLICIT_DEVICE_ADD),
            pending=len(network.conversations),
            clock=self._clock_of(radio),
            backup=self._backup_of(radio),
        )
        if network.radio is None:
            return status
        info = network.radio.network
        return replace(
            status,
            state=self._state[radio] if info.is_operational else NetworkState.JOINING,
            detail=info.waits_for or self._key_establishments[radio].standing,
            ieee=info.ieee,
            short=info.short if info.channel else None,
            pan_id=info.pan_id if info.channel else None,
            extended_pan_id=info.extended_pan_id if info.channel else None,
            channel=info.channel or None,
            role=self._household.role_of(radio).name,
            trust_centre=self._household.trust_centre_of(network),
            model=info.model,
            firmware=info.firmware,
            mode=info.mode,
            can=_can(network.radio.capabilities),
        )

    def network(self, radio: str) -> Network:
        """A network with its radio. Raises `NotFoundError`."""
        network = self._household.networks.get(radio)
        if network is None:
            names = tuple(self._household.networks)
            near = tuple(difflib.get_close_matches(radio, names, 3)) or names[:3]
            raise NotFoundError("Zigbee network", radio, near)
        return network

    async def permit_join(self, radio: str, duration_s: int, via: str | None = None) -> NetworkStatus:
        """Let devices join for 0 (close) to 3600 s, everywhere or only at the router `via` (a device id)."""
        network = self.network(radio)
        if not 0 <= duration_s <= MAX_JOINING_S:
            raise InvalidError("duration_s", duration_s, f"0 (close) to {MAX_JOINING_S}")
        router: Member | None = None
        if via is not None:
            home, member = self._member(via)
            if home is not network:
                raise InvalidError("via", via, f"a router of {radio!r}; this device is a member of {home.name!r}")
            if not member.is_router or member.short is None:
                raise InvalidError("via", via, "a router of this network")
            router = member
        async with told(f"joining on {radio!r}"):
            await self._joining.permit(network, duration_s, router)
        self.changed(network)
        return self.get(radio)

    async def add_device(
        self,
        radio: str,
        eui64: str,
        *,
        name: str | None = None,
        install_code: str | None = None,
        link_key: str | None = None,
        join_time_s: int | None = None,
    ) -> ZigbeeDevice:
        """List a device before it joins; it may then join while only such devices may.

        `join_time_s` opens joining for so long once it is listed (0 closes it, None leaves it as it is). Raises
        `RefusedError` for an active member of another network.
        """
        network = self.network(radio)
        if join_time_s is not None and not 0 <= join_time_s <= MAX_JOINING_S:
            raise InvalidError("join_time_s", join_time_s, f"0 (close) to {MAX_JOINING_S}")
        try:
            ieee = Eui64.parse(eui64)
        except RangeError as error:
            raise InvalidError("eui64", eui64[:40], error.allowed) from None
        if not ieee.names_a_device:
            raise InvalidError("eui64", eui64[:40], "the address of a device, which is never all 0 or all f")
        if network.radio is not None and network.radio.network.ieee == ieee:
            raise InvalidError("eui64", eui64[:40], f"the address of a device; this is the one of {radio!r} itself")
        can = network.capabilities
        driver = self._sections[radio].radio.driver
        for given, able, what in (
            (install_code, can.install_codes, "an installation code"),
            (link_key, can.link_keys, "a link key"),
        ):
            if given is not None and not able:
                raise UnsupportedError(
                    f"joining with {what} needs a radio that keeps such keys; {driver} {radio!r} does not: add the "
                    "device without one, or let it join with the window open"
                )
        key = key_of(install_code, link_key)
        known = self._household.members.get(ieee)
        if known is not None and known.is_active and known.radio != radio:
            device = self._devices.get(known.device_id)
            raise RefusedError(
                f"{device.name} ({known.device_id}) is an active member of {known.radio!r}: remove it there first, "
                f"then add it to {radio!r}"
            )
        if key is not None:
            async with told(f"registering the key of {ieee}"):
                await network.need_radio().register_key(ieee, key)
            try:
                self._link_keys.put(radio, ieee, key)
            except StorageError:
                with suppress(RadioError, UnavailableError):
                    await network.need_radio().remove_key(ieee)  # nobody would give it again after a restart
                raise
        member = self._household.add(network, ieee, by_hand=True, is_heard=False)
        if name is not None:
            await self._devices.update(member.device_id, name=name)
        await self._household.flush()  # it may be the only thing that lets the device in
        if join_time_s is not None:
            await self.permit_join(radio, join_time_s)
        return self._told(member)

    async def scan_topology(self, radio: str) -> Topology:
        """Ask every router whom it hears; progress is on the bus."""
        network = self.network(radio)
        network.need_radio()
        if radio in self._scanning:
            raise RefusedError(f"{radio!r} is being scanned already")
        self._scanning.add(radio)

        def progress(found: Topology) -> None:
            self._bus.publish(TopologyScanned(self._clock.now(), found))

        try:
            async with told(f"scanning {radio!r}"):
                self._topologies[radio] = await topology.scan(network, self._registry, self._clock, progress)
        finally:
            self._scanning.discard(radio)
        return self._topologies[radio]

    def topology(self, radio: str) -> Topology | None:
        """The last scan; None before the first."""
        self.network(radio)
        return self._topologies.get(radio)

    async def energy_scan(self, radio: str) -> EnergyScan:
        """How busy each channel is, 0 quiet to 255."""
        network = self.network(radio)
        async with told(f"energy scan on {radio!r}"):
            found = await network.need_radio().energy_scan(tuple(CHANNELS))
        return EnergyScan(radio=radio, time=self._clock.now(), channels=dict(found))

    async def set_channel(self, radio: str, channel: int) -> NetworkStatus:
        """Move the network to another channel; devices follow, sleepy ones when they wake."""
        network = self.network(radio)
        if channel not in CHANNELS:
            raise InvalidError("channel", channel, "11 to 26")
        async with told(f"changing the channel of {radio!r}"):
            await network.need_radio().set_channel(channel)
        self.changed(network)
        return self.get(radio)

    async def configure_radio(
        self,
        radio: str,
        *,
        led: bool | None = None,
        tx_power: int | None = None,
        certification: str | None = None,
        set_time: bool = False,
    ) -> NetworkStatus:
        """Settings of the stick itself; `set_time` sets its clock to ours."""
        network = self.network(radio)
        if certification is not None and certification not in ("CE", "FCC"):
            raise InvalidError("certification", certification, "CE or FCC")
        if tx_power is not None and not 0 <= tx_power <= 255:
            raise InvalidError("tx_power", tx_power, "0 to 255, in the stick's own steps")
        stick = network.need_radio()
        async with told(f"setting up {radio!r}"):
            if certification is not None:
                await stick.set_certification(certification)
            if tx_power is not None:
                await stick.set_tx_power(tx_power)
            if led is not None:
                await stick.set_led(led)
            if set_time:
                await stick.set_time(round((self._clock.now() - ZIGBEE_EPOCH).total_seconds()))
        self.changed(network)
        return self.get(radio)

    async def erase(self, radio: str, confirm: str) -> NetworkStatus:
        """Make the stick forget its network: every device has to be joined again. `confirm` is the radio's name."""
        network = self.network(radio)
        if confirm != radio:
            raise InvalidError(
                "confirm", confirm[:40], f"the radio's name, {radio!r}, since every device is lost by this"
            )
        async with told(f"erasing {radio!r}"):
            await network.need_radio().erase()
        log.warning("%s: network, devices and keys of the stick were erased", radio)
        self.on_erased(radio)
        self.changed(network)
        return self.get(radio)

    # -- devices -------------------------------------------------------------------------------------------------

    def device(self, device_id: str) -> ZigbeeDevice:
        """Everything known of a Zigbee device. Raises `NotFoundError`, `UnsupportedError` for other devices."""
        return self._told(self.member(device_id))

    def _told(self, member: Member) -> ZigbeeDevice:
        network = self._household.network_of(member)
        has_key = member.ieee in self._link_keys.of(member.radio)
        # While the radio is away nobody knows whether it has link keys; whoever has one shows that it has.
        known = has_key or member.is_authenticated
        radio = network.radio if network is not None else None
        able = known if radio is None else radio.capabilities.link_keys or radio.capabilities.keys_by is KeysBy.HUB
        return member.snapshot(has_key=has_key, authenticates=able)

    def member(self, device_id: str) -> Member:
        """A device that was on a Zigbee network, whether its radio is still configured or not."""
        device = self._devices.get(device_id)
        if not device_id.startswith(DEVICE_PREFIX):
            raise UnsupportedError(f"{device.name} is not a Zigbee device: it has no endpoints and clusters")
        member = self._household.find(device_id)
        if member is None:
            raise UnavailableError(f"{device.name} is known by name only: join it again")
        return member

    def _member(self, device_id: str) -> tuple[Network, Member]:
        member = self.member(device_id)
        network = self._household.network_of(member)
        if network is None:
            raise UnavailableError(f"radio {member.radio!r} of {device_id} is not configured any more: join it again")
        return network, member

    def find(self, device_id: str) -> tuple[Network, Member]:
        """A device and its network, for who sends to it. Raises `NotFoundError`, `UnavailableError` ..."""
        return self._member(device_id)

    async def interview(self, device_id: str) -> None:
        """Ask a device everything again; events tell how it goes."""
        network, member = self._member(device_id)
        network.need_radio()
        self._household.start_interview(member, anew=True)

    async def remove(self, device_id: str, *, force: bool = False) -> None:
        """Make a device leave, then forget it. One that does not answer is only forgotten with `force`.

        On the network of another trust centre devices are only forgotten: it is not for us to send them away.
        """
        device = self._devices.get(device_id)
        member = self._household.find(device_id)
        if member is not None:
            network = self._household.network_of(member)
            if network is not None and not network.is_coordinator:
                if member.short == COORDINATOR and network.need_radio().network.is_operational:
                    raise RefusedError(
                        f"{device.name} is the trust centre of the network that {network.name!r} has joined: leave the "
                        f"network instead (hubctl network leave {network.name})"
                    )
            elif not force:
                if network is None:
                    raise UnavailableError(
                        f"{device.name} cannot be asked to leave, its radio is gone: remove it by force"
                    )
                await self._leave(network, member, device.name)
            elif network is not None and network.radio is not None and member.is_active:
                try:
                    await self._leave(network, member, device.name)
                except (UnavailableError, RefusedError) as error:
                    log.info("%s is forgotten although %s", device_id, error)
            self._link_keys.forget(member.ieee)
            self._household.forget(member)
            for holder in self._household.networks.values():
                await self._remove_keys(holder)
        await self._devices.remove(device_id)

    async def _leave(self, network: Network, member: Member, name: str) -> None:
        radio = network.need_radio()
        how = (
            f"{name} does not answer, so it is not known whether it left; wake it and try again, or remove it by force"
        )
        try:
            answer = await network.zdo_request(member, MgmtLeaveRequest(Eui64(0)), MgmtLeaveResponse)
        except (NoReplyError, DeliveryError, NotReachableError) as error:
            raise UnavailableError(f"{how} ({error})") from None
        except NotSupportedError:
            async with told(how):
                await radio.remove(member.ieee)
            return
        if answer.status is not ZdoStatus.SUCCESS:
            # It does not leave for just anybody; for its trust centre it must.
            async with told(how):
                await radio.remove(member.ieee)


def _can(found: Capabilities) -> RadioCan:
    return RadioCan(
        permit_join=True,
        install_codes=found.install_codes,
        link_keys=found.link_keys,
        aps_encryption=found.aps_encryption,
        energy_scan=found.energy_scan,
        channel_change=found.channel_change,
        led=found.led,
        tx_power=found.tx_power,
        certification=found.certification,
        erase=found.erase,
        certificates=found.certificates or found.keys_by is KeysBy.HUB,
        router=found.router,
        configurable=found.configurable,
        at_commands=found.at_commands,
        backup=found.backup,
    )


@asynccontextmanager
async def told(what: str) -> AsyncIterator[None]:
    """What a radio raises, as the hub tells it."""
    try:
        yield
    except NotSupportedError as error:
        raise UnsupportedError(f"{what}: {error}") from None
    except (NoReplyError, DeliveryError, NotReachableError, RadioLostError) as error:
        raise UnavailableError(f"{what}: {error}") from None
