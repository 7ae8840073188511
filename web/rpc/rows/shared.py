"""Parameters that many rows have."""

from __future__ import annotations

from dataclasses import replace

from protocols.fields import OpenEnum
from protocols.zcl.status import Status
from web.rpc.declare import Default, Outcome, Param
from web.rpc.types import BOOL, MAC, SERVER_OR_CLIENT, SIMPLE, U8, U16, U32, Type, list_of, one_of

OPTIONAL = Default.LEFT_OUT
SE_ENDPOINT = 0x5E
"""Where the gateway has its Smart Energy clusters."""

REQUEST_IDENTIFIER = Param("request_identifier", SIMPLE, "comes back in the response to this request", OPTIONAL)
"""Every request and every reply has it."""

CLUSTER = Param("cluster_id", U16, "identifier of the cluster")
SIDE = Param(
    "server_or_client", SERVER_OR_CLIENT, "which side of the cluster is meant, at whom the request is directed"
)
TO_ENDPOINT = Param("destination_endpoint_id", U8, "endpoint that the cluster is on")
FROM_ENDPOINT = Param("source_endpoint_id", U8, "endpoint here that the request comes from")
TO_ADDRESS = Param("destination_address", MAC, "extended address of the device, or that of everybody")
MANUFACTURER = Param(
    "manufacturer_code", U16, "manufacturer who defines the attributes; else the standard does", OPTIONAL
)
RECORD_ENDPOINT = Param("endpoint_id", U8, "endpoint here that has the cluster", SE_ENDPOINT)
"""Of requests to a Smart Energy cluster of ours, by either of its names."""
SE_FROM = Param("source_endpoint_id", U8, "endpoint here that has the cluster", SE_ENDPOINT)

ANSWER_SIDE = replace(SIDE, meaning="which side of the cluster the answer comes from")
PROFILE = Param("profile_id", U16, "profile of the endpoint that answers")
ANSWER_FROM = Param("source_endpoint_id", U8, "endpoint that answers")
ANSWER_TO = Param("destination_endpoint_id", U8, "endpoint here that is answered; not for a local request", OPTIONAL)
ANSWER_ADDRESS = Param("source_address", MAC, "extended address of the device that answers; not if it is us", OPTIONAL)

SUCCESS, INVALID_FIELD, DUPLICATE, NOT_FOUND = 0x00, 0x85, 0x8A, 0x8B
MADE = {SUCCESS: "success", INVALID_FIELD: "invalid field", DUPLICATE: "there is one already"}
"""ZCL statuses of what makes an event."""
FOUND = {SUCCESS: "success", INVALID_FIELD: "invalid field", NOT_FOUND: "there is none"}
"""ZCL statuses of what concerns an event that exists."""
DEVICES = Param("device_list", list_of(MAC), "extended addresses of the devices that it was sent to")
CLUSTER_HERE = Param("cluster_id", U16, "identifier of the cluster")
PEER = Param("source_address", MAC, "extended address of the device that sent it")
PEER_ENDPOINT = Param("source_endpoint_id", U8, "endpoint that sent it")
OUR_ENDPOINT = Param("destination_endpoint_id", U8, "endpoint here that received it")
EVENT_NUMBER = Param("issuer_event_id", U32, "number of the event, by which it is known")
ENCRYPTED = Param("enable_APS_encryption", BOOL, "whether the cluster encrypts for its two ends, and insists on that")


def status(meanings: dict[int, str], *, has_message: bool = False) -> Param:
    """A status that can have only some values; `has_message`: a message says why it is none of success."""
    return Param("status", one_of(meanings), "how it went", outcome=Outcome(has_message=has_message))


def outcome_of(statuses: type[OpenEnum]) -> Outcome:
    """That of a status with names of its own, of which 0 is success."""
    return Outcome(meanings={int(one): one.name.lower().replace("_", " ") for one in statuses})


ZCL_STATUS = Param("status", U8, "ZCL status; 0x00: success", outcome=outcome_of(Status))


def optional(param: Param, default: object = OPTIONAL, *, type_: Type | None = None) -> Param:
    """A shared parameter that may be missing here."""
    assert default is OPTIONAL or isinstance(default, int | bool)
    return replace(param, default=default, type=type_ or param.type)
