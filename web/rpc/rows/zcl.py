"""ZCL requests and responses: attributes, reports, commands (CPX2-SE, Appendix A)."""

from __future__ import annotations

from dataclasses import replace

from web.roles import Role
from web.rpc.declare import Chapter, Param, RequestRow, ResponseRow
from web.rpc.rows.shared import (
    ANSWER_ADDRESS,
    ANSWER_FROM,
    ANSWER_SIDE,
    ANSWER_TO,
    CLUSTER,
    FROM_ENDPOINT,
    MANUFACTURER,
    OPTIONAL,
    PROFILE,
    SIDE,
    TO_ADDRESS,
    TO_ENDPOINT,
    optional,
)
from web.rpc.types import BOOL, MAC, U8, U16, Kind, Type, list_of, of, one_of, record

_C = Chapter.ZCL
WRITE, WRITE_UNDIVIDED = 0x02, 0x05
GENERAL, CLUSTER_SPECIFIC = 0, 1
_COMMAND_TYPE = one_of({GENERAL: "general", CLUSTER_SPECIFIC: "of the cluster"})
_FROM_MAYBE = replace(
    FROM_ENDPOINT, default=OPTIONAL, meaning="endpoint here that the request comes from; a remote request needs it"
)
_TO_MAYBE = replace(TO_ADDRESS, default=OPTIONAL, meaning="extended address of the device; ourselves if none is given")
_REMOTE_OR_LOCAL = (CLUSTER, SIDE, TO_ENDPOINT, _FROM_MAYBE, _TO_MAYBE)
_REMOTE = (CLUSTER, SIDE, TO_ENDPOINT, FROM_ENDPOINT, TO_ADDRESS)
_ANSWER = (CLUSTER, ANSWER_SIDE, PROFILE, ANSWER_FROM, ANSWER_TO, ANSWER_ADDRESS, MANUFACTURER)
_REMOTE_TO = replace(ANSWER_TO, default=CLUSTER.default, meaning="endpoint here that is answered")
_REMOTE_ADDRESS = Param("source_address", MAC, "extended address of the device that answers")
_REMOTE_ANSWER = (CLUSTER, ANSWER_SIDE, PROFILE, ANSWER_FROM, _REMOTE_TO, _REMOTE_ADDRESS, MANUFACTURER)


def _records(name: str, meaning: str) -> Param:
    return Param("record_list", list_of(name), meaning)


_STOPPED = _records("StopReportingRecord", "attributes to report no more")
_PAYLOAD = Type(kinds=(Kind.BASE16, Kind.BASE64, Kind.RECORD, Kind.LIST), item=Type(kinds=(Kind.RECORD,)))
_ENCRYPT = Param(
    "enable_aps_encryption", BOOL, "whether to encrypt for the two ends; else as the cluster does", OPTIONAL
)

REQUESTS = (
    RequestRow(
        "read_attributes",
        _C,
        "Reads attributes of a cluster, of a device's or of ours.",
        (*_REMOTE_OR_LOCAL, MANUFACTURER, _records("ReadAttributeRecord", "attributes to read")),
        response="read_attributes_response",
        role=Role.OPERATOR,
    ),
    RequestRow(
        "write_attributes",
        _C,
        "Writes attributes of a cluster, of a device's or of ours.",
        (
            *_REMOTE_OR_LOCAL,
            Param(
                "command_identifier",
                one_of({WRITE: "each for itself", WRITE_UNDIVIDED: "all or none"}),
                "how to write",
                WRITE,
            ),
            MANUFACTURER,
            _records("WriteAttributeRecord", "attributes to write"),
        ),
        response="write_attributes_response",
        role=Role.ADMIN,
    ),
    RequestRow(
        "discover_attributes",
        _C,
        "Asks which attributes a cluster has.",
        (*_REMOTE_OR_LOCAL, MANUFACTURER),
        response="discover_attributes_response",
    ),
    RequestRow(
        "start_receiving_reports",
        _C,
        "Has a device report attributes, or reads them again and again where it cannot.",
        (
            CLUSTER,
            SIDE,
            TO_ENDPOINT,
            Param(
                "pseudo_reporting",
                of(Kind.BOOL, Kind.NONE),
                "TRUE: read instead; FALSE: have it report; else read if it does not report",
                OPTIONAL,
            ),
            _FROM_MAYBE,
            _TO_MAYBE,
            MANUFACTURER,
            _records("AttributeReportingConfigurationRecord", "attributes to report, and when"),
        ),
        response="start_receiving_reports_response",
        role=Role.ADMIN,
    ),
    RequestRow(
        "stop_receiving_reports",
        _C,
        "Has a device report attributes no more.",
        (*_REMOTE, MANUFACTURER, _STOPPED),
        response="stop_receiving_reports_response",
        role=Role.ADMIN,
    ),
    RequestRow(
        "stop_sending_reports",
        _C,
        "Reports attributes of ours to a device no more.",
        (*_REMOTE, MANUFACTURER, _STOPPED),
        response="stop_sending_reports_response",
        role=Role.ADMIN,
    ),
    RequestRow(
        "get_local_reporting_configurations",
        _C,
        "Tells which reports we send and expect.",
        response="get_local_reporting_configurations_response",
        role=Role.VIEWER,
        is_quick=True,
    ),
    RequestRow(
        "read_reporting_configuration",
        _C,
        "Asks how attributes are reported.",
        (
            Param("remote_configuration", BOOL, "TRUE: as the device has it; FALSE: as we have it", default=False),
            CLUSTER,
            SIDE,
            Param(
                "reporting_direction",
                one_of({0: "that the cluster sends", 1: "that the cluster receives"}),
                "which reports are meant",
            ),
            TO_ENDPOINT,
            _FROM_MAYBE,
            TO_ADDRESS,
            MANUFACTURER,
            _records("ReadReportingConfigurationRecord", "attributes that are meant"),
        ),
        response="read_reporting_configuration_response",
    ),
    RequestRow(
        "identify",
        _C,
        "Has a device, or us, show which one it is.",
        (TO_ENDPOINT, _FROM_MAYBE, _TO_MAYBE, Param("identify_time", U16, "seconds for which it does")),
        response="identify_response",
    ),
    RequestRow(
        "send_ZCL",
        _C,
        "Sends any ZCL command, and waits for the answer that is named.",
        (
            *_REMOTE,
            Param("command_identifier", U8, "identifier of the command"),
            Param("command_type", _COMMAND_TYPE, "whose command it is", CLUSTER_SPECIFIC),
            MANUFACTURER,
            Param("response_command_identifier", U8, "identifier of the answer to wait for", OPTIONAL),
            Param("response_command_type", _COMMAND_TYPE, "whose command that is; as command_type", OPTIONAL),
            _ENCRYPT,
            Param("payload", _PAYLOAD, "octets after the header, or records that make them"),
        ),
        response="send_ZCL_response",
        role=Role.ADMIN,
    ),
)

RESPONSES = (
    ResponseRow(
        "read_attributes_response",
        _C,
        "attributes that were read",
        (*_ANSWER, _records("ReadAttributeStatusRecord", "each attribute with its value or why there is none")),
    ),
    ResponseRow(
        "write_attributes_response",
        _C,
        "attributes that were written, or not",
        (*_ANSWER, _records("WriteAttributeResponseRecord", "each attribute with how that went")),
    ),
    ResponseRow(
        "discover_attributes_response",
        _C,
        "attributes that there are",
        (*_ANSWER, _records("AttributeInformationRecord", "each attribute with its data type")),
    ),
    ResponseRow(
        "start_receiving_reports_response",
        _C,
        "attributes that will be reported, or not",
        (*_ANSWER, _records("AttributeReportingConfigurationResponseRecord", "each attribute with how that went")),
    ),
    ResponseRow(
        "attribute_report",
        _C,
        "an attribute that a device has reported",
        (*_ANSWER, Param("record", record("AttributeReportRecord"), "the attribute and its value")),
        is_unsolicited=True,
    ),
    ResponseRow(
        "stop_receiving_reports_response",
        _C,
        "attributes that a device reports no more, or still does",
        (*_REMOTE_ANSWER, _records("StopReportingStatusRecord", "each attribute with how that went")),
    ),
    ResponseRow(
        "stop_sending_reports_response",
        _C,
        "attributes that we report no more",
        (*_REMOTE_ANSWER, _records("StopReportingStatusRecord", "each attribute with how that went")),
    ),
    ResponseRow(
        "get_local_reporting_configurations_response",
        _C,
        "reports that we send and expect",
        (_records("LocalReportingConfigurationRecord", "the reports"),),
    ),
    ResponseRow(
        "read_reporting_configuration_response",
        _C,
        "how attributes are reported",
        (
            Param("remote_configuration", BOOL, "whether it was asked of the device", OPTIONAL),
            CLUSTER,
            ANSWER_SIDE,
            PROFILE,
            ANSWER_FROM,
            ANSWER_TO,
            _REMOTE_ADDRESS,
            MANUFACTURER,
            _records("ReadReportingConfigurationResponseRecord", "each attribute with how it is reported"),
        ),
    ),
    ResponseRow(
        "identify_response",
        _C,
        "a device shows which one it is",
        (
            CLUSTER,
            PROFILE,
            ANSWER_FROM,
            ANSWER_TO,
            ANSWER_ADDRESS,
            Param("identify_time", U16, "seconds for which it does"),
        ),
    ),
    ResponseRow(
        "send_ZCL_response",
        _C,
        "what came back",
        (
            CLUSTER,
            ANSWER_SIDE,
            PROFILE,
            ANSWER_FROM,
            _REMOTE_TO,
            _REMOTE_ADDRESS,
            Param("command_identifier", U8, "identifier of the answer"),
            Param("command_type", _COMMAND_TYPE, "whose command it is"),
            MANUFACTURER,
            optional(_ENCRYPT),
            Param("payload", of(Kind.BASE16, Kind.BASE64), "octets after the header, in the base of the request"),
        ),
    ),
)
