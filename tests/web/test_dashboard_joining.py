"""Joining with a code or key in a real browser, on a real hub with an emulated XBee: from the label to active."""

from __future__ import annotations

import os
import tomllib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page
from test_dashboard import CHROMIUM, MISSING, PATIENCE_MS, browser, until, watch

from hub.config import parse
from hub.hub import Hub
from protocols.install_code import CODE_SIZES, InstallCode, crc16_x25
from radios.emulators.device import EmulatedDevice
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from web.server import serve

__all__ = ["browser"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason=MISSING),
]

CODE = "83FED3407A939723A5C639B26916D505C3B5"
ADDRESS, SECRET = "[name=heh-eui64]", "[name=heh-once]"
SEND = "dialog button:has-text('Register, and open joining')"


@dataclass
class Home:
    """A hub on an emulated XBee with a smart meter beside it, and a page that is about to add it."""

    hub: Hub
    module: XbeeEmulator
    page: Page
    complaints: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    @property
    def meter(self) -> EmulatedDevice:
        return self.module.devices[0]

    @property
    def meter_id(self) -> str:
        return f"zigbee-{self.meter.ieee:016x}"

    async def note(self, name: str) -> str:
        return await self.page.inner_text(f"#{name}-note")


@pytest.fixture
async def home(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Home]:
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)
    async with AsyncExitStack() as stack:
        module = await stack.enter_async_context(XbeeEmulator(XbeeConfig(devices=("smart-meter",))))
        module.devices[0].link_key = InstallCode.parse(CODE).link_key
        table = tomllib.loads(module.toml("han"))
        table["web"] = {"listen": "127.0.0.1:0"}
        hub = await stack.enter_async_context(Hub(parse(table, data_dir=tmp_path)))
        await until(lambda: hub.networks.get("han").state == "up")
        server = await stack.enter_async_context(serve(hub))
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        found = Home(hub, module, page)
        page.on("request", lambda request: found.addresses.append(request.url))
        await watch(page, found.complaints)
        await page.goto(server.login_url())
        await page.click("text=Add a device", timeout=PATIENCE_MS)
        await page.wait_for_selector("[data-keyed]", timeout=PATIENCE_MS)
        yield found
        await page.close()
        assert [complaint for complaint in found.complaints if "Failed to load resource" not in complaint] == []


async def test_each_field_is_checked_as_it_is_typed(home: Home) -> None:
    page = home.page
    assert await page.is_disabled(SEND)
    for typed, said in (
        ("0013", "4 of 16 hex digits."),
        ("0013z", "Character 5 is no hex digit; those are 0 to 9 and A to F."),
        ("00:13:A2:00:40:52:29:AA:00", "18 of 16 hex digits."),
        ("00:13:A2:00:40:52:29:aa", "That is an address."),
    ):
        await page.fill(ADDRESS, typed)
        assert await home.note("eui64") == said
    assert await page.is_disabled(SEND)
    for typed, said in (
        ("", "As it is printed, with its CRC: 16, 20, 28 or 36 hex digits"),
        ("83FE", "4 hex digits; right are 16, 20, 28 or 36 hex digits"),
        (
            CODE[:-4],
            "32 hex digits; right are 16, 20, 28 or 36 hex digits (6, 8, 12 or 16 bytes and 2 of the CRC). Is",
        ),
        (CODE.replace("83", "38"), "The last 4 of the 36 digits are not the CRC"),
        (CODE[:-1] + "x", "Character 36 is no hex digit"),
    ):
        await page.fill(SECRET, typed)
        assert (await home.note("secret")).startswith(said)
        assert await page.is_disabled(SEND)
    await page.fill(SECRET, " ".join(CODE[at : at + 4] for at in range(0, len(CODE), 4)).lower())
    assert await home.note("secret") == "Its CRC is right."
    assert not await page.is_disabled(SEND)
    await page.click("dialog >> text=Link key")
    assert await page.input_value(SECRET) == ""
    for typed, said in (
        ("5a" * 15, "30 of 32 hex digits."),
        ("00" * 16, "A key of zeros only is no key."),
        ("5a" * 16, "That is a key."),
    ):
        await page.fill(SECRET, typed)
        assert await home.note("secret") == said
    await page.fill(ADDRESS, "0013")
    assert await page.is_disabled(SEND)


async def test_codes_of_every_length_have_the_crc_that_the_hub_wants(home: Home) -> None:
    for size in CODE_SIZES:
        code = bytes(range(0x30 + size, 0x30 + 2 * size))
        crc = crc16_x25(code)
        await home.page.fill(SECRET, (code + crc.to_bytes(2, "little")).hex())
        assert await home.note("secret") == "Its CRC is right."
        await home.page.fill(SECRET, (code + (crc ^ 1).to_bytes(2, "little")).hex())
        assert f"The last 4 of the {2 * size + 4} digits" in await home.note("secret")


async def test_a_device_comes_from_its_label_to_active_while_somebody_watches(home: Home) -> None:
    page = home.page
    await page.fill(ADDRESS, f"{home.meter.ieee:016x}")
    await page.fill(SECRET, CODE)
    masked = f"getComputedStyle(document.querySelector('{SECRET}')).webkitTextSecurity"
    assert await page.evaluate(masked) == "disc"
    await page.click("dialog >> text=Show")
    assert await page.evaluate(masked) == "none"
    await page.fill("dialog [placeholder=optional]", "Cellar meter")
    await page.click(SEND)
    row = f'[data-joined="{home.meter_id}"]'
    await page.wait_for_selector(f'{row} [data-stage="registered"]', timeout=PATIENCE_MS)
    assert "Cellar meter" in await page.inner_text(row)
    # The secret is nowhere any more: not in its field, nor in what the browser keeps or asks.
    assert await page.query_selector(SECRET) is None
    kept = await page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])"
    )
    assert CODE.lower() not in (kept + await page.content() + " ".join(home.addresses)).lower()
    assert home.module.table == {home.meter.ieee: home.meter.link_key}
    await page.wait_for_selector('[data-joining="open"]', timeout=PATIENCE_MS)
    steps = ("registered", "announced", "authenticated", "interviewed", "active")
    assert [await page.get_attribute(f"{row} [data-step={step}]", "data-reached") for step in steps] == [
        "true", *["false"] * 4,
    ]  # fmt: skip
    assert home.module.press(home.meter)
    await page.wait_for_selector(f"{row} [data-step=authenticated][data-reached=true]", timeout=PATIENCE_MS)
    await page.wait_for_selector(f'{row} [data-stage="active"]', timeout=PATIENCE_MS)
    assert [await page.get_attribute(f"{row} [data-step={step}]", "data-reached") for step in steps] == ["true"] * 5
    await page.click("dialog >> text=Register another")
    assert await page.input_value(SECRET) == await page.input_value(ADDRESS) == ""
    assert await page.evaluate(masked) == "disc"
    await page.click("dialog >> text=Done")
    await until(lambda: home.hub.networks.get("han").joining_until is None)
    await page.click(f'[data-device="{home.meter_id}"] .more')
    await page.wait_for_selector('dialog[data-zigbee] [data-stage="active"]', timeout=PATIENCE_MS)
    assert "registered, keys established" in await page.inner_text("dialog[data-zigbee] .facts")
    home.module.air.drop(home.meter.ieee, told=True)
    await page.wait_for_selector('dialog[data-zigbee] [data-stage="registered"]', timeout=PATIENCE_MS)


async def test_what_the_hub_refuses_is_said_and_the_secret_is_gone(home: Home) -> None:
    page = home.page
    for number in range(10):
        home.module.table[number + 1] = bytes(15) + b"\x01"
    await page.fill(ADDRESS, f"{home.meter.ieee:016x}")
    await page.fill(SECRET, CODE)
    await page.click(SEND)
    await page.wait_for_selector(
        "dialog [role=alert]:has-text('the trust centre refuses the key')", timeout=PATIENCE_MS
    )
    assert await page.input_value(SECRET) == ""
    assert await page.input_value(ADDRESS) == f"{home.meter.ieee:016x}"
    assert await page.is_disabled(SEND)
    assert home.hub.devices.all() == []


async def test_joining_on_a_phone_fits_the_screen(home: Home) -> None:
    page = home.page
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.fill(ADDRESS, f"{home.meter.ieee:016x}")
    await page.fill(SECRET, CODE)
    await page.click(SEND)
    await page.wait_for_selector(f'[data-joined="{home.meter_id}"] [data-stage="registered"]', timeout=PATIENCE_MS)
    assert await page.evaluate(
        "document.querySelector('dialog').scrollWidth <= document.querySelector('dialog').clientWidth"
    )
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    for button in await page.query_selector_all("dialog button"):
        box = await button.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
