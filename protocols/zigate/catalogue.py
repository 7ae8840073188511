"""The rest of ZiGate's commands and messages, as rows: named and decoded for traces and for completeness.

A row becomes a frame class when it is first asked for (`frame_class`), so the table costs next to nothing at start.
"""

from __future__ import annotations

from dataclasses import field, make_dataclass
from functools import cache
from typing import Annotated, Any, NamedTuple, cast

from protocols.fields import S16, U8, U16, U32, U64, Int, Octets, u8, u16
from protocols.ids import Eui64
from protocols.packet import Counted, Packet, Prefixed, Repeated, Rest
from protocols.record import record
from protocols.zigate.address import ADDRESS, Address
from protocols.zigate.commands import Command
from protocols.zigate.responses import Response


class Row(NamedTuple):
    """A command or message.

    `fields` are "name type" in order; a name that ends in `?` is an optional tail; `target` stands for mode, network
    address, source and destination endpoint. `u8[]` is counted, `u8*` goes to the end.
    """

    code: int
    name: str
    doc: str
    fields: str


COMMANDS: tuple[Row, ...] = (
    Row(0x0001, "SetLogMode", "Log mode (V2).", "on u8"),
    Row(
        0x0003,
        "DisableDefaultResponse",
        "Stop the stick's own default responses; only in builds with manual default responses.",
        "disabled u8",
    ),
    Row(0x0004, "GetGroups", "In no firmware: answered by a status that says so.", ""),
    Row(0x0013, "ZllFactoryNew", "Reset the light link part.", ""),
    Row(
        0x0022,
        "SetSecurity",
        "Set a key, in the firmware's layout (documents leave out the sequence number).",
        "state u8, key_sequence u8, key_type u8, key octets(16)",
    ),
    Row(0x0023, "SetDeviceType", "Choose the role: 0 coordinator, 1 router.", "device_type u8"),
    Row(0x0025, "StartScan", "Look for a network to join: answered by `NetworkStarted`.", ""),
    Row(0x0027, "SetWhitelist", "Let only known devices join.", "on u8"),
    Row(0x0028, "Authenticate", "Encrypt a key for a device.", "ieee ieee, key octets(16)"),
    Row(
        0x0029, "OutOfBandCommissioning", "Ask for the data of commissioning out of band.", "ieee ieee, key octets(16)"
    ),
    Row(0x002A, "UpdatePermissions", "Change what a device may do.", "ieee ieee, permissions u8"),
    Row(0x002B, "SetInstallCode", "Register a device's installation code key (V2).", "ieee ieee, key octets(16)"),
    Row(0x002D, "NciCommand", "NCI command (V2).", "data rest"),
    Row(0x002F, "SetFlowControl", "Hardware flow control (from 3.1a).", "on u8"),
    Row(0x0032, "BindGroup", "Bind the stick's own cluster to a group.", "cluster u16, endpoint u8, group u16"),
    Row(0x0033, "UnbindGroup", "Undo `BindGroup`.", "cluster u16, endpoint u8, group u16"),
    Row(0x004B, "ServerDiscoveryRequest", "Ask for devices with server functions.", "short u16, mask u16"),
    Row(0x004F, "ManyToOneRoute", "Many-to-one route request.", "unused octets(3), cache u8, radius u8"),
    Row(0x0050, "BasicReset", "Reset to factory defaults (Basic cluster).", "target"),
    Row(0x0051, "DeleteAddress", "Delete an entry of the address map (V2 3.22).", "ieee ieee"),
    Row(
        0x0052,
        "GetBindingTable",
        "Ask for the stick's bindings. Never sent: its answer overruns the firmware's stack (V2 3.A0).",
        "",
    ),
    Row(0x0053, "GetRoutingTable", "Ask for the routing table (V2 3.A0).", ""),
    Row(0x0054, "GetNetworkKey", "Ask for the network key (V2 3.A0).", ""),
    Row(0x0060, "AddGroup", "Add a device to a group.", "target, group u16"),
    Row(0x0061, "ViewGroup", "Ask for a group's name.", "target, group u16"),
    Row(0x0062, "GetGroupMembership", "Ask for groups.", "target, groups u16[]"),
    Row(0x0063, "RemoveGroup", "Remove a device from a group.", "target, group u16"),
    Row(0x0064, "RemoveAllGroups", "Remove a device from all groups.", "target"),
    Row(0x0065, "AddGroupIfIdentifying", "Add whoever identifies to a group.", "target, group u16"),
    Row(0x0071, "IdentifyQuery", "Ask who identifies.", "target"),
    Row(0x0080, "MoveLevel", "Move the level at a rate.", "target, with_on_off u8, way u8, rate u8"),
    Row(0x0082, "StepLevel", "Change the level by a step.", "target, with_on_off u8, way u8, step u8, transition u16"),
    Row(0x0083, "StopLevel", "Stop moving.", "target, with_on_off u8"),
    Row(0x0084, "StopLevelWithOnOff", "Stop moving.", "target, with_on_off u8"),
    Row(0x0093, "OnOffTimed", "On for a time.", "target, on_off u8, on_time u16, off_time u16"),
    Row(0x0094, "OffWithEffect", "Off with an effect.", "target, effect u8, variant u8"),
    Row(0x00A0, "ViewScene", "Ask for a scene.", "target, group u16, scene u8"),
    Row(
        0x00A1,
        "AddScene",
        "Add a scene.",
        "target, group u16, scene u8, transition u16, name_length? u8, name_maximum? u8, name? rest",
    ),
    Row(0x00A2, "RemoveScene", "Remove a scene.", "target, group u16, scene u8"),
    Row(0x00A3, "RemoveAllScenes", "Remove all scenes of a group.", "target, group u16"),
    Row(0x00A4, "StoreScene", "Store a scene.", "target, group u16, scene u8"),
    Row(0x00A5, "RecallScene", "Recall a scene.", "target, group u16, scene u8"),
    Row(0x00A6, "GetSceneMembership", "Ask for scenes.", "target, group u16"),
    Row(0x00A7, "AddEnhancedScene", "Add a scene, enhanced.", "target, group u16, scene u8, transition u16, rest rest"),
    Row(0x00A8, "ViewEnhancedScene", "Ask for a scene, enhanced.", "target, group u16, scene u8"),
    Row(
        0x00A9, "CopyScene", "Copy scenes.", "target, way u8, from_group u16, from_scene u8, to_group u16, to_scene u8"
    ),
    Row(0x00B0, "MoveToHue", "Move to a hue.", "target, hue u8, direction u8, transition u16"),
    Row(0x00B1, "MoveHue", "Move the hue at a rate.", "target, way u8, rate u8"),
    Row(0x00B2, "StepHue", "Change the hue by a step.", "target, way u8, step u8, transition u8"),
    Row(0x00B3, "MoveToSaturation", "Move to a saturation.", "target, saturation u8, transition u16"),
    Row(0x00B4, "MoveSaturation", "Move the saturation at a rate.", "target, way u8, rate u8"),
    Row(0x00B5, "StepSaturation", "Change the saturation by a step.", "target, way u8, step u8, transition u8"),
    Row(
        0x00B6,
        "MoveToHueAndSaturation",
        "Move to a hue and a saturation.",
        "target, hue u8, saturation u8, transition u16",
    ),
    Row(0x00B7, "MoveToColour", "Move to a colour.", "target, x u16, y u16, transition u16"),
    Row(0x00B8, "MoveColour", "Move the colour at a rate.", "target, rate_x s16, rate_y s16"),
    Row(0x00B9, "StepColour", "Change the colour by a step.", "target, step_x s16, step_y s16, transition u16"),
    Row(0x00BA, "EnhancedMoveToHue", "Move to a 16-bit hue.", "target, hue u16, direction u8, transition u16"),
    Row(0x00BB, "EnhancedMoveHue", "Move the 16-bit hue at a rate.", "target, way u8, rate u16"),
    Row(0x00BC, "EnhancedStepHue", "Change the 16-bit hue by a step.", "target, way u8, step u16, transition u16"),
    Row(
        0x00BD,
        "EnhancedMoveToHueAndSaturation",
        "Move to a 16-bit hue and a saturation.",
        "target, hue u16, saturation u8, transition u16",
    ),
    Row(
        0x00BE,
        "ColourLoop",
        "Start or change a colour loop.",
        "target, flags u8, action u8, direction u8, time u16, start_hue u16",
    ),
    Row(0x00BF, "StopColour", "Stop moving the colour.", "target"),
    Row(0x00C0, "MoveToColourTemperature", "Move to a colour temperature.", "target, mired u16, transition u16"),
    Row(
        0x00C1,
        "MoveColourTemperature",
        "Move the colour temperature at a rate.",
        "target, way u8, rate u16, minimum u16, maximum u16",
    ),
    Row(
        0x00C2,
        "StepColourTemperature",
        "Change the colour temperature by a step.",
        "target, way u8, step u16, minimum u16, maximum u16, transition u16",
    ),
    Row(0x00D0, "TouchlinkStart", "Start touchlink; refused by a coordinator.", ""),
    Row(0x00D2, "TouchlinkFactoryReset", "Reset a device by touchlink.", ""),
    Row(0x00E0, "TriggerEffect", "Show an effect to identify.", "target, effect u8, variant u8"),
    Row(0x00F0, "DoorLock", "Lock 0, unlock 1.", "target, command u8"),
    Row(0x00FA, "WindowCovering", "Move a window covering.", "target, command u8, argument? rest"),
    Row(
        0x0111,
        "IasWarning",
        "Make a warning device warn.",
        "target, unused octets(4), way u8, duration u16, duty_cycle u8, strobe_level u8",
    ),
    Row(0x0112, "IasSquawk", "Make a warning device squawk.", "target, unused octets(4), way u8"),
    Row(
        0x0113,
        "WriteAttributesNoResponse",
        "Write attributes without an answer (from 3.1d).",
        "target, cluster u16, direction u8, manufacturer_specific u8, manufacturer u16, count u8, records rest",
    ),
    Row(
        0x0141,
        "DiscoverAttributesExtended",
        "Ask which attributes there are and how they may be used.",
        "target, cluster u16, first u16, direction u8, manufacturer_specific u8, manufacturer u16, maximum u8",
    ),
    Row(
        0x0150,
        "DiscoverCommandsReceived",
        "Ask which commands a cluster takes.",
        "target, cluster u16, direction u8, first u8, manufacturer_specific u8, manufacturer u16, maximum u8",
    ),
    Row(
        0x0160,
        "DiscoverCommandsGenerated",
        "Ask which commands a cluster sends.",
        "target, cluster u16, direction u8, first u8, manufacturer_specific u8, manufacturer u16, maximum u8",
    ),
    Row(0x0200, "PdmAvailable", "Answer to `PdmAvailableRequest`.", "data rest"),
    Row(0x0201, "PdmSaved", "Answer to `PdmSaveRequest`.", "data rest"),
    Row(0x0202, "PdmLoaded", "Answer to `PdmLoadRequest`.", "data rest"),
    Row(0x0203, "PdmDeleted", "Answer to the deletion of all records.", "data rest"),
    Row(0x0204, "PdmRecordDeleted", "Answer to the deletion of a record.", "data rest"),
    Row(0x0205, "PdmBitmapCreated", "Answer to a bitmap's creation.", "data rest"),
    Row(0x0206, "PdmBitmapDeleted", "Answer to a bitmap's deletion.", "data rest"),
    Row(0x0207, "PdmBitmapValue", "Answer to a bitmap's reading.", "data rest"),
    Row(0x0208, "PdmBitmapIncremented", "Answer to a bitmap's increment.", "data rest"),
    Row(0x0300, "PdmHost", "Records are kept by the host.", "data rest"),
    Row(0x0301, "AsciiLog", "Log as text.", "data rest"),
    Row(0x0400, "IasEnrollResponse", "Accept an alarm zone.", "target, enroll_response u8, zone u8"),
    Row(
        0x0500,
        "OtaLoadImage",
        "Tell the stick of an image.",
        "mode u8, short u16, file_identifier u32, header_version u16, header_length u16, field_control "
        "u16, manufacturer u16, image_type u16, file_version u32, stack_version u16, header_text "
        "octets(32), image_size u32, credentials u8, destination u64, minimum_hardware u16, "
        "maximum_hardware u16",
    ),
    Row(
        0x0502,
        "OtaBlock",
        "Send a block of an image.",
        "target, sequence u8, status u8, offset u32, file_version u32, image_type u16, manufacturer u16, data prefixed",
    ),
    Row(
        0x0504,
        "OtaUpgradeEndResponse",
        "Answer the end of an upgrade.",
        "target, sequence u8, upgrade_time u32, current_time u32, file_version u32, image_type u16, manufacturer u16",
    ),
    Row(
        0x0505,
        "OtaImageNotify",
        "Tell devices of an image.",
        "target, payload_type u8, file_version u32, image_type u16, manufacturer u16, jitter u8",
    ),
    Row(
        0x0506,
        "OtaWaitForData",
        "Ask a device to wait for a block.",
        "target, sequence u8, status u8, current_time u32, request_time u32, request_delay u16",
    ),
    Row(0x0531, "ComplexDescriptorRequest", "Ask for the complex descriptor.", "short u16, of_interest u16"),
    Row(0x0532, "UserDescriptorRequest", "Ask for the user descriptor.", "short u16, of_interest u16"),
    Row(0x0533, "UserDescriptorSet", "Set the user descriptor.", "short u16, of_interest u16, data prefixed"),
    Row(0x0600, "RecoveryExtract", "Ask for the network's recovery data (V2 3.24).", ""),
    Row(0x0601, "RecoveryRestore", "Restore the network (V2 3.24).", "data rest"),
    Row(0x0602, "RecoveryExtractExtended", "Ask for the network's recovery data (V2 3.24).", ""),
    Row(0x0603, "RecoveryRestoreExtended", "Restore the network (V2 3.24).", "data rest"),
    Row(0x0801, "DioDirection", "Direction of pins.", "inputs u32, outputs u32"),
    Row(0x0802, "DioOutput", "Set pins.", "on u32, off u32"),
    Row(0x0803, "DioInput", "Ask for pins: answered by `DioInputState`.", ""),
)
"""To the stick."""

RESPONSES: tuple[Row, ...] = (
    Row(0x00D1, "TouchlinkStatus", "How touchlink ended.", "status u8, data rest"),
    Row(
        0x8003,
        "LocalClusters",
        "The firmware's own clusters (before 3.0f, at start).",
        "endpoint u8, profile u16, clusters u16*",
    ),
    Row(
        0x8004,
        "LocalAttributes",
        "The firmware's own attributes (before 3.0f, at start).",
        "endpoint u8, profile u16, cluster u16, attributes u16*",
    ),
    Row(
        0x8005,
        "LocalCommands",
        "The firmware's own commands (before 3.0f, at start).",
        "endpoint u8, profile u16, cluster u16, commands u8*",
    ),
    Row(
        0x8028,
        "AuthenticateResponse",
        "A key encrypted for a device.",
        "ieee ieee, key octets(16), mic octets(4), initiator ieee, key_sequence u8, channel u8, pan_id "
        "u16, extended_pan_id u64",
    ),
    Row(0x8029, "OutOfBandResponse", "Data of commissioning out of band.", "status u8, data rest"),
    Row(0x802A, "UpdatePermissionsResponse", "Permissions changed.", "data rest"),
    Row(0x802B, "InstallCodeResponse", "An installation code key was registered (V2).", "status u8, data rest"),
    Row(0x802C, "UserDescriptor", "A user descriptor.", "sequence u8, status u8, short u16, data prefixed"),
    Row(0x802E, "NciNotification", "NCI notification (V2).", "data rest"),
    Row(0x804B, "ServerDiscoveryResponse", "Server functions.", "sequence u8, status u8, mask u16"),
    Row(0x8032, "BindingTableChanged", "An id of the firmware that it never sends.", "data rest"),
    Row(0x8033, "BindingTableRead", "An id of the firmware that it never sends.", "data rest"),
    Row(0x8050, "NetworkStatus", "An id of the firmware that it never sends.", "data rest"),
    Row(0x8052, "BindingTable", "The stick's bindings (V2 3.A0).", "bindings binding[]"),
    Row(0x8053, "RoutingTable", "The routing table (V2 3.A0).", "routes route*"),
    Row(0x8054, "NetworkKey", "The network key (V2 3.A0).", "key octets(16)"),
    Row(
        0x8060,
        "AddGroupResponse",
        "A device was added to a group.",
        "sequence u8, endpoint u8, cluster u16, status u8, group u16, short? u16",
    ),
    Row(
        0x8061,
        "ViewGroupResponse",
        "A group.",
        "sequence u8, endpoint u8, cluster u16, status u8, group u16, short? u16",
    ),
    Row(
        0x8063,
        "RemoveGroupResponse",
        "A device was removed from a group.",
        "sequence u8, endpoint u8, cluster u16, status u8, group u16, short? u16",
    ),
    Row(0x807A, "IdentifyActive", "Somebody identifies.", "data rest"),
    Row(
        0x80A0,
        "ViewSceneResponse",
        "A scene.",
        "sequence u8, endpoint u8, cluster u16, status u8, group u16, scene u8, transition u16, short? u16",
    ),
    Row(
        0x80A1,
        "AddSceneResponse",
        "A scene was added.",
        "sequence u8, endpoint u8, cluster u16, status u8, group u16, scene u8, short? u16",
    ),
    Row(
        0x80A2,
        "RemoveSceneResponse",
        "A scene was removed.",
        "sequence u8, endpoint u8, cluster u16, status u8, group u16, scene u8, short? u16",
    ),
    Row(
        0x80A3,
        "RemoveAllScenesResponse",
        "All scenes of a group were removed.",
        "sequence u8, endpoint u8, cluster u16, status u8, group u16, short? u16",
    ),
    Row(
        0x80A4,
        "StoreSceneResponse",
        "A scene was stored.",
        "sequence u8, endpoint u8, cluster u16, status u8, group u16, scene u8, short? u16",
    ),
    Row(
        0x80A6,
        "SceneMembership",
        "The scenes of a group.",
        "sequence u8, endpoint u8, cluster u16, status u8, capacity u8, group u16, scenes u8[], short? u16",
    ),
    Row(
        0x80A7,
        "SceneButton",
        "A remote's scene button.",
        "sequence u8, endpoint u8, cluster u16, command u8, direction u8, attribute_1 u8, attribute_2 u8,"
        " attribute_3 u8, short u16",
    ),
    Row(0x8121, "ReportConfiguration", "How an attribute is reported.", "data rest"),
    Row(
        0x8141,
        "DiscoverAttributesExtendedResponse",
        "An attribute that there is and how it may be used.",
        "complete u8, data_type u8, attribute u16, flags u8, short? u16, endpoint? u8, cluster? u16",
    ),
    Row(0x8150, "CommandReceived", "A command that a cluster takes.", "command u8, index u8"),
    Row(0x8151, "CommandsReceived", "How many commands a cluster takes.", "complete u8, count u8"),
    Row(0x8160, "CommandGenerated", "A command that a cluster sends.", "command u8, index u8"),
    Row(0x8161, "CommandsGenerated", "How many commands a cluster sends.", "complete u8, count u8"),
    Row(0x8200, "PdmAvailableRequest", "The stick asks whether its host keeps records.", "data rest"),
    Row(0x8201, "PdmSaveRequest", "The stick asks its host to keep a record.", "data rest"),
    Row(0x8204, "PdmDeleteRecordRequest", "The stick asks its host to delete a record.", "data rest"),
    Row(0x8206, "PdmDeleteBitmapRequest", "The stick asks its host to delete a bitmap.", "data rest"),
    Row(0x8207, "PdmBitmapRequest", "The stick asks its host for a bitmap.", "data rest"),
    Row(0x8208, "PdmIncrementBitmapRequest", "The stick asks its host to count in a bitmap.", "data rest"),
    Row(0x8300, "PdmHostRequest", "The stick asks who keeps records.", "data rest"),
    Row(0x8301, "AsciiLogResponse", "Log as text.", "data rest"),
    Row(
        0x8501,
        "OtaBlockRequest",
        "A device asks for a block of an image.",
        "sequence u8, endpoint u8, cluster u16, address_mode u8, short u16, ieee ieee, offset u32, "
        "file_version u32, image_type u16, manufacturer u16, delay u16, maximum_size u8, field_control u8",
    ),
    Row(
        0x8503,
        "OtaUpgradeEnd",
        "A device has finished an upgrade.",
        "sequence u8, endpoint u8, cluster u16, address_mode u8, short u16, file_version u32, image_type "
        "u16, manufacturer u16, status u8",
    ),
    Row(0x8531, "ComplexDescriptorResponse", "A complex descriptor.", "sequence u8, status u8, short u16, data rest"),
    Row(0x8532, "UserDescriptorResponse", "A user descriptor.", "sequence u8, status u8, short u16, data rest"),
    Row(
        0x8533,
        "UserDescriptorConfirm",
        "How setting a user descriptor ended.",
        "sequence u8, status u8, short u16, data rest",
    ),
    Row(0x8600, "RecoveryData", "Recovery data (V2).", "data rest"),
    Row(0x8601, "RecoveryRestored", "Recovery data were restored (V2).", "data rest"),
    Row(0x8602, "RecoveryDataExtended", "Recovery data (V2).", "data rest"),
    Row(0x8603, "RecoveryRestoredExtended", "Recovery data were restored (V2).", "data rest"),
    Row(0x8803, "DioInputState", "The pins.", "pins u32"),
)
"""From the stick."""


@record
class BindingEntry(Packet, order=">"):
    """A row of the stick's own bindings."""

    target: Annotated[Address, ADDRESS]
    source_endpoint: u8
    destination_endpoint: u8
    cluster: u16


@record
class RouteEntry(Packet, order=">"):
    """A row of the routing table."""

    status: u8
    destination: u16
    next_hop: u16
    """0: the destination itself."""


_ENTRIES = {"binding": BindingEntry, "route": RouteEntry}
_TARGET = "mode u8, short u16, source_endpoint u8, destination_endpoint u8"
_INTEGERS = {"u8": U8, "u16": U16, "u32": U32, "u64": U64, "s16": S16}
_ROWS = {row.code: (Command, row) for row in COMMANDS} | {row.code: (Response, row) for row in RESPONSES}


@cache
def frame_class(code: int) -> type[Packet] | None:
    """The frame class of a row's code; None for a code that no row has."""
    if code not in _ROWS:
        return None
    base, row = _ROWS[code]
    described: list[tuple[str, Any, Any]] = []
    for part in row.fields.replace("target", _TARGET, 1).split(", ") if row.fields else ():
        name, kind = part.split(" ")
        hint = _hint(kind)
        if name.endswith("?"):
            described.append((name[:-1], hint | None, field(default=None)))
        else:
            described.append((name, hint, field()))
    made = make_dataclass(
        row.name, described, bases=(base,), frozen=True, slots=True, namespace={"CODE": code, "__doc__": row.doc}
    )
    return cast("type[Packet]", made)


def _hint(kind: str) -> Any:
    if kind in _INTEGERS:
        return Annotated[int, _INTEGERS[kind]]
    if kind == "ieee":
        return Annotated[Eui64, U64]
    if kind == "address":
        return Annotated[Address, ADDRESS]
    if kind == "rest":
        return Annotated[bytes, Rest()]
    if kind == "prefixed":
        return Annotated[bytes, Prefixed()]
    if kind.startswith("octets("):
        return Annotated[bytes, Octets(int(kind[7:-1]))]
    name = kind[:-2] if kind.endswith("[]") else kind[:-1]
    item: Int | type[Packet] = _ENTRIES[name] if name in _ENTRIES else _INTEGERS[name]
    wire = Counted(U8, item) if kind.endswith("[]") else Repeated(item)
    return Annotated[tuple[_ENTRIES.get(name, int), ...], wire]  # type: ignore[misc]
