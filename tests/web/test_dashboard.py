"""The dashboard in a real browser, on a real hub with emulated breakers."""

from __future__ import annotations

import asyncio
import os
import shutil
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from hub.config import parse
from hub.hub import Hub
from hub.model import Action, Availability
from radios.emulators.emcb import EmcbConfig, EmcbEmulator, EmulatedBreaker
from web.server import WebServer, serve

CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
MISSING = "Chromium is not installed: python tests/prepare.py installs it where it may"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
DIST = Path(__file__).parent.parent.parent / "web" / "dashboard" / "dist" / "index.html"
PATIENCE_MS = 20_000
NAMES = ("Refrigerator", "Car charger", "Solar inverter")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason=MISSING),
]
_numbers = count()


@dataclass
class House:
    """A hub on emulated breakers, and a page on the hub."""

    hub: Hub
    server: WebServer
    emulator: EmcbEmulator
    page: Page
    complaints: list[str] = field(default_factory=list)
    """What the browser's console said, and requests that went elsewhere."""

    def card(self, number: int) -> str:
        return f'[data-device="{self.id(number)}"]'

    def id(self, number: int) -> str:
        return f"emcb-{self.emulator.breakers[number].device_id}"

    def breaker(self, number: int) -> EmulatedBreaker:
        return self.emulator.breakers[number]

    async def shows(self, number: int, position: str) -> None:
        await self.page.wait_for_selector(f'{self.card(number)} [data-position="{position}"]', timeout=PATIENCE_MS)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    assert CHROMIUM is not None, MISSING
    assert DIST.exists(), "the dashboard is not built: make dashboard"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while not condition():  # noqa: ASYNC110 - several objects, no one event
            await asyncio.sleep(0.02)


async def watch(page: Page, complaints: list[str]) -> None:
    """Collect what a visitor would never see: errors, violated policies, requests to anywhere but the hub."""
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on(
        "request",
        lambda request: (
            complaints.append(f"foreign: {request.url}")
            if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:"))
            else None
        ),
    )


@pytest.fixture
async def house(browser: Browser, tmp_path: Path) -> AsyncIterator[House]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    bind = f"127.{40 + worker % 80}.{1 + next(_numbers) % 250}.2"
    async with AsyncExitStack() as stack:
        loads = ("refrigerator", "ev_charger", "solar")
        emulator = await stack.enter_async_context(EmcbEmulator(EmcbConfig(count=3, bind=bind, loads=loads)))
        table = tomllib.loads(emulator.toml())
        table["radio"][0].update(poll_interval_s=0.3, command_lockout_s=0, unavailable_after=3)
        table["web"] = {"listen": "127.0.0.1:0"}
        config = parse(table, data_dir=tmp_path)
        hub = await stack.enter_async_context(Hub(config))
        await until(lambda: sum(d.availability is Availability.AVAILABLE for d in hub.devices.all()) == 3)
        for breaker, name in zip(emulator.breakers, NAMES, strict=True):
            await hub.devices.update(f"emcb-{breaker.device_id}", name=name)
        server = await stack.enter_async_context(serve(hub))
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        found = House(hub, server, emulator, page)
        await watch(page, found.complaints)
        await page.goto(server.login_url())
        await page.wait_for_selector(f"{found.card(2)} .number", timeout=PATIENCE_MS)
        yield found
        await page.close()
        assert [complaint for complaint in found.complaints if "Failed to load resource" not in complaint] == []


async def test_it_shows_every_breaker_live_and_the_home_as_their_sum(house: House) -> None:
    page = house.page
    assert await page.locator("article h3").all_inner_texts() == list(NAMES)
    for number in range(3):
        await house.shows(number, "closed")
    await page.wait_for_selector('[data-link="connected"]')
    await page.wait_for_selector("[data-house-power]:not(:has-text('–'))", timeout=PATIENCE_MS)
    assert "All breakers included" in await page.inner_text(".now")
    path = page.locator(f"{house.card(0)} svg[role=img] path")
    await path.wait_for(state="attached", timeout=PATIENCE_MS)
    before = len(await path.get_attribute("d") or "")
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while len(await path.get_attribute("d") or "") <= before:  # noqa: ASYNC110 - the browser's own pace
            await asyncio.sleep(0.1)
    assert await page.title() != ""


async def test_a_breaker_opened_through_rest_changes_on_the_page_without_reload(house: House) -> None:
    await house.page.evaluate("window.notReloaded = true")
    await house.hub.breakers.move(house.id(1), Action.OPEN, "rest")
    await house.shows(1, "open")
    assert await house.page.evaluate("window.notReloaded") is True


async def test_a_click_opens_one_only_after_it_was_confirmed(house: House) -> None:
    page = house.page
    await page.click(f"{house.card(0)} >> text=Open")
    dialog = page.locator("dialog[open]")
    assert "Open Refrigerator?" in await dialog.inner_text()
    await page.keyboard.press("Escape")
    await dialog.wait_for(state="detached")
    assert house.breaker(0).commands_applied == []
    await page.click(f"{house.card(0)} >> text=Open")
    await page.click("dialog[open] >> text=Open it")
    await house.shows(0, "open")
    assert house.breaker(0).state == 0
    assert [command.action for command in house.breaker(0).commands_applied] == [0]
    await page.wait_for_selector("[role=log] >> text=confirmed by the breaker")
    await page.click(f"{house.card(0)} >> text=Close")
    await page.click("dialog[open] >> text=Close it")
    await house.shows(0, "closed")
    assert house.breaker(0).state == 1


async def test_a_refusal_and_an_unknown_outcome_are_said_honestly(house: House) -> None:
    page = house.page
    house.breaker(0).lockout_s = 60
    await house.hub.breakers.move(house.id(0), Action.OPEN, "before")
    await house.shows(0, "open")
    await page.click(f"{house.card(0)} >> text=Close")
    await page.click("dialog[open] >> text=Close it")
    await page.wait_for_selector("dialog[open] >> text=Refused", timeout=PATIENCE_MS)
    await page.click("dialog[open] >> text=Understood")
    await page.click(f"{house.card(1)} >> text=Open")
    house.emulator.faults.loss = 1.0
    await page.click("dialog[open] >> text=Open it")
    await page.wait_for_selector("dialog[open] >> text=Nobody knows", timeout=PATIENCE_MS)
    house.emulator.faults.loss = 0.0
    assert house.breaker(1).commands_applied == []


async def test_a_trip_is_shown_as_what_it_is(house: House) -> None:
    house.breaker(2).trip()
    await house.shows(2, "mismatch")
    await house.page.wait_for_selector("[role=log] >> text=Nobody asked for it here")


async def test_a_silent_breaker_says_why_and_cannot_be_moved(house: House) -> None:
    house.breaker(1).power_off()
    await house.page.wait_for_selector(f"{house.card(1)} >> text=Not answering", timeout=PATIENCE_MS)
    assert await house.page.is_disabled(f"{house.card(1)} button:has-text('Open')")
    await house.page.wait_for_selector(".now >> text=Without Car charger", timeout=PATIENCE_MS)


async def test_a_protected_breaker_cannot_be_opened_from_the_page(house: House) -> None:
    page = house.page
    await page.click(f"{house.card(0)} .more")
    await page.check("dialog[open] >> text=Protected")
    await page.wait_for_selector("dialog[open] >> text=Saved.")
    await page.keyboard.press("Escape")
    await page.wait_for_selector(f"{house.card(0)} >> text=Protected")
    assert await page.is_disabled(f"{house.card(0)} button:has-text('Open')")
    assert house.hub.devices.get(house.id(0)).protected


async def test_the_details_rename_a_breaker_and_show_its_poles(house: House) -> None:
    page = house.page
    await page.click(f"{house.card(2)} .more")
    dialog = page.locator("dialog[open]")
    await dialog.locator("text=Pole 1").first.wait_for()
    assert "Hz" in await dialog.inner_text()
    await page.fill("dialog[open] input[type=text] >> nth=0", "Roof <b>PV</b>")
    await page.click("dialog[open] >> text=Save")
    await page.wait_for_selector("dialog[open] >> text=Saved.")
    await page.keyboard.press("Escape")
    await page.wait_for_selector(f"{house.card(2)} h3:has-text('Roof <b>PV</b>')", timeout=PATIENCE_MS)
    await page.click(f"{house.card(2)} .more")
    await page.click("dialog[open] >> text=Show colours")
    await page.wait_for_selector("dialog[open] >> text=The breaker shows them.")
    assert len(house.breaker(2).leds) == 5


async def test_a_lost_websocket_is_shown_and_recovers_by_itself(house: House) -> None:
    page = house.page
    # The calls of the page fail too, as when the hub is restarted, until the network is back.
    await page.route("**/api/v1/session", lambda route: route.abort())
    for client in tuple(house.server._services.fanout._clients):
        client.transport.abort()
    await page.wait_for_selector('[data-link="waiting"]', timeout=PATIENCE_MS)
    assert "Hub not reachable" in await page.inner_text("header")
    assert await page.is_disabled(f"{house.card(0)} button:has-text('Open')")
    await house.hub.breakers.move(house.id(0), Action.OPEN, "rest")
    await page.unroute("**/api/v1/session")
    await page.wait_for_selector('[data-link="connected"]', timeout=PATIENCE_MS)
    await house.shows(0, "open")


async def test_without_a_session_a_token_signs_in(house: House, browser: Browser, tmp_path: Path) -> None:
    page = await browser.new_page()
    await page.goto(house.server.url + "/")
    await page.fill("input[type=password]", "heh_wrong")
    await page.click("form button")
    await page.wait_for_selector("[role=alert]:not(:empty)")
    assert "heh_wrong" not in await page.inner_text("body")
    await page.fill("input[type=password]", (tmp_path / "token").read_text().strip())
    await page.click("form button")
    await page.wait_for_selector("article", timeout=PATIENCE_MS)
    await page.click("[aria-label='Sign out']")
    await page.wait_for_selector("input[type=password]", timeout=PATIENCE_MS)
    await page.close()


async def test_a_phone_shows_it_without_sideways_scrolling_in_light_and_dark(house: House) -> None:
    page = house.page
    await page.set_viewport_size({"width": 360, "height": 740})
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    await page.click(f"{house.card(0)} .more")
    await page.wait_for_selector("dialog[open] table")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360


CONTRAST = """
() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [x, y, z] = [r / 255, g / 255, b / 255].map(linear);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const element of document.querySelectorAll('h2, h3, p, strong, dt, dd, button:not(:disabled), .unit, .number')) {
    if (!element.innerText?.trim() || !element.getClientRects().length || element.closest('.visually-hidden')) continue;
    const [a, b] = [light(rgb(getComputedStyle(element).color)), light(ground(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) bad.push(`${element.tagName} ${element.innerText.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return bad;
}
"""
NAMELESS = """
() => [...document.querySelectorAll('button, a[href], input, [role=img]')]
  .filter((e) => !(e.ariaLabel || e.innerText?.trim() || e.labels?.length || e.ariaHidden))
  .map((e) => e.outerHTML.slice(0, 120))
"""


async def test_everything_has_a_name_and_can_be_read(house: House) -> None:
    page = house.page
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert await page.evaluate(CONTRAST) == []
    assert await page.evaluate(NAMELESS) == []
    await page.click(f"{house.card(0)} .more")
    await page.wait_for_selector("dialog[open] table")
    assert await page.evaluate(NAMELESS) == []
    assert await page.locator("main, header, h1").count() >= 3


async def test_it_can_be_used_with_the_keyboard_alone(house: House) -> None:
    page = house.page
    await page.focus(f"{house.card(0)} button:has-text('Open')")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("dialog[open]")
    inside = "document.activeElement.closest('dialog') !== null"
    assert await page.evaluate(inside), "the dialog has the focus"
    for _ in range(3):
        await page.keyboard.press("Tab")
    await page.focus("dialog[open] button:has-text('Open it')")
    await page.keyboard.press("Enter")
    await house.shows(0, "open")
    assert house.breaker(0).state == 0
