"""Records: frozen dataclasses with slots, made quickly."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, field, fields, replace

import pytest

from protocols.emcb import DeviceStatus
from protocols.fields import Frame
from protocols.record import Record, record
from protocols.se.price import PublishPrice
from protocols.zigate.responses import Version


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


@pytest.mark.parametrize("kind", [DeviceStatus, Version, PublishPrice], ids=lambda kind: kind.__name__)
def test_what_is_decoded_is_filled_as_any_plain_object_is(kind: type[Record]) -> None:
    """One of the two left to the base costs a call for each field: decoding takes twice as long."""
    read = kind._build if issubclass(kind, Frame) else kind._read  # type: ignore[attr-defined]
    scope = read.__globals__
    twins = [one for name, one in scope.items() if isinstance(one, type) and "twin" in name]
    assert twins
    for twin in twins:
        assert (twin.__setattr__, twin.__delattr__) == (object.__setattr__, object.__delattr__)
