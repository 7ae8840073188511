"""The dashboard on a utility's network: a real hub as in-premise display under an emulated energy service interface."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser, Page, WebSocketRoute
from playwright.async_api import Route as BrowserRoute
from test_dashboard import CHROMIUM, MISSING, PATIENCE_MS, browser, until, watch

from hub.config import parse
from hub.hub import Hub
from hub.smart_energy.utc import to_utc
from hub.zigbee.model import InterviewStep
from radios.emulators.se_payloads import DisplayMessage, LoadControlEvent, PublishPrice
from radios.emulators.trust_centre import InterfaceTrustCentre
from radios.emulators.xbee_router import XbeeRouter, XbeeRouterConfig
from web.server import WebServer, serve

__all__ = ["browser"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason=MISSING),
]

WATER_HEATER, EV = 0x0004, 0x0400
EVENT = LoadControlEvent(
    issuer_event_id=7, device_class=WATER_HEATER, duration_in_minutes=60, criticality_level=2, duty_cycle=50
)
PRICE = PublishPrice(
    provider_id=1, rate_label="PEAK", issuer_event_id=5, current_time=0, unit_of_measure=0, currency=978,
    trailing_digits_and_tier=0x43, tiers_and_register=0x40, duration_in_minutes=60, price=2834, price_control=1,
)  # fmt: skip
MESSAGE = DisplayMessage(message_id=9, message_control=0x88, duration_in_minutes=30, message="Peak hours until eight")
HOUR_S = 3600


@dataclass
class Home:
    """A hub that an energy service interface serves, and a page on its events."""

    hub: Hub
    server: WebServer
    module: XbeeRouter
    centre: InterfaceTrustCentre
    page: Page
    token: str
    complaints: list[str] = field(default_factory=list)
    posted: list[str] = field(default_factory=list)
    """Paths of what the page has posted."""

    @property
    def now(self) -> int:
        """The standard's time, at the interface."""
        return int(self.centre.utc())

    def publish(self, number: int, price: int, start_s: int, minutes: int, label: str = "") -> None:
        """A price, so many seconds from now."""
        told = replace(
            PRICE, issuer_event_id=number, price=price, rate_label=label, start_time=self.now + start_s,
            duration_in_minutes=minutes, current_time=self.now,
        )  # fmt: skip
        assert self.centre.price.create(told)

    def ask(self, number: int, **fields: int) -> None:
        """Make an event."""
        assert self.centre.drlc.create(replace(EVENT, issuer_event_id=number, **fields))

    async def sees(self, selector: str) -> None:
        await self.page.wait_for_selector(selector, timeout=PATIENCE_MS)

    async def as_viewer(self) -> None:
        """Sign in anew, with a token that may only look."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(f"{self.server.url}/api/v1/tokens", json={"name": "looks", "role": "viewer"}) as answer,
        ):
            viewer = (await answer.json())["token"]
        await self.page.evaluate(
            "token => fetch('/api/v1/login', {method: 'POST', headers: {'Content-Type': 'application/json'},"
            " body: JSON.stringify({token})})",
            viewer,
        )
        await self.page.reload()


@pytest.fixture
async def home(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Home]:
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)
    monkeypatch.setattr("radios.xbee.router.LOOK_S", 0.1)
    monkeypatch.setattr("hub.smart_energy.premises.LOOK_S", 0.1)
    monkeypatch.setattr("hub.smart_energy.premises.STORM_S", 0.2)
    async with AsyncExitStack() as stack:
        start = XbeeRouterConfig(devices=(), trust_centre="esi", was_joined=True)
        module = await stack.enter_async_context(XbeeRouter(start))
        centre = module.trust_centre
        assert isinstance(centre, InterfaceTrustCentre)
        table = {**tomllib.loads(module.toml("han")), "hub": {"role": "aux_gateway"}, "web": {"listen": "127.0.0.1:0"}}
        hub = await stack.enter_async_context(Hub(parse(table, data_dir=tmp_path)))
        centre.clock.set(to_utc(hub.clock.now()))
        members = hub.household.members
        await until(lambda: centre.ieee in members and members[centre.ieee].interview is InterviewStep.DONE)
        await until(lambda: all(one.subscribers for one in (centre.drlc, centre.price, centre.messaging)))
        await hub.devices.update(f"zigbee-{centre.ieee:016x}", name="Town utility")
        server = await stack.enter_async_context(serve(hub))
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        found = Home(hub, server, module, centre, page, (tmp_path / "token").read_text().strip())
        await watch(page, found.complaints)
        page.on("request", lambda request: found.posted.append(request.url) if request.method == "POST" else None)
        await page.goto(server.login_url())
        await page.click("nav >> text=Events", timeout=PATIENCE_MS)
        await found.sees("[data-demand-received]")
        yield found
        await page.close()
        assert [complaint for complaint in found.complaints if "Failed to load resource" not in complaint] == []


async def test_a_price_is_shown_with_its_day_of_steps_and_its_gaps(home: Home) -> None:
    page = home.page
    assert await page.inner_text("[data-price-now]") == "–"
    assert await page.locator("[data-price-chart]").count() == 0
    home.publish(5, 2834, 0, 60, "PEAK")
    await home.sees("[data-price-now]:has-text('€0.2834 per kWh')")
    await home.sees(".now:has-text('PEAK, tier 3, until')")
    home.publish(6, 1900, 3 * HOUR_S, 60, "NIGHT")
    await home.sees(".now:has-text('then €0.19')")
    # What holds now, what is announced of it, and behind a gap of two hours the next one.
    await until(lambda: len(home.hub.premises.client("han").prices.prices) == 2)
    await home.sees("path[data-announced] >> nth=1")
    assert await page.locator("[data-price-chart] path[data-held]").count() <= 1
    assert await page.locator("[data-price-chart] path[data-announced]").count() == 2
    await page.click("text=As a list")
    assert await page.locator("[data-prices] tbody tr").count() == 2
    assert "Town utility" in await page.inner_text("[data-prices] tbody tr >> nth=0")


async def test_the_chart_is_read_with_a_mouse_and_with_the_keyboard(home: Home) -> None:
    page = home.page
    home.publish(5, 2834, 0, 60, "PEAK")
    home.publish(6, 1900, 3 * HOUR_S, 60, "NIGHT")
    await home.sees("path[data-announced] >> nth=1")
    chart = page.locator("[data-price-chart]")
    await chart.focus()
    await home.sees('[data-price-chart][aria-valuetext*="€0.2834, PEAK, tier 3"]')
    assert "€0.2834" in await page.inner_text("[data-price-tip]")
    await page.keyboard.press("ArrowRight")
    assert "no price" in (await chart.get_attribute("aria-valuetext") or "")
    assert "no price" in await page.inner_text("[data-price-tip]")
    await page.keyboard.press("ArrowRight")
    assert "€0.19, NIGHT" in (await chart.get_attribute("aria-valuetext") or "")
    await page.keyboard.press("Home")
    assert await chart.get_attribute("aria-valuenow") == "1"
    await page.keyboard.press("Tab")
    assert await page.locator("[data-price-tip]").count() == 0
    place = await chart.bounding_box()
    line = await page.locator("path[data-announced] >> nth=1").bounding_box()
    assert place is not None
    assert line is not None
    await page.mouse.move(line["x"] + line["width"] / 2, place["y"] + 100)
    assert "€0.19" in await page.inner_text("[data-price-tip]")
    await page.mouse.move(place["x"] + 100, place["y"] - 50)
    assert await page.locator("[data-price-tip]").count() == 0


async def test_a_message_is_confirmed_and_the_utility_hears_of_it(home: Home) -> None:
    page = home.page
    await home.sees("[data-messages-received]:has-text('No messages yet')")
    assert home.centre.messaging.create(replace(MESSAGE, message_id=8, message_control=0, message="Welcome"))
    await home.sees('[data-message="8"][data-state="shown"]')
    assert await page.locator('[data-message="8"] button').count() == 0  # nobody wants to know
    assert home.centre.messaging.create(MESSAGE)
    await home.sees('[data-message="8"][data-state="replaced"]')
    row = '[data-message="9"]'
    await home.sees(f"{row}[data-state='shown']:has-text('High importance'):has-text('min left')")
    await page.focus(f"{row} button")
    await page.keyboard.press("Enter")
    await home.sees(f"{row} [data-confirmed]:has-text('Confirmed')")
    assert [re.sub(r".*/api/v1", "", one) for one in home.posted] == ["/events/message/9/confirm?radio=han"]
    await until(lambda: bool(home.centre.messaging.shown()[-1]["confirmed"]))
    home.centre.messaging.cancel(9)
    await home.sees(f'{row}[data-state="cancelled"]')


async def test_an_event_runs_and_people_opt_out_and_in_again(home: Home) -> None:
    page, client = home.page, home.hub.premises.client("han")
    await home.sees("[data-demand-received]:has-text('No events')")
    home.ask(7)
    row = '[data-received="7"]'
    await home.sees(f'{row}[data-state="running"][data-status="started"]')
    said = await page.inner_text(row)
    assert all(words in said for words in ("Water heater", "duty cycle 50 %", "2 (voluntary 1)", "Town utility"))
    await page.focus(f"{row} button")
    await page.keyboard.press("Enter")
    await home.sees(f"{row} >> text=the utility is told at once")
    assert home.posted == []  # it asks first
    await page.click(f"{row} >> text=Keep taking part")
    assert not client.drlc.events[7].is_out
    await page.click(f"{row} >> text=Opt out…")
    await page.click(f"{row} >> text=Opt out now")
    await home.sees(f'{row}[data-status="opted_out"][data-out="true"]')
    assert client.drlc.events[7].is_out
    assert await page.evaluate("document.activeElement.textContent") == "Opt in"  # who uses keys stays where they were
    await page.keyboard.press("Enter")
    await home.sees(f'{row}[data-status="opted_in"][data-out="false"]')
    paths = [re.sub(r".*/api/v1", "", one) for one in home.posted]
    assert paths == ["/events/drlc/7/opt-out?radio=han", "/events/drlc/7/opt-in?radio=han"]
    home.centre.drlc.cancel(7)
    await home.sees(f'{row}[data-state="over"][data-status="cancelled"]')
    assert await page.locator(f"{row} button").count() == 0


async def test_who_opts_out_before_it_starts_is_not_asked_and_told_what_that_means(home: Home) -> None:
    home.ask(7, start_time=home.now + HOUR_S)
    row = '[data-received="7"]'
    await home.sees(f'{row}[data-state="scheduled"]')
    await home.page.click(f"{row} button")
    await home.sees(f"{row}[data-out='true']:has-text('hears that this hub opts out when the event starts')")
    await home.page.click(f"{row} >> text=Opt in")
    await home.sees(f'{row}[data-out="false"]')


async def test_nobody_is_offered_to_leave_what_is_mandatory(home: Home) -> None:
    home.ask(7, criticality_level=7)
    home.ask(8, device_class=EV)
    await home.sees('[data-received="7"][data-state="running"] [data-mandatory]:has-text("emergency")')
    assert await home.page.locator('[data-received="7"] button').count() == 0
    await home.sees('[data-received="8"] button')


async def test_the_first_page_says_what_holds_now_and_leads_to_the_events(home: Home) -> None:
    page = home.page
    await page.click("nav >> text=Home")
    await home.sees("[data-house-power]")
    assert await page.locator("[data-energy-now]").count() == 0
    home.publish(5, 2834, 0, 60, "PEAK")
    home.ask(7)
    assert home.centre.messaging.create(MESSAGE)
    await home.sees("[data-now='price']:has-text('€0.2834')")
    await home.sees("[data-now='event']:has-text('Water heater'):has-text('this hub takes part')")
    await home.sees("[data-now='message']:has-text('to be confirmed'):has-text('Peak hours until eight')")
    home.hub.premises.client("han").opt_out(7)
    await home.sees("[data-now='event']:has-text('this hub has opted out')")
    await page.focus("[data-energy-now]")
    await page.keyboard.press("Enter")
    await home.sees("[data-side='received']")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_phone_shows_it_all_and_who_may_only_look_presses_nothing(home: Home, scheme: str) -> None:
    page = home.page
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await page.set_viewport_size({"width": 390, "height": 844})
    home.publish(5, 2834, 0, 60, "PEAK")
    home.publish(6, 1900, 3 * HOUR_S, 60, "NIGHT")
    home.ask(7, device_class=0x0FFF, cooling_temperature_offset=20, average_load_adjustment_percentage=-20)
    home.ask(8, start_time=home.now + 5 * HOUR_S, criticality_level=8)
    longest = "Somewhat longer than the screen of a phone is wide"
    assert home.centre.messaging.create(replace(MESSAGE, message=longest))
    await home.sees('[data-received="7"][data-state="running"] button')
    await home.sees('[data-received="8"]')
    await home.sees('[data-message="9"] button')
    await home.sees("path[data-announced] >> nth=1")
    for press in ("[data-received='7'] button", "[data-price-chart]"):
        await page.click(press)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    paper = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) < 150) is (scheme == "dark")
    await home.as_viewer()
    await home.sees('[data-received="7"]')
    await home.sees('[data-message="9"]:has-text("To be confirmed")')
    assert await page.locator("[data-events] .panel button").count() == 0


async def test_what_is_over_is_shown_as_it_ended(home: Home) -> None:
    home.ask(7)
    await home.sees('[data-received="7"][data-state="running"]')
    home.ask(8)
    await home.sees('[data-received="7"][data-state="over"][data-status="superseded"]:has-text("Superseded")')
    home.centre.drlc.cancel(8)
    await home.sees('[data-received="8"][data-status="cancelled"]:has-text("Told the utility: cancelled")')
    home.ask(9, duration_in_minutes=1)
    await home.sees('[data-received="9"][data-state="running"]')
    home.hub.premises.client("han").drlc.due(home.now + 90)
    await home.page.reload()
    await home.sees('[data-received="9"][data-status="completed"]:has-text("Completed")')
    assert await home.page.locator("[data-demand-received] button").count() == 0


async def test_what_came_is_shown_while_the_network_is_away(home: Home) -> None:
    home.ask(7)
    await home.sees('[data-received="7"][data-state="running"]')
    assert await home.page.locator("[data-away]").count() == 0
    home.module.kill()
    await home.sees('[data-away]:has-text("Radio han is not on the utility\'s network now")')
    assert await home.page.locator('[data-received="7"]').count() == 1
    home.module.revive()
    await home.page.wait_for_selector("[data-away]", state="detached", timeout=PATIENCE_MS)


async def test_where_the_utilitys_clock_is_another_its_times_are_by_that(home: Home) -> None:
    page = home.page
    assert await page.locator("[data-apart]").count() == 0
    home.centre.clock.set(to_utc(home.hub.clock.now()) + 2 * HOUR_S)
    [server] = home.hub.premises.times["han"].client.servers.values()
    server.due_at = 0.0
    await home.sees("[data-apart]:has-text('2 h ahead of')")
    home.publish(5, 2834, 0, 60, "PEAK")
    home.ask(7, start_time=home.now + 1800)
    await home.sees("[data-price-now]:has-text('€0.2834')")
    await home.sees('[data-received="7"][data-state="scheduled"]')
    # The present is where the utility's clock has it: at the start of the price, and half an hour before the event.
    present = await page.locator("[data-price-chart] line.now").bounding_box()
    ahead = await page.locator("[data-price-chart] [data-announced]").bounding_box()
    assert present is not None
    assert ahead is not None
    assert abs(present["x"] - ahead["x"]) < 3
    marker = await page.locator('[data-received="7"] line.present').bounding_box()
    bar = await page.locator('[data-received="7"] rect.bar').bounding_box()
    assert marker is not None
    assert bar is not None
    assert marker["x"] < bar["x"]


async def test_both_roles_are_one_page(home: Home) -> None:
    """The second network is the browser's alone: no radio of today is both, and the page does not know that."""
    page = home.page

    def second(route: WebSocketRoute) -> None:
        server = route.connect_to_server()

        def told(message: str | bytes) -> None:
            found = json.loads(message)
            if found.get("event") == "snapshot":
                [network] = found["networks"]
                can = network["can"] | {"aps_encryption": True}
                found["networks"].append(network | {"radio": "attic", "role": "esi_coordinator", "can": can})
            route.send(json.dumps(found))

        server.on_message(told)

    async def ours(route: BrowserRoute) -> None:
        kind = re.sub(r".*/events/|\?.*", "", route.request.url)
        await route.fulfill(json={{"price": "prices", "message": "messages", "drlc": "events"}[kind]: []})

    await page.route_web_socket("**/api/v1/ws", second)
    await page.route("**/api/v1/events/*?radio=attic", ours)
    await page.reload()
    assert home.centre.messaging.create(MESSAGE)
    await home.sees("[data-side='received'] [data-message='9'] button")
    await home.sees("[data-side='ours'] [data-messages]:has-text('No messages yet')")
    assert await page.locator("[data-side] > h2").all_inner_texts() == ["From the utility", "To this home's devices"]
    assert await page.locator("[data-side='ours'] >> text=New event").count() == 1
    labels = await page.locator("[data-side] .panel").evaluate_all(
        "all => all.map(one => one.getAttribute('aria-labelledby'))"
    )
    assert len(set(labels)) == len(labels) == 6
