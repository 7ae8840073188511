"""Requests that the manual does not have, named in its way: what Smart Energy offers beyond them."""

from __future__ import annotations

from dataclasses import replace

from protocols.se.metering import ProfileStatus
from web.roles import Role
from web.rpc.declare import Chapter, Outcome, Param, RequestRow, ResponseRow
from web.rpc.rows.shared import (
    CLUSTER_HERE,
    EVENT_NUMBER,
    FOUND,
    FROM_ENDPOINT,
    OPTIONAL,
    OUR_ENDPOINT,
    RECORD_ENDPOINT,
    SE_ENDPOINT,
    TO_ADDRESS,
    TO_ENDPOINT,
    ZCL_STATUS,
    outcome_of,
    status,
)
from web.rpc.types import BASE16, BOOL, MAC, TEXT, U8, U24, U32, dict_of, list_of, one_of

_D, _Z = Chapter.DRLC, Chapter.ZIGBEE
_ENDPOINT = replace(RECORD_ENDPOINT, default=CLUSTER_HERE.default)
_METER = (TO_ADDRESS, replace(TO_ENDPOINT, default=OPTIONAL), replace(FROM_ENDPOINT, default=SE_ENDPOINT))
_METER_ANSWER = (
    Param("source_address", MAC, "extended address of the meter"),
    Param("source_endpoint_id", U8, "endpoint of the meter"),
    OUR_ENDPOINT,
)
_CHOSEN = (_ENDPOINT, EVENT_NUMBER, status(FOUND))
_TOLD = (
    Param("device_address", MAC, "extended address of the device"),
    Param("device_endpoint_id", U8, "endpoint of the device"),
    Param("delivered", BOOL, "whether it has confirmed the event"),
    Param("event_status", U8, "what it has said last, by Report Event Status", OPTIONAL),
    Param("event_status_time", U32, "when that was, in seconds since 2000 UTC", OPTIONAL),
    Param("is_signed", BOOL, "whether it bears a signature that is right", OPTIONAL),
)
_HAS_CERTIFICATE = Param("status", U8, "0: there is one that can be used, 1: there is none, 2: it cannot be used")
_INSTALLED = replace(_HAS_CERTIFICATE, outcome=Outcome(meanings={1: "there is none", 2: "it cannot be used"}))
_CERTIFICATE = (
    Param("kind", TEXT, "production or test", OPTIONAL),
    Param("issuer", BASE16, "identifier of who has issued it", OPTIONAL),
    Param("subject", MAC, "extended address that it is made out to", OPTIONAL),
)

REQUESTS = (
    RequestRow(
        "opt_out_DRLC_event",
        _D,
        "Takes no part in an event that we have received, and tells its server.",
        (RECORD_ENDPOINT, EVENT_NUMBER),
        response="opt_out_DRLC_event_response",
        is_ours=True,
    ),
    RequestRow(
        "opt_in_DRLC_event",
        _D,
        "Takes part again in an event that we had opted out of, and tells its server.",
        (RECORD_ENDPOINT, EVENT_NUMBER),
        response="opt_in_DRLC_event_response",
        is_ours=True,
    ),
    RequestRow(
        "get_DRLC_event_status",
        _D,
        "Tells what each device has said to an event of ours.",
        (RECORD_ENDPOINT, EVENT_NUMBER),
        response="get_DRLC_event_status_response",
        role=Role.VIEWER,
        is_quick=True,
        is_ours=True,
    ),
    RequestRow(
        "get_profile",
        _Z,
        "Asks a meter what it has counted in each of the last intervals.",
        (
            *_METER,
            Param("interval_channel", one_of({0: "delivered", 1: "received"}), "which counter", 0),
            Param("end_time", U32, "the intervals before this time, in seconds since 2000 UTC; 0: the latest", 0),
            Param("number_of_periods", U8, "at most so many intervals", 1),
        ),
        response="get_profile_response",
        is_ours=True,
    ),
    RequestRow(
        "request_fast_poll",
        _Z,
        "Asks a meter to update its values faster for a while.",
        (
            *_METER,
            Param("fast_poll_update_period", U8, "seconds between two updates"),
            Param("duration_in_minutes", U8, "for how long, up to 15"),
        ),
        response="request_fast_poll_response",
        is_ours=True,
    ),
    RequestRow(
        "get_certificate_info",
        _Z,
        "Tells the certificate that we prove with who we are. The private key is never told.",
        response="get_certificate_info_response",
        role=Role.ADMIN,
        is_ours=True,
    ),
    RequestRow(
        "install_certificate",
        _Z,
        "Takes a certificate for key establishment. It counts when key establishment is next made.",
        (
            Param("ca_public_key", BASE16, "public key of the authority, 22 octets"),
            Param("implicit_certificate", BASE16, "certificate, 48 octets"),
            Param("private_key", BASE16, "private key, 21 octets", is_secret=True),
        ),
        response="install_certificate_response",
        role=Role.ADMIN,
        is_ours=True,
    ),
)

RESPONSES = (
    ResponseRow("opt_out_DRLC_event_response", _D, "we take no part in an event", _CHOSEN, is_ours=True),
    ResponseRow("opt_in_DRLC_event_response", _D, "we take part in an event", _CHOSEN, is_ours=True),
    ResponseRow(
        "get_DRLC_event_status_response",
        _D,
        "what each device has said to an event",
        (*_CHOSEN, Param("device_status_list", list_of(dict_of(*_TOLD)), "each device", OPTIONAL)),
        is_ours=True,
    ),
    ResponseRow(
        "get_profile_response",
        _Z,
        "what a meter has counted in each interval",
        (
            *_METER_ANSWER,
            Param("status", U8, "as Get Profile Response has it; 0: success", outcome=outcome_of(ProfileStatus)),
            Param("end_time", U32, "end of the latest interval, in seconds since 2000 UTC", OPTIONAL),
            Param("profile_interval_period", U8, "identifier of how long an interval is", OPTIONAL),
            Param("interval_list", list_of(U24), "counts, the latest first; 0xFFFFFF: not known", OPTIONAL),
        ),
        is_ours=True,
    ),
    ResponseRow(
        "request_fast_poll_response",
        _Z,
        "how fast a meter updates its values",
        (
            *_METER_ANSWER,
            ZCL_STATUS,
            Param("applied_update_period", U8, "seconds between two updates", OPTIONAL),
            Param("fast_poll_mode_end_time", U32, "until when, in seconds since 2000 UTC", OPTIONAL),
        ),
        is_ours=True,
    ),
    ResponseRow(
        "get_certificate_info_response", _Z, "our certificate", (_HAS_CERTIFICATE, *_CERTIFICATE), is_ours=True
    ),
    ResponseRow("install_certificate_response", _Z, "our new certificate", (_INSTALLED, *_CERTIFICATE), is_ours=True),
)
