"""ZigBee requests and responses: the network and its devices (CPX2-SE, Appendix A)."""

from __future__ import annotations

from dataclasses import replace

from protocols.zdo import ZdoStatus
from web.roles import Role
from web.rpc.declare import Chapter, Default, Param, RequestRow, ResponseRow
from web.rpc.rows.shared import CLUSTER, FROM_ENDPOINT, OPTIONAL, TO_ADDRESS, TO_ENDPOINT, outcome_of
from web.rpc.types import BOOL, MAC, NAME, TEXT, U8, U16, U32, U64, Kind, list_of, of

_C = Chapter.ZIGBEE
_DEVICE = Param("device_address", MAC, "extended address of the device")
_JOIN_TIME = Param("join_time", U16, "seconds for which devices may join")
_LINK_KEY = of(Kind.INT, Kind.BASE16, Kind.BASE64)
_CODE = of(Kind.STRING, Kind.BASE16, Kind.BASE64)
_EXTENDED_PAN = Param("extended_pan_id", U64, "network to form or join; 0: any", OPTIONAL)
_CHANNELS = Param("channel_mask", U16, "bits of the channels, bit 0 for channel 0x0B up to bit 15 for 0x1A", OPTIONAL)
_INTERVAL = Param("join_interval", U32, "seconds between two attempts of a router to join", OPTIONAL)
_BINDING = (TO_ADDRESS, TO_ENDPOINT, FROM_ENDPOINT, CLUSTER)
_REQUIRED = Default.REQUIRED

REQUESTS = (
    RequestRow(
        "add_device",
        _C,
        "Makes a device known, and lets it join with its link key or installation code.",
        (
            _DEVICE,
            replace(_JOIN_TIME, default=OPTIONAL),
            Param("link_key", _LINK_KEY, "link key of the device, 128 bits", OPTIONAL, is_secret=True),
            Param(
                "installation_code",
                _CODE,
                "installation code of the device with its CRC, low octet first; what is no hex digit does not count",
                OPTIONAL,
                is_secret=True,
            ),
        ),
        response="add_device_response",
        role=Role.ADMIN,
    ),
    RequestRow(
        "remove_device",
        _C,
        "Asks a device to leave, forgets it and its link key.",
        (_DEVICE,),
        response="remove_device_response",
        role=Role.ADMIN,
    ),
    RequestRow(
        "enable_joining",
        _C,
        "Lets devices join for some time.",
        (replace(_JOIN_TIME, meaning="seconds for which devices may join; 0: no longer"),),
        response="enable_joining_response",
        role=Role.ADMIN,
    ),
    RequestRow(
        "refresh_device_information",
        _C,
        "Asks devices now whether they are there, or everything about them.",
        (
            replace(_DEVICE, default=OPTIONAL, meaning="extended address of the device; all if none is given"),
            Param("full_refresh", BOOL, "ask for endpoints, clusters and descriptors too", default=False),
        ),
        response="refresh_device_information_response",
        role=Role.OPERATOR,
    ),
    RequestRow(
        "get_device_information",
        _C,
        "Tells what is known of devices.",
        (replace(_DEVICE, default=OPTIONAL, meaning="extended address of the device; all if none is given"),),
        response="get_device_information_response",
        role=Role.VIEWER,
        is_quick=True,
    ),
    RequestRow(
        "xbee_AT",
        _C,
        "Reads or sets a register of the XBee, or has it do something.",
        (
            Param("command", NAME, "AT command of two characters"),
            Param("value", _LINK_KEY, "value to set, or parameter of the command", OPTIONAL, is_secret=True),
        ),
        response="xbee_AT_response",
        role=Role.ADMIN,
    ),
    RequestRow("bind", _C, "Asks a device to make a binding to us.", _BINDING, response="bind_response"),
    RequestRow("unbind", _C, "Asks a device to remove a binding to us.", _BINDING, response="unbind_response"),
    RequestRow(
        "configure_zigbee_network",
        _C,
        "Says which network to form or join, and does that: the one that we are in is left.",
        (
            _EXTENDED_PAN,
            _CHANNELS,
            Param("link_key", of(Kind.INT, Kind.BASE16), "link key to join with, 128 bits", OPTIONAL, is_secret=True),
            Param(
                "installation_code",
                of(Kind.INT, Kind.BASE16, Kind.STRING),
                "installation code to join with, with its CRC",
                OPTIONAL,
                is_secret=True,
            ),
            _INTERVAL,
        ),
        response="configure_zigbee_network_response",
        role=Role.ADMIN,
    ),
    RequestRow(
        "leave_network",
        _C,
        "Has a router leave its network. A coordinator stays.",
        response="leave_network_response",
        role=Role.ADMIN,
    ),
    RequestRow(
        "get_zigbee_network_status",
        _C,
        "Tells the network that we are in.",
        response="get_zigbee_network_status_response",
        role=Role.VIEWER,
    ),
)

_ZDO = outcome_of(ZdoStatus)
_BOUND_OUTCOME = replace(_ZDO, meanings={**_ZDO.meanings, 0xAA: "not supported"})
_BOUND = (Param("status", U8, "ZDO status; 0xAA: not supported", outcome=_BOUND_OUTCOME), *_BINDING)

RESPONSES = (
    ResponseRow("add_device_response", _C, "a device is known", (_DEVICE, replace(_JOIN_TIME, default=OPTIONAL))),
    ResponseRow("remove_device_response", _C, "a device was removed", (_DEVICE,)),
    ResponseRow("enable_joining_response", _C, "devices may join", (_JOIN_TIME,)),
    ResponseRow("refresh_device_information_response", _C, "devices are asked"),
    ResponseRow(
        "get_device_information_response",
        _C,
        "what is known of devices",
        (Param("record_list", list_of("ZDODeviceRecord"), "the devices"),),
    ),
    ResponseRow(
        "xbee_AT_response",
        _C,
        "what the XBee says",
        (
            Param("command", TEXT, "AT command, as it was given"),
            Param("value", of(Kind.INT, Kind.BASE16, Kind.BASE64, Kind.STRING), "its value, if it has one", OPTIONAL),
        ),
    ),
    ResponseRow("bind_response", _C, "whether the device has made the binding", _BOUND),
    ResponseRow("unbind_response", _C, "whether the device has removed the binding", _BOUND),
    ResponseRow(
        "configure_zigbee_network_response",
        _C,
        "how we look for a network",
        tuple(replace(param, default=_REQUIRED) for param in (_EXTENDED_PAN, _CHANNELS, _INTERVAL)),
    ),
    ResponseRow("leave_network_response", _C, "the network is left"),
    ResponseRow(
        "get_zigbee_network_status_response",
        _C,
        "the network that we are in",
        (
            Param("status", U8, "status of joining, as ATAI of an XBee has it; 0: we are in a network"),
            Param("status_description", TEXT, "that status in words"),
            Param("extended_pan_id", of(Kind.INT, Kind.BASE16), "extended PAN identifier of the network"),
            Param("pan_id", U16, "PAN identifier of the network"),
            Param("channel", U8, "channel of the network"),
            Param("addr_short", MAC, "our short address"),
            Param("addr_extended", MAC, "our extended address"),
            Param("configured_extended_pan_id", U64, "network that we look for; 0: any"),
        ),
    ),
)
