"""The module of docs/rpc.md, and hubs with a module directory."""

from __future__ import annotations

import re
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from hub.config import parse
from hub.hub import Hub
from radios.emulators.xbee import XbeeEmulator
from tests.hub.waiting import eventually
from tests.web.conftest import Served
from web.server import serve

ROOT = Path(__file__).parents[3]
DOOR = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "rpc.md").read_text(encoding="utf-8"), re.DOTALL)[0]


def directory_in(folder: Path) -> Path:
    """A module directory with the door."""
    made = folder / "modules"
    made.mkdir(mode=0o755, exist_ok=True)
    write(made, "door", DOOR)
    return made


def write(directory: Path, name: str, text: str) -> Path:
    """A module that can be added."""
    path = directory / f"{name}.py"
    path.write_text(text)
    path.chmod(0o644)
    return path


@asynccontextmanager
async def home(module: XbeeEmulator, folder: Path, **rpc: str) -> AsyncIterator[Served]:
    """A hub with a network, served; `rpc`: its section of hub.toml."""
    table = {**tomllib.loads(module.toml("han")), "web": {"listen": "127.0.0.1:0"}, "rpc": rpc}
    async with (
        Hub(parse(table, data_dir=folder)) as hub,
        serve(hub, dist=folder / "no-dashboard") as server,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
    ):
        await eventually(lambda: hub.networks.get("han").state == "up", 30)
        yield Served(hub, server, session, (folder / "token").read_text().strip(), folder)
