"""Records: frozen dataclasses with slots, made quickly."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, field, fields, replace

import pytest

from protocols.record import Record, record


@record
class Row(Record):
    number: int
    text: str = "x"
    key: bytes = field(default=b"", repr=False)


@record(kw_only=True)
class Longer(Row):
    more: tuple[int, ...] = ()


def test_a_record_is_made_compared_and_shown_by_its_fields() -> None:
    assert Row(1) == Row(1, "x") != Row(2)
    assert hash(Row(1, "y")) == hash(Row(1, "y"))
    assert Longer(1, more=(2,)) == replace(Longer(1), more=(2,))
    assert Row(1) != Longer(1)
    assert [one.name for one in fields(Longer)] == ["number", "text", "key", "more"]
    assert repr(Longer(1, key=b"secret")) == "Longer(number=1, text='x', more=())"
    assert {Row(1): "a"}[Row(1)] == "a"
    with pytest.raises(TypeError):
        Longer(1, "x", b"", (2,))  # type: ignore[misc]


def test_a_record_does_not_change_and_has_no_other_attributes() -> None:
    row = Row(1)
    with pytest.raises(FrozenInstanceError, match="number"):
        row.number = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError, match="number"):
        del row.number
    with pytest.raises(AttributeError):
        row.other = 2  # type: ignore[attr-defined]
    assert row == Row(1)
    assert not hasattr(row, "__dict__")
