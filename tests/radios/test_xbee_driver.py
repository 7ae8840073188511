"""The XBee driver: the contract against the emulated module, on clean and hostile wires, and what only an XBee does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from zigbee_contract import Far, ZigbeeContract, hastening, is_answer, read_model

from protocols import zdo
from protocols.aps import ApsFrame, Security
from protocols.certificate import DeviceCertificate
from protocols.ids import Eui64
from protocols.xbee.frames import RegisterDevice
from radios.api import (
    DeliveryError,
    DeviceAuthenticated,
    DeviceJoined,
    FrameReceived,
    NetworkChanged,
    NoReplyError,
    NotReachableError,
    NotSupportedError,
    OptionError,
    RadioConfig,
    RadioLostError,
    ZigbeeEvent,
)
from radios.emulators.stick import link_key_of
from radios.emulators.stream import StreamFaults
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from radios.xbee import bringup, link
from radios.xbee.driver import DRIVER, XbeeRadio
from tests.hub.waiting import eventually

WIRES = {
    "clean pty": XbeeConfig(),
    "clean tcp": XbeeConfig(tcp_port=0),
    "one byte at a time": XbeeConfig(faults=StreamFaults(one_byte=True)),
    "noise": XbeeConfig(faults=StreamFaults(noise=0.5)),
    "delay": XbeeConfig(faults=StreamFaults(delay=0.05)),
    "lossy": XbeeConfig(faults=StreamFaults(loss=0.2)),
    "damage": XbeeConfig(faults=StreamFaults(damage=0.1, cut=0.1)),
    "lost statuses": XbeeConfig(lost_status=0.3),
    "S2C": XbeeConfig(firmware="5132"),
    "API mode 1": XbeeConfig(api_mode=1),
    "API mode 1, one byte at a time": XbeeConfig(api_mode=1, faults=StreamFaults(one_byte=True)),
    "API mode 1, noise": XbeeConfig(api_mode=1, faults=StreamFaults(noise=0.5)),
    "API mode 1, lossy": XbeeConfig(api_mode=1, faults=StreamFaults(loss=0.2)),
}
LOSSY = frozenset(("lossy", "damage", "lost statuses", "API mode 1, lossy", "API mode 1, noise"))
"""In API mode 1 noise that looks like a start takes a frame with it."""


def config(pipe: str, **options: object) -> RadioConfig:
    return RadioConfig(name="han", driver="xbee", pipe=pipe, options=options)


@asynccontextmanager
async def opened_on(module: XbeeEmulator, **options: object) -> AsyncIterator[XbeeRadio]:
    async with DRIVER.open(config(module.pipe_url, **options), None) as radio:
        yield radio


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.xbee.link.AT_S", 0.6)
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)


class TestXbee(ZigbeeContract):
    """The contract."""

    @pytest.fixture(params=WIRES)
    async def opened(
        self, request: pytest.FixtureRequest, quick: None, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[Far]:
        lossy = request.param in LOSSY
        if lossy:
            monkeypatch.setattr("radios.xbee.driver.TRANSMIT_STATUS_S", 0.6)
            monkeypatch.setattr("radios.xbee.link.AT_S", 0.5)
            monkeypatch.setattr("radios.xbee.link.REGISTER_S", 0.5)
        monkeypatch.setattr("radios.xbee.link.READ_ATTEMPTS", 10)
        monkeypatch.setattr("radios.xbee.bringup.ATTEMPTS", 10)
        monkeypatch.setattr("radios.xbee.link.PROBE_ATTEMPTS", 10)

        names = ("QUIET_S", "MUTE_S", "LOOK_S") if request.param != "clean pty" else ()
        async with XbeeEmulator(WIRES[request.param]) as module, opened_on(module) as radio:
            for device in module.devices:
                module.table[device.ieee] = device.link_key or b""
            yield Far(
                radio,
                {device.kind: device for device in module.devices},
                module.press,
                module.mute,
                module.reset,
                module.kill,
                is_clean=not lossy,
                hasten=hastening(monkeypatch, link, *names),
            )


async def until(radio: XbeeRadio, kind: type) -> ZigbeeEvent:
    async with asyncio.timeout(5):
        async for event in radio.events():
            if isinstance(event, kind):
                return event
    raise AssertionError


def match_answer(frame: ApsFrame) -> ApsFrame:
    """What the hub says to who looks for key establishment."""
    tsn, request = zdo.decode_zdo(frame.cluster, frame.payload)
    assert isinstance(request, zdo.MatchDescriptorRequest)
    assert (request.profile, request.input_clusters) == (0x0109, (0x0800,))
    answer = zdo.MatchDescriptorResponse(zdo.ZdoStatus.SUCCESS, 0, (0x5E,))
    return ApsFrame(
        profile=0, cluster=0x8006, source_endpoint=0, destination_endpoint=0, payload=zdo.encode_zdo(tsn, answer),
        destination=frame.source, destination_ieee=frame.source_ieee,
    )  # fmt: skip


async def test_a_device_joins_with_its_key_and_authenticates_once_it_is_answered(quick: None) -> None:
    async with XbeeEmulator(XbeeConfig(devices=("plug",))) as module, opened_on(module) as radio:
        [device] = module.devices
        ieee = Eui64(device.ieee)
        await radio.permit_join(60)
        assert not module.press(device)  # its key is not known
        await radio.register_key(ieee, bytes(15) + b"\x01")
        assert not module.press(device)  # another one
        await radio.register_key(ieee, link_key_of(ieee))
        assert module.press(device)
        seen: list[type] = []
        async with asyncio.timeout(10):
            async for event in radio.events():
                seen.append(type(event))
                if isinstance(event, FrameReceived) and event.frame.cluster == 0x0006:
                    encrypted = read_model(device.short, 1, security=Security.LINK_KEY)
                    with pytest.raises(DeliveryError, match="KEY_NOT_AUTHORIZED"):
                        await radio.send(encrypted)
                    await radio.send(match_answer(event.frame))
                if isinstance(event, DeviceAuthenticated):
                    assert (event.ieee, event.short) == (ieee, device.short)
                    break
        assert seen[0] is DeviceJoined
        await radio.send(read_model(device.short, 0x21, security=Security.LINK_KEY))
        async with asyncio.timeout(10):
            async for event in radio.events():
                if is_answer(event, 0x21):
                    break
        await radio.remove_key(ieee)
        await radio.remove_key(ieee)  # it is gone already
        assert module.table == {}


async def test_joining_is_opened_again_although_the_time_is_the_same(quick: None) -> None:
    async with XbeeEmulator(XbeeConfig(devices=("plug",))) as module, opened_on(module) as radio:
        for seconds, is_open in ((60, True), (60, True), (0, False)):
            module.air.permit(0)
            await radio.permit_join(seconds)
            assert module.air.is_open is is_open
        with pytest.raises(NotSupportedError, match="0 to 254"):
            await radio.permit_join(600)


async def test_a_restart_gets_back_what_it_lost_and_flash_is_left_alone(quick: None) -> None:
    async with XbeeEmulator(XbeeConfig()) as module:
        async with opened_on(module) as radio:
            assert (module.registers.number("AP"), module.registers.number("AO")) == (2, 3)
            module.restart()
            async with asyncio.timeout(10):
                async for event in radio.events():
                    if isinstance(event, NetworkChanged):
                        break
            assert (module.registers.number("AP"), module.registers.number("AO")) == (2, 3)
        # Without a hub the module answers by itself.
        assert module.registers.number("AO") == 1
        assert module.registers.writes == 0


async def test_whatever_the_frame_id_a_restarted_module_understands_the_first_frame() -> None:
    """After a restart it is in API mode 1, where an escape would be taken as it is: of id or checksum."""
    async with XbeeEmulator(XbeeConfig()) as module, opened_on(module) as radio:
        for before in (0x10, 0x12, 0x50, 0x52, 0x7C, 0x7D, 0xE5, 0xE6):
            while module.commands[-1][1] != before:
                await radio.at_command("NH")
            module.restart()
            async with asyncio.timeout(2):
                await until(radio, NetworkChanged)


async def test_what_waits_for_an_answer_fails_at_once_when_the_module_restarts(quick: None) -> None:
    async with XbeeEmulator(XbeeConfig(devices=("cube",), joined=(0,))) as module, opened_on(module) as radio:
        [device] = module.devices
        sending = asyncio.ensure_future(radio.send(read_model(device.short, 1)))
        await asyncio.sleep(0.1)
        module.reset()
        with pytest.raises(RadioLostError, match="restarted"):
            async with asyncio.timeout(3):
                await sending


async def test_a_frame_waits_for_a_module_that_has_restarted(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    async with XbeeEmulator(XbeeConfig(devices=("plug",), joined=(0,))) as module, opened_on(module) as radio:
        [device] = module.devices
        module.reset()
        await asyncio.sleep(0.25)
        await radio.send(read_model(device.short, 1))
        monkeypatch.setattr("radios.xbee.driver.READY_S", 0.05)
        module.reset()
        await asyncio.sleep(0.25)
        with pytest.raises(NotReachableError, match="not on its network"):
            await radio.send(read_model(device.short, 2))


@pytest.mark.parametrize(
    ("firmware", "said"),
    [("21A7", "no Smart Energy firmware: load"), ("3319", "router firmware 3319: load coordinator")],
)
async def test_firmware_that_is_not_for_this_is_refused_with_what_to_do(quick: None, firmware: str, said: str) -> None:
    async with XbeeEmulator(XbeeConfig(firmware=firmware)) as module:
        with pytest.raises(RadioLostError, match=said):
            async with opened_on(module):
                pass


async def test_a_module_without_a_certificate_is_told(quick: None, caplog: pytest.LogCaptureFixture) -> None:
    async with XbeeEmulator(XbeeConfig(is_certified=False)) as module, opened_on(module):
        assert "no certificate" in caplog.text


def certificate_for(ieee: int) -> DeviceCertificate:
    implicit = b"\x02" + bytes(21) + ieee.to_bytes(8, "big") + b"TESTSECA" + bytes.fromhex("01091234") + bytes(6)
    return DeviceCertificate(b"\x03" + bytes(21), implicit, bytes(range(1, 22)))


async def test_a_certificate_is_installed_and_taken_away_and_the_network_stays(quick: None) -> None:
    async with XbeeEmulator(XbeeConfig(is_certified=False)) as module, opened_on(module) as radio:
        before = radio.network
        assert not await radio.has_certificate()
        await radio.install_certificate(certificate_for(module.ieee))
        assert await radio.has_certificate()
        assert module.registers.writes == 1
        assert module.registers.keys["ZV"] == bytes(range(1, 22))
        module.reset()  # it is kept
        await asyncio.sleep(0.3)
        assert await radio.has_certificate()
        await radio.remove_certificate()
        assert not await radio.has_certificate()
        assert module.registers.keys_in_flash == {}
        assert (radio.network.extended_pan_id, radio.network.channel) == (before.extended_pan_id, before.channel)


async def test_registers_that_a_module_lacks_are_no_end(quick: None) -> None:
    async with XbeeEmulator(XbeeConfig()) as module:
        module.refuses |= {"VC", "DO"}
        async with opened_on(module) as radio:
            assert radio.network.channel
        module.refuses.add("AO")
        with pytest.raises(RadioLostError, match="refuses AO"):
            async with opened_on(module):
                pass


async def test_nobody_there_is_said_with_what_to_look_at(quick: None) -> None:
    async with XbeeEmulator(XbeeConfig()) as module:
        module.mute()
        with pytest.raises(RadioLostError, match="no XBee answers"):
            async with opened_on(module):
                pass


async def test_a_running_network_is_never_left_for_the_configuration(
    quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    async with XbeeEmulator(XbeeConfig()) as module:
        before = module.air.extended_pan_id
        async with opened_on(module, channels=[26], extended_pan_id="12ab34cd56ef7890", tx_power=2) as radio:
            assert radio.network.extended_pan_id == before
            assert module.registers.number("PL") == 2
            assert await radio.set_tx_power(1) == 1
        assert "left as it is" in caplog.text
        assert module.registers.writes == 0


async def test_erasing_forms_another_network(quick: None) -> None:
    async with XbeeEmulator(XbeeConfig()) as module, opened_on(module) as radio:
        before = radio.network.extended_pan_id
        await radio.erase()
        assert radio.network.extended_pan_id != before
        assert radio.network.channel


@pytest.mark.parametrize("moment", ["as the hub starts", "while it runs"])
async def test_a_module_that_starts_slowly_keeps_its_network(
    quick: None, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """It says that it is on no network while it starts: that is no reason to form the configured one."""
    monkeypatch.setattr("radios.emulators.xbee.START_S", 3.0)
    other = {"extended_pan_id": "aaaaaaaaaaaaaaaa", "channels": [11]}
    async with XbeeEmulator(XbeeConfig(devices=())) as module:
        before = module.air.extended_pan_id
        if moment == "as the hub starts":
            module.reset()
        async with opened_on(module, **other) as radio:
            if moment == "while it runs":
                module.reset()
                await until(radio, NetworkChanged)
            assert radio.network.extended_pan_id == module.air.extended_pan_id == before
            assert module.registers.writes == 0


async def test_a_module_without_a_network_forms_the_configured_one(quick: None) -> None:
    async with XbeeEmulator(XbeeConfig(devices=())) as module:
        async with opened_on(module) as radio:
            await radio.erase()
        async with opened_on(module, extended_pan_id="12ab34cd56ef7890", channels=[11]) as radio:
            await radio.erase()
            network = radio.network
        assert (network.extended_pan_id, network.channel) == (0x12AB34CD56EF7890, 11)


async def test_erasing_stands_although_its_answer_is_lost(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    async with XbeeEmulator(XbeeConfig(devices=())) as module, opened_on(module) as radio:
        say = module._say
        monkeypatch.setattr(module, "_say", lambda data: None if data[0] == 0x88 and data[2:4] == b"NR" else say(data))
        before = radio.network.extended_pan_id
        await radio.erase()
        assert radio.network.extended_pan_id == module.air.extended_pan_id != before
        await radio.permit_join(10)


@pytest.mark.parametrize("after_s", [0.02, 0.2, 0.5, 0.7])
async def test_a_module_that_restarts_while_it_is_erased_is_made_ours_again(quick: None, after_s: float) -> None:
    async with XbeeEmulator(XbeeConfig(devices=())) as module, opened_on(module) as radio:
        asyncio.get_running_loop().call_later(after_s, module.reset)
        with suppress(NoReplyError):  # it may not have heard; told, and then a person tries again
            await radio.erase()
        now = module.registers.number
        await eventually(lambda: now("AO") == 3 and now("AP") == 2 and radio.network.is_operational, 10)
        await radio.permit_join(10)
        assert radio.network.extended_pan_id == module.air.extended_pan_id


async def test_a_device_is_made_to_leave_and_its_key_goes_with_it(quick: None) -> None:
    async with XbeeEmulator(XbeeConfig(devices=("plug",), joined=(0,))) as module, opened_on(module) as radio:
        [device] = module.devices
        assert module.table
        await radio.remove(Eui64(device.ieee))
        assert module.table == {}
        async with asyncio.timeout(5):
            while device.is_joined:  # noqa: ASYNC110 - the device tells nobody
                await asyncio.sleep(0.02)


async def test_a_full_table_of_keys_says_what_to_do(quick: None) -> None:
    async with XbeeEmulator(XbeeConfig(devices=())) as module, opened_on(module) as radio:
        for number in range(1, 11):
            await radio.register_key(Eui64(number), bytes(range(16)))
        with pytest.raises(DeliveryError, match="table of 10 devices is full: remove one first"):
            await radio.register_key(Eui64(11), bytes(range(16)))
        await radio.remove_key(Eui64(4))
        await radio.register_key(Eui64(11), bytes(range(16)))
        with pytest.raises(DeliveryError, match="no device can have this address"):
            await radio.register_key(Eui64(0), bytes(range(16)))


async def test_a_module_without_buffers_is_asked_again_and_a_frame_is_refused_when_it_stays_so(quick: None) -> None:
    async with XbeeEmulator(XbeeConfig(devices=("plug",), joined=(0,))) as module, opened_on(module) as radio:
        [device] = module.devices
        module.overflow(2)
        await radio.send(read_model(device.short, 1))
        assert radio.counters["backed_off"] == 2
        module.overflow(100)
        with pytest.raises(DeliveryError, match="NO_BUFFERS"):
            await radio.send(read_model(device.short, 2))


async def test_a_transmission_that_fails_on_demand_is_told_and_not_on_the_air(quick: None) -> None:
    async with XbeeEmulator(XbeeConfig(devices=("plug",), joined=(0,))) as module, opened_on(module) as radio:
        [device] = module.devices
        module.statuses.failed_status = 1.0
        with pytest.raises(DeliveryError):
            await radio.send(read_model(device.short, 1))
        assert device.heard == []
        module.statuses.failed_status = 0.0
        await radio.send(read_model(device.short, 2))
        assert device.heard


async def test_registers_are_read_and_written_within_guard_rails(quick: None, caplog: pytest.LogCaptureFixture) -> None:
    async with XbeeEmulator(XbeeConfig()) as module, opened_on(module) as radio:
        assert await radio.at_command("vr") == b"\x31\x19"
        assert await radio.at_command("NJ", b"\x0a") == b""
        assert await radio.at_command("NJ") == b"\x0a"
        before = len(module.commands)
        for name, value, said in (
            ("AP", b"\x01", "break the link"),
            ("BD", b"\x03", "break the link"),
            ("OP", b"\x01", "reading only"),
            ("SD", b"\x09", "0 to 7"),
            ("KY", b"\x01\x02", "16 bytes"),
            ("N", b"", "two characters"),
        ):
            with pytest.raises(OptionError, match=said):
                await radio.at_command(name, value)
        assert len(module.commands) == before
        with pytest.raises(DeliveryError, match="UNKNOWN_COMMAND"):
            await radio.at_command("Q?")
        key = bytes(range(0x50, 0x60))
        await radio.at_command("KY", key)
        assert module.registers.keys["KY"] == key
        assert "the network is formed or joined anew" in caplog.text
        assert key.hex() not in caplog.text


async def test_secrets_never_reach_a_trace(quick: None) -> None:
    traced: list[bytes] = []
    async with XbeeEmulator(XbeeConfig()) as module:
        radio = DRIVER.open(config(module.pipe_url), lambda direction, frame, peer: traced.append(frame))
        async with radio:
            key = bytes(range(0x40, 0x50))
            await radio.register_key(Eui64(0x0013A20040AABBCC), key)
        assert module.table[0x0013A20040AABBCC] == key
        assert not any(key in frame for frame in traced)
        assert any(frame[3] == RegisterDevice.TYPE for frame in traced if len(frame) > 3)


async def test_frames_are_made_for_an_xbee_or_refused(quick: None) -> None:
    async with XbeeEmulator(XbeeConfig(devices=("plug",), joined=(0,))) as module, opened_on(module) as radio:
        [device] = module.devices
        with pytest.raises(NotSupportedError, match="broadcast cannot be encrypted"):
            await radio.send(read_model(0xFFFC, 1, security=Security.LINK_KEY))
        for frame in (
            read_model(device.short, 2),
            read_model(None, 3, destination_ieee=Eui64(device.ieee)),  # type: ignore[arg-type]
            read_model(0xFFFC, 4),
            read_model(0, 5),
        ):
            await radio.send(frame)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"channels": []}, "channels: .* list of channels from 11 to 26"),
        ({"channels": [27]}, "channels"),
        ({"tx_power": 5}, "tx_power: 5 is not a number from 0 to 4"),
        ({"extended_pan_id": "12"}, "16 hex digits"),
        ({"led": True}, "led: not an option of the xbee driver; known are channels, extended_pan_id, tx_power"),
    ],
)
def test_options_are_checked(options: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        DRIVER.check(config("pty:/dev/pts/0", **options))


def test_the_bring_up_can_be_printed() -> None:
    lines = bringup.table().splitlines()
    assert len(lines) == len(bringup.COORDINATOR_STEPS)
    assert lines[0].startswith("AP=02")
