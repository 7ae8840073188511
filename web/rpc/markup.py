"""XML as a tree: read without trust, written with escapes.

What is refused is refused at once, in bounded time and memory: document types and entities of any kind (so neither
entity bombs nor files from elsewhere), encodings but three, and more depth, tags, attributes or octets than any request
needs. No name spaces: nothing here has any.

XmlError
└── XmlLimitError   well-formed so far, but too much of it
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self
from xml.parsers import expat

MAX_OCTETS = 1 << 20
"""Of a document; the longest request of the table, with 255 records in a list, takes a tenth."""
MAX_DEPTH = 32
"""Tags within each other: an SCI envelope, a request, a list of records with lists in them take 12."""
MAX_ELEMENTS = 20_000
MAX_ATTRIBUTES = 16
"""Of one tag; envelopes use five."""
MAX_ATTRIBUTE = 4096
"""Characters of an attribute's value."""
MAX_NAME = 200
"""Characters of a name."""
ENCODINGS = ("utf-8", "us-ascii", "iso-8859-1")
_NAMES = {"utf8": "utf-8", "ascii": "us-ascii", "latin1": "iso-8859-1", "latin-1": "iso-8859-1"}
"""What HTTP clients call them, too."""
_AROUND = "<xml>"
_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00<", b"<\x00")
"""How documents in UTF-16 and UTF-32 begin."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.\-]")
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may have, whatever the notation (XML 1.0, 2.2)."""


class XmlError(Exception):
    """A document is not well-formed: what is wrong, and where (both from 1)."""

    def __init__(self, problem: str, line: int = 1, column: int = 1) -> None:
        super().__init__(f"line {line}, column {column}: {problem}")
        self.problem, self.line, self.column = problem, line, column

    def moved(self, lines: int, columns: int) -> Self:
        """The same in a document with so many lines, and columns of the first line, before this one."""
        return type(self)(self.problem, self.line + lines, self.column + (columns if self.line == 1 else 0))


class XmlLimitError(XmlError):
    """A document is larger than any request, or uses what no request needs."""


@dataclass(slots=True)
class Element:
    """A tag with what is in it."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    text: str = ""
    """Before the first child."""
    tail: str = ""
    """After the end of this tag."""
    line: int = 0
    column: int = 0

    def get(self, name: str) -> str | None:
        """An attribute without the blanks around it; clients do not mind case."""
        value = self.attributes.get(name)
        if value is None:
            wanted = name.lower()
            value = next((text for key, text in self.attributes.items() if key.lower() == wanted), None)
        return value.strip() if value is not None else None

    def child(self, tag: str) -> Element | None:
        """The first child of a name."""
        return next((child for child in self.children if child.tag == tag), None)

    @property
    def has_stray_text(self) -> bool:
        """Whether there is text between its children."""
        return bool(self.text.strip()) or any(child.tail.strip() for child in self.children)


# -- reading ---------------------------------------------------------------------------------------------------------


class _Builder:
    """Makes the tree, and stops the parser at the first thing that nobody needs."""

    def __init__(self, encoding: str | None) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._last: Element | None = None
        self._count = 0
        self.parser = parser = expat.ParserCreate(encoding)
        parser.buffer_text = True
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._entity
        parser.ExternalEntityRefHandler = self._external
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text

    def _limit(self, problem: str) -> XmlLimitError:
        return XmlLimitError(problem, self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber + 1)

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ENCODINGS:
            raise self._limit(f"the encoding {encoding[:40]!r} is not taken; allowed: {', '.join(ENCODINGS)}")

    def _doctype(self, _name: str, _system: str | None, _public: str | None, _internal: int) -> None:
        raise self._limit("document types and entities are not taken")

    def _entity(self, *_declared: object) -> None:
        raise self._limit("document types and entities are not taken")

    def _external(self, *_named: object) -> int:
        raise self._limit("document types and entities are not taken")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MAX_ELEMENTS:
            raise self._limit(f"more than {MAX_ELEMENTS} tags")
        if len(self._open) >= MAX_DEPTH:
            raise self._limit(f"more than {MAX_DEPTH} tags within each other")
        if len(attributes) > MAX_ATTRIBUTES:
            raise self._limit(f"more than {MAX_ATTRIBUTES} attributes")
        if len(tag) > MAX_NAME:
            raise self._limit(f"a name of more than {MAX_NAME} characters")
        for name, value in attributes.items():
            if len(name) > MAX_NAME:
                raise self._limit(f"a name of more than {MAX_NAME} characters")
            if len(value) > MAX_ATTRIBUTE:
                raise self._limit(f"an attribute of more than {MAX_ATTRIBUTE} characters")
        parser = self.parser
        element = Element(tag, attributes, line=parser.CurrentLineNumber, column=parser.CurrentColumnNumber + 1)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._last = None

    def _end(self, _tag: str) -> None:
        self._last = self._open.pop()

    def _text(self, text: str) -> None:
        if self._last is not None:
            self._last.tail += text
        elif self._open:
            self._open[-1].text += text


def parse(document: bytes, encoding: str | None = None) -> Element:
    """The root of a document; `encoding` is what the transport says, if it says anything. Raises `XmlError`."""
    encoding = _NAMES.get(encoding.lower(), encoding) if encoding is not None else None
    if len(document) > MAX_OCTETS:
        raise XmlLimitError(f"more than {MAX_OCTETS} octets")
    if encoding is not None and encoding.lower() not in ENCODINGS:
        raise XmlLimitError(f"the encoding {encoding[:40]!r} is not taken; allowed: {', '.join(ENCODINGS)}")
    if document.startswith(_MARKS):
        raise XmlLimitError(f"UTF-16 and UTF-32 are not taken; allowed: {', '.join(ENCODINGS)}")
    # A printed example or a here document begins with a line break, which is no XML before a declaration.
    plain = document.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    if not plain:
        raise XmlError("there is nothing; allowed: one XML document")
    skipped = document[: len(document) - len(plain)].removeprefix(b"\xef\xbb\xbf")
    lines, columns = skipped.count(b"\n"), len(skipped) - skipped.rfind(b"\n") - 1
    builder = _Builder(encoding)
    try:
        builder.parser.Parse(plain, True)
    except expat.ExpatError as error:
        words = expat.ErrorString(error.code) or "not well-formed"
        raise XmlError(words, error.lineno, error.offset + 1).moved(lines, columns) from None
    except XmlError as error:
        raise error.moved(lines, columns) from None
    except ValueError as error:
        # pyexpat's own word for an encoding that it cannot turn into a table.
        raise XmlLimitError(f"the encoding is not taken ({error}); allowed: {', '.join(ENCODINGS)}") from None
    assert builder.root is not None
    return builder.root


def parse_inside(markup: str) -> Element:
    """What stands inside of a tag, as children of a tag that is called `xml`. Raises `XmlError`."""
    try:
        return parse(f"{_AROUND}{markup}</xml>".encode("utf-8", "replace"))
    except XmlError as error:
        last = markup.rpartition("\n")[2]
        found = error.moved(0, -len(_AROUND))
        # What is amiss at the end is found in the tag that was put around it.
        is_behind = found.line == markup.count("\n") + 1 and found.column > len(last)
        raise type(error)(found.problem, found.line, len(last) + 1 if is_behind else found.column) from None


# -- writing ---------------------------------------------------------------------------------------------------------


def escape(text: str) -> str:
    """Text as it stands in a document. Characters that no document may have are replaced."""
    if _FORBIDDEN.search(text) is not None:
        text = _FORBIDDEN.sub("\ufffd", text)
    if "&" in text:
        text = text.replace("&", "&amp;")
    if "<" in text:
        text = text.replace("<", "&lt;")
    if ">" in text:
        text = text.replace(">", "&gt;")
    # A reader makes one line feed of each carriage return that is not escaped.
    return text.replace("\r", "&#13;") if "\r" in text else text


def escape_attribute(text: str) -> str:
    """Text as it stands in an attribute, between double quotes."""
    return escape(text).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")


def tag_of(name: str) -> str:
    """A name as a tag: what tags may not have becomes an underscore."""
    if _NAME.fullmatch(name) is not None:
        return name
    name = _NOT_IN_NAMES.sub("_", name)
    return name if name and (name[0].isalpha() or name[0] == "_") else f"_{name}"


def is_tag(name: str) -> bool:
    """Whether a name can be a tag as it is."""
    return len(name) <= MAX_NAME and _NAME.fullmatch(name) is not None


def write(element: Element) -> str:
    """A tree as a document, without a declaration."""
    parts: list[str] = []
    _write(element, parts)
    return "".join(parts)


def write_inside(element: Element) -> str:
    """What stands inside of a tag."""
    parts = [escape(element.text)]
    for child in element.children:
        _write(child, parts)
        parts.append(escape(child.tail))
    return "".join(parts)


def attributes_of(attributes: Iterable[tuple[str, str]]) -> str:
    """Attributes as they stand in a tag, each with a blank before it."""
    return "".join(f' {name}="{escape_attribute(value)}"' for name, value in attributes)


def _write(element: Element, parts: list[str]) -> None:
    opening = f"<{element.tag}{attributes_of(element.attributes.items())}"
    if not element.text and not element.children:
        parts.append(opening + "/>")
        return
    parts.append(f"{opening}>{escape(element.text)}")
    for child in element.children:
        _write(child, parts)
        parts.append(escape(child.tail))
    parts.append(f"</{element.tag}>")
