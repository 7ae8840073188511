"""Lines of the hub's log as messages, by their severity."""

from __future__ import annotations

import asyncio
import logging

import pytest

from hub import registry
from tests.hub.waiting import eventually
from tests.web.conftest import Served
from tests.web.rpc.test_rpc_http import rci
from web.rpc.log_lines import LogLines
from web.rpc.response import Severity

HUB, RPC, LIBRARY = (
    logging.getLogger("hub.store"),
    logging.getLogger("web.rpc.push"),
    logging.getLogger("aiohttp.access"),
)


async def mail(served: Served) -> list[tuple[str, int]]:
    """Take what has come: texts and severities."""
    await asyncio.sleep(0)  # lines may come from any thread, so that they are taken in the loop's next turn
    found = (await served.get("/api/v1/rpc/responses"))["responses"]
    return [(one["parameters"]["description"], one["parameters"]["severity"]) for one in found]


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> None:
    """As the program logs."""
    caplog.set_level(logging.INFO)


async def test_warnings_and_errors_of_the_hub_are_messages(served: Served) -> None:
    await mail(served)
    for level in (logging.INFO, logging.WARNING, logging.ERROR):
        HUB.log(level, "a line of %s", logging.getLevelName(level))
        RPC.log(level, "of the RPC")
        LIBRARY.log(level, "of a library")
    assert await mail(served) == [("a line of WARNING", 1), ("a line of ERROR", 2)]
    for severity, wanted in ((0, ["INFO", "ERROR"]), (2, ["ERROR"]), (3, [])):
        [told] = await rci(
            served,
            f'<registry_configuration synchronous="TRUE"><name>{registry.DEBUG_RPC_SEVERITY}</name>'
            f"<value>{severity}</value></registry_configuration>",
        )
        assert told.tag == "registry_configuration_response"
        await mail(served)
        HUB.info("INFO")
        HUB.error("ERROR")
        assert [text for text, _ in await mail(served)] == wanted


async def test_a_line_of_another_thread_is_told_too(served: Served) -> None:
    await mail(served)
    await asyncio.to_thread(HUB.warning, "from a thread")
    assert await mail(served) == [("from a thread", 1)]


async def test_a_fault_that_repeats_itself_leaves_room_for_others() -> None:
    told: list[str] = []
    now = [100.0]
    with LogLines(lambda _, text: told.append(text), lambda: Severity.WARNING, lambda: now[0]) as lines:
        for number in range(35):
            HUB.warning("line %d", number)
        await eventually(lambda: len(told) == 30)
        now[0] += 61
        HUB.warning("later")
        await eventually(lambda: told[-1] == "later")
        assert told[29:] == ["line 29", "5 more lines are in the log of the hub", "later"]
    HUB.warning("after it")
    await asyncio.sleep(0)
    assert told[-1] == "later"
    assert lines not in logging.getLogger().handlers
