"""XML from anybody: what is good is a tree, what is hostile is refused at once."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from web.rpc import markup
from web.rpc.markup import XmlError, XmlLimitError, parse, parse_inside

BOMB = """<?xml version="1.0"?>
<!DOCTYPE lolz [
 <!ENTITY lol "lol">
 <!ENTITY lol1 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">
 <!ENTITY lol2 "&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;">
 <!ENTITY lol3 "&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;">
]>
<get_time>&lol3;</get_time>"""


def test_a_document_is_a_tree_with_lines_and_columns() -> None:
    root = parse(b'<a x=" 1 ">one<b/>two<!-- not this --><?nor this?>\n  <c>three</c></a>')
    assert (root.tag, root.text, root.get("X"), root.get("y")) == ("a", "one", "1", None)
    first, second = root.children
    assert (first.tag, first.tail, second.text) == ("b", "two\n  ", "three")
    assert (second.line, second.column) == (2, 3)
    assert root.child("c") is second
    assert root.has_stray_text


def test_blank_lines_and_a_mark_before_the_declaration_do_not_matter() -> None:
    assert parse(b'\xef\xbb\xbf\n <?xml version="1.0" encoding="UTF-8"?><get_time/>').tag == "get_time"


@pytest.mark.parametrize(
    "document",
    [
        BOMB,
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1/p.dtd"> %p;]><a/>',
        "<!DOCTYPE a><a/>",
        '<!DOCTYPE a [<!ATTLIST a b CDATA "default">]><a/>',
    ],
)
def test_document_types_and_entities_are_refused(document: str) -> None:
    with pytest.raises(XmlLimitError, match="document types and entities are not taken"):
        parse(document.encode())


def test_an_entity_that_nobody_has_declared_is_an_error() -> None:
    with pytest.raises(XmlError, match=r"line 1, column 4: undefined entity"):
        parse(b"<a>&nbsp;</a>")


@pytest.mark.parametrize(
    ("document", "line", "column"),
    [
        ("<a>\n  <b></c>\n</a>", 2, 8),
        ("<a", 1, 1),
        ("<a/><b/>", 1, 5),
        ("\n\n<a>\n&</a>", 4, 2),
        ("not xml", 1, 1),
        ("<a x='1' x='2'/>", 1, 10),
        ("<a>\0</a>", 1, 4),
        ("\ufeff \n  <a>&b;</a>", 2, 6),
        ("  <!DOCTYPE a><a/>", 1, 14),
    ],
)
def test_what_is_not_well_formed_is_told_with_line_and_column(document: str, line: int, column: int) -> None:
    with pytest.raises(XmlError) as caught:
        parse(document.encode())
    assert (caught.value.line, caught.value.column) == (line, column)
    assert str(caught.value).startswith(f"line {line}, column {column}: ")


@pytest.mark.parametrize(
    ("markup", "line", "column"),
    [("<a>", 1, 4), ("<a/>\n <b", 2, 4), ("x<!DOCTYPE a>", 1, 4), ("</a>", 1, 3), ("</xml>", 1, 7)],
)
def test_what_stands_inside_of_a_tag_has_lines_and_columns_of_its_own(markup: str, line: int, column: int) -> None:
    with pytest.raises(XmlError) as caught:
        parse_inside(markup)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize("encoding", ["UTF8", "utf-8", "latin1", "ISO-8859-1", "ascii", "us-ascii"])
def test_encodings_go_by_their_usual_names(encoding: str) -> None:
    assert parse(b"<a>b</a>", encoding).text == "b"


@pytest.mark.parametrize("document", [b"", b"  \n", b"\xef\xbb\xbf"])
def test_nothing_is_no_document(document: bytes) -> None:
    with pytest.raises(XmlError, match="there is nothing"):
        parse(document)


@pytest.mark.parametrize(
    ("document", "encoding"),
    [
        (b'<?xml version="1.0" encoding="UTF-7"?><a/>', None),
        (b'<?xml version="1.0" encoding="cp037"?><a/>', None),
        (b'<?xml version="1.0" encoding="windows-1252"?><a/>', None),
        ("<a/>".encode("utf-16"), None),
        ("<a/>".encode("utf-16-be"), None),
        ("<a/>".encode("utf-32"), None),
        (b"<a/>", "utf-16"),
        (b"<a/>", "shift_jis"),
        (b"<a>\xe4</a>", None),
        (b"<a>\xe4</a>", "us-ascii"),
        ('<?xml version="1.0" encoding="us-ascii"?><a>ä</a>'.encode(), None),
    ],
)
def test_other_encodings_are_refused(document: bytes, encoding: str | None) -> None:
    with pytest.raises(XmlError):
        parse(document, encoding)


@pytest.mark.parametrize(
    ("document", "encoding"),
    [
        ("<a>ä</a>".encode(), None),
        (b"<a>\xe4</a>", "ISO-8859-1"),
        (b'<?xml version="1.0" encoding="iso-8859-1"?><a>\xe4</a>', None),
    ],
)
def test_three_encodings_are_read(document: bytes, encoding: str | None) -> None:
    assert parse(document, encoding).text == "ä"


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("<a>" * 100_000, "tags within each other"),
        ("<a>" + "<b/>" * 25_000 + "</a>", "more than 20000 tags"),
        ("<a " + " ".join(f'x{n}="1"' for n in range(50_000)) + "/>", "more than 16 attributes"),
        (f"<{'a' * 1000}/>", "a name of more than"),
        (f"<a b='{'c' * 5000}'/>", "an attribute of more than"),
        ("<a>" + "x" * (1 << 20) + "</a>", "more than 1048576 octets"),
    ],
)
def test_too_much_is_refused_in_bounded_time_and_memory(document: str, words: str) -> None:
    raw = document.encode()
    tracemalloc.start()
    begun = time.perf_counter()
    try:
        with pytest.raises(XmlLimitError, match=words):
            parse(raw)
        taken, (_, most) = time.perf_counter() - begun, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 5
    assert most < 40 << 20


def test_a_megabyte_of_text_is_read_in_no_time() -> None:
    begun = time.perf_counter()
    root = parse(b"<a>" + b"x\n" * 500_000 + b"</a>")
    assert len(root.text) == 1_000_000
    assert time.perf_counter() - begun < 2


def test_what_is_written_is_read_back() -> None:
    text = "<&>\"'\r\n\t]]> ä 😀"
    element = markup.Element("a", {"b": text}, [markup.Element("c", tail=text)], text)
    again = parse(markup.write(element).encode())
    assert (again.text, again.children[0].tail, again.attributes["b"]) == (text, text, text)
    assert markup.write(again) == markup.write(element)
