"""Arguments of any request, and values of any type, made from the table."""

from __future__ import annotations

from hypothesis import strategies as st

from web.rpc.declare import Default, Param, RecordRow, RequestRow
from web.rpc.markup import parse_inside, write_inside
from web.rpc.table import TABLE
from web.rpc.types import Kind, Type
from web.rpc.values import Mac, Octets, Record, Value, Values, Xml

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True)
TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
    | st.sampled_from("\t\n\r<>&\"' "),
    max_size=20,
)
MARKUPS = st.sampled_from(
    [
        "",
        "text",
        "<a/>",
        '<destination_address type="MAC">00:11:22:33:44:55:66:77</destination_address>',
        '<get_time synchronous="TRUE"/><get_version/>',
        "<dead><parrot>This is a late parrot! It's a stiff &amp; bereft of life</parrot> tail</dead>",
    ]
)


def values(type_: Type, depth: int = 2) -> st.SearchStrategy[Value]:
    """Values of a type."""
    found = [strategy for kind in type_.kinds if (strategy := _of_kind(kind, type_, depth)) is not None]
    return st.one_of(found)


def _of_kind(kind: Kind, type_: Type, depth: int) -> st.SearchStrategy[Value] | None:
    match kind:
        case Kind.BOOL:
            return st.booleans()
        case Kind.INT:
            if type_.meanings:
                return st.sampled_from(sorted(type_.meanings))
            return st.integers(
                type_.minimum if type_.minimum is not None else -(1 << 70),
                type_.maximum if type_.maximum is not None else 1 << 130,
            )
        case Kind.FLOAT:
            return st.floats(allow_nan=False, allow_infinity=False)
        case Kind.STRING:
            return TEXTS.map(str.strip) if type_.is_name else TEXTS
        case Kind.MAC:
            return st.binary(min_size=8, max_size=8).map(Mac) | st.binary(min_size=2, max_size=2).map(Mac)
        case Kind.BASE16 | Kind.BASE64:
            size = type_.octets
            octets = st.binary(min_size=size or 0, max_size=40 if size is None else size)
            return octets.map(lambda data: Octets(data, 16 if kind is Kind.BASE16 else 64))
        case Kind.NONE:
            return st.none()
        case Kind.XML:
            return MARKUPS.map(lambda text: Xml(write_inside(parse_inside(text))))
    if depth == 0:
        return None
    if kind is Kind.LIST:
        if type_.item is None:
            return st.lists(st.integers(0, 255), max_size=3)
        return st.lists(values(type_.item, depth - 1), max_size=3)
    if kind is Kind.RECORD:
        rows = [TABLE.records[name] for name in type_.records or ("ReadAttributeRecord", "ZCL_ArrayRecord")]
        return st.one_of([records(row, depth - 1) for row in rows])
    if type_.fields:
        return arguments(type_.fields, depth - 1)
    return st.dictionaries(NAMES, st.integers(0, 255) | TEXTS, max_size=3)


@st.composite
def arguments(draw: st.DrawFn, params: tuple[Param, ...], depth: int = 3) -> Values:
    """Parameters, those that may be missing sometimes missing, as checking completes them."""
    found: Values = {}
    for param in params:
        if param.is_answer_only:
            continue
        if param.is_required or param.default in (Default.NOW,) or draw(st.booleans()):
            found[param.name] = draw(values(param.type, depth))
        elif not isinstance(param.default, Default):
            found[param.name] = param.default
    return found


def records(row: RecordRow, depth: int) -> st.SearchStrategy[Record]:
    """Records of a class."""
    return arguments(row.params, depth).map(lambda fields: Record(row.name, fields))


def requests(row: RequestRow) -> st.SearchStrategy[Values]:
    """Arguments of a request."""
    if row.has_free_name:
        names = NAMES.filter(lambda name: name.lower() != "request_identifier")
        return st.dictionaries(names, values(row.params[0].type), min_size=1, max_size=1)
    return arguments(row.params)
