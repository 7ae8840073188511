"""The dashboard's page of events in a real browser, on a real hub with emulated Smart Energy devices."""

from __future__ import annotations

import os
import tomllib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser, Page
from test_dashboard import CHROMIUM, MISSING, PATIENCE_MS, browser, until, watch

from hub.config import parse
from hub.hub import Hub
from hub.zigbee.model import InterviewStep
from radios.emulators.device import EmulatedDevice
from radios.emulators.se_devices import Display, LoadControl
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from radios.emulators.zigate import ZigateConfig, ZigateEmulator
from web.server import WebServer, serve

__all__ = ["browser"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason=MISSING),
]


@dataclass
class Home:
    """A hub that serves an emulated display and load control switch, and a page on its events."""

    hub: Hub
    server: WebServer
    module: XbeeEmulator
    page: Page
    token: str
    complaints: list[str] = field(default_factory=list)

    @property
    def display(self) -> Display:
        found = self.module.devices[0]
        assert isinstance(found, Display)
        return found

    @property
    def box(self) -> LoadControl:
        found = self.module.devices[1]
        assert isinstance(found, LoadControl)
        return found

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(f"{self.server.url}/api/v1/{path}", json=body) as answer,
        ):
            assert answer.status == 201, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found

    async def sees(self, selector: str) -> None:
        await self.page.wait_for_selector(selector, timeout=PATIENCE_MS)


def _announce(device: EmulatedDevice) -> None:
    """Say that it is here, as after a change of batteries."""
    place = device.short.to_bytes(2, "little") + device.ieee.to_bytes(8, "little")
    device._send(0, 0, 0, 0x0013, b"\x01" + place + b"\x8e", 0xFFFD)


@pytest.fixture
async def home(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Home]:
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)
    async with AsyncExitStack() as stack:
        start = XbeeConfig(devices=("display", "load-control"), joined=(0, 1))
        module = await stack.enter_async_context(XbeeEmulator(start))
        table = tomllib.loads(module.toml("han"))
        table["web"] = {"listen": "127.0.0.1:0"}
        hub = await stack.enter_async_context(Hub(parse(table, data_dir=tmp_path)))
        await until(lambda: hub.networks.get("han").state == "up")
        for device in module.devices:
            _announce(device)
        members = hub.household.members
        await until(
            lambda: all(
                device.ieee in members and members[device.ieee].interview is InterviewStep.DONE
                for device in module.devices
            )
        )
        server = await stack.enter_async_context(serve(hub))
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        found = Home(hub, server, module, page, (tmp_path / "token").read_text().strip())
        await watch(page, found.complaints)
        await page.goto(server.login_url())
        await page.click("nav >> text=Events", timeout=PATIENCE_MS)
        await found.sees("[data-demand]")
        yield found
        await page.close()
        assert [complaint for complaint in found.complaints if "Failed to load resource" not in complaint] == []


async def test_an_event_of_rest_appears_is_followed_and_is_cancelled_from_the_page(home: Home) -> None:
    page, box = home.page, home.box
    body = {"device_classes": ["pool_pump"], "duration_min": 60, "duty_cycle_percent": 0, "issuer_event_id": 77}
    await home.create("events/drlc", body | {"randomize_start": False, "randomize_end": False})
    await home.sees('[data-drlc="77"][data-state="running"]')
    await until(lambda: not box.is_closed)
    await page.focus('[data-drlc="77"]')
    await page.keyboard.press("Enter")
    row = f'dialog [data-client="zigbee-{box.ieee:016x}"]'
    await home.sees(f'{row}[data-status="started"]')
    assert await page.locator("dialog thead th").all_inner_texts() == ["Device", "Delivered", "Received", "Started"]
    await page.click("dialog >> text=Cancel the event…")
    await page.click("dialog >> text=Cancel it on all devices")
    await home.sees('dialog [data-state="cancelled"]')
    await home.sees(f'{row}[data-status="cancelled"]')
    assert box.is_closed
    await page.keyboard.press("Escape")
    await home.sees('[data-drlc="77"][data-state="cancelled"]')


async def test_a_message_of_the_page_is_shown_confirmed_and_taken_away(home: Home) -> None:
    page, display = home.page, home.display
    await page.fill("[name=text]", "x" * 200)
    await page.click("[data-messages] >> text=Send")
    await home.sees("#message-text-note:has-text('so much the radio carries')")
    await page.fill("[name=text]", "Peak hours until eight")
    await page.check("[name=confirm]")
    await page.click("[data-messages] >> text=Send")
    await until(lambda: display.messaging.on_screen is not None)
    assert display.shown()["message"] == "Peak hours until eight"
    client = f'[data-message] [data-client="zigbee-{display.ieee:016x}"]'
    await home.sees(f"{client}:has-text('not confirmed')")
    display.messaging.confirm()
    await home.sees(f"{client}:has-text(' confirmed '):not(:has-text('not confirmed'))")
    await page.click("[data-message] >> text=Cancel")
    await home.sees('[data-message][data-state="cancelled"]')
    await until(lambda: display.messaging.on_screen is None)


async def test_prices_are_shown_as_they_are_published(home: Home) -> None:
    page = home.page
    assert await page.inner_text("[data-price-now]") == "–"
    await home.create("events/price", {"price": 0.2834, "duration_min": 60, "rate_label": "PEAK", "issuer_event_id": 1})
    await home.sees("[data-price-now]:has-text('0.2834')")
    later = (datetime.now(UTC) + timedelta(hours=1, minutes=1)).isoformat()
    await home.create("events/price", {"price": 0.19, "start": later, "issuer_event_id": 2})
    await home.sees("[data-prices] .now:has-text('then €0.19')")
    assert (
        await page.locator("[data-price-chart] path[data-held], [data-price-chart] path[data-announced]").count() >= 2
    )
    assert await page.locator("[data-prices] tbody tr").count() == 2


async def test_the_first_page_says_what_holds_now_and_leads_to_the_events(home: Home) -> None:
    page = home.page
    await page.click("nav >> text=Home")
    await home.sees("[data-house-power]")
    assert await page.locator("[data-energy-now]").count() == 0
    await home.create("events/price", {"price": 0.2834, "duration_min": 60, "rate_label": "PEAK", "issuer_event_id": 1})
    await home.sees("[data-now='price']:has-text('0.2834'):has-text('PEAK')")
    body = {"device_classes": ["pool_pump"], "duration_min": 60, "randomize_start": False, "randomize_end": False}
    await home.create("events/drlc", body)
    await home.sees("[data-now='event']:has-text('Pool pump'):has-text('1 of')")
    await home.create("events/message", {"text": "Peak hours until eight"})
    await home.sees("[data-now='message']:has-text('Message on displays'):has-text('Peak hours')")
    await page.click("[data-energy-now]")
    await home.sees('[data-side="ours"] [data-drlc][data-state="running"]')


async def test_an_event_is_made_on_the_page_and_refusals_stand_at_their_fields(home: Home) -> None:
    page = home.page
    await page.click("text=New event")
    await page.fill("[name=duration_min]", "2000")
    await page.check("[value=pool_pump]")
    await page.click("text=Send the event")
    await home.sees("#demand-duration_min-note:has-text('1440')")
    assert await page.get_attribute("[name=duration_min]", "aria-invalid") == "true"
    await page.fill("[name=duration_min]", "30")
    await page.fill("[name=start]", "2020-01-01T00:00")
    await page.click("text=Send the event")
    await home.sees("#demand-start-note:has-text('past now')")
    await page.fill("[name=start]", "")
    await page.click("text=More")
    await page.fill("[name=utility_enrollment_group]", "300")
    await page.click("text=Send the event")
    await home.sees("#demand-utility_enrollment_group-note:has-text('255')")
    await page.fill("[name=utility_enrollment_group]", "0")
    await page.fill("[name=duty_cycle_percent]", "50")
    await page.click("text=Send the event")
    await page.wait_for_selector("[data-drlc-form]", state="detached", timeout=PATIENCE_MS)
    await home.sees('[data-drlc][data-state="running"]')
    [made] = home.hub.smart_energy.service(None).drlc.events.values()
    assert (made.event.duration_min, made.event.duty_cycle) == (30, 50)


async def test_who_may_only_look_finds_nothing_to_press_and_a_phone_shows_it_all(home: Home) -> None:
    page = home.page
    await home.create("events/drlc", {"device_classes": ["pool_pump", "ev", "hvac"], "duration_min": 60})
    await home.create(
        "events/message", {"text": "Somewhat longer than the screen of a phone is wide", "importance": "high"}
    )
    await home.sees("[data-drlc]")
    await home.sees("[data-message]")
    await page.set_viewport_size({"width": 390, "height": 844})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    viewer = (await home.create("tokens", {"name": "looks", "role": "viewer"}))["token"]
    await page.evaluate(
        "token => fetch('/api/v1/login', {method: 'POST', headers: {'Content-Type': 'application/json'},"
        " body: JSON.stringify({token})})",
        viewer,
    )
    await page.reload()
    await home.sees("[data-drlc]")
    buttons = await page.locator("[data-events] .panel button").all_inner_texts()
    assert not [text for text in buttons if "Cancel" in text or "Send" in text or "New event" in text]
    assert await page.locator("[data-events] form").count() == 0


async def test_without_a_radio_for_it_the_page_says_what_is_needed(browser: Browser, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        stick = await stack.enter_async_context(ZigateEmulator(ZigateConfig(devices=())))
        table = tomllib.loads(stick.toml("han"))
        table["web"] = {"listen": "127.0.0.1:0"}
        hub = await stack.enter_async_context(Hub(parse(table, data_dir=tmp_path)))
        await until(lambda: hub.networks.get("han").state == "up")
        server = await stack.enter_async_context(serve(hub))
        page = await browser.new_page()
        await page.goto(server.login_url())
        await page.click("nav >> text=Events", timeout=PATIENCE_MS)
        await page.wait_for_selector("[data-unserved]:has-text('encrypts for single devices')", timeout=PATIENCE_MS)
        await page.close()
