"""The XBee as a router on somebody else's network: the contract, and joining from the first attempt to the last key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from zigbee_contract import Far, ZigbeeContract, hastening, read_model

from protocols.aps import ApsFrame, Delivery, Security
from protocols.install_code import InstallCode
from radios.api import (
    DeliveryError,
    FrameReceived,
    NetworkChanged,
    NetworkInfo,
    NetworkSettings,
    NotReachableError,
    NotSupportedError,
    OptionError,
    RadioConfig,
    RadioLostError,
)
from radios.emulators.stream import StreamFaults
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from radios.emulators.xbee_router import XbeeRouter, XbeeRouterConfig
from radios.xbee import bringup, link
from radios.xbee.driver import DRIVER, XbeeRadio
from radios.xbee.link import XbeeLink
from tests.hub.waiting import eventually

DEVICES = ("plug", "meter", "thermostat")
WIRES = {
    "clean pty": XbeeRouterConfig(devices=DEVICES),
    "clean tcp": XbeeRouterConfig(devices=DEVICES, tcp_port=0),
    "noise": XbeeRouterConfig(devices=DEVICES, faults=StreamFaults(noise=0.5)),
    "lossy": XbeeRouterConfig(devices=DEVICES, faults=StreamFaults(loss=0.2)),
    "damage": XbeeRouterConfig(devices=DEVICES, faults=StreamFaults(damage=0.1, cut=0.1)),
    "API mode 1": XbeeRouterConfig(devices=DEVICES, api_mode=1),
}
LOSSY = frozenset(("lossy", "damage"))
KEY = bytes(range(16))


def config(pipe: str, **options: object) -> RadioConfig:
    return RadioConfig(name="han", driver="xbee", pipe=pipe, options=options, joins=True)


@asynccontextmanager
async def opened_on(module: XbeeEmulator, **options: object) -> AsyncIterator[XbeeRadio]:
    async with DRIVER.open(config(module.pipe_url, **options), None) as radio:
        yield radio


async def until(radio: XbeeRadio, wanted: Callable[[NetworkInfo], bool], within_s: float = 15.0) -> NetworkInfo:
    """Wait until the radio's network is as wanted."""
    await eventually(lambda: wanted(radio.network), within_s)
    return radio.network


async def operational(radio: XbeeRadio) -> NetworkInfo:
    return await until(radio, lambda network: network.is_operational)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.xbee.link.AT_S", 0.6)
    monkeypatch.setattr("radios.xbee.router.LOOK_S", 0.1)
    monkeypatch.setattr("radios.xbee.router.JOIN_INTERVAL_S", 1.0)


class TestXbeeRouter(ZigbeeContract):
    """The contract."""

    @pytest.fixture(params=WIRES)
    async def opened(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Far]:
        lossy = request.param in LOSSY
        if lossy:
            monkeypatch.setattr("radios.xbee.driver.TRANSMIT_STATUS_S", 0.6)
            monkeypatch.setattr("radios.xbee.link.AT_S", 0.5)
            monkeypatch.setattr("radios.xbee.link.REGISTER_S", 0.5)
        monkeypatch.setattr("radios.xbee.link.READ_ATTEMPTS", 10)
        monkeypatch.setattr("radios.xbee.bringup.ATTEMPTS", 10)
        monkeypatch.setattr("radios.xbee.link.PROBE_ATTEMPTS", 10)

        names = ("QUIET_S", "MUTE_S", "LOOK_S") if request.param != "clean pty" else ()
        async with XbeeRouter(WIRES[request.param]) as module, opened_on(module) as radio:
            await operational(radio)
            for device in module.devices:
                module.trust_centre.table[device.ieee] = device.link_key or b""
            yield Far(
                radio,
                {device.kind: device for device in module.devices},
                module.press,
                module.mute,
                module.reset,
                module.kill,
                is_clean=not lossy,
                hasten=hastening(monkeypatch, link, *names),
                is_router=True,
            )


async def test_it_joins_establishes_keys_and_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    start = XbeeRouterConfig(devices=(), is_open=False, is_registered=False)
    async with XbeeRouter(start) as module, opened_on(module) as radio:
        events = aiter(radio.events())
        assert not radio.network.is_operational
        with pytest.raises(NotReachableError, match="not on its network"):
            await radio.send(read_model(0, 1))
        await until(radio, lambda network: "open joining at the trust centre" in network.waits_for)
        module.air.permit(3600)
        await until(radio, lambda network: "registered with the key" in network.waits_for)
        module.trust_centre.refuses_keys = True
        module.register()
        await until(radio, lambda network: network.waits_for.startswith("keys:"))
        monkeypatch.setattr("radios.xbee.router.KEYS_S", 2.0)
        module.trust_centre.refuses_keys = False  # after it has left, and joined again
        network = await operational(radio)
        assert (network.short, network.channel) == (module.short, module.air.channel)
        assert network.extended_pan_id == module.air.extended_pan_id
        assert not network.is_coordinator
        told = []
        async with asyncio.timeout(5):
            while not told or not told[-1].is_operational:
                event = await anext(events)
                if isinstance(event, NetworkChanged):
                    told.append(event.network)
        assert told[-1] == network
        assert all(before != after for before, after in pairwise(told))


async def test_frames_for_the_trust_centre_are_encrypted_with_its_key() -> None:
    async with XbeeRouter(XbeeRouterConfig(devices=())) as module, opened_on(module) as radio:
        await operational(radio)
        frame = read_metering(0x31)
        await radio.send(frame)
        async with asyncio.timeout(5):
            async for event in radio.events():
                if isinstance(event, FrameReceived) and event.frame.cluster == 0x0702:
                    assert event.frame.security is Security.LINK_KEY
                    assert event.frame.source == 0
                    assert event.frame.source_ieee == module.trust_centre.ieee
                    break
        assert module.trust_centre.heard[-1].encrypted


async def test_before_there_are_keys_what_is_no_secret_goes_and_nothing_else() -> None:
    async with XbeeRouter(XbeeRouterConfig(devices=(), is_open=False)) as module, opened_on(module) as radio:
        module.trust_centre.refuses_keys = True
        with pytest.raises(NotReachableError, match="not on its network"):
            await radio.send(read_model(0, 1))
        module.air.permit(3600)
        await until(radio, lambda network: network.waits_for.startswith("keys:"))
        module.trust_centre.heard.clear()
        await radio.send(read_model(0, 2))
        with pytest.raises(NotReachableError, match="establishes keys"):
            await radio.send(read_metering(3))
        assert [frame.payload[1] for frame in module.trust_centre.heard if frame.profile] == [2]


def read_metering(tsn: int) -> ApsFrame:
    return ApsFrame(
        profile=0x0109, cluster=0x0702, source_endpoint=0x5E, destination_endpoint=0x0A,
        payload=bytes((0x10, tsn, 0x00, 0x00, 0x03)), destination=0, security=Security.LINK_KEY,
    )  # fmt: skip


async def test_frames_for_others_are_not_encrypted_since_there_is_no_key() -> None:
    async with XbeeRouter(XbeeRouterConfig(devices=("plug",), joined=(0,))) as module, opened_on(module) as radio:
        await operational(radio)
        with pytest.raises(DeliveryError, match="KEY_NOT_AUTHORIZED"):
            await radio.send(read_model(module.devices[0].short, 1, security=Security.LINK_KEY))


async def test_a_module_that_is_on_its_network_is_taken_as_it_is() -> None:
    async with XbeeRouter(XbeeRouterConfig(devices=(), was_joined=True)) as module:
        async with opened_on(module) as radio:
            assert radio.network.is_operational
        assert module.registers.writes == 0
        assert module.registers.number("AO") == 1
        assert module.is_on_network


async def test_establishing_keys_is_asked_for_in_flash_once() -> None:
    async with XbeeRouter(XbeeRouterConfig(devices=())) as module:
        for _ in range(2):
            async with opened_on(module) as radio:
                await operational(radio)
        assert module.registers.flash["EO"] == b"\x08"
        assert module.registers.writes == 1


@pytest.mark.parametrize("moment", ["before joining", "before keys", "operational"])
async def test_a_loss_of_power_of_the_module_is_made_good(moment: str) -> None:
    start = XbeeRouterConfig(devices=(), is_open=moment != "before joining")
    async with XbeeRouter(start) as module, opened_on(module) as radio:
        if moment == "before joining":
            await until(radio, lambda network: "open joining" in network.waits_for)
            module.reset()
            module.air.permit(60)
        elif moment == "before keys":
            module.trust_centre.refuses_keys = True
            await until(radio, lambda network: network.waits_for.startswith("keys:"))
            module.trust_centre.refuses_keys = False
            module.reset()
        else:
            await operational(radio)
            short = module.short
            module.reset()
            await until(radio, lambda network: not network.is_operational)
        network = await operational(radio)
        assert (module.registers.number("AP"), module.registers.number("AO")) == (2, 3)
        assert network.short == module.short
        if moment == "operational":
            assert network.short == short
        await radio.send(read_metering(0x11))


@pytest.mark.parametrize("moment", ["before joining", "before keys", "operational"])
async def test_a_hub_that_starts_anew_goes_on_where_it_was(moment: str) -> None:
    start = XbeeRouterConfig(devices=(), is_open=moment != "before joining")
    async with XbeeRouter(start) as module:
        module.trust_centre.refuses_keys = moment == "before keys"
        async with opened_on(module) as radio:
            if moment == "before joining":
                await until(radio, lambda network: "open joining" in network.waits_for)
            elif moment == "before keys":
                await until(radio, lambda network: network.waits_for.startswith("keys:"))
            else:
                await operational(radio)
            module.end.kill()  # nothing that a hub does at its end reaches the module
        module.end.revive()
        module.air.permit(60 if moment == "before joining" else 0)
        module.trust_centre.refuses_keys = False
        if moment == "before keys":
            module._search_keys()  # as its stack does by itself
        joined = module.short
        async with opened_on(module) as radio:
            network = await operational(radio)
            assert network.short == module.short
            assert moment != "operational" or network.short == joined
            await radio.send(read_metering(0x12))


async def test_the_key_to_join_with_is_in_no_trace_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    traced: list[bytes] = []
    async with XbeeRouter(XbeeRouterConfig(devices=())) as module:
        module.trust_centre.table[module.ieee] = KEY

        def trace(_way: str, frame: bytes, _peer: str) -> None:
            traced.append(frame)

        async with DRIVER.open(config(module.pipe_url, link_key=KEY.hex()), trace) as radio:
            await operational(radio)
            await radio.configure(NetworkSettings(link_key=KEY[::-1]))
        assert module.link_key == KEY[::-1]
    sent = b"".join(traced)
    # Escapes change some bytes of a key; its middle has none to change.
    for key in (KEY, KEY[::-1]):
        assert key[4:12] not in sent
    assert KEY.hex() not in caplog.text


async def test_it_joins_again_when_the_trust_centre_makes_it_leave_and_when_it_leaves_itself() -> None:
    async with XbeeRouter(XbeeRouterConfig(devices=())) as module, opened_on(module) as radio:
        first = await operational(radio)
        module.air.drop(module.ieee, told=True)
        await until(radio, lambda network: not network.is_operational)
        await operational(radio)
        await radio.leave()
        await until(radio, lambda network: not network.is_operational)
        assert (await operational(radio)).extended_pan_id == first.extended_pan_id


async def test_it_is_told_which_network_to_join_and_with_which_key() -> None:
    async with XbeeRouter(XbeeRouterConfig(devices=())) as module, opened_on(module) as radio:
        await operational(radio)
        writes = module.registers.writes
        await radio.configure(NetworkSettings(join_interval_s=0.5))
        assert radio.network.is_operational
        await radio.configure(NetworkSettings(extended_pan_id=0x1122334455667788))
        await until(radio, lambda network: "extended PAN id" in network.waits_for)
        module.trust_centre.table[module.ieee] = KEY
        await radio.configure(NetworkSettings(extended_pan_id=0, channels=(11, 20), link_key=KEY))
        network = await operational(radio)
        assert network.channel == 20
        assert module.link_key == module.registers.keys_in_flash["KY"] == KEY
        assert module.registers.flash["SC"] == (1 << 9 | 1).to_bytes(2, "big")
        assert module.registers.writes == writes + 2


async def test_its_key_may_come_from_the_configuration(tmp_path: Path) -> None:
    secret = tmp_path / "code"
    secret.write_text("83FED3407A939723A5C639B26916D505C3B5\n")
    async with XbeeRouter(XbeeRouterConfig(devices=())) as module:
        module.trust_centre.table[module.ieee] = InstallCode.parse(secret.read_text()).link_key
        async with opened_on(module, install_code=f"file:{secret}") as radio:
            await operational(radio)


async def test_the_configured_key_is_written_again_after_a_restart_of_the_module() -> None:
    start = XbeeRouterConfig(devices=(), is_registered=False, is_open=False)
    async with XbeeRouter(start) as module, opened_on(module, link_key=KEY.hex()) as radio:
        module.trust_centre.table[module.ieee] = KEY
        await until(radio, lambda network: "open joining" in network.waits_for)
        module.reset()
        await eventually(lambda: module.link_key != KEY, 5)
        module.air.permit(600)
        await operational(radio)
        assert module.link_key == KEY


async def test_a_module_that_joined_without_establishing_keys_joins_anew() -> None:
    """It takes itself for operational, and has no key with the trust centre."""
    async with XbeeRouter(XbeeRouterConfig(devices=())) as module:
        await eventually(lambda: module.is_on_network and module._association == 0, 5)
        assert not module._authenticated
        async with opened_on(module) as radio:
            await until(radio, lambda network: network.is_operational and bool(module._authenticated))
            await radio.send(read_metering(0x41))


async def test_a_look_that_was_overtaken_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    async with XbeeRouter(XbeeRouterConfig(devices=())) as module, opened_on(module) as radio:
        await operational(radio)
        overtaken: list[bool] = []

        async def slow(link: XbeeLink, steps: tuple[bringup.Step, ...]) -> Mapping[str, bytes]:
            values = await bringup.carry_out(link, steps)
            if not overtaken:
                overtaken.append(True)
                module.air.permit(0)
                module.trust_centre.table.clear()
                module.air.drop(module.ieee, told=True)
                await eventually(lambda: not radio._ready.is_set())
            return values

        monkeypatch.setattr("radios.xbee.router.carry_out", slow)
        joining = radio._joining
        assert joining is not None
        joining.wake()
        await until(radio, lambda network: "made to leave" in network.waits_for)


async def test_whoever_was_made_to_leave_is_told_so_until_it_has_joined_again() -> None:
    async with XbeeRouter(XbeeRouterConfig(devices=())) as module, opened_on(module) as radio:
        await operational(radio)
        module.air.permit(0)
        module.trust_centre.table.clear()
        module.air.drop(module.ieee, told=True)
        await until(radio, lambda network: "made to leave" in network.waits_for)
        module.register()
        module.air.permit(60)
        await operational(radio)


@pytest.mark.parametrize(
    ("joins", "options", "said"),
    [
        (True, {"install_code": "83FED3407A939723A5C639B26916D505C3B6"}, "the last two are not the CRC"),
        (True, {"link_key": "1234"}, "link_key: is 4 characters; allowed: 32 hex digits"),
        (True, {"link_key": KEY.hex(), "install_code": "83FE"}, "one of the two"),
        (True, {"link_key": 5}, "must be text"),
        (True, {"link_key": "file:/nowhere/at/all"}, "cannot read /nowhere/at/all: No such file"),
        (False, {"link_key": KEY.hex()}, "set hub.role to esi_router or aux_gateway"),
    ],
)
def test_its_key_is_checked_and_never_shown(joins: bool, options: dict[str, object], said: str) -> None:
    wrong = RadioConfig(name="han", driver="xbee", pipe="pty:/dev/pts/0", options=options, joins=joins)
    with pytest.raises(OptionError, match=said) as caught:
        DRIVER.check(wrong)
    assert KEY.hex() not in str(caught.value)
    assert "83FED340" not in str(caught.value)


async def test_coordinator_firmware_is_refused_with_what_to_do() -> None:
    async with XbeeEmulator(XbeeConfig()) as module:
        with pytest.raises(RadioLostError, match="load router firmware, 33xx"):
            async with opened_on(module):
                pass


async def test_firmware_for_all_roles_is_made_a_router_in_flash() -> None:
    async with XbeeRouter(XbeeRouterConfig(devices=(), firmware="5132")) as module:
        module.registers.write("CE", b"\x01")
        module.registers.keep()
        async with opened_on(module) as radio:
            await operational(radio)
        assert module.registers.flash["CE"] == b"\x00"


async def test_what_only_a_trust_centre_can_is_refused() -> None:
    async with XbeeRouter(XbeeRouterConfig(devices=("plug",), joined=(0,))) as module, opened_on(module) as radio:
        await operational(radio)
        can = radio.capabilities
        assert (can.router, can.link_keys, can.install_codes) == (True, False, False)
        with pytest.raises(NotSupportedError, match="only the trust centre"):
            await radio.remove(radio.network.ieee)


async def test_a_router_opens_joining_for_everybody() -> None:
    async with XbeeRouter(XbeeRouterConfig(devices=("plug",))) as module, opened_on(module) as radio:
        await operational(radio)
        module.air.permit(0)
        [plug, centre] = module.devices
        module.trust_centre.table[plug.ieee] = plug.link_key or b""
        assert not module.press(plug)
        await radio.permit_join(60)
        assert module.press(plug)
        assert centre is module.trust_centre


async def test_a_trust_centre_without_power_does_not_answer() -> None:
    async with XbeeRouter(XbeeRouterConfig(devices=())) as module, opened_on(module) as radio:
        await operational(radio)
        module.trust_centre.set_power(False)
        with pytest.raises(DeliveryError):
            await radio.send(read_metering(1))
        module.trust_centre.set_power(True)
        await radio.send(read_metering(2))


async def test_a_broadcast_reaches_devices_and_the_trust_centre() -> None:
    async with XbeeRouter(XbeeRouterConfig(devices=("plug",), joined=(0,))) as module, opened_on(module) as radio:
        await operational(radio)
        await radio.send(read_model(0xFFFD, 0x77, delivery=Delivery.BROADCAST, ack=False))
        await eventually(lambda: any(frame.payload[1:2] == b"\x77" for frame in module.devices[0].heard), 5)
        assert any(frame.payload[1:2] == b"\x77" for frame in module.trust_centre.heard)


def test_the_bring_up_of_a_router_can_be_printed() -> None:
    lines = bringup.table(is_router=True).splitlines()
    assert len(lines) == len(bringup.ROUTER_STEPS)
    assert any(line.startswith("EO=08") for line in lines)
