"""Requests about the network and its devices (CPX2-SE, ZigBee Requests/Responses)."""

from __future__ import annotations

import logging

from hub.errors import UnsupportedError
from hub.hub import Hub
from hub.registry import JOIN_INTERVAL
from hub.zigbee.member import Member
from hub.zigbee.model import NetworkState
from hub.zigbee.service import MAX_JOINING_S
from protocols.ids import Eui64
from protocols.xbee.at import LONGEST_NUMBER, to_number
from protocols.xbee.status import AssociationStatus
from protocols.zdo import NodeDescriptor, PowerDescriptor, SimpleDescriptor
from web.rpc import fields
from web.rpc.check import Checked
from web.rpc.engine import Engine, Handler
from web.rpc.handlers.targets import Targets, device_id, told
from web.rpc.response import Severity
from web.rpc.types import ValueRefusedError
from web.rpc.values import Mac, Octets, Record, Value, Values

log = logging.getLogger(__name__)

KEY_OCTETS = 16
NO_SHORT, NO_PAN = 0xFFFE, 0xFFFF
"""As an XBee tells them while it is on no network."""
FIRST_CHANNEL = 11
ALL_CHANNELS = 0xFFFF
_ASSOCIATION = {
    AssociationStatus.ON_NETWORK: "Successfully formed or joined a network",
    AssociationStatus.NO_PAN_FOUND: "Scan found no PANs",
    AssociationStatus.NO_VALID_PAN: "Scan found no valid PANs with the present settings",
    AssociationStatus.JOINING_NOT_ALLOWED: "A network was found, but it does not allow joining",
    AssociationStatus.NO_JOINABLE_BEACON: "No joinable beacons were found",
    AssociationStatus.JOIN_FAILED: "Joining failed",
    AssociationStatus.WAITING_FOR_LINK_KEY: "Joined, and waiting for keys to be established",
    AssociationStatus.SCANNING: "Scanning for a network",
}


class ZigBee:
    """Handlers of requests about the network."""

    def __init__(self, engine: Engine, hub: Hub, targets: Targets) -> None:
        self._engine, self._hub, self._targets = engine, hub, targets

    def handlers(self) -> dict[str, Handler]:
        """By the names of their requests."""
        return {
            "add_device": self.add_device,
            "remove_device": self.remove_device,
            "enable_joining": self.enable_joining,
            "refresh_device_information": self.refresh_device_information,
            "get_device_information": self.get_device_information,
            "xbee_AT": self.xbee_at,
            "bind": self.bind,
            "unbind": self.unbind,
            "configure_zigbee_network": self.configure_zigbee_network,
            "leave_network": self.leave_network,
            "get_zigbee_network_status": self.get_zigbee_network_status,
        }

    # -- devices -------------------------------------------------------------------------------------------------

    async def add_device(self, request: Checked) -> Values:
        """List a device, register its key, open joining. A router has no use for keys of others."""
        given = request.arguments
        ieee, radio = fields.device(given, "device_address"), self._targets.radio()
        key, code = _secrets(given)
        if (key or code) and self._hub.networks.network(radio).capabilities.router:
            log.info("%s: it holds no keys of others, so that of %s is left out", radio, ieee)
            key = code = None
        seconds = _joining(fields.maybe_number(given, "join_time"))
        with told():
            await self._hub.networks.add_device(
                radio, f"{int(ieee):016x}", link_key=key, install_code=code, join_time_s=seconds
            )
        if key or code:
            # Words that head-ends look for; they follow a device's life by them.
            self._tell(ieee, "registered with XBee")
        answer: Values = {"device_address": Mac.of(ieee)}
        return answer if seconds is None else {**answer, "join_time": seconds}

    async def remove_device(self, request: Checked) -> Values:
        """Ask a device to leave, and forget it whether it answers or not."""
        ieee = fields.device(request.arguments, "device_address")
        member = self._hub.household.find(device_id(ieee))
        had_key = member is not None and ieee in self._hub.link_keys.of(member.radio)
        await self._hub.networks.remove(device_id(ieee), force=True)
        if had_key:
            self._tell(ieee, "unregistered from XBee")
        return {"device_address": Mac.of(ieee)}

    def _tell(self, ieee: Eui64, what: str) -> None:
        address = Mac.of(ieee)
        self._engine.message(Severity.WARNING, f"Device {address} {what}", device_address=address)

    async def enable_joining(self, request: Checked) -> Values:
        """Open joining for some time, an hour at most; 0: close it."""
        seconds = _joining(fields.number(request.arguments, "join_time"))
        assert seconds is not None
        with told():
            await self._hub.networks.permit_join(self._targets.radio(), seconds)
        return {"join_time": seconds}

    async def refresh_device_information(self, request: Checked) -> Values:
        """Ask devices again; answered before they have."""
        members = self._members(request.arguments)
        self._hub.direct.refresh(members, whole=fields.is_on(request.arguments, "full_refresh"))
        return {}

    async def get_device_information(self, request: Checked) -> Values:
        """What is known of a device, or of all: of us, to whom it is the first record, and of the others."""
        own = [self._hub.direct.ourselves(one.radio) for one in self._hub.networks.all()]
        ours = [member for member in own if member is not None]
        to = fields.maybe_mac(request.arguments, "device_address")
        if to is not None:
            ours = [member for member in ours if member.ieee == to.eui64]
        members = () if ours and to is not None else self._members(request.arguments)
        return {"record_list": [_device(member) for member in (*ours, *members)]}

    def _members(self, given: Values) -> tuple[Member, ...]:
        to = fields.maybe_mac(given, "device_address")
        if to is None or to.is_broadcast:
            members = self._hub.household.members.values()
            return tuple(sorted(members, key=lambda one: int(one.ieee)))
        return (self._hub.networks.member(device_id(fields.device(given, "device_address"))),)

    # -- the module ----------------------------------------------------------------------------------------------

    async def xbee_at(self, request: Checked) -> Values:
        """Read or set a register, or carry out a command. What was set is told back, unless it is a key."""
        given = request.arguments
        command, value = fields.text(given, "command"), given.get("value")
        radio = self._targets.radio()
        with told():
            found = await self._hub.at_commands.run(radio, command, _register(value), confirm=radio)
        answer: Values = {"command": command}
        row = found.register
        if row.is_written_only or row.is_secret:
            return answer
        if value is not None:
            answer["value"] = value
        elif found.value is not None:
            is_number = len(found.value) <= LONGEST_NUMBER
            answer["value"] = to_number(found.value) if is_number else Octets(found.value)
        return answer

    # -- bindings ------------------------------------------------------------------------------------------------

    async def bind(self, request: Checked) -> Values:
        """Have a device send what its cluster has to say to us."""
        return await self._binding(request, undo=False)

    async def unbind(self, request: Checked) -> Values:
        """Have a device send it no longer."""
        return await self._binding(request, undo=True)

    async def _binding(self, request: Checked, *, undo: bool) -> Values:
        given = {**request.arguments, "server_or_client": 0}
        target = self._targets.target(given)
        with told():
            status = await self._hub.direct.bind(target, undo=undo)
        return {"status": status, **request.arguments}

    # -- the network ---------------------------------------------------------------------------------------------

    async def configure_zigbee_network(self, request: Checked) -> Values:
        """Say which network to form or join; the present one is left for it."""
        given, radio = request.arguments, self._targets.radio()
        pan = fields.maybe_number(given, "extended_pan_id")
        mask = fields.maybe_number(given, "channel_mask")
        key, code = _secrets(given)
        interval = fields.maybe_number(given, "join_interval")
        is_router = self._hub.networks.network(radio).capabilities.router
        with told():
            if mask == 0:
                raise ValueRefusedError("channel_mask", "0x0", "one bit at least of 0xffff")
            if interval is not None and not is_router:
                # A coordinator joins nothing; the setting is kept for when its role is another one.
                await self._hub.registry.set(JOIN_INTERVAL, interval)
            if not is_router and (pan, mask, key, code) == (None, None, None, None):
                return await self._configured(radio)
            await self._hub.network_setup.configure(
                radio,
                radio,
                extended_pan_id=None if pan is None else "any" if pan == 0 else f"{pan:016x}",
                channels=None if mask is None else [FIRST_CHANNEL + bit for bit in range(16) if mask >> bit & 1],
                link_key=key,
                install_code=code,
                join_interval_s=interval if is_router else None,
            )
            return await self._configured(radio)

    async def _configured(self, radio: str) -> Values:
        return {
            "extended_pan_id": await self._number(radio, "ID"),
            "channel_mask": await self._number(radio, "SC", ALL_CHANNELS),
            "join_interval": self._hub.registry.seconds(JOIN_INTERVAL),
        }

    async def _number(self, radio: str, register: str, otherwise: int = 0) -> int:
        """A register; `otherwise` of a radio that has none."""
        try:
            found = await self._hub.at_commands.run(radio, register)
        except UnsupportedError:
            return otherwise
        return to_number(found.value) if found.value is not None else otherwise

    async def leave_network(self, request: Checked) -> Values:
        """As a router, leave; a coordinator stays, and says nothing of it."""
        radio = self._targets.radio()
        if self._hub.networks.network(radio).capabilities.router:
            with told():
                await self._hub.network_setup.leave(radio, radio)
        return {}

    async def get_zigbee_network_status(self, request: Checked) -> Values:
        """The network that we are in. Raises `UnavailableError` while the radio is away."""
        radio = self._targets.radio()
        self._hub.networks.network(radio).need_radio()
        status = self._hub.networks.get(radio)
        is_up = status.state is NetworkState.UP
        with told():
            code = 0 if is_up else await self._number(radio, "AI", AssociationStatus.SCANNING)
            configured = await self._number(radio, "ID")
        named = AssociationStatus(code)
        # Joined, with keys still to come: the module says 0 of the joining, while nothing can be sent yet.
        if not is_up and named is AssociationStatus.ON_NETWORK:
            code, named = int(AssociationStatus.WAITING_FOR_LINK_KEY), AssociationStatus.WAITING_FOR_LINK_KEY
        text = _ASSOCIATION.get(named) or named.name.replace("_", " ").capitalize()
        is_there = status.channel is not None and status.short not in (None, NO_SHORT)
        return {
            "status": code,
            "status_description": text if is_up or not status.detail else f"{text} ({status.detail})",
            "extended_pan_id": (is_there and status.extended_pan_id) or 0,
            "pan_id": status.pan_id if is_there and status.pan_id is not None else NO_PAN,
            "channel": (is_there and status.channel) or 0,
            "addr_short": Mac.of(status.short if is_there and status.short is not None else NO_SHORT),
            "addr_extended": Mac.of(status.ieee if status.ieee is not None else Eui64(0)),
            "configured_extended_pan_id": configured,
        }


def _joining(seconds: int | None) -> int | None:
    """For how long joining is opened: an hour at most, whatever is asked for."""
    return None if seconds is None else min(seconds, MAX_JOINING_S)


def _secrets(given: Values) -> tuple[str | None, str | None]:
    """Link key and installation code in hex; the code does not count beside a key."""
    key, code = given.get("link_key"), given.get("installation_code")
    if key is not None:
        return _digits(key, "link_key", 2 * KEY_OCTETS), None
    return None, _digits(code, "installation_code", 0) if code is not None else None


def _digits(value: Value, where: str, size: int) -> str:
    """Hex digits, filled up to `size`; the ones of an int may begin with zeros, which nobody sees."""
    match value:
        case Octets():
            return value.data.hex()
        case str():
            digits = "".join(one for one in value.removeprefix("0x") if one in "0123456789abcdefABCDEF")
            if not digits:
                raise ValueRefusedError(where, "without any hex digit", "hex digits")
            return digits
        case int() if value >= 0:
            digits = f"{value:x}"
            return digits.zfill(size or len(digits) + len(digits) % 2)
    raise ValueRefusedError(where, "wrong", "hex digits")


def _register(value: Value) -> int | str | None:
    if isinstance(value, Octets):
        return value.data.hex()
    assert value is None or isinstance(value, int)
    return value


# -- records ---------------------------------------------------------------------------------------------------------


def _device(member: Member) -> Record:
    """What is known of a device; what it has not told is left out."""
    short = member.short if member.short is not None else NO_SHORT
    found: dict[str, Value] = {"active": member.is_active, "addr_extended": Mac.of(member.ieee)}
    if member.short is not None:
        found["addr_short"] = Mac.of(member.short)
    if member.endpoint_ids is not None:
        found["active_endpoints"] = list[Value](member.endpoint_ids)
    if member.endpoints:
        found["simple_descriptors"] = {
            f"endpoint_0x{number:02X}": _simple(descriptor, short)
            for number, descriptor in sorted(member.endpoints.items())
        }
    if member.power is not None:
        found["power_descriptor"] = _power(member.power, short)
    if member.node is not None:
        found["node_descriptor"] = _node(member.node, short)
        found["node_type"] = int(member.node.logical_type)
        found["manufacturer_id"] = member.node.manufacturer
    return Record("ZDODeviceRecord", found)


def _simple(descriptor: SimpleDescriptor, short: int) -> Record:
    return Record(
        "Simple_Desc_rsp",
        {
            "status": 0,
            "nwk_addr": short,
            "endpoint_id": descriptor.endpoint,
            "profile_id": descriptor.profile,
            "device_id": descriptor.device_type,
            "device_version": descriptor.version & 0x0F,
            "input_clusters": list[Value](descriptor.input_clusters),
            "output_clusters": list[Value](descriptor.output_clusters),
        },
    )


def _power(descriptor: PowerDescriptor, short: int) -> Record:
    return Record(
        "Power_Desc_rsp",
        {
            "status": 0,
            "nwk_addr": short,
            "current_power_mode": descriptor.mode_and_sources & 0x0F,
            "available_power_sources": descriptor.mode_and_sources >> 4,
            "current_power_source": descriptor.source_and_level & 0x0F,
            "current_power_source_level": descriptor.source_and_level >> 4,
        },
    )


def _node(descriptor: NodeDescriptor, short: int) -> Record:
    return Record(
        "Node_Desc_rsp",
        {
            "status": 0,
            "nwk_addr": short,
            "logical_type": descriptor.flags & 0x07,
            "complex_desc_avail": descriptor.flags >> 3 & 1,
            "user_desc_avail": descriptor.flags >> 4 & 1,
            "aps_flags": descriptor.bands & 0x07,
            "frequency_band": descriptor.bands >> 3,
            "mac_capability_flags": descriptor.mac_capability,
            "manufacturer_code": descriptor.manufacturer,
            "max_buffer_size": descriptor.max_buffer,
            "max_incoming_transfer_size": descriptor.max_incoming,
            "server_mask": descriptor.server_mask,
            "max_outgoing_transfer_size": descriptor.max_outgoing,
            "descriptor_capability_field": descriptor.descriptor_capability,
        },
    )
