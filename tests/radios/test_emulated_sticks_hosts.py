"""Emulated EZSP and Z-Stack sticks, driven by the real code of bellows and zigpy-znp: that proves their bytes."""

from __future__ import annotations

import asyncio
from typing import Any

import bellows.ezsp
import bellows.types as t
import pytest
import zigpy.exceptions
import zigpy.types
from zigpy.application import ControllerApplication

from radios.emulators.air import AirFrame
from radios.emulators.device import EmulatedDevice
from radios.emulators.stick import EmulatedStick, link_key_of
from tests.hub.waiting import eventually
from tests.radios.zigpy_hosts import EZSP_FIRMWARES, ZNP_FIRMWARES, new_stick, packet, running, url_of

ALL = [*(("ezsp", name) for name in EZSP_FIRMWARES), *(("znp", name) for name in ZNP_FIRMWARES)]
ONE_EACH = [("ezsp", "7.4.4"), ("znp", "3.x")]
METERING, BASIC = 0x0702, 0x0000
READ_FIRST = b"\x00\x21\x00\x00\x00"
"""Read attribute 0x0000, transaction 0x21."""


async def joined(app: ControllerApplication, stick: EmulatedStick, kind: str) -> Any:
    """A device that joins, and is asked who it is."""
    await app.permit(60)
    await eventually(lambda: stick.air.is_open)
    device = stick.device(kind)
    await eventually(lambda: device.is_joined or stick.press(device))
    ieee = zigpy.types.EUI64(device.ieee.to_bytes(8, "little"))
    await eventually(lambda: ieee in app.devices and app.devices[ieee].is_initialized)
    return app.devices[ieee]


@pytest.mark.parametrize(("family", "firmware"), ALL)
async def test_a_new_stick_forms_a_network_and_a_device_joins_and_is_read(family: str, firmware: str) -> None:
    async with new_stick(family, firmware, devices=("plug",), tcp_port=0) as stick, running(stick, form=True) as app:
        assert stick.air.channel == app.state.network_info.channel
        assert stick.air.pan_id == app.state.network_info.pan_id
        assert stick.air.network.key == app.state.network_info.network_key.key.serialize()
        plug = await joined(app, stick, "plug")
        assert plug.nwk == stick.device("plug").short
        values, _ = await plug.endpoints[1].basic.read_attributes(["model"])
        assert values == {"model": "smart-plug-16A"}
        await plug.endpoints[1].on_off.on()
        await plug.zdo.leave()
        await eventually(lambda: not stick.device("plug").is_joined)


@pytest.mark.parametrize(("family", "firmware"), ONE_EACH)
async def test_the_same_over_a_pseudo_terminal_byte_by_byte(family: str, firmware: str) -> None:
    async with new_stick(family, firmware, devices=("plug",)) as stick:
        stick.end.faults.one_byte = True
        async with running(stick, form=True) as app:
            plug = await joined(app, stick, "plug")
            values, _ = await plug.endpoints[1].basic.read_attributes(["model"])
            assert values == {"model": "smart-plug-16A"}


async def test_frames_that_get_lost_or_damaged_on_an_ash_line_are_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radios.emulators.ash.ACK_WAIT_S", 0.1)
    monkeypatch.setattr("bellows.ash.T_RX_ACK_INIT", 0.1)
    monkeypatch.setattr("bellows.ash.T_RX_ACK_MAX", 0.2)
    monkeypatch.setattr("bellows.ash.T_RX_ACK_MIN", 0.05)
    async with (
        new_stick("ezsp", "7.4.4", devices=("plug",), is_formed=True, tcp_port=0) as stick,
        running(stick) as app,
    ):
        stick.end.faults.loss = stick.end.faults.damage = 0.05
        plug = await joined(app, stick, "plug")
        for _ in range(10):
            values, _ = await plug.endpoints[1].basic.read_attributes(["model"], allow_cache=False)
            assert values == {"model": "smart-plug-16A"}
        assert stick.end.dropped
        stick.end.faults.loss = stick.end.faults.damage = 0.0


async def authenticated(app: ControllerApplication, stick: EmulatedStick) -> EmulatedDevice:
    """The meter joins with its own link key, and finds our key establishment."""
    meter = stick.device("smart-meter")
    ieee, key = zigpy.types.EUI64(meter.ieee.to_bytes(8, "little")), zigpy.types.KeyData(link_key_of(meter.ieee))
    waiting = asyncio.create_task(app.permit_with_link_key(ieee, key, 60))
    await eventually(lambda: stick.air.is_open)
    await eventually(lambda: meter.is_joined or stick.press(meter))
    await eventually(lambda: meter.is_authenticated)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    return meter


@pytest.mark.parametrize(
    ("family", "firmware"),
    [("ezsp", "6.10.3"), ("ezsp", "7.3.2"), ("ezsp", "7.4.4"), ("ezsp", "8.0.2"), ("ezsp", "9.0.0"), ("znp", "3.0"),
     ("znp", "3.x")],
)  # fmt: skip
async def test_smart_energy_goes_encrypted_both_ways_with_the_key_of_the_device(family: str, firmware: str) -> None:
    settings = {"devices": ("smart-meter",), "is_formed": True, "tcp_port": 0, "speed": 10.0}
    async with new_stick(family, firmware, **settings) as stick, running(stick) as app:
        meter = await authenticated(app, stick)
        await app.send_packet(packet(meter.short, METERING, READ_FIRST, tsn=0x21, secured=True))
        sent = next(frame for frame in reversed(meter.heard) if frame.cluster == METERING)
        assert (sent.encrypted, sent.profile, sent.source_endpoint) == (True, 0x0109, 0x5E)
        answer = await app.heard.until(METERING, meter.short)
        assert zigpy.types.TransmitOptions.APS_Encryption in answer.tx_options
        assert (answer.profile_id, answer.src_ep, answer.dst_ep) == (0x0109, 0x0A, 0x5E)
        assert answer.data.serialize()[:6] == b"\x18\x21\x01\x00\x00\x00"
        # In the clear the meter does not tell.
        await app.send_packet(packet(meter.short, METERING, READ_FIRST, tsn=0x22))
        answer = await app.heard.until(METERING, meter.short)
        assert answer.data.serialize() == b"\x18\x21\x0b\x00\x7e"


@pytest.mark.parametrize(("family", "firmware"), ONE_EACH)
async def test_without_the_right_key_nobody_joins_and_nothing_is_encrypted(family: str, firmware: str) -> None:
    settings = {"devices": ("smart-meter", "plug"), "is_formed": True, "tcp_port": 0}
    async with new_stick(family, firmware, **settings) as stick, running(stick) as app:
        await app.permit(60)
        await eventually(lambda: stick.air.is_open)
        assert not stick.press(stick.device("smart-meter"))
        plug = await joined(app, stick, "plug")
        with pytest.raises(zigpy.exceptions.DeliveryError):
            await app.send_packet(packet(plug.nwk, BASIC, READ_FIRST, tsn=1, secured=True, profile=0x0104, to=1))
        assert not any(frame.encrypted for frame in stick.device("plug").heard)


@pytest.mark.parametrize(("family", "firmware"), [("ezsp", "7.4.4"), ("ezsp", "8.0.2"), ("znp", "1.2"), ("znp", "3.x")])
async def test_what_is_not_delivered_fails(family: str, firmware: str) -> None:
    settings = {"devices": ("plug",), "joined": (0,), "tcp_port": 0}
    async with new_stick(family, firmware, **settings) as stick, running(stick) as app:
        plug = stick.device("plug")
        stick.statuses.failed_status = 1.0
        with pytest.raises(zigpy.exceptions.DeliveryError):
            await app.send_packet(packet(plug.short, BASIC, READ_FIRST, tsn=1, profile=0x0104, to=1, source=1))
        stick.statuses.failed_status = 0.0
        plug.set_power(on=False)
        with pytest.raises(zigpy.exceptions.DeliveryError):
            await app.send_packet(packet(plug.short, BASIC, READ_FIRST, tsn=2, profile=0x0104, to=1, source=1))
        with pytest.raises(zigpy.exceptions.DeliveryError):
            await app.send_packet(packet(0x1234, BASIC, READ_FIRST, tsn=3, profile=0x0104, to=1, source=1))
        plug.set_power(on=True)
        await app.send_packet(packet(plug.short, BASIC, READ_FIRST, tsn=4, profile=0x0104, to=1, source=1))
        assert (await app.heard.until(BASIC)).data.serialize()[:6] == b"\x18\x21\x01\x00\x00\x00"


@pytest.mark.parametrize(("family", "firmware"), ONE_EACH)
async def test_a_stick_that_was_reset_has_kept_its_network_and_its_devices(family: str, firmware: str) -> None:
    settings = {"devices": ("plug",), "joined": (0,), "tcp_port": 0}
    async with new_stick(family, firmware, **settings) as stick:
        plug = stick.device("plug")
        before = (stick.air.network, plug.short)
        for disturb in (stick.crash, stick.kill):
            async with running(stick) as app:
                lost = asyncio.Event()
                app.connection_lost = lambda _, lost=lost: lost.set()
                disturb()
                if disturb == stick.kill or family == "ezsp":
                    async with asyncio.timeout(10):
                        await lost.wait()
            if disturb == stick.kill:
                stick.revive()
        async with running(stick) as app:
            assert (stick.air.network, plug.short) == before
            await app.send_packet(packet(plug.short, BASIC, READ_FIRST, tsn=4, profile=0x0104, to=1, source=1))
            assert await app.heard.until(BASIC, plug.short)


@pytest.mark.parametrize(("family", "firmware"), ONE_EACH)
async def test_energy_is_measured_on_all_channels(family: str, firmware: str) -> None:
    async with new_stick(family, firmware, devices=(), is_formed=True, tcp_port=0) as stick, running(stick) as app:
        levels = await app.energy_scan(zigpy.types.Channels.ALL_CHANNELS, duration_exp=2, count=1)
        assert sorted(levels) == list(range(11, 27))
        assert levels[22] > levels[26]  # beside the access point


@pytest.mark.parametrize(("family", "firmware"), ALL)
async def test_a_backup_goes_to_another_stick_and_devices_answer_without_joining(family: str, firmware: str) -> None:
    settings = {"devices": ("plug", "contact"), "joined": (0, 1), "tcp_port": 0}
    async with new_stick(family, firmware, **settings) as old:
        plug = old.device("plug")
        short, network = plug.short, old.air.network
        async with running(old) as app:
            backup = await app.backups.create_backup(load_devices=True)
            assert backup.is_complete()
        old.kill()
        other = ("znp", "3.x") if family == "ezsp" else ("ezsp", "7.4.4")
        for round_, (new_family, new_firmware) in enumerate(((family, firmware), other), 1):
            async with new_stick(new_family, new_firmware, room=old, tcp_port=0, seed=7) as new:
                async with running(new, form=True) as app:
                    assert old.air.network != network
                    with pytest.raises(zigpy.exceptions.DeliveryError):
                        await app.send_packet(packet(short, BASIC, READ_FIRST, tsn=4, profile=0x0104, to=1, source=1))
                    with_keys = backup.replace(network_info=backup.network_info.replace(
                        stack_specific=backup.network_info.stack_specific | {"ezsp": {
                            **backup.network_info.stack_specific.get("ezsp", {}),
                            "i_understand_i_can_update_eui64_only_once_and_i_still_want_to_do_it": True,
                        }}
                    ))  # fmt: skip
                    await app.backups.restore_backup(with_keys, counter_increment=10_000 * round_)
                async with running(new) as app:
                    assert old.air.network == network
                    assert (plug.is_joined, plug.short) == (True, short)
                    assert new.ieee == old.ieee
                    await app.send_packet(packet(short, BASIC, READ_FIRST, tsn=4, profile=0x0104, to=1, source=1))
                    assert await app.heard.until(BASIC, short)
                    again = await app.backups.create_backup(load_devices=True)
                    assert again.network_info.network_key.key == backup.network_info.network_key.key
                    assert again.network_info.network_key.tx_counter >= backup.network_info.network_key.tx_counter
                    if new_firmware != "6.10.3":  # which cannot be told of children
                        assert set(again.network_info.children) == set(backup.network_info.children)
                new.kill()


async def test_devices_do_not_listen_to_a_network_whose_frame_counter_has_gone_back() -> None:
    async with new_stick("ezsp", "7.4.4", devices=("plug",), joined=(0,), tcp_port=0) as old:
        short = old.device("plug").short
        async with running(old) as app:
            old.flash.network_counter = 5000
            await app.send_packet(packet(short, BASIC, READ_FIRST, tsn=1, profile=0x0104, to=1, source=1))
            backup = await app.backups.create_backup(load_devices=True)
        old.kill()
        stale = backup.replace(network_info=backup.network_info.replace(
            network_key=backup.network_info.network_key.replace(tx_counter=100)
        ))  # fmt: skip
        async with new_stick("ezsp", "7.4.4", room=old, tcp_port=0, seed=7) as new, running(new, form=True) as app:
            old.air.delay_s = 0.0
            for restored, listens in ((stale, False), (backup, True)):
                await app.backups.restore_backup(restored, counter_increment=1000)
                message = packet(short, BASIC, READ_FIRST, tsn=4, profile=0x0104, to=1, source=1)
                if listens:
                    await app.send_packet(message)
                else:
                    with pytest.raises((zigpy.exceptions.DeliveryError, TimeoutError)):
                        await app.send_packet(message)


@pytest.mark.parametrize("firmware", EZSP_FIRMWARES)
async def test_a_router_joins_the_network_of_a_trust_centre(firmware: str) -> None:
    settings = {"devices": (), "trust_centre": "smart-meter", "tcp_port": 0}
    async with new_stick("ezsp", firmware, **settings) as stick:
        ezsp = bellows.ezsp.EZSP({"path": url_of(stick), "baudrate": 115200, "flow_control": None})
        await ezsp.connect(use_thread=False)
        try:
            await ezsp.write_config({})
            every = zigpy.types.Channels.ALL_CHANNELS
            scan = t.EzspNetworkScanType.ACTIVE_SCAN
            ((found, _, _),) = await ezsp.startScan(scanType=scan, channelMask=every, duration=3)
            assert (found.channel, found.panId, found.allowingJoin) == (20, stick.air.pan_id, True)
            state = t.EmberInitialSecurityState(
                bitmask=t.EmberInitialSecurityBitmask.HAVE_PRECONFIGURED_KEY,
                preconfiguredKey=t.KeyData(stick.factory_key),
                networkKey=t.KeyData(bytes(16)),
                networkKeySequenceNumber=0,
                preconfiguredTrustCenterEui64=t.EUI64.convert("00:00:00:00:00:00:00:00"),
            )
            assert (await ezsp.setInitialSecurityState(state=state))[0] == 0
            parameters = t.EmberNetworkParameters(
                extendedPanId=found.extendedPanId, panId=found.panId, radioTxPower=8, radioChannel=found.channel,
                joinMethod=0, nwkManagerId=0, nwkUpdateId=0, channels=every,
            )  # fmt: skip
            with ezsp.wait_for_stack_status(t.sl_Status.NETWORK_UP) as up:
                assert (await ezsp.joinNetwork(nodeType=t.EmberNodeType.ROUTER, parameters=parameters))[0] == 0
                async with asyncio.timeout(5):
                    await up
            status, role, about = await ezsp.getNetworkParameters()
            assert (status, role) == (0, t.EmberNodeType.ROUTER)
            assert about.extendedPanId == found.extendedPanId
            (short,) = await ezsp.getNodeId()
            assert stick.air.places[stick.ieee].short == short != 0
            with ezsp.wait_for_stack_status(t.sl_Status.NETWORK_DOWN) as down:
                await ezsp.leaveNetwork()
                await down
            assert stick.ieee not in stick.air.places
        finally:
            await ezsp.disconnect()


async def test_blocks_of_a_long_message_are_put_together_again() -> None:
    settings = {"devices": ("plug",), "joined": (0,), "tcp_port": 0}
    async with new_stick("ezsp", "7.4.4", **settings) as stick, running(stick) as app:
        plug = stick.device("plug")
        text = bytes(range(200))
        stick.air.transmit(
            AirFrame(source=plug.short, destination=0, source_endpoint=1, destination_endpoint=1, profile=0x0104,
                     cluster=METERING, payload=text, counter=7)
        )  # fmt: skip
        assert (await app.heard.until(METERING, plug.short)).data.serialize() == text


@pytest.mark.parametrize(("family", "firmware"), ONE_EACH)
async def test_the_way_of_frames_through_a_router_is_told(family: str, firmware: str) -> None:
    settings = {"devices": ("plug", "contact"), "joined": (0, 1), "tcp_port": 0}
    async with new_stick(family, firmware, **settings) as stick, running(stick, source_routing=True) as app:
        plug, contact = stick.device("plug"), stick.device("contact")
        stick.air.places[contact.ieee].parent = plug.ieee
        told: list[tuple[int, list[int]]] = []
        app.handle_relays = lambda nwk, relays: told.append((nwk, list(relays)))
        contact.move(is_open=True)
        await app.heard.until(0x0500, contact.short)
        assert told == [(contact.short, [plug.short])]


@pytest.mark.parametrize("firmware", ["8.0.2", "9.0.0"])
async def test_key_tables_of_the_newest_versions_are_read_one_by_one(firmware: str) -> None:
    settings = {"devices": ("smart-meter",), "joined": (0,), "tcp_port": 0}
    async with new_stick("ezsp", firmware, **settings) as stick, running(stick) as app:
        meter = stick.device("smart-meter")
        status, context, key, about = await app._ezsp.exportLinkKeyByIndex(index=0)
        assert status == 0
        assert context.eui64.serialize() == meter.ieee.to_bytes(8, "little")
        assert key.serialize() == link_key_of(meter.ieee)
        assert about.incoming_frame_counter == 0
        status, *_ = await app._ezsp.exportLinkKeyByIndex(index=1)
        assert status == 0x2D
        (status,) = await app._ezsp.importLinkKey(index=0, address=context.eui64, key=bytes(range(16)))
        assert status == 0
        assert stick.security.key_for(meter.ieee) == bytes(range(16))


@pytest.mark.parametrize(
    ("family", "firmware"), [("ezsp", "6.10.3"), ("ezsp", "7.3.2"), ("ezsp", "7.4.4"), ("znp", "3.0"), ("znp", "3.x")]
)
async def test_link_keys_are_in_the_backup_and_count_after_it_is_restored(family: str, firmware: str) -> None:
    settings = {"devices": ("smart-meter",), "joined": (0,), "tcp_port": 0}
    async with new_stick(family, firmware, **settings) as old:
        meter = old.device("smart-meter")
        async with running(old) as app:
            backup = await app.backups.create_backup(load_devices=True)
        keys = {key.partner_ieee: key.key.serialize() for key in backup.network_info.key_table}
        assert keys == {zigpy.types.EUI64(meter.ieee.to_bytes(8, "little")): link_key_of(meter.ieee)}
        old.kill()
        async with new_stick("znp", "3.x", room=old, tcp_port=0, seed=7) as new:
            async with running(new, form=True) as app:
                await app.backups.restore_backup(backup, counter_increment=0)
            async with running(new) as app:
                await app.send_packet(packet(meter.short, METERING, READ_FIRST, tsn=0x21, secured=True))
                answer = await app.heard.until(METERING, meter.short)
                assert zigpy.types.TransmitOptions.APS_Encryption in answer.tx_options
