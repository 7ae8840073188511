"""The examples of docs/rpc.md, run with curl against a hub: each gives what stands below it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.hub.waiting import eventually
from tests.web.conftest import Served
from web.rpc.table import TABLE

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "rpc.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```sh\n(.*?)```\n```(xml|json)\n(.*?)```", TEXT, re.DOTALL)
_CHANGING = (
    (re.compile(r'timestamp="[0-9]+\.0"'), 'timestamp="T"'),
    (re.compile(r"(<UTC_[0-9]+ type=\"int\">)0x[0-9a-f]{8}"), r"\1T"),
    (re.compile(r"(<version type=\"string\">)[^<]*"), r"\1V"),
    (re.compile(r"[0-9]{4}-[0-9-]+T[0-9:.]+Z"), "T"),
)


def steady(text: str) -> str:
    """Without times, the version, and how it is laid out."""
    for pattern, instead in _CHANGING:
        text = pattern.sub(instead, text)
    return re.sub(r">\s+<", "><", text).strip()


def test_there_are_examples_of_every_address() -> None:
    commands = "\n".join(command for command, _, _ in EXAMPLES)
    for address in ("/UE/rci", "/ws/sci", "/rpc", "/api/v1/rpc/", "/api/v1/rpc/responses"):
        assert f"$HUB{address}" in commands
    assert len(EXAMPLES) == TEXT.count("```sh")


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_each_example_gives_what_stands_below_it(served: Served) -> None:
    environment = {**os.environ, "HUB": served.server.url, "TOKEN": served.token, "no_proxy": "*"}
    for command, kind, wanted in EXAMPLES:
        running = await asyncio.create_subprocess_exec(
            "sh", "-c", command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        output, complaints = await running.communicate()
        assert running.returncode == 0, complaints.decode()
        engine = served.server._services.rpc.engine
        await eventually(lambda engine=engine: engine.under_way == 0)  # type: ignore[misc]
        got = output.decode()
        if kind == "json":
            assert json.loads(steady(got)) == json.loads(steady(wanted)), command
        else:
            assert steady(got) == steady(wanted), command


async def test_every_request_is_done_as_it_says(served: Served) -> None:
    assert "\nEvery request of the manual, and those above." in TEXT.partition("## What is done")[2]
    assert served.server._services.rpc.engine.pending == ()


def test_every_extension_is_listed() -> None:
    told = TEXT.partition("## Beyond the manual")[2]
    for row in TABLE.requests.values():
        assert (f"`{row.name}`" in told.partition("## What is done")[0].partition("The manual's misprints")[0]) == (
            row.is_ours or row.name in ("help", "get_message_events")
        ), row.name
