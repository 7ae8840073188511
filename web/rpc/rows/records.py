"""Records: classes of values with fields of their own (CPX2-SE, Record Reference)."""

from __future__ import annotations

from dataclasses import replace

from web.rpc.declare import Chapter, Default, Param, RecordRow
from web.rpc.rows.shared import EVENT_NUMBER, OPTIONAL, ZCL_STATUS
from web.rpc.types import (
    ANY,
    BOOL,
    MAC,
    SERVER_OR_CLIENT,
    TEXT,
    U8,
    U16,
    U32,
    Kind,
    Type,
    dict_of,
    either_sign,
    list_of,
    one_of,
    record,
)
from web.rpc.values import Octets

NOW, AT_SENDING = Default.NOW, Default.AT_SENDING
UNUSED_8, UNUSED_16, UNUSED_32 = 0xFF, 0xFFFF, 0xFFFFFFFF
SIGNATURE_OCTETS = 42
SIGNATURE = Type(kinds=(Kind.BASE16,), octets=SIGNATURE_OCTETS)
S8, S16 = either_sign(8, signed=True), either_sign(16, signed=True)
S8_UNSIGNED, S16_UNSIGNED = either_sign(8, signed=False), either_sign(16, signed=False)
"""The manual gives one record signed defaults and another unsigned ones for the same octets on the air."""
STATUS = replace(ZCL_STATUS, meaning="ZCL status")
ATTRIBUTE = Param("attribute_id", U16, "identifier of the attribute")
ATTRIBUTE_TYPE = Param("attribute_type", U8, "identifier of the attribute's data type in the ZCL")
UNKNOWN_TYPE = 0xFF
OPTIONAL_TYPE = Param("attribute_type", U8, "data type; 0xFF: unknown, the attribute's own is used", UNKNOWN_TYPE)
VALUE = Param("value", ANY, "value, of the kind that the data type has")
DIRECTION = one_of({0: "reports are sent", 1: "reports are received"})
_REPORTING = (
    ATTRIBUTE,
    Param("direction", DIRECTION, "who reports", 0),
    OPTIONAL_TYPE,
    Param("min_interval", U16, "least seconds between two reports", 0),
    Param("max_interval", U16, "most seconds between two reports", 0),
    Param("reportable_change", ANY, "least change that is worth a report, of the kind that the data type has", 0),
    Param("timeout", U16, "seconds after which a report is missed", 0),
)
_START = Param("start_time", U32, "start in seconds since 2000 UTC; 0: now", 0)
_MINUTES = Param("duration_in_minutes", U16, "how long it lasts; 0xFFFF of a price or message: until changed")
_CLASSES = Param("device_class", U16, "bits of the kinds of devices that are meant", 0x0FFF)
_GROUP = Param("utility_enrollment_group", U8, "group of devices that is meant; 0: all", 0)
_CANCEL_CONTROL = Param("cancel_control", U8, "bit 0: end at the randomised time that the event would have", 1)
_FROM_TIME = Param("start_time", U32, "events from this time on, in seconds since 2000 UTC; 0: all", 0)
_AT_MOST = Param("number_of_events", U8, "at most so many; 0: all", 0)

ZDO = (
    RecordRow(
        "ZDODeviceRecord",
        Chapter.RECORDS,
        "what is known of a device in the network",
        (
            Param("active", BOOL, "whether it answers"),
            Param("addr_extended", MAC, "extended address"),
            Param("addr_short", MAC, "short address, once it is known", OPTIONAL),
            Param("active_endpoints", list_of(U8), "its endpoints, once they are known", OPTIONAL),
            Param("simple_descriptors", dict_of(), "a Simple_Desc_rsp for each, under endpoint_0x..", OPTIONAL),
            Param("power_descriptor", record("Power_Desc_rsp"), "how it is powered, once that is known", OPTIONAL),
            Param("node_descriptor", record("Node_Desc_rsp"), "what it is, once that is known", OPTIONAL),
            Param("node_type", U8, "0: coordinator, 1: router, 2: end device", OPTIONAL),
            Param("manufacturer_id", U16, "who made it, once that is known", OPTIONAL),
        ),
    ),
    RecordRow(
        "Node_Desc_rsp",
        Chapter.RECORDS,
        "node descriptor of a device",
        (
            Param("status", U8, "ZDO status"),
            Param("nwk_addr", U16, "short address"),
            Param("logical_type", U8, "0: coordinator, 1: router, 2: end device"),
            Param("complex_desc_avail", U8, "1: it has a complex descriptor"),
            Param("user_desc_avail", U8, "1: it has a user descriptor"),
            Param("aps_flags", U8, "APS flags, all reserved"),
            Param("frequency_band", U8, "bits of the bands that it uses"),
            Param("mac_capability_flags", U8, "bits of what its MAC is capable of"),
            Param("manufacturer_code", U16, "who made it"),
            Param("max_buffer_size", U8, "octets of the longest network frame"),
            Param("max_incoming_transfer_size", U16, "octets of the longest message it takes"),
            Param("server_mask", U16, "bits of what it serves the network with"),
            Param("max_outgoing_transfer_size", U16, "octets of the longest message it sends"),
            Param("descriptor_capability_field", U8, "bits of the lists of descriptors it has"),
        ),
    ),
    RecordRow(
        "Power_Desc_rsp",
        Chapter.RECORDS,
        "power descriptor of a device",
        (
            Param("status", U8, "ZDO status"),
            Param("nwk_addr", U16, "short address"),
            Param("current_power_mode", U8, "when its receiver is on"),
            Param("available_power_sources", U8, "bits of the sources it has"),
            Param("current_power_source", U8, "bit of the source it uses"),
            Param("current_power_source_level", U8, "how full that is"),
        ),
    ),
    RecordRow(
        "Simple_Desc_rsp",
        Chapter.RECORDS,
        "simple descriptor of an endpoint",
        (
            Param("status", U8, "ZDO status"),
            Param("nwk_addr", U16, "short address"),
            Param("endpoint_id", U8, "endpoint"),
            Param("profile_id", U16, "its profile"),
            Param("device_id", U16, "which device of that profile it is"),
            Param("device_version", U8, "version of that device"),
            Param("input_clusters", list_of(U16), "its server clusters"),
            Param("output_clusters", list_of(U16), "its client clusters"),
        ),
    ),
)

ZCL = (
    RecordRow("ReadAttributeRecord", Chapter.RECORDS, "an attribute to read", (ATTRIBUTE,)),
    RecordRow(
        "ReadAttributeStatusRecord",
        Chapter.RECORDS,
        "an attribute that was read",
        (
            STATUS,
            ATTRIBUTE,
            Param("attribute_type", U8, "data type, if it could be read", OPTIONAL),
            Param("value", ANY, "value, if it could be read", OPTIONAL),
        ),
    ),
    RecordRow("WriteAttributeRecord", Chapter.RECORDS, "an attribute to write", (ATTRIBUTE, OPTIONAL_TYPE, VALUE)),
    RecordRow(
        "WriteAttributeResponseRecord",
        Chapter.RECORDS,
        "an attribute that was written, or not",
        (STATUS, ATTRIBUTE, ATTRIBUTE_TYPE, VALUE),
    ),
    RecordRow(
        "AttributeReportingConfigurationRecord",
        Chapter.RECORDS,
        "how an attribute is to be reported",
        _REPORTING,
    ),
    RecordRow(
        "AttributeReportingConfigurationResponseRecord",
        Chapter.RECORDS,
        "whether an attribute will be reported",
        (STATUS, *_REPORTING),
    ),
    RecordRow(
        "AttributeReportRecord",
        Chapter.RECORDS,
        "an attribute that a device has reported",
        (ATTRIBUTE, ATTRIBUTE_TYPE, VALUE),
    ),
    RecordRow("StopReportingRecord", Chapter.RECORDS, "an attribute to report no more", (ATTRIBUTE,)),
    RecordRow(
        "StopReportingStatusRecord",
        Chapter.RECORDS,
        "whether an attribute is reported no more",
        (STATUS, ATTRIBUTE),
    ),
    RecordRow(
        "ReadReportingConfigurationRecord",
        Chapter.RECORDS,
        "an attribute whose reporting is asked for",
        (ATTRIBUTE,),
    ),
    RecordRow(
        "ReadReportingConfigurationResponseRecord",
        Chapter.RECORDS,
        "how an attribute is reported",
        (STATUS, *_REPORTING),
    ),
    RecordRow(
        "AttributeInformationRecord",
        Chapter.RECORDS,
        "an attribute that there is",
        (ATTRIBUTE, ATTRIBUTE_TYPE),
    ),
    RecordRow(
        "LocalReportingConfigurationRecord",
        Chapter.RECORDS,
        "a report that we send or expect",
        (
            Param("device_address", MAC, "extended address of the other end"),
            Param("device_endpoint_id", U8, "endpoint of the other end"),
            Param("endpoint_id", U8, "endpoint here"),
            Param("cluster_id", U16, "cluster here that sends or receives the reports"),
            Param("server_or_client", SERVER_OR_CLIENT, "which side of the cluster we are"),
            Param("reporting_direction", one_of({0: "we send reports", 1: "we receive reports"}), "who reports"),
            Param("pseudo_reporting", BOOL, "whether we read instead; only of reports that we receive", OPTIONAL),
            Param("record", record("AttributeReportingConfigurationRecord"), "how it is reported"),
        ),
    ),
    RecordRow(
        "ZCL_ArrayRecord",
        Chapter.RECORDS,
        "an array, as value of an attribute",
        (
            Param("attribute_type", U8, "data type of the items"),
            Param("value", Type(kinds=(Kind.LIST,)), "items, of the kind that their data type has"),
        ),
    ),
)

DRLC = (
    RecordRow(
        "LoadControlEventRecord",
        Chapter.RECORDS,
        "Load Control Event: shed load for a while",
        (
            EVENT_NUMBER,
            _CLASSES,
            _GROUP,
            _START,
            Param("duration_in_minutes", U16, "how long it lasts, up to a day"),
            Param("criticality_level", U8, "1: voluntary, for green power, up to 9: disconnect; 7 and 8 critical", 1),
            Param("cooling_temperature_offset", U8, "tenths of a degree warmer when cooling; 0xFF: unused", UNUSED_8),
            Param("heating_temperature_offset", U8, "tenths of a degree cooler when heating; 0xFF: unused", UNUSED_8),
            Param("cooling_temperature_set_point", S16, "hundredths of a degree Celsius; -0x8000: unused", -0x8000),
            Param("heating_temperature_set_point", S16, "hundredths of a degree Celsius; -0x8000: unused", -0x8000),
            Param("average_load_adjustment_percentage", S8, "percent of the usual load; -0x80: unused", -0x80),
            Param("duty_cycle", U8, "percent of the time that it may be on; 0xFF: unused", UNUSED_8),
            Param(
                "event_control",
                U8,
                "bit 0: start at a random time within the client's window, even if it starts now; bit 1: end so",
                3,
            ),
        ),
    ),
    RecordRow(
        "CancelLoadControlEventRecord",
        Chapter.RECORDS,
        "Cancel Load Control Event",
        (
            EVENT_NUMBER,
            _CLASSES,
            _GROUP,
            _CANCEL_CONTROL,
            Param("effective_time", U32, "when it ends, in seconds since 2000 UTC; 0: now", 0, ("effect_time",)),
        ),
    ),
    RecordRow(
        "CancelAllLoadControlEventsRecord",
        Chapter.RECORDS,
        "Cancel All Load Control Events",
        (_CANCEL_CONTROL,),
    ),
    RecordRow(
        "ReportEventStatusRecord",
        Chapter.RECORDS,
        "Report Event Status: what a device says to an event",
        (
            EVENT_NUMBER,
            Param("event_status", U8, "1: received, 2: started, 3: completed, 4: opted out, 6: cancelled ..."),
            Param("event_status_time", U32, "when, in seconds since 2000 UTC", NOW),
            Param("criticality_level_applied", U8, "criticality that the device applies"),
            Param("cooling_temperature_set_point_applied", S16_UNSIGNED, "hundredths of a degree Celsius", 0x8000),
            Param("heating_temperature_set_point_applied", S16_UNSIGNED, "hundredths of a degree Celsius", 0x8000),
            Param("average_load_adjustment_percentage_applied", S8_UNSIGNED, "percent of the usual load", 0x80),
            Param("duty_cycle_applied", U8, "percent of the time that it is on", UNUSED_8),
            Param("event_control", U8, "bits of the event"),
            Param("signature_type", U8, "0: none, 1: ECDSA", 1),
            Param("signature", SIGNATURE, "signature with the device's certificate", Octets(bytes(SIGNATURE_OCTETS))),
        ),
    ),
    RecordRow(
        "GetScheduledEventsRecord",
        Chapter.RECORDS,
        "Get Scheduled Events",
        (_FROM_TIME, _AT_MOST),
    ),
)

MESSAGING = (
    RecordRow(
        "DisplayMessageRecord",
        Chapter.RECORDS,
        "Display Message",
        (
            Param("message_id", U32, "number of the message, by which it is known"),
            Param("message_control", U8, "bits of transmission, importance and confirmation", 0),
            Param("cancel_message_control", U8, "bits with which it was cancelled", OPTIONAL, is_answer_only=True),
            _START,
            _MINUTES,
            Param("message", TEXT, "text to show"),
        ),
        names=("DisplayMessageEventRecord",),
    ),
    RecordRow(
        "CancelMessageRecord",
        Chapter.RECORDS,
        "Cancel Message",
        (
            Param("message_id", U32, "number of the message"),
            Param("message_control", U8, "bits of transmission, importance and confirmation", 0),
        ),
        names=("CancelMessageEventRecord",),
    ),
    RecordRow(
        "MessageConfirmationRecord",
        Chapter.RECORDS,
        "Message Confirmation: somebody has read it",
        (
            Param("message_id", U32, "number of the message"),
            Param("confirmation_time", U32, "when, in seconds since 2000 UTC", NOW),
        ),
    ),
)

PRICE = (
    RecordRow(
        "PublishPriceRecord",
        Chapter.RECORDS,
        "Publish Price",
        (
            Param("provider_id", U32, "who sells; 0xFFFFFFFF: not told", UNUSED_32),
            Param("rate_label", TEXT, "name of the rate, up to 12 octets", ""),
            EVENT_NUMBER,
            Param("utc_time", U32, "time at the sender, in seconds since 2000 UTC", AT_SENDING),
            Param("unit_of_measure", U8, "what is paid for; 0x00: kWh", 0, is_ours=True),
            Param("currency", U16, "ISO 4217 number; 840: US dollar", 840),
            Param(
                "price_trailing_digit_and_price_tier", U8, "digits after the point in bits 4 to 7, then the tier", 0x20
            ),
            Param("number_of_price_tiers_and_register_tier", U8, "tiers in bits 4 to 7, then the register's tier", 0),
            _START,
            _MINUTES,
            Param("price", U32, "price of a unit, in its trailing digits"),
            Param("price_ratio", U8, "price by the usual one, in tenths; 0xFF: unused", UNUSED_8),
            Param("generation_price", U32, "what is paid for a unit delivered; 0xFFFFFFFF: unused", UNUSED_32),
            Param("generation_price_ratio", U8, "that by the usual one, in tenths; 0xFF: unused", UNUSED_8),
            Param(
                "alternate_cost_deliverd",
                U32,
                "other cost of a unit; 0xFFFFFFFF: unused",
                UNUSED_32,
                ("alternate_cost_delivered",),
            ),
            Param("alternate_cost_unit", U8, "1: kg of CO2 by unit of measure", 1),
            Param("alternate_cost_trailing_digit", U8, "its digits after the point, in bits 4 to 7", UNUSED_8),
        ),
        names=("DisplayPriceEventRecord",),
    ),
    RecordRow(
        "GetScheduledPricesRecord",
        Chapter.RECORDS,
        "Get Scheduled Prices",
        (_FROM_TIME, _AT_MOST),
    ),
)

ROWS = (*ZDO, *ZCL, *DRLC, *MESSAGING, *PRICE)
