"""Types of parameters, by the manual's examples, what real clients wrote, and what is neither."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from protocols.ids import Eui64
from web.rpc import as_json, as_xml, fields, types
from web.rpc.build import ArgumentsRefusedError, Context
from web.rpc.markup import parse
from web.rpc.table import TABLE
from web.rpc.types import ANY, BOOL, INT, MAC, NAME, TEXT, U8, Kind, Type, ValueRefusedError, either_sign, list_of, of
from web.rpc.values import BROADCAST, Mac, Octets, Record, Value, Xml

CONTEXT = Context(TABLE, datetime(2026, 1, 1, tzinfo=UTC))
ADDRESS = Mac(bytes.fromhex("0011223344556677"))


def read(markup: str, type_: Type = ANY) -> Value:
    return as_xml.read(parse(markup.encode()), type_, "param", CONTEXT)


@pytest.mark.parametrize(
    ("markup", "value"),
    [
        # CPX2-SE, Chapter 3, Simple Parameter Types; the tags there are closed too early, which is a fault of print.
        ('<param type="int">42</param>', 42),
        ('<param type="int">0xFF</param>', 0xFF),
        ('<param type="float">3.14159</param>', 3.14159),
        ('<param type="bool">TRUE</param>', True),
        ('<param type="string">Tis but a scratch.</param>', "Tis but a scratch."),
        ('<param type="MAC">00:11:22:33:44:55:66:77</param>', ADDRESS),
        ('<param type="base16">1234567890ABCDEF</param>', Octets(bytes.fromhex("1234567890abcdef"))),
        ('<param type="base64">3q2+78r+</param>', Octets(bytes.fromhex("deadbeefcafe"), 64)),
        ("<param/>", None),
        # Parameter Type Specification Overview: a bool, an int or a float, in that order.
        ("<param1>TRUE</param1>", True),
        ("<param1>1</param1>", 1),
        ("<param1>1.0</param1>", 1.0),
        ("<param1>My favorite color</param1>", "My favorite color"),
        # Complex Parameter Types
        (
            '<param type="list"><item>42</item><item>FALSE</item><item type="string">Camelot!</item></param>',
            [42, False, "Camelot!"],
        ),
        (
            '<param type="dict"><first>1</first><second>TRUE</second>'
            '<third type="string">It\'s only a model.</third></param>',
            {"first": 1, "second": True, "third": "It's only a model."},
        ),
        (
            '<param type="xml"><dead><parrot>This is a late parrot!</parrot></dead></param>',
            Xml("<dead><parrot>This is a late parrot!</parrot></dead>"),
        ),
        # Device records of get_device_information
        ('<addr_short type="MAC">1397</addr_short>', Mac(b"\x13\x97")),
        ('<addr_short type="MAC">0000</addr_short>', Mac(b"\0\0")),
    ],
)
def test_the_manuals_examples(markup: str, value: Value) -> None:
    found = read(markup)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("markup", "type_", "value"),
    [
        # Field evidence: what a head-end in production sent (2012).
        ('<p type="mac">00:0C:C1:00:27:19:C4:D5</p>', MAC, Mac(bytes.fromhex("000cc1002719c4d5"))),
        ('<p type="MAC">000CC1002719C4D5</p>', MAC, Mac(bytes.fromhex("000cc1002719c4d5"))),
        ("<p>00:0C:C1:00:27:19:C4:D5</p>", MAC, Mac(bytes.fromhex("000cc1002719c4d5"))),
        ("<p>00-0c-c1-00-27-19-c4-d5!</p>", MAC, Mac(bytes.fromhex("000cc1002719c4d5"))),
        ("<p>0x000CC1002719C4D5</p>", MAC, Mac(bytes.fromhex("000cc1002719c4d5"))),
        ('<p type="int">0xCC1002719C4D5</p>', MAC, Mac(bytes.fromhex("000cc1002719c4d5"))),
        ("<p>\n     1793   \n</p>", INT, 1793),
        ('<p type=" INT "> 0X701 </p>', INT, 0x701),
        ("<p>true</p>", BOOL, True),
        ("<p>1</p>", BOOL, True),
        ("<p>0</p>", BOOL, False),
        ("<p>1234</p>", NAME, "1234"),
        ("<p>TRUE</p>", TEXT, "TRUE"),
        ("<p>\n get_time </p>", NAME, "get_time"),
        ('<p type="string"> two  blanks </p>', TEXT, " two  blanks "),
        ('<p type="string"></p>', TEXT, ""),
        ("<p>007</p>", INT, 7),
        ("<p>5</p>", of(Kind.FLOAT), 5.0),
        # The broadcast address as the manual prints it, with one octet too many, and with eight.
        ('<p type="MAC">00:00:00:00:00:00:00:FF:FF</p>', MAC, BROADCAST),
        ('<p type="MAC">00:00:00:00:00:00:FF:FF</p>', MAC, BROADCAST),
        # One value on the air, with sign and without.
        ("<p>0x8000</p>", either_sign(16, signed=True), -0x8000),
        ("<p>-0x8000</p>", either_sign(16, signed=True), -0x8000),
        ("<p>-0x8000</p>", either_sign(16, signed=False), 0x8000),
        ("<p>-128</p>", either_sign(8, signed=False), 0x80),
        ("<p>128</p>", either_sign(8, signed=True), -128),
        # A key and a code: an int, hex digits, or text with what separates its groups.
        ("<p>0x1234567890123456789012345678901F</p>", of(Kind.INT, Kind.BASE16), 0x1234567890123456789012345678901F),
        ("<p>83FED3407A932B70</p>", of(Kind.STRING, Kind.BASE16, Kind.BASE64), "83FED3407A932B70"),
        ("<p>12 34 ab</p>", of(Kind.BASE16), Octets(b"\x124\xab")),
    ],
)
def test_what_real_clients_write(markup: str, type_: Type, value: Value) -> None:
    found = read(markup, type_)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("markup", "type_", "words"),
    [
        ('<p type="int">twelve</p>', INT, "int 'twelve'; allowed: digits, or hex digits after 0x"),
        ("<p>twelve</p>", INT, "'twelve'; allowed: int"),
        ("<p>256</p>", U8, "256; allowed: int from 0x0 to 0xff"),
        ("<p>-1</p>", U8, "-1; allowed: int from 0x0 to 0xff"),
        ('<p type="string">5</p>', INT, "string '5'; allowed: int"),
        ('<p type="bool">maybe</p>', BOOL, "allowed: TRUE or FALSE"),
        ("<p>2</p>", BOOL, "allowed: bool"),
        ('<p type="MAC">00:11:22</p>', MAC, "16 hex digits of an extended address or 4 of a short one"),
        ('<p type="base16">123</p>', ANY, "hex digits, two for each octet"),
        ('<p type="base64">3q2+78r</p>', ANY, "base 64 digits with their padding"),
        ('<p type="none">x</p>', ANY, "no content"),
        ('<p type="float">nan</p>', ANY, "a number, as 3.14159"),
        ('<p type="float">1e999</p>', ANY, "a number, as 3.14159"),
        ('<p type="list">stray<item>1</item></p>', ANY, "tags only"),
        ('<p type="int">4<b/></p>', INT, "with tags inside"),
        ("<p><b>1</b></p>", ANY, "with its type"),
        ('<p type="list"/>', INT, "a list; allowed: int"),
        ('<p type="NoSuchRecord"/>', ANY, "'NoSuchRecord', which there is not"),
        ('<p type="PublishPriceRecords"/>', ANY, "PublishPriceRecord"),
        ('<p type="alias"/>', ANY, "an alias that could not be replaced"),
        ("<p>" + "9" * 5000 + "</p>", INT, "allowed: int"),
        ("<p/>", INT, "empty; allowed: int"),
        ('<p type="list"><item>1</item><item>x</item></p>', list_of(INT), "param[1] is 'x'; allowed: int"),
    ],
)
def test_what_is_refused_says_what_is_allowed(markup: str, type_: Type, words: str) -> None:
    with pytest.raises((ValueRefusedError, ArgumentsRefusedError)) as caught:
        read(markup, type_)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("value", "markup"),
    [
        (0, '<p type="int">0x0</p>'),
        (0x701, '<p type="int">0x701</p>'),
        (0xABCDEF, '<p type="int">0xabcdef</p>'),
        (-0x8000, '<p type="int">-0x8000</p>'),
        (True, '<p type="bool">TRUE</p>'),
        (3.14159, '<p type="float">3.14159</p>'),
        ("a < b & c", '<p type="string">a &lt; b &amp; c</p>'),
        ("\0", '<p type="string">\ufffd</p>'),
        (ADDRESS, '<p type="MAC">00:11:22:33:44:55:66:77</p>'),
        (Mac(b"\xe0\xbb"), '<p type="MAC">E0BB</p>'),
        (BROADCAST, '<p type="MAC">00:00:00:00:00:00:FF:FF</p>'),
        (Octets(b"\xde\xad"), '<p type="base16">DEAD</p>'),
        (Octets(b"\xde\xad", 64), '<p type="base64">3q0=</p>'),
        (None, "<p/>"),
        ([1, ADDRESS], '<p type="list"><item type="int">0x1</item><item type="MAC">00:11:22:33:44:55:66:77</item></p>'),
        (
            {"SE_spec_version": "1.0 revision 15"},
            '<p type="dict"><SE_spec_version type="string">1.0 revision 15</SE_spec_version></p>',
        ),
        ({"4 x": 1}, '<p type="dict"><_4_x type="int">0x1</_4_x></p>'),
        (
            Record("ReadAttributeRecord", {"attribute_id": 0}),
            '<p type="ReadAttributeRecord"><attribute_id type="int">0x0</attribute_id></p>',
        ),
        (Xml("<a/>"), '<p type="xml"><a/></p>'),
    ],
)
def test_what_is_written_bears_its_type_and_ints_are_hex(value: Value, markup: str) -> None:
    assert as_xml.write("p", value) == markup


@pytest.mark.parametrize(
    ("given", "type_", "value"),
    [
        ("0x5E", INT, 0x5E),
        (94, INT, 94),
        ("94", INT, 94),
        ("00:11:22:33:44:55:66:77", MAC, ADDRESS),
        ({"type": "MAC", "value": "0011223344556677"}, ANY, ADDRESS),
        ({"type": "base64", "value": "3q0="}, ANY, Octets(b"\xde\xad", 64)),
        ("5A6967426565416C6C69616E63653039", of(Kind.INT, Kind.BASE16), Octets(b"ZigBeeAlliance09")),
        ("0x12", of(Kind.INT, Kind.BASE16), 0x12),
        ("0x12", ANY, "0x12"),
        ({"type": "list", "value": [1]}, ANY, [1]),
        ({"type": 5}, ANY, {"type": 5}),
        ({"type": "float", "value": 5}, ANY, 5.0),
        ({"type": "float", "value": "2.5"}, ANY, 2.5),
        ({"type": "int", "value": "0x10"}, ANY, 16),
        ({"type": "int", "value": 16}, ANY, 16),
        ({"type": "string", "value": "0x10"}, ANY, "0x10"),
        ({"type": "dict", "value": {"a": 1}}, ANY, {"a": 1}),
        ({"type": "xml", "value": "<a/>"}, ANY, Xml("<a/>")),
        ({"type": "none", "value": None}, ANY, None),
        (5, types.FLOAT, 5.0),
        (0x0011223344556677, MAC, ADDRESS),
        (1, BOOL, True),
        (
            {"type": "ReadAttributeRecord", "attribute_id": 4},
            ANY,
            Record("ReadAttributeRecord", {"attribute_id": 4}),
        ),
        ({"type": "cube", "sides": 6}, ANY, {"type": "cube", "sides": 6}),
    ],
)
def test_json_says_the_same(given: object, type_: Type, value: Value) -> None:
    assert as_json.read(given, type_, "param", CONTEXT) == value


@pytest.mark.parametrize(
    ("given", "type_", "words"),
    [
        ("5E", INT, "text '5E'; allowed: int"),
        (True, INT, "bool True; allowed: int"),
        (60.5, INT, "float 60.5; allowed: int"),
        ([], INT, "a list; allowed: int"),
        ({}, INT, "an object; allowed: int"),
        (None, INT, "empty; allowed: int"),
        ({"type": "NoSuch"}, types.record("PublishPriceRecord"), "'NoSuch', which there is not"),
        (
            {"type": "ReadAttributeRecord"},
            types.record("PublishPriceRecord"),
            "a ReadAttributeRecord; allowed: Publish",
        ),
        ("<a>", types.XML, "no XML (line 1"),
        (10**400, types.FLOAT, "a number that is far too long; allowed: float"),
        ({"type": "float", "value": 10**400}, ANY, "a number that is far too long; allowed: float"),
        ({"type": "int", "value": "x"}, ANY, "int 'x'; allowed: digits"),
        ({"type": "int", "value": 1.5}, ANY, "no int"),
        ({"type": "list", "value": {}}, ANY, "a list"),
        ({"type": "list", "value": []}, INT, "a list; allowed: int"),
        ({"type": "MAC", "value": 5}, ANY, "no MAC"),
        (1 << 70, U8, "allowed: int from 0x0 to 0xff"),
        ("01", Type(kinds=(Kind.BASE16,), octets=2), "1 octets; allowed: base16 of 2 octets"),
    ],
)
def test_json_that_is_refused_says_what_is_allowed(given: object, type_: Type, words: str) -> None:
    with pytest.raises((ValueRefusedError, ArgumentsRefusedError)) as caught:
        as_json.read(given, type_, "param", CONTEXT)
    assert words in str(caught.value)


def test_json_that_is_nested_without_end_is_refused() -> None:
    given: list[object] = []
    for _ in range(100):
        given = [given]
    with pytest.raises(ValueRefusedError, match="nested too deeply"):
        as_json.read(given, ANY, "param", CONTEXT)


def test_ints_that_javascript_would_round_are_text_in_json() -> None:
    key = 0x1234567890123456789012345678901F
    assert as_json.write(key, INT, TABLE.records) == hex(key)
    assert as_json.write(key, ANY, TABLE.records) == {"type": "int", "value": hex(key)}
    assert as_json.write(2**53 - 1, INT, TABLE.records) == 2**53 - 1


def test_an_address_knows_what_it_is() -> None:
    assert ADDRESS.eui64 == Eui64(0x0011223344556677)
    assert ADDRESS.short is None
    assert Mac.of(Eui64(5)).octets == bytes(7) + b"\x05"
    assert Mac.of(0x1397) == Mac.parse("1397")
    assert Mac.of(0x1397).short == 0x1397
    assert BROADCAST.eui64 is None
    assert BROADCAST.is_broadcast


def test_handlers_take_values_by_their_kind() -> None:
    record = Record("ReadAttributeRecord", {"attribute_id": 4})
    given: dict[str, Value] = {
        "number": 5, "switch": True, "text": "a", "address": ADDRESS, "short": Mac(b"\0\1"), "data": Octets(b"a"),
        "record": record, "records": [record], "none": None,
    }  # fmt: skip
    assert (fields.number(given, "number"), fields.maybe_number(given, "none")) == (5, None)
    assert (fields.is_on(given, "switch"), fields.maybe_is_on(given, "missing")) == (True, None)
    assert (fields.text(given, "text"), fields.maybe_text(given, "missing")) == ("a", None)
    assert (fields.mac(given, "short"), fields.maybe_mac(given, "missing")) == (Mac(b"\0\1"), None)
    assert fields.device(given, "address") == Eui64(0x0011223344556677)
    assert fields.octets(given, "data") == Octets(b"a")
    assert (fields.record(given, "record"), fields.maybe_record(given, "none")) == (record, None)
    assert fields.records(given, "records") == [record]
    with pytest.raises(ValueRefusedError, match="the extended address of one device"):
        fields.device(given, "short")
    with pytest.raises(TypeError, match="switch is a bool, not a int"):
        fields.number(given, "switch")
    with pytest.raises(KeyError):
        fields.number(given, "missing")
