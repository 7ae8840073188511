"""What an emulated EZSP stick keeps when it loses its power, and what of it the host sees as tokens."""

from __future__ import annotations

from dataclasses import dataclass, field

from radios.emulators.cursor import Cursor, u16, u32, u64

NO_ADDRESS = 0xFFFFFFFFFFFFFFFF
COORDINATOR_TYPE, ROUTER_TYPE, END_DEVICE_TYPE, SLEEPY_TYPE = 1, 2, 3, 4
STACK_PROFILE = 2
"""Zigbee PRO."""

RESTORED_ADDRESS = 0xE12A
NODE_DATA, TRUST_CENTRE, NETWORK_MANAGEMENT, CHILD_TABLE = 0x1EE64, 0x1E124, 0x1E125, 0x10580
"""Items of flash, as the host asks for them."""
GOOD_CHILD = 0x80
"""Flag of a child that the stack has stored itself."""
HASHED_KEYS, GLOBAL_KEY, DISTRIBUTED = 0x80, 0x04, 0x02
HAS_LINK_KEY, HAS_NETWORK_KEY, KEEPS_COUNTER = 0x0100, 0x0200, 0x1000
HAS_TRUST_CENTRE = 0x0040
"""Bits of the initial security state."""


@dataclass(slots=True)
class InitialSecurity:
    """What the host lays down before it forms or joins a network."""

    bits: int
    link_key: bytes
    network_key: bytes
    sequence: int
    trust_centre: int

    @classmethod
    def read(cls, fields: Cursor) -> InitialSecurity:
        """Of a command. Raises `TruncatedError`."""
        return cls(fields.u16(), fields.take(16), fields.take(16), fields.u8(), fields.u64())


@dataclass(slots=True)
class Parameters:
    """Of a network, as commands carry them."""

    extended_pan_id: int
    pan_id: int
    power: int
    channel: int
    join_method: int = 0
    manager: int = 0
    update_id: int = 0
    mask: int = 0x07FFF800

    @classmethod
    def read(cls, fields: Cursor) -> Parameters:
        """Of a command. Raises `TruncatedError`."""
        return cls(
            fields.u64(), fields.u16(), fields.u8(), fields.u8(), fields.u8(), fields.u16(), fields.u8(), fields.u32()
        )

    def written(self) -> bytes:
        """As they came."""
        head = u64(self.extended_pan_id) + u16(self.pan_id) + bytes((self.power & 0xFF, self.channel, self.join_method))
        return head + u16(self.manager) + bytes((self.update_id,)) + u32(self.mask)


@dataclass(slots=True)
class StoredNetwork:
    """The network that the stick is on."""

    parameters: Parameters
    security: InitialSecurity
    role: int
    short: int
    trust_centre: int
    """Extended address."""


@dataclass(slots=True)
class LinkKey:
    """A row of the key table."""

    ieee: int
    key: bytes
    outgoing: int = 0
    incoming: int = 0


@dataclass(slots=True)
class Child:
    """A row of the child table."""

    ieee: int
    short: int
    type: int = SLEEPY_TYPE


@dataclass(slots=True)
class Flash:
    """All that a restart leaves alone."""

    factory_address: int
    restored_address: int = NO_ADDRESS
    burned_address: int = NO_ADDRESS
    """Written once and never again."""
    network: StoredNetwork | None = None
    link_keys: dict[int, LinkKey] = field(default_factory=dict)
    """By their place in the table."""
    children: dict[int, Child] = field(default_factory=dict)
    network_counter: int = 0
    link_counter: int = 0
    boots: int = 0
    user_tokens: dict[int, bytes] = field(default_factory=dict)
    manufacturing: dict[int, bytes] = field(default_factory=dict)
    bindings: dict[int, bytes] = field(default_factory=dict)

    @property
    def address(self) -> int:
        """The stick's extended address after its next start."""
        for found in (self.restored_address, self.burned_address):
            if found != NO_ADDRESS:
                return found
        return self.factory_address

    def forget(self, *, counters: bool) -> None:
        """Back to what it was when it was bought, but for its address."""
        self.network = None
        self.link_keys.clear()
        self.children.clear()
        self.bindings.clear()
        if counters:
            self.network_counter = self.link_counter = 0

    # -- tokens --------------------------------------------------------------------------------------------------------

    def token(self, number: int, index: int) -> bytes | None:
        """An item; None: there is none."""
        network = self.network
        match number:
            case 0xE12A:
                return u64(self.restored_address)
            case 0x10580:
                child = self.children.get(index)
                return u64(child.ieee) + u16(child.short) + bytes((GOOD_CHILD,)) if child is not None else None
        if network is None:
            return None
        about = network.parameters
        match number:
            case 0x1EE64:
                head = u16(about.pan_id) + bytes((about.power & 0xFF, about.channel, STACK_PROFILE, network.role))
                return head + u16(network.short) + u64(about.extended_pan_id)
            case 0x1E124:
                return u16(network.security.bits & 0xFF) + u64(network.trust_centre) + network.security.link_key
            case 0x1E125:
                return u32(about.mask) + u16(about.manager) + bytes((about.update_id, 0))
        return None

    def set_token(self, number: int, index: int, data: bytes) -> bool:
        """Write an item; whether it could be."""
        before = self.token(number, index)
        if before is None or len(before) != len(data):
            return False
        fields = Cursor(data)
        network = self.network
        if number == RESTORED_ADDRESS:
            self.restored_address = fields.u64()
        elif number == CHILD_TABLE:
            self.children[index] = Child(fields.u64(), fields.u16())
        elif network is not None:
            about = network.parameters
            if number == NODE_DATA:
                about.pan_id, about.power, about.channel = fields.u16(), fields.u8(), fields.u8()
                fields.u8()
                network.role, network.short, about.extended_pan_id = fields.u8(), fields.u16(), fields.u64()
            elif number == TRUST_CENTRE:
                fields.u16()
                network.trust_centre, network.security.link_key = fields.u64(), fields.take(16)
            elif number == NETWORK_MANAGEMENT:
                about.mask, about.manager, about.update_id = fields.u32(), fields.u16(), fields.u8()
        return True
