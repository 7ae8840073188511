"""An emulated EZSP stick's settings: configuration, policies, values, tokens, counters, and what it was made with."""

from __future__ import annotations

from collections.abc import Mapping

from radios.emulators.cursor import Cursor, block, u16, u32
from radios.emulators.ezsp_core import COUNTERS, Core, Handler, Handlers
from radios.emulators.ezsp_store import NO_ADDRESS
from radios.emulators.ezsp_versions import Outcome
from radios.emulators.own_object import OwnEndpoint

ADDRESS_TABLE, MULTICAST_TABLE, KEY_TABLE, CHILDREN = 0x05, 0x06, 0x1E, 0x11
UNICASTS, FRAGMENT_WINDOW, TRANSIENT_KEYS_S, ZDO_FLAGS, BINDINGS = 0x03, 0x1C, 0x36, 0x2A, 0x04
"""Numbers of settings that mean something here."""
SETTINGS: Mapping[int, int] = {
    0x01: 255, 0x02: 16, UNICASTS: 10, BINDINGS: 32, ADDRESS_TABLE: 8, MULTICAST_TABLE: 8, 0x07: 16, 0x08: 8, 0x0C: 0,
    0x0D: 5, 0x10: 30, CHILDREN: 6, 0x12: 3000, 0x13: 5, 0x14: 20, 0x17: 0, 0x18: 0, 0x19: 0, 0x1A: 32,
    FRAGMENT_WINDOW: 1, 0x1D: 0, KEY_TABLE: 12, 0x1F: 1600, 0x20: 3, 0x21: 60, 0x22: 1, 0x24: 0, 0x29: 0, ZDO_FLAGS: 0,
    0x2B: 15, 0x2C: 0, 0x2D: 1, 0x2E: 0, 0x33: 0, 0x34: 16, 0x35: 2, TRANSIENT_KEYS_S: 300, 0x37: 255, 0x38: 90,
    0x39: 0, 0x40: 0, 0x41: 5, 0x42: 0,
}  # fmt: skip
"""What they are after each start."""
READ_ONLY = frozenset((0x29,))
SIZES = frozenset((0x02, BINDINGS, ADDRESS_TABLE, MULTICAST_TABLE, 0x07, 0x08, 0x1A, KEY_TABLE, 0x2B, CHILDREN))
"""Memory is laid out when a network comes up; then they are fixed."""

TRUST_CENTRE_POLICY, CONTENTS_POLICY = 0x00, 0x04
ALLOW_JOINS, ALLOW_UNSECURED_REJOINS, ONLY_INSTALL_CODES = 0x01, 0x02, 0x10
"""Bits of the trust centre's policy."""
CONTENTS_TOO = 0x41
POLICIES: Mapping[int, int] = {
    0x00: 0, 0x01: 0x10, 0x02: 0x20, 0x03: 0x30, 0x04: 0x40, 0x05: 0x50, 0x06: 0x60, 0x07: 0x62, 0x08: 0x00, 0x09: 0,
}  # fmt: skip

NETWORK_COUNTER, LINK_COUNTER, VERSION_INFO, FREE_BUFFERS = 0x23, 0x24, 0x11, 0x03
SHORT_ADDRESS, TRANSIENT_VALUE = 0x0B, 0x3B
VALUES: Mapping[int, bytes] = {
    0x04: b"\x00", 0x05: u16(82), 0x06: u16(82), 0x07: b"\x01", 0x0A: u16(0), 0x0C: b"\x00", 0x0D: b"\x00",
    0x10: u32(0), 0x15: b"\x00", 0x29: b"\x01", 0x3A: b"\x00", TRANSIENT_VALUE: u16(300), 0x3D: b"\x06",
    0x3E: b"\x00", 0x3F: b"\x03", 0x41: u16(0), 0x43: u16(10000), 0x44: b"\x00", 0x45: u32(0), 0x46: b"\x00",
    0x47: b"\x00", 0x48: b"\x00",
}  # fmt: skip
"""What can be read and written as it is."""
BUFFERS = 230
MANUFACTURING_SIZES: Mapping[int, int] = {
    0x00: 2, 0x01: 16, 0x02: 16, 0x03: 2, 0x04: 2, 0x05: 16, 0x06: 40, 0x07: 8, 0x08: 2, 0x09: 92, 0x0A: 20, 0x0B: 1,
    0x0C: 8, 0x0D: 2,
}  # fmt: skip
CUSTOM_ADDRESS = 0x0C
USER_TOKEN_SIZE, USER_TOKENS = 8, 8
MAKER, BOARD = b"Example", b"Emulated EFR32"


class Settings:
    """Commands about the stick itself."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.manufacturer = 0
        core.flash.manufacturing.setdefault(0x01, MAKER.ljust(16, b"\xff"))
        core.flash.manufacturing.setdefault(0x02, BOARD.ljust(16, b"\xff"))
        self.restarted()

    def restarted(self) -> None:
        """What is not in flash is as it was made."""
        core = self._core
        core.settings.clear()
        core.settings.update(SETTINGS)
        core.policies.clear()
        core.policies.update(POLICIES)
        core.values.clear()
        core.values.update(VALUES)
        core.counters[:] = [0] * COUNTERS
        core.own.endpoints.clear()
        core.own.manufacturer = 0

    @property
    def commands(self) -> Handlers:
        """By number."""
        told: dict[int, Handler] = {
            0x0002: self._add_endpoint,
            0x0003: self._extended_value,
            0x0005: lambda _: b"",
            0x0006: lambda _: b"",
            0x0009: self._set_user_token,
            0x000A: self._user_token,
            0x000B: self._manufacturing,
            0x000C: self._set_manufacturing,
            0x0012: lambda _: self._core.dialect.stack(Outcome.OK),
            0x0013: lambda _: self._core.dialect.stack(Outcome.NO_LIBRARY) + bytes(4),
            0x0015: self._set_manufacturer,
            0x0016: self._set_power_descriptor,
            0x0047: lambda _: self._core.dialect.stack(Outcome.NO_LIBRARY) + b"\x00",
            0x0049: lambda _: self._core.dialect.stack(Outcome.OK) + self._core.random.randbytes(2),
            0x0052: self._setting,
            0x0053: self._set_setting,
            0x0055: self._set_policy,
            0x0056: self._policy,
            0x0065: lambda _: self._counters(clear=True),
            0x0081: lambda fields: block(fields.block()),
            0x00AA: self._value,
            0x00AB: self._set_value,
            0x00F1: lambda _: self._counters(clear=False),
        }
        if self._core.dialect.has_tokens:
            told |= {0x0102: self._token, 0x0103: self._set_token}
        return told

    # -- configuration -------------------------------------------------------------------------------------------------

    def _setting(self, fields: Cursor) -> bytes:
        found = self._core.settings.get(fields.u8())
        outcome = Outcome.OK if found is not None else Outcome.UNKNOWN_ID
        return self._core.dialect.ezsp(outcome) + u16(found or 0)

    def _set_setting(self, fields: Cursor) -> bytes:
        core = self._core
        number, value = fields.u8(), fields.u16()
        if number not in core.settings or number in READ_ONLY:
            return core.dialect.ezsp(Outcome.UNKNOWN_ID)
        if number in SIZES and core.is_up:
            return core.dialect.ezsp(Outcome.INVALID_CALL)
        core.settings[number] = value
        return core.dialect.ezsp(Outcome.OK)

    def _set_policy(self, fields: Cursor) -> bytes:
        core = self._core
        number, decision = fields.u8(), fields.u8()
        if number not in core.policies:
            return core.dialect.ezsp(Outcome.UNKNOWN_ID)
        core.policies[number] = decision
        return core.dialect.ezsp(Outcome.OK)

    def _policy(self, fields: Cursor) -> bytes:
        found = self._core.policies.get(fields.u8())
        outcome = Outcome.OK if found is not None else Outcome.UNKNOWN_ID
        return self._core.dialect.ezsp(outcome) + bytes((found or 0,))

    def _value(self, fields: Cursor) -> bytes:
        core, number = self._core, fields.u8()
        major, minor, patch = core.dialect.release
        found = {
            FREE_BUFFERS: bytes((BUFFERS,)),
            SHORT_ADDRESS: u16(core.own.short),
            VERSION_INFO: u16(0) + bytes((major, minor, patch, 0, 0xAA)),
            NETWORK_COUNTER: u32(core.flash.network_counter),
            LINK_COUNTER: u32(core.flash.link_counter),
            **core.values,
        }.get(number)
        if found is None:
            return core.dialect.ezsp(Outcome.UNKNOWN_ID) + b"\x00"
        return core.dialect.ezsp(Outcome.OK) + block(found)

    def _set_value(self, fields: Cursor) -> bytes:
        core = self._core
        number, value = fields.u8(), fields.block()
        outcome = Outcome.OK
        if number in (NETWORK_COUNTER, LINK_COUNTER):
            if core.is_up:
                outcome = Outcome.INVALID_CALL
            elif len(value) != 4:
                outcome = Outcome.BAD_ARGUMENT
            elif number == NETWORK_COUNTER:
                core.flash.network_counter = int.from_bytes(value, "little")
            else:
                core.flash.link_counter = int.from_bytes(value, "little")
        elif number not in core.values:
            outcome = Outcome.UNKNOWN_ID
        elif len(value) != len(core.values[number]):
            outcome = Outcome.BAD_ARGUMENT
        else:
            core.values[number] = value
        return core.dialect.ezsp(outcome)

    def _extended_value(self, fields: Cursor) -> bytes:
        """Only the flags of an endpoint: it is enabled."""
        number, about = fields.u8(), fields.u32()
        if number != 0 or about not in self._core.own.endpoints:
            return self._core.dialect.ezsp(Outcome.UNKNOWN_ID) + b"\x00"
        return self._core.dialect.ezsp(Outcome.OK) + block(u16(1))

    def _counters(self, *, clear: bool) -> bytes:
        told = b"".join(map(u16, self._core.counters))
        if clear:
            self._core.counters[:] = [0] * COUNTERS
        return told

    # -- endpoints -----------------------------------------------------------------------------------------------------

    def _add_endpoint(self, fields: Cursor) -> bytes:
        core = self._core
        number, profile, device, version = fields.u8(), fields.u16(), fields.u16(), fields.u8()
        inputs, outputs = fields.u8(), fields.u8()
        made = OwnEndpoint(
            number,
            profile,
            device,
            version,
            tuple(fields.u16() for _ in range(inputs)),
            tuple(fields.u16() for _ in range(outputs)),
        )
        if core.is_up or number in core.own.endpoints:
            return core.dialect.ezsp(Outcome.INVALID_CALL)
        if not 0 < number <= 0xF2:
            return core.dialect.ezsp(Outcome.BAD_ARGUMENT)
        core.own.endpoints[number] = made
        return core.dialect.ezsp(Outcome.OK)

    def _set_manufacturer(self, fields: Cursor) -> bytes:
        self._core.own.manufacturer = fields.u16()
        return self._core.dialect.stack(Outcome.OK) if self._core.dialect.has_unified_statuses else b""

    def _set_power_descriptor(self, fields: Cursor) -> bytes:
        fields.u16()
        return self._core.dialect.stack(Outcome.OK) if self._core.dialect.has_unified_statuses else b""

    # -- tokens --------------------------------------------------------------------------------------------------------

    def _user_token(self, fields: Cursor) -> bytes:
        number = fields.u8()
        if number >= USER_TOKENS:
            return self._core.dialect.stack(Outcome.BAD_ARGUMENT) + bytes(USER_TOKEN_SIZE)
        kept = self._core.flash.user_tokens.get(number, b"\xff" * USER_TOKEN_SIZE)
        return self._core.dialect.stack(Outcome.OK) + kept

    def _set_user_token(self, fields: Cursor) -> bytes:
        number, data = fields.u8(), fields.take(USER_TOKEN_SIZE)
        if number >= USER_TOKENS:
            return self._core.dialect.stack(Outcome.BAD_ARGUMENT)
        self._core.flash.user_tokens[number] = data
        return self._core.dialect.stack(Outcome.OK)

    def _manufacturing(self, fields: Cursor) -> bytes:
        number, flash = fields.u8(), self._core.flash
        size = MANUFACTURING_SIZES.get(number)
        if size is None:
            return b"\x00"
        if number == CUSTOM_ADDRESS:
            return block(flash.burned_address.to_bytes(8, "little"))
        return block(flash.manufacturing.get(number, b"\xff" * size))

    def _set_manufacturing(self, fields: Cursor) -> bytes:
        """Each can be written once: its flash is never erased."""
        core, number = self._core, fields.u8()
        data = fields.block()
        if MANUFACTURING_SIZES.get(number) != len(data):
            return core.dialect.stack(Outcome.BAD_ARGUMENT)
        if number == CUSTOM_ADDRESS:
            if core.flash.burned_address != NO_ADDRESS:
                return core.dialect.stack(Outcome.INVALID_CALL)
            core.flash.burned_address = int.from_bytes(data, "little")
            return core.dialect.stack(Outcome.OK)
        if number in core.flash.manufacturing:
            return core.dialect.stack(Outcome.INVALID_CALL)
        core.flash.manufacturing[number] = data
        return core.dialect.stack(Outcome.OK)

    def _token(self, fields: Cursor) -> bytes:
        found = self._core.flash.token(fields.u32(), fields.u32())
        if found is None:
            return self._core.dialect.stack(Outcome.NOT_FOUND) + u32(0)
        return self._core.dialect.stack(Outcome.OK) + u32(len(found)) + found

    def _set_token(self, fields: Cursor) -> bytes:
        number, index = fields.u32(), fields.u32()
        data = fields.take(fields.u32())
        done = self._core.flash.set_token(number, index, data)
        return self._core.dialect.stack(Outcome.OK if done else Outcome.NOT_FOUND)
