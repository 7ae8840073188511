"""Requests that are not right: one problem each, which names what is wrong and what is allowed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from web.auth import Role
from web.rpc.build import Context
from web.rpc.check import Checked, Problem, Reason, check_json, check_xml
from web.rpc.markup import parse
from web.rpc.table import TABLE
from web.rpc.values import Mac, Octets, Record, Xml

NOW = datetime.fromtimestamp(0x4BAD215D, UTC)
"""The time in the manual's example of get_time: 0x133FDDDD seconds since 2000."""
CONTEXT = Context(TABLE, NOW)
PRICE = '<record type="PublishPriceRecord">{}</record>'


def check(markup: str, role: Role = Role.ADMIN) -> Checked | Problem:
    return check_xml(parse(markup.encode()), CONTEXT, role)


def good(markup: str) -> Checked:
    found = check(markup)
    assert isinstance(found, Checked), found
    return found


def bad(markup: str, role: Role = Role.ADMIN) -> Problem:
    found = check(markup, role)
    assert isinstance(found, Problem), found
    return found


# -- what is right -----------------------------------------------------------------------------------------------------


def test_the_manuals_message_event() -> None:
    """In-Premise Display/Meter Simulator Sample, with its end tags."""
    found = good(
        '<create_message_event synchronous="true"><record type="DisplayMessageRecord"><message_id>1234</message_id>'
        '<duration_in_minutes>5</duration_in_minutes><message type="string">NOBODY expects the Spanish '
        "Inquisition!</message></record></create_message_event>"
    )
    assert found.synchronous
    assert found.arguments == {
        "source_endpoint_id": 0x5E,
        "record": Record(
            "DisplayMessageRecord",
            {
                "message_id": 1234,
                "message_control": 0,
                "start_time": 0,
                "duration_in_minutes": 5,
                "message": "NOBODY expects the Spanish Inquisition!",
            },
        ),
    }


def test_the_manuals_identify() -> None:
    """Verify Device is on Gateway's Network."""
    found = good(
        '<identify><destination_address type="MAC">11:22:33:44:55:66:77:88</destination_address>\n'
        "<source_endpoint_id>0x5E</source_endpoint_id>\n<destination_endpoint_id>0xFF</destination_endpoint_id>\n"
        "<identify_time>30</identify_time>\n</identify>"
    )
    assert not found.synchronous
    assert found.arguments == {
        "destination_endpoint_id": 0xFF,
        "source_endpoint_id": 0x5E,
        "destination_address": Mac(bytes.fromhex("1122334455667788")),
        "identify_time": 30,
    }


def test_a_load_control_event_has_the_manuals_defaults() -> None:
    found = good(
        '<create_DRLC_event><record type="LoadControlEventRecord"><issuer_event_id>7</issuer_event_id>'
        "<duration_in_minutes>30</duration_in_minutes></record></create_DRLC_event>"
    )
    assert found.arguments["record"] == Record(
        "LoadControlEventRecord",
        {
            "issuer_event_id": 7,
            "device_class": 0x0FFF,
            "utility_enrollment_group": 0,
            "start_time": 0,
            "duration_in_minutes": 30,
            "criticality_level": 1,
            "cooling_temperature_offset": 0xFF,
            "heating_temperature_offset": 0xFF,
            "cooling_temperature_set_point": -0x8000,
            "heating_temperature_set_point": -0x8000,
            "average_load_adjustment_percentage": -0x80,
            "duty_cycle": 0xFF,
            "event_control": 3,
        },
    )


def test_what_a_head_end_in_production_sent() -> None:
    """A wrong field name, padded ints without type, a device with its code: field evidence."""
    cancelled = good(
        '<cancel_DRLC_event synchronous="true"><record type="CancelLoadControlEventRecord">'
        "<issuer_event_id>\n   44   </issuer_event_id><effect_time> 0 </effect_time></record></cancel_DRLC_event >"
    )
    record = cancelled.arguments["record"]
    assert isinstance(record, Record)
    assert record.fields["effective_time"] == 0
    assert list(record.fields)[-1] == "effective_time"
    added = good(
        '<add_device synchronous="true"><device_address type="mac">000CC1002719C4D5</device_address>'
        '<join_time>900</join_time><installation_code type="string">83FED3407A939738C552</installation_code>'
        "</add_device>"
    )
    assert added.arguments == {
        "device_address": Mac(bytes.fromhex("000cc1002719c4d5")),
        "join_time": 900,
        "installation_code": "83FED3407A939738C552",
    }
    older = good(
        "<add_device><device_address>00:0C:C1:00:27:19:C4:D5</device_address>"
        "<link_key>0x0102030405060708090A0B0C0D0E0F10</link_key></add_device>"
    )
    assert older.arguments["link_key"] == 0x0102030405060708090A0B0C0D0E0F10


def test_names_of_records_and_fields_that_the_manual_misprints_are_taken() -> None:
    found = good(
        '<create_price_event><record type="DisplayPriceEventRecord"><issuer_event_id>1</issuer_event_id>'
        "<duration_in_minutes>60</duration_in_minutes><price>1234</price>"
        "<alternate_cost_delivered>5</alternate_cost_delivered></record></create_price_event>"
    )
    record = found.arguments["record"]
    assert isinstance(record, Record)
    assert record.name == "PublishPriceRecord"
    assert record.fields["alternate_cost_deliverd"] == 5
    assert record.fields["unit_of_measure"] == 0
    assert "utc_time" not in record.fields, "it is the time when the price is sent"


def test_a_field_that_defaults_to_now_is_now() -> None:
    found = good(
        '<confirm_message><record type="MessageConfirmationRecord"><message_id>1</message_id></record>'
        "</confirm_message>"
    )
    assert found.arguments["record"] == Record(
        "MessageConfirmationRecord", {"message_id": 1, "confirmation_time": 0x133FDDDD}
    )


def test_a_record_without_its_type_is_the_one_that_the_parameter_takes() -> None:
    found = good("<cancel_all_DRLC_events><record/></cancel_all_DRLC_events>")
    assert found.arguments["record"] == Record("CancelAllLoadControlEventsRecord", {"cancel_control": 1})


def test_an_empty_tag_of_what_may_be_missing_is_missing() -> None:
    found = good("<get_DRLC_events><endpoint_id/><server_or_client/></get_DRLC_events>")
    assert found.arguments == {"endpoint_id": 0x5E}


def test_a_none_is_told_from_what_is_missing() -> None:
    assert good("<help><registry/></help>").arguments == {"registry": None}
    assert good("<help/>").arguments == {}


def test_aliases_are_named_by_their_tags() -> None:
    assert good('<add_alias><THERMOSTAT type="xml"><a>1</a></THERMOSTAT></add_alias>').arguments == {
        "THERMOSTAT": Xml("<a>1</a>")
    }
    removed = good("<remove_alias><THERMOSTAT/></remove_alias>")
    assert removed.arguments == {"THERMOSTAT": None}
    assert removed.given_name == "THERMOSTAT"


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        ('<payload type="base16">0102</payload>', Octets(b"\1\2")),
        ('<payload type="base64">AQI=</payload>', Octets(b"\1\2", 64)),
        (
            '<payload type="ReadAttributeRecord"><attribute_id>4</attribute_id></payload>',
            Record("ReadAttributeRecord", {"attribute_id": 4}),
        ),
        (
            '<payload type="list"><item type="ReadAttributeRecord"><attribute_id>4</attribute_id></item></payload>',
            [Record("ReadAttributeRecord", {"attribute_id": 4})],
        ),
    ],
)
def test_a_payload_is_octets_or_records(payload: str, value: object) -> None:
    found = good(
        "<send_ZCL><cluster_id>0</cluster_id><server_or_client>0</server_or_client>"
        "<destination_endpoint_id>1</destination_endpoint_id><source_endpoint_id>0x5e</source_endpoint_id>"
        "<destination_address>0011223344556677</destination_address><command_identifier>0</command_identifier>"
        f"<enable_APS_encryption>TRUE</enable_APS_encryption>{payload}</send_ZCL>"
    )
    assert found.arguments["payload"] == value
    assert found.arguments["enable_aps_encryption"] is True
    assert found.arguments["command_type"] == 1


# -- what is wrong -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("identifier", ["42", "0x2a", "abc", "TRUE"])
def test_a_problem_bears_the_requests_identifier(identifier: str) -> None:
    wanted = good(f"<get_time><request_identifier>{identifier}</request_identifier></get_time>").identifier
    assert wanted is not None
    for request in ("get_tiem", "enable_joining"):
        found = bad(f"<{request}><request_identifier>{identifier}</request_identifier></{request}>")
        assert found.identifier == wanted


def test_an_unknown_request_is_told_with_the_nearest_name() -> None:
    found = bad("<get_tiem/>")
    assert found.reason is Reason.UNKNOWN_REQUEST
    assert found.near[0] == "get_time"
    assert "there is no request 'get_tiem'; did you mean get_time" in found.text
    assert "help" in bad("<xyzzy/>").text


@pytest.mark.parametrize(
    ("markup", "where", "words"),
    [
        ("<enable_joining/>", "join_time", "join_time is missing; allowed: int from 0x0 to 0xffff"),
        (
            "<enable_joining><join_time>5</join_time><join_tiem>5</join_tiem></enable_joining>",
            "join_tiem",
            "no parameter there is; did you mean join_time; allowed: any of join_time, request_identifier",
        ),
        ("<enable_joining><join_time>x</join_time></enable_joining>", "join_time", "is 'x'; allowed: int from"),
        (
            "<enable_joining><join_time>70000</join_time></enable_joining>",
            "join_time",
            "is 70000; allowed: int from 0x0 to 0xffff",
        ),
        (
            "<enable_joining><join_time>1</join_time><JOIN_TIME>2</JOIN_TIME></enable_joining>",
            "JOIN_TIME",
            "given twice",
        ),
        (
            f"<create_price_event>{PRICE.format('<issuer_event_id>1</issuer_event_id><price>1</price>')}"
            "</create_price_event>",
            "record.duration_in_minutes",
            "record.duration_in_minutes is missing",
        ),
        (
            f"<create_DRLC_event>{PRICE.format('')}</create_DRLC_event>",
            "record",
            "record is a PublishPriceRecord; allowed: LoadControlEventRecord",
        ),
        (
            '<create_DRLC_event><record type="LoadControlRecord"/></create_DRLC_event>',
            "record",
            "'LoadControlRecord', which there is not; allowed: LoadControlEventRecord",
        ),
        ("<create_DRLC_event/>", "record", "record is missing; allowed: LoadControlEventRecord"),
        (
            "<get_DRLC_events><server_or_client>2</server_or_client></get_DRLC_events>",
            "server_or_client",
            "allowed: int: 0x0 (server), 0x1 (client)",
        ),
        (
            "<create_message_event><record type='DisplayMessageRecord'><message_id>1</message_id>"
            "<duration_in_minutes>1</duration_in_minutes><message>a</message>"
            "<cancel_message_control>1</cancel_message_control></record></create_message_event>",
            "record.cancel_message_control",
            "part of answers only",
        ),
        ('<get_time synchronous="maybe"/>', "synchronous", "allowed: TRUE or FALSE"),
        ("<add_alias/>", "alias_name", "alias_name is missing; allowed: one tag"),
        ("<add_alias><A/><B/></add_alias>", "alias_name", "2 names"),
        ('<add_alias><A type="int">5</A></add_alias>', "A", "allowed: xml"),
        ("<remove_alias><A>text</A></remove_alias>", "A", "allowed: none"),
    ],
)
def test_a_parameter_that_is_wrong_is_named_with_what_is_allowed(markup: str, where: str, words: str) -> None:
    found = bad(markup)
    assert found.reason is Reason.ARGUMENTS
    assert [one.where for one in found.fields] == [where]
    assert words in found.text


def test_all_parameters_that_are_wrong_are_told_at_once() -> None:
    found = bad(
        "<bind><cluster_id>x</cluster_id><destination_address>00:11:22</destination_address><color>1</color></bind>"
    )
    assert [one.where for one in found.fields] == [
        "cluster_id",
        "destination_address",
        "color",
        "destination_endpoint_id",
        "source_endpoint_id",
    ]


def test_a_thousand_mistakes_are_told_in_a_few_words() -> None:
    found = bad("<bind>" + "".join(f"<x{n}>{'y' * 1000}</x{n}>" for n in range(1000)) + "</bind>")
    assert len(found.fields) <= 8
    assert len(found.text) < 4000


@pytest.mark.parametrize(
    ("markup", "role", "needed"),
    [
        ("<create_DRLC_event/>", Role.VIEWER, None),
        ('<leave_network request_identifier="1"/>', Role.OPERATOR, Role.ADMIN),
        ("<registry_configuration><name>a</name><value>1</value></registry_configuration>", Role.OPERATOR, Role.ADMIN),
        ("<resync_time/>", Role.VIEWER, Role.OPERATOR),
    ],
)
def test_who_may_not_is_told_what_it_needs(markup: str, role: Role, needed: Role | None) -> None:
    found = bad(markup, role)
    if needed is None:
        assert found.reason is Reason.ARGUMENTS
    else:
        assert found.reason is Reason.ROLE
        assert f"needs the role {needed.value}; yours is {role.value}" in found.text


def test_json_gets_the_same_answers() -> None:
    found = check_json("enable_joining", {"join_time": 70000, "request_identifier": "q"}, CONTEXT)
    assert isinstance(found, Problem)
    assert found.identifier == "q"
    assert "is 70000; allowed: int from 0x0 to 0xffff" in found.text
    right = check_json("Enable_Joining", {"join_time": "0x3C"}, CONTEXT)
    assert isinstance(right, Checked)
    assert right.arguments == {"join_time": 60}
    assert right.synchronous


@pytest.mark.parametrize(
    ("kind", "fits", "too_long"),
    [("string", "9" * 256, "9" * 257), ("base16", "00" * 256, "00" * 257)],
)
def test_an_identifier_is_bounded_since_the_mailbox_keeps_it(kind: str, fits: str, too_long: str) -> None:
    ask = '<get_time><request_identifier type="{}">{}</request_identifier></get_time>'
    assert isinstance(check_xml(parse(ask.format(kind, fits).encode()), CONTEXT), Checked)
    found = check_xml(parse(ask.format(kind, too_long).encode()), CONTEXT)
    assert isinstance(found, Problem)
    assert found.identifier is None
    assert "request_identifier is of" in found.text
    assert "allowed: at most 256" in found.text
