"""What the statuses of an XBee's transmissions say of a device: silence counts, the module's own troubles do not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hub.hub import Hub
from hub.model import Availability
from hub.registry import MAX_SEQUENTIAL_TX_FAILURES, MAX_SOCKET_RETRIES, TX_STATUS_TIMEOUT
from hub.zigbee.member import Member
from protocols.xbee.status import DeliveryStatus
from protocols.zdo import IeeeAddressRequest, IeeeAddressResponse
from radios.api import DeliveryError, NoLinkKeyError, NoReplyError
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from tests.flows.test_xbee_home import hub_on, is_interviewed, name_of
from tests.hub.waiting import eventually

SILENCES = (0x01, 0x21, 0x24, 0x25)
TROUBLES = (0x02, 0x03, 0x15, 0x18, 0x22, 0x2B, 0x2C, 0x2D, 0x2E, 0x31, 0x32, 0x74, 0x75, 0xBB, 0xEE)
"""Of the module, or of the frame; the last is no status that anybody knows."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)
    monkeypatch.setattr("radios.xbee.driver.BACK_OFFS_S", (0.01, 0.01, 0.01))


@asynccontextmanager
async def quiet_plug(folder: Path) -> AsyncIterator[tuple[XbeeEmulator, Hub, Member]]:
    """A plug that was interviewed and says nothing any more, so that nothing but its sends is counted."""
    async with XbeeEmulator(XbeeConfig(devices=("plug",), joined=(0,))) as module, hub_on(module, folder) as hub:
        [plug] = module.devices
        plug.report_now(1, 0x0006, 0x0000)
        await eventually(lambda: is_interviewed(hub, plug))
        plug.set_power(False)
        member = hub.household.members[plug.ieee]
        network = hub.household.networks["han"]
        await eventually(lambda: not len(network.conversations))
        yield module, hub, member


async def ask(hub: Hub, member: Member) -> None:
    assert member.short is not None
    await hub.household.networks["han"].zdo_request(member, IeeeAddressRequest(member.short), IeeeAddressResponse)


async def test_silences_of_the_far_end_are_counted_and_make_it_inactive(tmp_path: Path) -> None:
    async with quiet_plug(tmp_path) as (module, hub, member):
        await hub.registry.set(MAX_SEQUENTIAL_TX_FAILURES, len(SILENCES) + 1)
        before = member.failures
        for number, status in enumerate(SILENCES, 1):
            module.outcomes = [status]
            with pytest.raises(DeliveryError) as caught:
                await ask(hub, member)
            assert (caught.value.code, caught.value.is_silence) == (status, True)
            assert member.failures - before == number
        assert hub.devices.get(member.device_id).availability is Availability.AVAILABLE
        await hub.registry.set(TX_STATUS_TIMEOUT, 1)
        module.outcomes = [None]
        with pytest.raises(NoReplyError, match=r"did not answer a transmission.* within 1 s"):
            await ask(hub, member)
        assert member.failures - before == len(SILENCES) + 1
        assert hub.devices.get(member.device_id).availability is Availability.UNAVAILABLE


async def test_the_modules_own_troubles_say_nothing_of_a_device(tmp_path: Path) -> None:
    async with quiet_plug(tmp_path) as (module, hub, member):
        module.outcomes = [0x21]
        with pytest.raises(DeliveryError):
            await ask(hub, member)
        before, counted = member.failures, hub.household.networks["han"].counters["undelivered"]
        assert before
        for status in TROUBLES:
            module.outcomes = [status] * (4 if status in (0x18, 0x31, 0x32) else 1)
            with pytest.raises(DeliveryError) as caught:
                await ask(hub, member)
            assert (caught.value.code, caught.value.is_silence) == (status, False)
            assert isinstance(caught.value, NoLinkKeyError) is (status in (0x2E, 0xBB))
            assert module.outcomes == []
            # It is neither one more silence nor the end of a row of them.
            assert (member.failures, member.is_active) == (before, True)
        assert hub.household.networks["han"].counters["undelivered"] == counted
        assert hub.devices.get(name_of(module.devices[0])).availability is Availability.AVAILABLE


async def test_a_module_without_room_is_asked_again_as_often_as_the_registry_says(tmp_path: Path) -> None:
    async with quiet_plug(tmp_path) as (module, hub, member):
        for retries in (5, 0):
            await hub.registry.set(MAX_SOCKET_RETRIES, retries)
            module.outcomes = [0x18] * (retries + 2)
            with pytest.raises(DeliveryError):
                await ask(hub, member)
            assert len(module.outcomes) == 1


def test_every_status_is_one_or_the_other() -> None:
    sure = {int(status) for status in DeliveryStatus if not status.is_delivered}
    assert sure - {0x26} == set(SILENCES) | set(TROUBLES) - {0xEE}
