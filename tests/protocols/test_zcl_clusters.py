"""Rows of clusters: one row that stands for many, and attributes of Smart Energy at their places."""

from __future__ import annotations

import pytest

from protocols.zcl.clusters import attribute_def, cluster, find_attribute
from protocols.zcl.datatypes import BY_NAME
from protocols.zcl.definition import read_rows
from protocols.zcl.se_rows import SE_ROWS


def test_a_row_stands_for_many() -> None:
    found = read_rows(
        1, "x", "0x0110 tier_{t}_block_{n}_price uint32 r t=2..3 n=1..2\n0x0900 day_{n} uint8 r n=1..3 step=2"
    )
    assert {row.id: row.name for row in found.server.values()} == {
        0x0110: "tier_2_block_1_price", 0x0111: "tier_2_block_2_price",
        0x0120: "tier_3_block_1_price", 0x0121: "tier_3_block_2_price",
        0x0900: "day_1", 0x0902: "day_2", 0x0904: "day_3",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("number", "attribute", "name", "kind", "client"),
    [
        (0x0700, 0x0000, "tier_1_price_label", "octstr", False),
        (0x0700, 0x000E, "tier_15_price_label", "octstr", False),
        (0x0700, 0x01F0, "tier_15_block_1_threshold", "uint48", False),
        (0x0700, 0x01FF, "tier_15_block_threshold_count", "uint8", False),
        (0x0700, 0x04FF, "tier_15_block_16_price", "uint32", False),
        (0x0700, 0x0001, "price_decrease_randomize_minutes", "uint8", True),
        (0x0701, 0x0003, "device_class_value", "uint16", True),
        (0x0702, 0x0109, "current_tier_5_summation_received", "uint48", False),
        (0x0702, 0x011C, "current_tier_15_summation_delivered", "uint48", False),
        (0x0702, 0x0404, "previous_day_consumption_received", "uint24", False),
        (0x0702, 0x0429, "previous_day_6_consumption_received", "uint24", False),
        (0x0702, 0x042C, "previous_day_8_consumption_delivered", "uint24", False),
        (0x0702, 0x043B, "previous_week_5_consumption_received", "uint24", False),
        (0x0702, 0x045A, "previous_month_13_consumption_delivered", "uint32", False),
        (0x0702, 0x07FF, "current_tier_15_block_16_summation_delivered", "uint48", False),
        (0x0702, 0x09FF, "current_tier_15_block_16_summation_received", "uint48", False),
        (0x0702, 0x0C5B, "previous_month_13_alternative_consumption_received", "uint32", False),
        (0x0702, 0x0007, "notification_flags_8", "map32", True),
        (0x0704, 0x0000, "close_tunnel_timeout", "uint16", False),
        (0x0705, 0x0143, "top_up_code_5", "octstr", False),
        (0x0705, 0x055B, "previous_month_13_cost_consumption_received", "uint48", False),
        (0x0800, 0x0000, "key_establishment_suite", "enum16", True),
    ],
)
def test_attributes_of_smart_energy(number: int, attribute: int, name: str, kind: str, client: bool) -> None:
    row = attribute_def(number, attribute, client=client)
    assert row is not None
    assert (row.name, row.type) == (name, BY_NAME[kind].id)
    assert find_attribute(number, name, client=client) == row


def test_no_row_of_smart_energy_takes_the_place_of_another() -> None:
    for number, (_, rows) in SE_ROWS.items():
        found = cluster(number)
        assert found is not None
        sides = rows.split("client:")
        for side, table in zip(sides, (found.server, found.client), strict=False):
            each = [read_rows(number, "x", line).server for line in side.splitlines() if line.strip()]
            assert sum(map(len, each)) == len(table)
