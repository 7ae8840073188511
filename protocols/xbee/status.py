"""Status codes of an XBee with Smart Energy firmware, by register or frame (reference xbee-se.md, 3).

Values of other firmware or hardware are named too where they are known; all others are `UNKNOWN_0xNN`.
"""

from __future__ import annotations

from protocols.fields import OpenEnum


class AtStatus(OpenEnum):
    """How an AT command went (0x88)."""

    OK = 0
    ERROR = 1
    UNKNOWN_COMMAND = 2
    BAD_PARAMETER = 3
    REMOTE_TRANSMISSION_FAILED = 4


class AssociationStatus(OpenEnum):
    """Register AI: how far forming, joining and authentication have come (90033931_A, p. 111)."""

    ON_NETWORK = 0x00
    NO_PAN_FOUND = 0x21
    NO_VALID_PAN = 0x22
    JOINING_NOT_ALLOWED = 0x23
    NO_JOINABLE_BEACON = 0x24
    UNEXPECTED_STATE = 0x25
    JOIN_FAILED = 0x27
    COORDINATOR_START_FAILED = 0x2A
    CHECKING_FOR_COORDINATOR = 0x2B
    LEAVE_FAILED = 0x2C
    WAITING_FOR_LINK_KEY = 0x40
    GOT_LINK_KEY = 0x41
    SECURE_JOIN_FAILED = 0x44
    NO_RESPONSE_OF_JOINED_DEVICE = 0xAB
    NETWORK_KEY_UNSECURED = 0xAC
    NETWORK_KEY_NOT_RECEIVED = 0xAD
    WRONG_LINK_KEY = 0xAF
    SCANNING = 0xFF


class ModemStatusCode(OpenEnum):
    """What has happened to the module (0x8A)."""

    HARDWARE_RESET = 0x00
    SOFTWARE_RESET = 0x01
    """A watchdog, or FR."""
    JOINED = 0x02
    DISASSOCIATED = 0x03
    COORDINATOR_STARTED = 0x06
    NETWORK_KEY_UPDATED = 0x07
    OVER_VOLTAGE = 0x0D
    KEY_ESTABLISHMENT_COMPLETE = 0x10
    CHANGED_WHILE_JOINING = 0x11

    @property
    def is_reset(self) -> bool:
        """Whether registers that were not written to flash are lost."""
        return self in (ModemStatusCode.HARDWARE_RESET, ModemStatusCode.SOFTWARE_RESET)


class DeliveryStatus(OpenEnum):
    """What became of a transmission (0x8B)."""

    DELIVERED = 0x00
    NO_MAC_ACK = 0x01
    CHANNEL_BUSY = 0x02
    PURGED = 0x03
    INVALID_DESTINATION_ENDPOINT = 0x15
    NO_BUFFERS = 0x18
    NO_NETWORK_ACK = 0x21
    NOT_JOINED = 0x22
    SELF_ADDRESSED = 0x23
    """Delivered, to the module itself."""
    ADDRESS_NOT_FOUND = 0x24
    NO_ROUTE = 0x25
    BROADCAST_NOT_RELAYED = 0x26
    INVALID_BINDING = 0x2B
    INVALID_ENDPOINT = 0x2C
    BROADCAST_CANNOT_BE_ENCRYPTED = 0x2D
    NO_LINK_KEY = 0x2E
    NO_RESOURCES = 0x31
    NO_RESOURCES_2 = 0x32
    PAYLOAD_TOO_LARGE = 0x74
    INDIRECT_UNREQUESTED = 0x75
    KEY_NOT_AUTHORIZED = 0xBB

    @property
    def is_delivered(self) -> bool:
        """Whether the far end has it."""
        return self in (DeliveryStatus.DELIVERED, DeliveryStatus.SELF_ADDRESSED)

    @property
    def is_silence_of_the_far_end(self) -> bool:
        """Whether it speaks of the far device, which may be gone; all others speak of us."""
        return self in (
            DeliveryStatus.NO_MAC_ACK,
            DeliveryStatus.NO_NETWORK_ACK,
            DeliveryStatus.ADDRESS_NOT_FOUND,
            DeliveryStatus.NO_ROUTE,
        )


class DiscoveryStatus(OpenEnum):
    """What had to be found out for a transmission (0x8B). Bits."""

    NONE = 0
    ADDRESS = 1
    ROUTE = 2
    ADDRESS_AND_ROUTE = 3
    EXTENDED_TIMEOUT = 0x40


class RegistrationStatus(OpenEnum):
    """How registering a device's key went (0xA4)."""

    OK = 0x00
    KEY_TOO_LONG = 0x01
    TRANSIENT_TABLE_FULL = 0x18
    ADDRESS_NOT_FOUND = 0xB1
    INVALID_KEY = 0xB2
    INVALID_ADDRESS = 0xB3
    TABLE_FULL = 0xB4
    BAD_INSTALL_CODE = 0xBD
    KEY_NOT_FOUND = 0xFF


class JoinStatus(OpenEnum):
    """How a device came or went (0xA5; Zigbee R21, Update-Device)."""

    SECURED_REJOIN = 0
    JOINED = 1
    LEFT = 2
    UNSECURED_REJOIN = 3
