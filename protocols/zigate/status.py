"""Names of ZiGate's statuses, layer by layer: one number means different things in different frames."""

from __future__ import annotations

from protocols.fields import OpenEnum


class SerialStatus(OpenEnum):
    """What the stick says of a command (0x8000). Higher numbers are the stack's own, see `StackStatus`.

    The wiki calls 3 "failed" and 4 "busy"; the firmware's own enumeration, followed here, has these.
    """

    SUCCESS = 0x00
    INVALID_PARAMETERS = 0x01
    UNHANDLED_COMMAND = 0x02
    BUSY = 0x03
    STACK_ALREADY_STARTED = 0x04
    # From here on the codes of the failing call: ZCL below 0x80, ZigBee stack above.
    ZCL_FAIL = 0x05
    ZCL_ENDPOINT_UNKNOWN = 0x06
    ZCL_SECURITY = 0x07
    ZCL_CLUSTER_NOT_FOUND = 0x0B
    ZCL_CUSTOM_CALLBACK_NULL = 0x0C
    ZCL_CUSTOM_DATA_NULL = 0x0D
    ZCL_TIME_NOT_SYNCHRONISED = 0x0E
    ZCL_TIME_ALREADY_SYNCHRONISED = 0x0F
    ZCL_NO_BUFFER = 0x14
    """The frame is too long for one radio packet."""
    ZCL_TRANSMIT_FAIL = 0x15
    """Out of resources: try again later."""


class StackStatus(OpenEnum):
    """Statuses of the ZDP (0x80), APS (0xA0), NWK (0xC0) and MAC (0xE0) layers (Zigbee R21; JN-UG-3101)."""

    SUCCESS = 0x00
    ZDP_INVALID_REQUEST = 0x80
    ZDP_DEVICE_NOT_FOUND = 0x81
    ZDP_INVALID_ENDPOINT = 0x82
    ZDP_NOT_ACTIVE = 0x83
    ZDP_NOT_SUPPORTED = 0x84
    ZDP_TIMEOUT = 0x85
    ZDP_NO_MATCH = 0x86
    ZDP_NO_ENTRY = 0x88
    ZDP_NO_DESCRIPTOR = 0x89
    ZDP_INSUFFICIENT_SPACE = 0x8A
    ZDP_NOT_PERMITTED = 0x8B
    ZDP_TABLE_FULL = 0x8C
    ZDP_NOT_AUTHORIZED = 0x8D
    APS_ASDU_TOO_LONG = 0xA0
    APS_DEFRAG_DEFERRED = 0xA1
    APS_DEFRAG_UNSUPPORTED = 0xA2
    APS_ILLEGAL_REQUEST = 0xA3
    APS_INVALID_BINDING = 0xA4
    APS_INVALID_GROUP = 0xA5
    APS_INVALID_PARAMETER = 0xA6
    APS_NO_ACK = 0xA7
    APS_NO_BOUND_DEVICE = 0xA8
    APS_NO_SHORT_ADDRESS = 0xA9
    APS_NOT_SUPPORTED = 0xAA
    APS_SECURED_LINK_KEY = 0xAB
    APS_SECURED_NWK_KEY = 0xAC
    APS_SECURITY_FAIL = 0xAD
    APS_TABLE_FULL = 0xAE
    APS_UNSECURED = 0xAF
    APS_UNSUPPORTED_ATTRIBUTE = 0xB0
    NWK_INVALID_PARAMETER = 0xC1
    NWK_INVALID_REQUEST = 0xC2
    NWK_NOT_PERMITTED = 0xC3
    NWK_STARTUP_FAILURE = 0xC4
    NWK_ALREADY_PRESENT = 0xC5
    NWK_SYNC_FAILURE = 0xC6
    NWK_NEIGHBOR_TABLE_FULL = 0xC7
    NWK_UNKNOWN_DEVICE = 0xC8
    NWK_UNSUPPORTED_ATTRIBUTE = 0xC9
    NWK_NO_NETWORKS = 0xCA
    NWK_MAX_FRAME_COUNTER = 0xCC
    NWK_NO_KEY = 0xCD
    NWK_BAD_CCM_OUTPUT = 0xCE
    NWK_ROUTE_DISCOVERY_FAILED = 0xD0
    NWK_ROUTE_ERROR = 0xD1
    NWK_BT_TABLE_FULL = 0xD2
    NWK_FRAME_NOT_BUFFERED = 0xD3
    NWK_FRAME_IS_BUFFERED = 0xD4
    MAC_BEACON_LOSS = 0xE0
    MAC_CHANNEL_ACCESS_FAILURE = 0xE1
    MAC_DENIED = 0xE2
    MAC_DISABLE_TRX_FAILURE = 0xE3
    MAC_FAILED_SECURITY_CHECK = 0xE4
    MAC_FRAME_TOO_LONG = 0xE5
    MAC_INVALID_GTS = 0xE6
    MAC_INVALID_HANDLE = 0xE7
    MAC_INVALID_PARAMETER = 0xE8
    MAC_NO_ACK = 0xE9
    MAC_NO_BEACON = 0xEA
    MAC_NO_DATA = 0xEB
    MAC_NO_SHORT_ADDRESS = 0xEC
    MAC_OUT_OF_CAP = 0xED
    MAC_PAN_ID_CONFLICT = 0xEE
    MAC_REALIGNMENT = 0xEF
    MAC_TRANSACTION_EXPIRED = 0xF0
    MAC_TRANSACTION_OVERFLOW = 0xF1
    MAC_TX_ACTIVE = 0xF2
    MAC_UNAVAILABLE_KEY = 0xF3
    MAC_UNSUPPORTED_ATTRIBUTE = 0xF4

    @property
    def is_silence_of_the_far_end(self) -> bool:
        """Whether it speaks of the far device, which may be gone; all others speak of the stick or of the frame."""
        return self in (
            StackStatus.APS_NO_ACK,
            StackStatus.APS_NO_SHORT_ADDRESS,
            StackStatus.NWK_ROUTE_DISCOVERY_FAILED,
            StackStatus.NWK_ROUTE_ERROR,
            StackStatus.MAC_NO_ACK,
            StackStatus.MAC_TRANSACTION_EXPIRED,
        )


class ExtendedError(OpenEnum):
    """What 0x9999 says (firmware from 3.1e on). Below 0x80 the stack has given up."""

    FATAL_1 = 0x01
    FATAL_2 = 0x02
    FATAL_3 = 0x03
    FATAL_4 = 0x04
    FATAL_5 = 0x05
    FATAL_6 = 0x06
    NO_FREE_NPDU = 0x80
    NO_FREE_APDU = 0x81
    NO_FREE_APS_REQUEST = 0x82
    NO_FREE_APS_ACK = 0x83
    FRAGMENTATION = 0x84
    MCPS = 0x85
    LOOPBACK_BUSY = 0x86
    ADDRESS_TABLE_FULL = 0x87
    NO_SIMPLE_DESCRIPTOR = 0x88
    BAD_PARAMETER = 0x89
    NO_ROUTE_ENTRY = 0x8A
    BROADCAST_TABLE_FULL = 0x8B


class StartStatus(OpenEnum):
    """How starting or joining a network ended (0x8024)."""

    JOINED = 0
    FORMED = 1
    FAILED = 2
    ALREADY_ON_NETWORK = 4
    FAILED_6 = 6
    NWK_STARTUP_FAILURE = 0xC4


class RestartStatus(OpenEnum):
    """What the stick does after a restart (0x8006, 0x8007)."""

    STARTUP = 0
    RUNNING = 1
    NFN_START = 2
    OTHER = 3
