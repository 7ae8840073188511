"""hubd is killed outright (SIGKILL) at steps of a join with a link key, and started again on what it left on disk."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from radios.emulators.xbee import XbeeEmulator
from tests.flows.test_hubd import LONGEST_START_S, ROOT, environment
from tests.flows.test_xbee_home import name_of
from tests.flows.test_xbee_power_loss import (
    ASKED,
    AUTHENTICATED,
    OPEN,
    REGISTERED,
    Fragile,
    keeps_its_key,
    one_meter,
    quick,
)
from tests.ports import free_port

__all__ = ["quick"]
WORKING = "it reports"
MOMENTS = (
    REGISTERED,
    OPEN,
    "its search for keys is answered",
    AUTHENTICATED,
    "it is asked for a simple descriptor",
    "its first report is configured",
    WORKING,
)
PATIENCE_S = 40.0


class Hubd:
    """A hubd of its own process, and what it says over HTTP."""

    def __init__(self, process: asyncio.subprocess.Process, session: aiohttp.ClientSession) -> None:
        self._process, self._session = process, session

    def kill(self) -> None:
        """Now, in the middle of whatever it does."""
        self._process.send_signal(signal.SIGKILL)

    async def is_gone(self) -> None:
        """Wait for it."""
        assert await self._process.wait() == -signal.SIGKILL

    async def ask(self, method: str, path: str, body: object = None) -> dict[str, object]:
        async with self._session.request(method, f"/api/v1{path}", json=body) as answer:
            assert answer.status < 300, await answer.text()
            found: dict[str, object] = await answer.json()
            return found

    async def until(self, path: str, **wanted: object) -> None:
        """Wait until an answer has these values."""
        found: dict[str, object] = {}
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not wanted.items() <= (found := await self.ask("GET", path)).items():  # noqa: ASYNC110 - by HTTP
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{path}: {found}") from None

    async def points(self, module: XbeeEmulator) -> set[tuple[str, object]]:
        """What the history has told of the meter's power."""
        path = f"/readings?device={name_of(module.devices[0])}&resolution=raw"
        found = (await self.ask("GET", path))["points"]
        assert isinstance(found, list)
        return {(str(point["time"]), point["value"]) for point in found}


@asynccontextmanager
async def hubd_on(module: XbeeEmulator, folder: Path) -> AsyncIterator[Hubd]:
    config, port = folder.with_suffix(".toml"), free_port()
    config.write_text(module.toml("han"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "web.daemon", "--config", str(config), "--data-dir", str(folder),
        "--listen", f"127.0.0.1:{port}", cwd=ROOT, env=environment(), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(LONGEST_START_S):
            while "Ctrl-C" not in (line := await process.stdout.readline()).decode():
                assert line
        token = (folder / "token").read_text().strip()
        async with aiohttp.ClientSession(
            f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"}
        ) as session:
            hubd = Hubd(process, session)
            await hubd.until("/networks/han", state="up")
            yield hubd
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def join_until_killed(hubd: Hubd, module: Fragile, moment: str) -> set[tuple[str, object]]:
    """The readings that were told before."""

    def spring() -> bool:
        hubd.kill()
        return True

    module.spring = spring  # type: ignore[method-assign]
    [meter] = module.devices
    assert meter.link_key is not None
    new = {"eui64": f"{meter.ieee:016x}", "name": "Meter", "link_key": meter.link_key.hex()}
    await hubd.ask("POST", "/networks/han/devices", new)
    if moment == REGISTERED:
        hubd.kill()
        return set()
    await hubd.ask("POST", "/networks/han/permit-join", {"duration_s": 60})
    if moment == OPEN:
        hubd.kill()
        return set()
    module.on_authentication = moment == AUTHENTICATED
    module.trap = ASKED[moment]() if moment in ASKED else None
    assert module.press(meter)
    told: set[tuple[str, object]] = set()
    if moment == WORKING:
        await hubd.until(f"/devices/{name_of(meter)}/zigbee", interview="done")
        async with asyncio.timeout(PATIENCE_S):
            while len(told) < 3:
                told = await hubd.points(module)
        hubd.kill()
    return told


@pytest.mark.parametrize("moment", MOMENTS)
async def test_hubd_is_killed(tmp_path: Path, moment: str) -> None:
    folder = tmp_path / "data"
    async with one_meter() as (module, meter):
        async with hubd_on(module, folder) as hubd:
            told = await join_until_killed(hubd, module, moment)
            await hubd.is_gone()
        keeps_its_key(folder, meter)
        async with hubd_on(module, folder) as hubd:
            path = f"/devices/{name_of(meter)}"
            if not meter.is_joined:
                async with asyncio.timeout(PATIENCE_S):
                    while module.air.is_open:  # noqa: ASYNC110 - the module tells nobody
                        await asyncio.sleep(0.02)
                assert "joining_until" not in await hubd.ask("GET", "/networks/han")
                assert not module.press(meter)
                await hubd.ask("POST", "/networks/han/permit-join", {"duration_s": 60})
                assert module.press(meter)
            await hubd.until(f"{path}/zigbee", interview="done", interview_detail="")
            await hubd.until(path, availability="available", name="Meter")
            devices = (await hubd.ask("GET", "/devices"))["devices"]
            assert isinstance(devices, list)
            assert len(devices) == 1
            assert meter.is_authenticated
            assert meter.reports
            assert module.table == {meter.ieee: meter.link_key}
            async with asyncio.timeout(PATIENCE_S):
                while not (now := await hubd.points(module)) - told:  # noqa: ASYNC110 - by HTTP
                    await asyncio.sleep(0.05)
            assert told <= now
        keeps_its_key(folder, meter)
