"""Values of attributes, and payloads out of records, as `send_ZCL` and the ZCL requests have them."""

from __future__ import annotations

import pytest

from protocols.ids import Eui64
from protocols.se.drlc import LoadControlEvent
from protocols.se.messaging import DisplayMessage
from protocols.se.price import PublishPrice
from protocols.zcl import datatypes as t
from protocols.zcl import general as g
from protocols.zcl.datatypes import Collection, Structure, Typed, decode_value
from tests.web.rpc.engines import NOW
from web.rpc.build import Context
from web.rpc.check import Checked, check_json
from web.rpc.handlers.payloads import payload_of
from web.rpc.handlers.zcl_values import encoded, taken, told
from web.rpc.table import TABLE
from web.rpc.types import ValueRefusedError
from web.rpc.values import Mac, Octets, Record, Value

UTC = 0x12345678
CONTEXT = Context(TABLE, NOW)


@pytest.mark.parametrize(
    ("type_id", "value", "raw", "answer"),
    [
        (t.BOOL, True, "01", True),
        (t.BOOL, 0, "00", False),
        (t.UINT8, 3, "03", 3),
        (t.UINT16, True, "0100", 1),
        (t.INT16, -5, "fbff", -5),
        (t.INT16, 0xFFFB, "fbff", -5),
        (t.MAP16, Octets(b"\x01\x02"), "0201", 0x0102),
        (t.SINGLE, 1, "0000803f", 1.0),
        (t.STRING, "0815", "0430383135", "0815"),
        (t.OCTETS, "METER 7", "074d455445522037", "METER 7"),
        (t.OCTETS, Octets(b"\x00\xff"), "0200ff", Octets(b"\x00\xff")),
        (t.EUI64, Mac.of(Eui64(0x0011223344556677)), "7766554433221100", Mac.of(Eui64(0x0011223344556677))),
        (
            t.ARRAY,
            Record("ZCL_ArrayRecord", {"attribute_type": t.UINT8, "value": [1, 2]}),
            "2002000102",
            Record("ZCL_ArrayRecord", {"attribute_type": t.UINT8, "value": [1, 2]}),
        ),
        (
            t.STRUCTURE,
            [{"attribute_type": t.UINT8, "value": 9}],
            "01002009",
            [{"attribute_type": t.UINT8, "value": 9}],
        ),
    ],
)
def test_a_value_goes_on_the_air_and_comes_back(type_id: int, value: Value, raw: str, answer: Value) -> None:
    assert encoded(value, type_id, "value").hex() == raw
    assert told(decode_value(type_id, bytes.fromhex(raw))[0], type_id) == answer


def test_what_is_invalid_is_the_number_that_says_so_and_keys_are_never_told() -> None:
    assert told(None, t.UINT16) == 0xFFFF
    assert told(None, t.INT16) == -0x8000
    assert told(None, t.SINGLE) is told(float("inf"), t.SINGLE) is None, "JSON has no such number"
    assert told(bytes(16), t.KEY128) is None
    assert told("a\x00b", t.STRING) == "ab", "XML has no such character"
    assert told(Collection(t.BOOL, (True,)), t.SET) == Record(
        "ZCL_ArrayRecord", {"attribute_type": 16, "value": [True]}
    )
    assert told(Structure((Typed(t.UINT8, None),)), t.STRUCTURE) == [{"attribute_type": t.UINT8, "value": 0xFF}]


@pytest.mark.parametrize(
    ("type_id", "value", "text"),
    [
        (t.UINT8, "three", "value is 'three'; allowed: int, for the data type uint8"),
        (t.STRING, 7, 'value is 7; allowed: string, with type="string" where it looks like a number'),
        (t.SINGLE, "warm", "allowed: float"),
        (t.EUI64, Mac.of(0x1397), "MAC of 8 octets"),
        (t.KEY128, "secret", "value is no key"),
        (t.ARRAY, 7, "allowed: ZCL_ArrayRecord"),
        (t.STRUCTURE, [7], "value[0] is 7; allowed: dict with attribute_type and value"),
    ],
)
def test_a_value_of_another_kind_is_refused(type_id: int, value: Value, text: str) -> None:
    with pytest.raises(ValueRefusedError) as error:
        taken(value, type_id, "value")
    assert text in str(error.value)
    assert "secret" not in str(error.value)


# -- payloads ----------------------------------------------------------------------------------------------------------


def made(name: str, **fields: object) -> Value:
    """A record as a client gives it, with the defaults of its row."""
    place = {"destination_address": "00:11:22:33:44:55:66:77", "destination_endpoint_id": 1, "source_endpoint_id": 1}
    given = {
        **place,
        "cluster_id": 1,
        "server_or_client": 1,
        "command_identifier": 0,
        "payload": {"type": name, **fields},
    }
    checked = check_json("send_ZCL", given, CONTEXT)
    assert isinstance(checked, Checked), checked
    return checked.arguments["payload"]


def test_smart_energy_records_are_laid_out_as_their_commands() -> None:
    event = made(
        "LoadControlEventRecord", issuer_event_id=7, duration_in_minutes=60, cooling_temperature_set_point=-100
    )
    decoded = LoadControlEvent.decode(payload_of(event, UTC))
    assert (decoded.issuer_event_id, decoded.duration_min, decoded.device_class) == (7, 60, 0x0FFF)
    message = payload_of(made("DisplayMessageRecord", message_id=9, duration_in_minutes=5, message="Grüße"), UTC)
    assert DisplayMessage.decode(message) == DisplayMessage(
        message_id=9, control=0, start_time=0, duration_min=5, message="Grüße"
    )
    price = PublishPrice.decode(
        payload_of(
            made("PublishPriceRecord", issuer_event_id=3, duration_in_minutes=10, price=25, rate_label="day"), UTC
        )
    )
    assert (price.issuer_event_id, price.rate_label, price.price, price.currency) == (3, "day", 25, 840)
    assert price.current_time == UTC, "the time at which it is sent"
    status = made(
        "ReportEventStatusRecord", issuer_event_id=1, event_status=2, criticality_level_applied=1, event_control=0
    )
    assert len(payload_of(status, UTC)) == 60
    for name, size in (
        ("CancelLoadControlEventRecord", 12),
        ("CancelAllLoadControlEventsRecord", 1),
        ("GetScheduledEventsRecord", 5),
        ("GetScheduledPricesRecord", 5),
    ):
        number = {"issuer_event_id": 1} if name == "CancelLoadControlEventRecord" else {}
        assert len(payload_of(made(name, **number), UTC)) == size
    for name in ("CancelMessageRecord", "MessageConfirmationRecord"):
        assert payload_of(made(name, message_id=0x01020304), UTC)[:4].hex() == "04030201"


def test_records_of_general_commands_are_read_by_their_codec() -> None:
    def both(*records: Value) -> bytes:
        return payload_of(list(records), UTC)

    writes = both(made("WriteAttributeRecord", attribute_id=5, attribute_type=t.INT16, value=-2))
    assert g.WriteAttributes.decode(writes).records == ((5, t.INT16, -2),)
    reads = both(made("ReadAttributeRecord", attribute_id=5), made("ReadAttributeRecord", attribute_id=6))
    assert g.ReadAttributes.decode(reads).attributes == (5, 6)
    configuration = made(
        "AttributeReportingConfigurationRecord",
        attribute_id=4,
        attribute_type=t.UINT16,
        max_interval=60,
        reportable_change=9,
    )
    [record] = g.ConfigureReporting.decode(both(configuration)).records
    assert (record.attribute, record.max_s, record.change) == (4, 60, 9)
    expected = made("AttributeReportingConfigurationRecord", attribute_id=4, direction=1, timeout=300)
    assert g.ConfigureReporting.decode(both(expected)).records[0].timeout_s == 300
    [report] = g.ReportAttributes.decode(
        both(made("AttributeReportRecord", attribute_id=1, attribute_type=t.STRING, value="a"))
    ).records
    assert report.value == "a"
    answers = both(
        made("ReadAttributeStatusRecord", status=0, attribute_id=1, attribute_type=t.UINT8, value=1),
        made("ReadAttributeStatusRecord", status=0x86, attribute_id=2),
    )
    assert [one.status for one in g.ReadAttributesResponse.decode(answers).records] == [0, 0x86]
    written = both(made("WriteAttributeResponseRecord", status=0x88, attribute_id=1, attribute_type=0xFF, value=1))
    assert g.WriteAttributesResponse.decode(written).records == ((0x88, 1),)
    [query] = g.ReadReportingConfiguration.decode(
        both(made("ReadReportingConfigurationRecord", attribute_id=7))
    ).records
    assert query.attribute == 7
    assert payload_of(Octets(b"\x01\x02"), UTC) == b"\x01\x02"
    assert payload_of([], UTC) == b""


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (
            ("WriteAttributeRecord", {"attribute_id": 1, "value": 3}),
            "payload.attribute_type is 0xff; allowed: a data type",
        ),
        (("StopReportingRecord", {"attribute_id": 1}), "a StopReportingRecord, which is part of no command"),
        (("ReadAttributeStatusRecord", {"status": 0, "attribute_id": 1}), "without type and value"),
        (
            (
                "PublishPriceRecord",
                {"issuer_event_id": 1, "duration_in_minutes": 1, "price": 1, "rate_label": "x" * 13},
            ),
            "payload.rate_label is 13 octets; allowed: at most 12",
        ),
    ],
)
def test_a_record_that_goes_into_no_command_is_refused(record: tuple[str, dict[str, object]], text: str) -> None:
    name, fields = record
    with pytest.raises(ValueRefusedError) as error:
        payload_of(made(name, **fields), UTC)
    assert text in str(error.value)
