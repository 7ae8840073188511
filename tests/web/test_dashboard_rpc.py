"""The dashboard's page "RPC" in headless Chromium: forms from the table, requests in XML and JSON, what comes unasked.

One page goes through it in order, since a browser takes seconds to start.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from hub.config import Config, WebSection
from hub.hub import Hub
from tests.hub.waiting import eventually
from tests.web.test_dashboard import CHROMIUM, MISSING, PATIENCE_MS, watch
from tests.web.test_dashboard import browser as browser
from web.auth import Role
from web.rpc.check import Checked
from web.rpc.engine import Engine
from web.rpc.markup import parse
from web.rpc.response import Severity
from web.rpc.values import Values
from web.server import WebServer, serve

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason=MISSING),
]
KEY = "00112233445566778899AABBCCDDEEFF"
NOT_YET = "enable_joining"
"""Nothing does it here, whatever a hub of today can do."""
EXTRAS = ("create_price_event", "add_device", "read_attributes")


@dataclass
class Console:
    """A hub and a page on its requests."""

    hub: Hub
    server: WebServer
    page: Page
    made: list[Checked]
    """Requests that were made for which the test has handlers."""
    complaints: list[str] = field(default_factory=list)

    @property
    def engine(self) -> Engine:
        return self.server._services.rpc.engine

    async def sees(self, selector: str) -> None:
        await self.page.wait_for_selector(selector, timeout=PATIENCE_MS)

    async def open(self, request: str) -> None:
        await self.page.click(f"[data-request={request}]", timeout=PATIENCE_MS)
        await self.sees(f"[data-rpc-request={request}]")

    async def execute(self, outcome: str) -> str:
        """The response as it is shown."""
        await self.page.click("text=Execute")
        await self.sees(f"[data-rpc-answer={outcome}]")
        return await self.page.inner_text("[data-rpc-answer] .code")

    async def notation(self, name: str) -> None:
        await self.page.click(f"label.chip:has-text('{name}')")

    async def shown(self) -> str:
        return await self.page.inner_text("[aria-label=Request]")

    async def copied(self, what: str) -> str:
        await self.page.click(f"text=Copy as {what}")
        await self.sees("text=Copied")
        text = await self.page.evaluate("navigator.clipboard.readText()")
        assert isinstance(text, str)
        return text


@pytest.fixture
async def console(browser: Browser, tmp_path: Path) -> AsyncIterator[Console]:
    async with AsyncExitStack() as stack:
        config = Config(data_dir=tmp_path, web=WebSection(listen=("127.0.0.1", 0)))
        hub = await stack.enter_async_context(Hub(config))
        server = await stack.enter_async_context(serve(hub))
        context = await browser.new_context(
            viewport={"width": 1280, "height": 900}, permissions=["clipboard-read", "clipboard-write"]
        )
        stack.push_async_callback(context.close)
        page = await context.new_page()
        made: list[Checked] = []

        async def make(request: Checked) -> Values:
            made.append(request)
            return {"status": 0}

        handlers = server._services.rpc.engine.handlers
        assert isinstance(handlers, dict)
        for name in EXTRAS:
            handlers[name] = make
        handlers.pop(NOT_YET, None)
        found = Console(hub, server, page, made)
        await watch(page, found.complaints)
        await page.goto(server.login_url())
        await page.click("nav >> text=RPC", timeout=PATIENCE_MS)
        await found.sees("[data-request=get_time]")
        yield found
        assert [complaint for complaint in found.complaints if "Failed to load resource" not in complaint] == []


async def test_requests_are_listed_by_chapter_searched_and_made_in_xml_and_json(console: Console) -> None:
    page = console.page
    table = console.engine.table
    assert await page.locator("[data-request]").count() == len(table.requests)
    pending = {name for name in console.engine.pending if name not in EXTRAS}
    marked = [await one.get_attribute("data-request") for one in await page.locator("[data-request].pending").all()]
    assert set(marked) == pending
    titles = await page.locator(".chapters h3").all_inner_texts()
    assert "General" in titles
    assert "Smart Energy: Price" in titles

    await page.fill("#rpc-search", "tells time")
    assert await page.locator("[data-request]").all_inner_texts() == ["get_time"]
    await page.press("#rpc-search", "Enter")
    await console.sees("[data-rpc-request=get_time]")
    assert page.url.endswith("#rpc/get_time")
    await page.fill("#rpc-search", "")

    answer = await console.execute("ok")
    assert 'UTC_1970 type="int"' in answer
    assert "</get_time_response>" in answer
    await console.notation("JSON")
    assert '"UTC_1970"' in await console.execute("ok")
    assert await page.locator("[data-sent=get_time]").count() == 2

    # Parts fold, by the keyboard too.
    part = page.locator("[data-rpc-answer] .code details").nth(1)
    await part.locator("summary").first.focus()
    await page.keyboard.press("Enter")
    assert await part.get_attribute("open") is None
    assert '"UTC_1970"' not in await page.inner_text("[data-rpc-answer] .code")

    # Back goes back to the list.
    await page.go_back()
    await console.sees("text=Choose a request")


async def test_a_form_has_types_defaults_and_help_and_says_what_is_wrong_at_its_field(console: Console) -> None:
    page = console.page
    await console.open("create_price_event")
    assert await page.get_attribute("[name=source_endpoint_id]", "placeholder") == "0x5e"
    field = await page.inner_text("[data-rpc-field='record.price']")
    assert "price of a unit" in field
    assert "from 0x0 to 0xffffffff" in field
    await page.fill("[name='record.issuer_event_id']", "5")
    await page.fill("[name='record.price']", "0x1234567890")
    await console.notation("JSON")
    await console.execute("bad")
    wrong = await page.inner_text("[data-rpc-field='record.duration_in_minutes'] .note")
    assert wrong == "Missing: allowed is int from 0x0 to 0xffff."
    assert "Not 78187493520" in await page.inner_text("[data-rpc-field='record.price'] .note")
    assert await page.evaluate("document.activeElement.name") in ("record.duration_in_minutes", "record.price")
    assert console.made == []

    await page.fill("[name='record.price']", "1234")
    await page.fill("[name='record.duration_in_minutes']", "60")
    await console.execute("ok")
    await console.notation("XML")
    assert '<price type="int">0x4d2</price>' in await console.shown()
    await console.execute("ok")
    await eventually(lambda: len(console.made) == 2)
    first, second = console.made
    assert first.arguments == second.arguments
    assert getattr(first.arguments["record"], "fields", {})["price"] == 1234

    # The same as commands of a shell.
    command = "hubctl rpc create_price_event --issuer-event-id 5 --duration-in-minutes 60 --price 1234"
    assert await console.copied("hubctl") == command
    curl = await console.copied("curl")
    assert curl.startswith(f'curl -s --user "utility:$TOKEN" {console.server.url}/UE/rci --data \'<rci_request ')
    document = parse(curl.partition("--data '")[2].rstrip("'").encode())
    assert document.children[0].children[0].children[0].get("type") == "PublishPriceRecord"


async def test_lists_of_records_names_of_ones_choice_and_what_nobody_does_yet(console: Console) -> None:
    page = console.page
    await console.open("read_attributes")
    for number, attribute in enumerate(("0x0400", "1024")):
        await page.click("text=Add to record_list")
        await page.fill(f"[name='record_list[{number}].attribute_id']", attribute)
    await page.fill("[name=cluster_id]", "0x702")
    await page.select_option("[name=server_or_client]", "0")
    await page.fill("[name=destination_endpoint_id]", "9")
    await console.execute("ok")
    records = console.made[-1].arguments["record_list"]
    assert isinstance(records, list)
    assert [getattr(one, "fields", {})["attribute_id"] for one in records] == [0x400, 0x400]
    await page.click("[aria-label='Remove record_list 1']")
    assert (await console.shown()).count("<item") == 1

    await console.open("add_alias")
    await page.fill("[name=alias_name]", "CLOCK")
    await page.fill("textarea", '<get_time synchronous="TRUE"/>')
    await console.execute("ok")
    assert console.engine.aliases.all() == {"CLOCK": '<get_time synchronous="TRUE"/>'}
    assert await console.copied("hubctl") == "hubctl rpc add_alias CLOCK '<get_time synchronous=\"TRUE\"/>'"

    await console.open(NOT_YET)
    assert "not implemented yet" in await page.inner_text("[data-pending]")
    await console.notation("JSON")
    await page.fill("[name=join_time]", "60")
    assert "501" not in await page.inner_text("body")
    assert f"{NOT_YET} is not implemented yet" in await console.execute("bad")
    assert "501" in await page.inner_text("[data-rpc-answer] .badge")


async def test_keys_are_sent_and_neither_shown_nor_kept(console: Console) -> None:
    page = console.page
    await console.open("add_device")
    assert await page.get_attribute("[name=link_key]", "type") == "password"
    await page.fill("[name=device_address]", "00:13:A2:00:40:40:11:22")
    await page.fill("[name=link_key]", KEY)
    await console.execute("ok")
    assert str(console.made[-1].arguments["link_key"]) == KEY
    assert "(hidden)" in await console.shown()
    for copy in (await console.copied("curl"), await console.copied("hubctl")):
        assert KEY not in copy
        assert "(hidden)" in copy
    kept = await page.evaluate("JSON.stringify(localStorage)")
    assert "add_device" in kept
    assert KEY not in kept

    # An alias that holds one does not keep it either.
    await console.open("add_alias")
    await page.fill("[name=alias_name]", "DEVICE")
    await page.fill("textarea", f'<link_key type="base16">{KEY}</link_key>')
    await console.execute("ok")
    assert KEY in console.engine.aliases.all()["DEVICE"]
    kept = await page.evaluate("JSON.stringify(localStorage)")
    assert "DEVICE" in kept
    assert KEY not in kept

    # What was sent is filled in again, without the key; and is forgotten when that is asked for.
    await page.click("[data-sent=add_device] button")
    await console.sees("[data-rpc-request=add_device]")
    assert await page.input_value("[name=device_address]") == "00:13:A2:00:40:40:11:22"
    assert await page.input_value("[name=link_key]") == ""
    await page.reload()
    await console.sees("[data-sent=add_device]")
    await page.click("text=Forget all")
    assert await page.locator("[data-sent]").count() == 0
    assert await page.evaluate("localStorage.getItem('heh-rpc-history')") is None


async def test_responses_stream_in_and_are_filtered(console: Console) -> None:
    page, engine = console.page, console.engine
    stream = page.locator("[data-heard]")
    await console.open("get_time")
    await page.click("details.more summary")
    await page.check("[name=async]")
    await page.fill("[name=request_identifier]", "9")
    await console.execute("later")
    await console.sees("[data-heard=get_time_response]")
    engine.message(Severity.WARNING, "Device 1 marked as inactive")
    engine.message(Severity.ERROR, "the database takes no records")
    await console.sees("[data-severity='2']")
    assert await stream.count() == 3
    assert [one.split()[-1] for one in await stream.all_inner_texts()] == ["records", "inactive", "9"]

    await page.select_option("[name=stream-severity]", "2")
    assert [await one.get_attribute("data-severity") for one in await stream.all()] == ["2"]
    await page.select_option("[name=stream-severity]", "")
    await page.fill("[name=stream-name]", "get_time")
    assert [await one.get_attribute("data-heard") for one in await stream.all()] == ["get_time_response"]
    await stream.locator("summary").first.click()
    code = page.locator("[data-heard] .code")
    assert '<request_identifier type="int">0x9</request_identifier>' in await code.inner_text()
    await console.notation("JSON")
    await console.sees("[data-heard] .code .tag:text-is('\"request_identifier\"')")
    assert "<request_identifier" not in await code.inner_text()
    await page.fill("[name=stream-name]", "")

    await page.click("text=Pause")
    engine.message(Severity.WARNING, "not shown")
    await console.sees("text=1 missed")
    assert await stream.count() == 3
    # They are all in the mailbox as before.
    assert len(engine.mailbox) == 4


async def test_on_a_phone_in_the_dark_the_form_takes_the_lists_place(console: Console) -> None:
    page = console.page
    await page.emulate_media(color_scheme="dark")
    await page.set_viewport_size({"width": 360, "height": 780})
    await console.open("create_DRLC_event")
    assert not await page.is_visible("[data-request=get_time]")
    await console.execute("bad")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    await page.click("text=All requests")
    await console.sees("[data-request=get_time]")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_a_viewer_has_no_such_page(console: Console) -> None:
    auth = console.server._services.auth
    token = (await auth.create("eyes", Role.VIEWER))[1]
    page = console.page
    await page.click("[aria-label='Sign out']")
    await page.fill("input[type=password]", token)
    await page.keyboard.press("Enter")
    await console.sees("text=Requests need the role operator")
    assert await page.locator("nav >> text=RPC").count() == 0
