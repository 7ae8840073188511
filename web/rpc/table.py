"""The table: every request, response and record there is, each declared once.

Argument checks, help, the JSON schema, completion and forms are made from it. A module that is added brings rows of
its own: `Table.with_rows`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from web.rpc.declare import RecordRow, RequestRow, ResponseRow
from web.rpc.rows import general, ours, records, smart_energy, zcl, zigbee
from web.rpc.rows.shared import REQUEST_IDENTIFIER

NEAR, ALIKE = 3, 0.6
"""Names that are shown for one that does not exist, and how much they must be alike."""
GET_RESPONSES = "get_responses"
"""What the mailbox is asked with; no request of the table, since it has a target of its own."""
MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows by name; look-ups do not mind case."""

    requests: Mapping[str, RequestRow]
    responses: Mapping[str, ResponseRow]
    records: Mapping[str, RecordRow]
    _lower: tuple[Mapping[str, RequestRow], Mapping[str, RecordRow]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_name: dict[str, RecordRow] = {}
        for row in self.records.values():
            for name in (row.name, *row.names):
                by_name[_plain(name)] = row
        object.__setattr__(self, "_lower", ({name.lower(): row for name, row in self.requests.items()}, by_name))

    def request(self, name: str) -> RequestRow | None:
        """A request by its name."""
        return self.requests.get(name) or self._lower[0].get(name.strip().lower())

    def record(self, name: str) -> RecordRow | None:
        """A class of records by its name, or by a misprint of it."""
        return self.records.get(name) or self._lower[1].get(_plain(name))

    def near(self, name: str) -> tuple[str, ...]:
        """Requests that are called much like `name`, the nearest first."""
        return near(name, self.requests)

    def with_rows(
        self,
        requests: Iterable[RequestRow] = (),
        responses: Iterable[ResponseRow] = (),
        records: Iterable[RecordRow] = (),
    ) -> Table:
        """A table with more rows. A row of the same name takes the place of the one there is."""
        return Table(
            {**self.requests, **{row.name: _with_identifier(row) for row in requests}},
            {**self.responses, **{row.name: row if row.is_unsolicited else _answer(row) for row in responses}},
            {**self.records, **{row.name: row for row in records}},
        )


def near(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Names that are alike, the nearest first."""
    by_lower = {one.lower(): one for one in known}
    # Long names cost quadratic time, and are like nothing anyway.
    found = difflib.get_close_matches(name.strip().lower()[:80], by_lower, NEAR, ALIKE)
    return tuple(by_lower[one] for one in found)


def _plain(name: str) -> str:
    # The manual breaks one name over two lines, and clients type them by hand.
    return "".join(name.split()).lower()


def _with_identifier(row: RequestRow) -> RequestRow:
    return replace(row, params=(*row.params, REQUEST_IDENTIFIER))


def _answer(row: ResponseRow) -> ResponseRow:
    return replace(row, params=(*row.params, replace(REQUEST_IDENTIFIER, meaning="that of the request")))


_MODULES = (general, zigbee, zcl, smart_energy, ours)
TABLE = Table({}, {}, {}).with_rows(
    [row for module in _MODULES for row in module.REQUESTS],
    [row for module in _MODULES for row in module.RESPONSES],
    records.ROWS,
)
"""What the hub has before anybody adds a module."""
