"""Key establishment by the hub: two hubs, two radios that only encrypt, and real exchanges between them."""

from __future__ import annotations

import pytest
from zigbee_pair import (
    BOTH,
    CENTRE,
    GUEST,
    PRECONFIGURED,
    Pair,
    all_have_keys,
)
from zigbee_pair import pair as pair

from protocols.se.key_establishment import Suite
from tests.hub.waiting import eventually


@pytest.mark.parametrize("suites", [(BOTH[0],), (BOTH[1],), BOTH], ids=["suite 1", "suite 2", "both"])
async def test_a_router_and_its_trust_centre_establish_keys(pair: Pair, suites: tuple[Suite, ...]) -> None:
    pair.certify_both(*suites)
    async with pair.both() as (centre, guest):
        await eventually(lambda: all_have_keys([(centre, GUEST), (guest, CENTRE)]))
        [ours], [theirs] = (
            centre.link_keys.established("centre").values(),
            guest.link_keys.established("guest").values(),
        )
        assert ours.key == theirs.key == pair.centre.keys[GUEST] == pair.guest.keys[CENTRE] != PRECONFIGURED
        assert ours.suite == theirs.suite == max(suites)
        assert ours.public_key != theirs.public_key
        assert [command for _, command, _ in pair.air.messages] == [0, 0, 1, 1, 2, 2]
