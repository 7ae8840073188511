"""What a cluster has: attributes and commands, as rows of data. A cluster's rows are text, read when first asked for.

    0x0000 current_level uint8 rp range=0..254
    > 0x00 move_to_level level:uint8 transition_time:uint16
    < 0x00 ...

An attribute row is id, name, data type, access (r read, w write, p reportable, s scene) and then options: `unit=`,
`values=` (an enumeration: 0:off,1:on) or `bits=` (a bitmap: 0:low_battery), `range=`, `scale=` (to multiply by),
`mfr=` (manufacturer code). A row with `n=1..15` stands for as many, ids `step=` (1) apart, with the number for `{n}` in
the name; `t=1..15` for as many again, 16 apart, with `{t}`. Rows behind `client:` are the client side's.

Commands: `>` to the server, `<` to the client, then id, name and fields; `?` behind a field's name: an optional tail.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from protocols.zcl.datatypes import BY_NAME


class AttributeDef(NamedTuple):
    """A row of an attribute table."""

    id: int
    name: str
    type: int
    access: str = "r"
    unit: str = ""
    scale: float = 1.0
    """What a raw value is multiplied by to be in `unit`, where that is fixed by the standard."""
    values: Mapping[int, str] = {}
    """Names of an enumeration's values, or of a bitmap's bits."""
    is_bitmap: bool = False
    minimum: int | None = None
    maximum: int | None = None
    manufacturer: int | None = None

    @property
    def is_writable(self) -> bool:
        """Whether the standard lets it be written."""
        return "w" in self.access

    @property
    def is_reportable(self) -> bool:
        """Whether the standard lets it be reported."""
        return "p" in self.access


class CommandDef(NamedTuple):
    """A row of a command table."""

    id: int
    name: str
    to_server: bool
    fields: tuple[tuple[str, str], ...] = ()
    """Name and data type; a name that ends in `?` is an optional tail."""


@dataclass(frozen=True, slots=True)
class ClusterDef:
    """A cluster's tables. Attributes are by (id, manufacturer code or None)."""

    id: int
    name: str
    server: Mapping[tuple[int, int | None], AttributeDef] = field(default_factory=dict)
    client: Mapping[tuple[int, int | None], AttributeDef] = field(default_factory=dict)
    commands: tuple[CommandDef, ...] = ()

    def attribute(
        self, attribute: int, manufacturer: int | None = None, *, client: bool = False
    ) -> AttributeDef | None:
        """The row of an attribute. Makers report their own attributes with and without their code: both are found."""
        table = self.client if client else self.server
        found = table.get((attribute, manufacturer))
        if found is not None or manufacturer is not None:
            return found
        return next((row for row in table.values() if row.id == attribute), None)

    def command(self, command: int, *, to_server: bool) -> CommandDef | None:
        """The row of a command."""
        return next((row for row in self.commands if row.id == command and row.to_server is to_server), None)


def read_rows(cluster: int, name: str, rows: str) -> ClusterDef:
    """A cluster's tables out of their text. Raises `ValueError` for a row that is wrong: our own fault."""
    server: dict[tuple[int, int | None], AttributeDef] = {}
    client: dict[tuple[int, int | None], AttributeDef] = {}
    commands: list[CommandDef] = []
    table = server
    for line in rows.splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "client:":
            table = client
        elif words[0] in "<>":
            described = tuple(_field(word) for word in words[3:])
            commands.append(CommandDef(int(words[1], 16), words[2], words[0] == ">", described))
        else:
            for row in _attributes(words):
                table[row.id, row.manufacturer] = row
    return ClusterDef(cluster, name, server, client, tuple(commands))


def _field(word: str) -> tuple[str, str]:
    name, separator, kind = word.partition(":")
    if not separator:
        raise ValueError(f"command field {word!r} has no type")
    return name, kind


TIER_STEP = 0x10
"""From one tier to the next (SE 1.2, D.4.2.2)."""


def _attributes(words: list[str]) -> Iterator[AttributeDef]:
    """The attributes of a row: one, or as many as it stands for."""
    options = dict(word.partition("=")[::2] for word in words[4:])
    row = _attribute(words, options)
    step = int(options.get("step", 1))
    for tier, tier_number in enumerate(_numbers(options.get("t", ""))):
        for place, number in enumerate(_numbers(options.get("n", ""))):
            name = row.name.replace("{t}", tier_number).replace("{n}", number)
            yield row._replace(id=row.id + TIER_STEP * tier + step * place, name=name)


def _numbers(span: str) -> list[str]:
    first, _, last = span.partition("..")
    return [str(number) for number in range(int(first), int(last) + 1)] if span else [""]


def _attribute(words: list[str], options: Mapping[str, str]) -> AttributeDef:
    names = options.get("values") or options.get("bits") or ""
    values = {int(number, 0): text for number, _, text in (pair.partition(":") for pair in names.split(",") if pair)}
    low, _, high = options.get("range", "").partition("..")
    return AttributeDef(
        id=int(words[0], 16),
        name=words[1],
        type=BY_NAME[words[2]].id,
        access=words[3],
        unit=options.get("unit", "").replace("_", " "),
        scale=float(options.get("scale", 1)),
        values=values,
        is_bitmap="bits" in options,
        minimum=int(low, 0) if low else None,
        maximum=int(high, 0) if high else None,
        manufacturer=int(options["mfr"], 16) if "mfr" in options else None,
    )
