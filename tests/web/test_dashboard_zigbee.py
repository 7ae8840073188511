"""The dashboard's Zigbee side in a real browser, on a real hub with an emulated ZiGate."""

from __future__ import annotations

import asyncio
import os
import tomllib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page
from test_dashboard import CHROMIUM, MISSING, PATIENCE_MS, browser, watch

from hub.config import parse
from hub.hub import Hub
from hub.zigbee.model import InterviewStep
from radios.emulators.devices import Cube, Plug
from radios.emulators.ezsp import EzspConfig, EzspEmulator
from radios.emulators.zigate import ZigateConfig, ZigateEmulator
from web.server import serve

__all__ = ["browser"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason=MISSING),
]


@dataclass
class Flat:
    """A hub on an emulated ZiGate, and a page on the hub."""

    hub: Hub
    stick: ZigateEmulator
    page: Page
    complaints: list[str] = field(default_factory=list)

    def card(self, kind: str) -> str:
        return f'[data-device="zigbee-{self.stick.device(kind).ieee:016x}"]'


async def until_interviewed(hub: Hub, number: int) -> None:
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while sum(one.interview is InterviewStep.DONE for one in hub.household.members.values()) < number:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@pytest.fixture
async def flat(browser: Browser, tmp_path: Path) -> AsyncIterator[Flat]:
    async with AsyncExitStack() as stack:
        kinds = ("plug", "thermostat", "lamp", "cube")
        stick = await stack.enter_async_context(ZigateEmulator(ZigateConfig(devices=kinds, speed=5.0)))
        table = tomllib.loads(stick.toml("han"))
        table["web"] = {"listen": "127.0.0.1:0"}
        hub = await stack.enter_async_context(Hub(parse(table, data_dir=tmp_path)))
        async with asyncio.timeout(PATIENCE_MS / 1000):
            while hub.networks.get("han").state != "up":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await hub.networks.permit_join("han", 60)
        for kind in kinds[:3]:
            stick.press(stick.device(kind))
        await until_interviewed(hub, 3)
        await hub.networks.permit_join("han", 0)
        server = await stack.enter_async_context(serve(hub))
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        found = Flat(hub, stick, page)
        await watch(page, found.complaints)
        await page.goto(server.login_url())
        await page.wait_for_selector(f"{found.card('thermostat')} [data-setpoint]", timeout=PATIENCE_MS)
        yield found
        await page.close()
        assert [complaint for complaint in found.complaints if "Failed to load resource" not in complaint] == []


async def test_a_plug_is_switched_and_tells_when_somebody_presses_its_button(flat: Flat) -> None:
    plug = flat.stick.device("plug")
    assert isinstance(plug, Plug)
    card = flat.card("plug")
    await flat.page.click(f"{card} [data-switch] >> text=Off")
    await flat.page.wait_for_selector(f'{card} [data-switch="off"]', timeout=PATIENCE_MS)
    assert not plug.is_on
    plug.press()
    await flat.page.wait_for_selector(f'{card} [data-switch="on"]', timeout=PATIENCE_MS)


async def test_two_clicks_warmer_are_one_command_to_the_thermostat(flat: Flat) -> None:
    card = flat.card("thermostat")
    before = await flat.page.inner_text(f"{card} [data-setpoint]")
    assert before == "20.5 °C"
    for _ in range(2):
        await flat.page.click(f"{card} [aria-label=Warmer]")
    await flat.page.wait_for_selector(f"{card} [data-setpoint]:has-text('21.5 °C')", timeout=PATIENCE_MS)
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while not (commands := await flat.hub.history.commands(None, 10)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert [command.argument for command in commands] == ["heating 21.5 °C"]


async def test_a_device_joins_while_somebody_watches_and_gets_its_name(flat: Flat) -> None:
    page, cube = flat.page, flat.stick.device("cube")
    assert isinstance(cube, Cube)
    await page.click("text=Add a device")
    await page.click("text=Open joining")
    await page.wait_for_selector('[data-joining="open"]', timeout=PATIENCE_MS)
    assert flat.stick.press(cube)
    row = f'[data-joined="zigbee-{cube.ieee:016x}"]'
    await page.wait_for_selector(f'{row}[data-ready="true"]', timeout=PATIENCE_MS)
    steps = await page.inner_text(f"{row} .steps")
    assert "endpoints 1, 2, 3" in steps
    assert "LUMI lumi.sensor_cube" in steps
    await page.wait_for_selector(f'{row} [data-stage="active"]', timeout=PATIENCE_MS)
    assert await page.query_selector(f"{row} [data-step=authenticated]") is None
    await page.fill(f"{row} input >> nth=0", "Magic cube")
    await page.click(f"{row} >> text=Save")
    await page.click("dialog >> text=Done")
    await page.wait_for_selector(f"{flat.card('cube')}:has-text('Magic cube')", timeout=PATIENCE_MS)
    assert flat.hub.networks.get("han").joining_until is None or await _closes(flat)
    cube.gesture("tap", 3)
    await page.wait_for_selector(f"{flat.card('cube')} [data-gesture]:has-text('tap 3')", timeout=PATIENCE_MS)


async def _closes(flat: Flat) -> bool:
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while flat.hub.networks.get("han").joining_until is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return True


async def test_the_inside_of_a_device_is_shown_read_and_written(flat: Flat) -> None:
    page = flat.page
    await page.click(f"{flat.card('thermostat')} .more")
    row = '[data-attribute="1/513/server/18"]'
    await page.wait_for_selector(f"{row}:has-text('20.5 °C')", timeout=PATIENCE_MS)
    await page.click(f"{row} [aria-label^=Write]")
    await page.fill("dialog form input[type=text] >> nth=0", "2225")
    await page.click("dialog form >> text=Write")
    await page.wait_for_selector(f"{row}:has-text('22.25 °C')", timeout=PATIENCE_MS)
    model = '[data-attribute="1/0/server/5"]'
    await page.click("dialog summary:has-text('basic')")
    await page.click(f"{model} [aria-label^=Write]")
    await page.fill("dialog form input[type=text] >> nth=0", '"x"')
    await page.click("dialog form >> text=Write")
    await page.wait_for_selector("dialog .problem:has-text('READ_ONLY')", timeout=PATIENCE_MS)


async def test_the_map_shows_everybody_and_how_well_they_hear_each_other(flat: Flat) -> None:
    page = flat.page
    await page.click("text=Draw the map")
    # It grows with each router that has answered.
    # The page forbids code from text, which waiting for a function is.
    await page.wait_for_selector("svg.map .link >> nth=3", state="attached", timeout=PATIENCE_MS)
    names = await page.locator("svg.map .spot").evaluate_all(
        "spots => spots.map(spot => spot.getAttribute('aria-label'))"
    )
    assert "This hub, coordinator" in names
    assert len(names) == 4
    await page.focus("svg.map .spot >> nth=0")
    await page.keyboard.press("Enter")
    assert await page.locator('svg.map .spot[aria-pressed="true"]').count() == 1


async def test_a_radio_that_is_down_is_said_where_a_device_would_be_added(flat: Flat) -> None:
    flat.stick.kill()
    await flat.page.wait_for_selector('[data-network="han"] dd.down', timeout=PATIENCE_MS)
    assert await flat.page.is_disabled("text=Add a device")
    await flat.page.wait_for_selector(f"{flat.card('plug')}:has-text('its radio is down')", timeout=PATIENCE_MS)


async def test_on_a_phone_nothing_is_wider_than_the_screen(flat: Flat) -> None:
    await flat.page.set_viewport_size({"width": 390, "height": 844})
    await flat.page.click("text=Draw the map")
    await flat.page.wait_for_selector("svg.map", timeout=PATIENCE_MS)
    width = await flat.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390


async def test_a_coordinator_is_backed_up_and_a_key_that_it_lost_is_shown_until_somebody_says_so(
    browser: Browser, tmp_path: Path
) -> None:
    config = EzspConfig(devices=("smart-meter",), joined=(0,))
    complaints: list[str] = []
    async with AsyncExitStack() as stack:
        stick = await stack.enter_async_context(EzspEmulator(config))
        table = tomllib.loads(stick.toml("han"))
        table.update({"web": {"listen": "127.0.0.1:0"}, "backup": {"nightly": False}})
        hub = await stack.enter_async_context(Hub(parse(table, data_dir=tmp_path)))
        async with asyncio.timeout(PATIENCE_MS / 1000):
            while hub.networks.get("han").state != "up":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        server = await stack.enter_async_context(serve(hub))
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        stack.push_async_callback(page.close)
        await watch(page, complaints)
        await page.goto(server.login_url())
        await page.click("text=Back up now", timeout=PATIENCE_MS)
        row = "[data-backup]"
        await page.wait_for_selector(f"{row}:has-text('just now: 1 device, 1 link key')", timeout=PATIENCE_MS)
        panel = await page.inner_text("[data-network=han]")
        assert stick.config.firmware in panel
        assert "link keys, aps encryption" in panel
        assert await page.query_selector("[data-backup-alarm]") is None
        stick.flash.link_keys.clear()
        await page.click("text=Back up now")
        shown = await page.wait_for_selector("[data-backup-alarm]", timeout=PATIENCE_MS)
        assert shown is not None
        address = f"{stick.device('smart-meter').ieee:016x}"
        told = await shown.inner_text()
        assert "The link key of " in told  # by name, if the meter has spoken by now
        assert "disappeared, and nobody removed it" in told
        await page.wait_for_selector(f".banners:has-text('{address}')", timeout=PATIENCE_MS)
        await page.reload()
        await page.click("[data-backup-alarm] >> text=That is as it should be", timeout=PATIENCE_MS)
        await page.wait_for_selector("[data-backup-alarm]", state="detached", timeout=PATIENCE_MS)
        assert hub.backups.status("han").alarm is None  # type: ignore[union-attr]
        assert [complaint for complaint in complaints if "Failed to load resource" not in complaint] == []
