"""Whether a response is what its row says: for the tests of every handler."""

from __future__ import annotations

from hub.clock import ManualClock
from web.rpc import as_xml
from web.rpc.build import Context, build
from web.rpc.markup import parse
from web.rpc.response import Response
from web.rpc.table import TABLE, Table
from web.rpc.types import ANY
from web.rpc.values import Values


def assert_fits(response: Response, table: Table = TABLE) -> None:
    """Every parameter is declared, of its type and within its range, none that must be there is missing, and their
    order is that of the row; records likewise."""
    row = table.responses[response.name]
    element = parse(as_xml.write_response(response, row).encode())
    given = {child.tag.lower(): child for child in element.children}
    others = ANY if row.has_free_names else None
    required = () if row.has_free_names else row.params
    context = Context(table, ManualClock().now(), reads_answers=True)
    read: Values = build(
        required, row.by_name if required else {}, as_xml.arguments(element, context), context, others=others
    )
    assert len(given) == len(element.children)
    order = [param.name for param in row.params if param.name in read]
    assert [name for name in response.parameters if name in order] == order
