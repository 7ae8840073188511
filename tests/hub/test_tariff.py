"""Block and tier data of the Price server: attributes that are there as long as they are told."""

from __future__ import annotations

import pytest

from hub.errors import InvalidError
from hub.smart_energy.price_server import PriceServer
from hub.smart_energy.server_clusters import PriceServerCluster
from hub.smart_energy.tariff import Tariff, from_text, to_text
from protocols.se.base import SeVersion
from protocols.se.price import PublishPrice
from protocols.zcl.header import Direction, FrameType, ZclHeader

NOW = 850_000_000
TARIFF = Tariff(
    tier_labels=("night", "Tag ü"),
    block_thresholds=(100_000, 500_000),
    threshold_multiplier=1,
    threshold_divisor=1000,
    period_start=NOW,
    period_min=43_200,
    commodity_type=0,
    standing_charge=3500,
    block_prices={0: (2500,), 2: (2800, 3100)},
)


def asked(cluster: PriceServerCluster, command: int, payload: str) -> str:
    """What a general command is answered with, in hex."""
    header = ZclHeader(FrameType.GENERAL, Direction.TO_SERVER, 7, command)
    return cluster.general(header, bytes.fromhex(payload), 200, 0.0).responses[0].payload.hex(" ")


def hosted(server: PriceServer) -> PriceServerCluster:
    return PriceServerCluster(server, lambda: NOW, None, SeVersion.V1_1)  # type: ignore[arg-type]


def test_what_is_told_is_read_as_attributes_and_nothing_else_is_there() -> None:
    server = PriceServer()
    cluster = hosted(server)
    assert asked(cluster, 0x0C, "0000 ff") == "01 fd ff 21"  # the revision alone
    server.tariff = TARIFF
    assert asked(cluster, 0x00, "0100 0101 0f01 1104") == " ".join(
        (
            "01 00 00 41 06 54 61 67 20 c3 bc",
            "01 01 00 25 20 a1 07 00 00 00",
            "0f 01 00 20 02",
            "11 04 86",  # tier 1 has no block prices
        )
    )
    assert asked(cluster, 0x00, "0002 0102 0202 0302 0003 0103 0004 2104") == " ".join(
        (
            "00 02 00 e2 80 02 aa 32".replace("80 02 aa 32", NOW.to_bytes(4, "little").hex(" ")),
            "01 02 00 22 c0 a8 00",
            "02 02 00 22 01 00 00",
            "03 02 00 22 e8 03 00",
            "00 03 00 30 00",
            "01 03 00 23 ac 0d 00 00",
            "00 04 00 23 c4 09 00 00",
            "21 04 00 23 1c 0c 00 00",
        )
    )
    server.tariff = Tariff()
    assert asked(cluster, 0x00, "0100") == "01 00 86"


def test_labels_of_tiers_come_from_prices_where_the_tariff_has_none() -> None:
    server = PriceServer()
    cluster = hosted(server)
    for number, tier, label in ((1, 2, "old"), (2, 2, "peak"), (3, 1, "night")):
        wire = PublishPrice(
            provider_id=1, rate_label=label, issuer_event_id=number, current_time=0, unit_of_measure=0, currency=978,
            price_trailing_digit_and_tier=0x40 | tier, number_of_price_tiers_and_register_tier=0x20,
            start_time=NOW + 7200 * number, duration_min=60, price=2500,
        )  # fmt: skip
        server.create(wire, NOW)
    assert asked(cluster, 0x00, "0000 0100 0200") == "00 00 00 41 05 6e 69 67 68 74 01 00 00 41 04 70 65 61 6b 02 00 86"
    server.tariff = Tariff(tier_labels=("", "day"))
    assert asked(cluster, 0x00, "0000 0100") == "00 00 00 41 05 6e 69 67 68 74 01 00 00 41 03 64 61 79"


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"tier_labels": ("x" * 13,)}, "tier_labels"),
        ({"tier_labels": ("a",) * 16}, "tier_labels"),
        ({"block_thresholds": (2, 2)}, "block_thresholds"),
        ({"block_thresholds": (0,)}, "block_thresholds"),
        ({"block_thresholds": tuple(range(1, 17))}, "block_thresholds"),
        ({"block_thresholds": (1 << 48,)}, "block_thresholds"),
        ({"threshold_divisor": 0}, "threshold_divisor"),
        ({"period_min": 0xFFFFFF}, "period_min"),
        ({"standing_charge": -1}, "standing_charge"),
        ({"block_prices": {16: (1,)}}, "block_prices"),
        ({"block_prices": {0: (1,) * 17}}, "block_prices"),
        ({"block_prices": {0: (1 << 32,)}}, "block_prices"),
    ],
)
def test_what_is_wrong_with_a_tariff_is_named(fields: dict[str, object], name: str) -> None:
    with pytest.raises(InvalidError) as found:
        Tariff(**fields)  # type: ignore[arg-type]
    assert found.value.field == name


def test_a_tariff_is_kept_as_it_is() -> None:
    assert from_text(to_text(TARIFF)) == TARIFF
    for text in ("", "[]", "{}", to_text(TARIFF).replace("43200", "0")):
        with pytest.raises(ValueError):
            from_text(text)
