"""One opened joining window, of `hubctl join` or of `add --join-time`: a countdown, and every device's interview."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from web.client import ClientError, HubClient, ProblemError
from web.client_model import DeviceAdded, DeviceChanged, Event, Snapshot
from web.client_zigbee_model import (
    DeviceAnnounced,
    DeviceAuthenticated,
    InterviewProgress,
    NetworkChanged,
    ZigbeeDevice,
)
from web.hubctl.context import is_terminal
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.output import line, pieces, words
from web.hubctl.progress import LastLine
from web.hubctl.units import local, span

LAST_INTERVIEWS_S = 120.0
"""After the window closed, interviews that are going on may take so long."""
TICK_S = 0.25
"""Between two looks at the clock: no second of the countdown is left out."""
Adding = Callable[[], Awaitable[Sequence[ZigbeeDevice]]]
STATE_STYLES = {"done": "green", "failed": "red", "waiting": "yellow", "started": "dim"}


class Joining:
    """One opened window."""

    def __init__(
        self, hub: HubClient, radio: str, count: int | None, as_json: bool, adding: Adding | None = None
    ) -> None:
        """`adding` lists devices and opens joining; the window is closed once all of them are done."""
        self._hub, self._radio, self._count, self._as_json = hub, radio, count, as_json
        self._adding = adding
        self._added: frozenset[str] | None = None
        """Those that are waited for."""
        self._names: dict[str, str] = {}
        self._going_on: set[str] = set()
        self._done: dict[str, bool] = {}
        """Device id -> whether everything was answered."""
        self.is_open = False
        """As far as is known: it stays true when the answer to closing it was not waited for."""
        self._until = 0.0
        """When the window closes, by the loop's clock."""
        self._last_line = LastLine()

    async def run(self, seconds: int) -> Exit:
        """Until the window closes and the last interview has ended."""
        stream = self._hub.events()
        countdown = asyncio.create_task(self._count_down(), name="countdown")
        try:
            async with asyncio.timeout(seconds + LAST_INTERVIEWS_S):
                async for event in stream:
                    await self._take(event, seconds)
                    if self._is_over():
                        break
        except TimeoutError:
            for device_id in self._going_on:
                name = self._names.get(device_id, device_id)
                self._say(f"{name}: its interview is not over; wake it, and see: hubctl device inside {device_id}")
        finally:
            countdown.cancel()
            self._last_line.show("")
            await stream.aclose()
        self._sum_up()
        if self._added is not None:
            return Exit.OK if self._added <= self._done.keys() else Exit.FAILED
        return Exit.OK if self._done or not self._count else Exit.FAILED

    def _is_over(self) -> bool:
        if self._added is not None and self._added <= self._done.keys():
            return True
        if self._count is not None and len(self._done) >= self._count:
            return True
        return not self.is_open and not self._going_on

    async def close(self) -> None:
        """Close the window, whatever happened."""
        if self.is_open:
            try:
                await self._hub.permit_join(self._radio, 0)
            except ClientError:
                self.is_open = False
                self._say(f"joining could not be closed; it ends by itself in {span(self._left_s())}")
                raise
            self.is_open = False
            self._say("joining is closed")

    async def _take(self, event: Event, seconds: int) -> None:
        if isinstance(event, Snapshot):
            await self._begin(event, seconds)
        elif isinstance(event, DeviceAdded | DeviceChanged):
            self._names[event.device.id] = event.device.name
        elif isinstance(event, NetworkChanged) and event.network.radio == self._radio:
            self._window(event.network.joining_s, event.network.state)
        elif isinstance(event, DeviceAnnounced) and event.radio == self._radio:
            self._json(event)
            if event.accepted:
                what = "a new device" if event.is_new else "it is back"
                self._step(event.time, event.device_id, f"announces itself: {what}, address {event.short}", "bold")
            else:
                note = "announces itself, and is left alone: only devices that were added may join (hubctl network add)"
                self._step(event.time, event.device_id, note, "yellow")
        elif isinstance(event, DeviceAuthenticated) and event.radio == self._radio:
            self._json(event)
            self._step(event.time, event.device_id, "keys established", "green")
        elif isinstance(event, InterviewProgress) and event.radio == self._radio:
            self._json(event)
            self._progress(event)

    async def _begin(self, snapshot: Snapshot, seconds: int) -> None:
        # First listen, then open: a device that is quick is not missed.
        self._names = {device.id: device.name for device in snapshot.devices}
        # From the asking on: an answer that is not waited for may still open it.
        self.is_open = True
        try:
            if self._adding is None:
                network = await self._hub.permit_join(self._radio, seconds)
            else:
                await self._add(self._adding)
                network = await self._hub.network(self._radio)
        except (ProblemError, HubctlError):
            self.is_open = False
            raise
        self._close_in(seconds)
        self._say(f"{self._radio}: joining is open for {span(seconds)}; start the joining of your device now")
        if network.explicit_add and self._adding is None:
            self._say("only devices that were added by hand may join (hubctl network add)")

    async def _add(self, adding: Adding) -> None:
        added = await adding()
        self._added = frozenset(device.device_id for device in added)
        for device in added:
            if device.stage == "active":
                self._done[device.device_id] = True
            what = "is active already" if device.stage == "active" else "registered"
            self._say(f"{device.device_id}: {what}")

    def _window(self, left: int | None, state: str) -> None:
        if left is not None:
            self._close_in(left)
        elif self.is_open:
            self.is_open = False
            self._last_line.show("")
            self._say("joining is closed" if state == "up" else f"the radio is {state}: nobody can join")

    def _close_in(self, seconds: float) -> None:
        self._until = asyncio.get_running_loop().time() + seconds

    def _left_s(self) -> int:
        return max(0, math.ceil(self._until - asyncio.get_running_loop().time()))

    async def _count_down(self) -> None:
        """Show how long the window is open, and that interviews go on behind it."""
        while self._last_line.is_seen:
            told = ""
            if self.is_open and self._left_s():
                told = f"{self._radio}: joining is open, {span(self._left_s())} left; Ctrl-C closes it"
            elif self._going_on:
                names = ", ".join(self._names.get(device_id, device_id) for device_id in sorted(self._going_on))
                told = f"still being asked: {names}; Ctrl-C ends"
            self._last_line.show(told)
            await asyncio.sleep(TICK_S)

    def _progress(self, event: InterviewProgress) -> None:
        if event.step == "done":
            self._going_on.discard(event.device_id)
            self._done[event.device_id] = event.state == "done"
            note = "is ready" if event.state == "done" else f"is ready as far as it answered: {event.detail}"
            self._step(event.time, event.device_id, note, "green" if event.state == "done" else "yellow")
            return
        self._going_on.add(event.device_id)
        if event.state == "started":
            return
        place = f"[{event.done}/{event.total}] {words(event.step)}"
        detail = f": {event.detail}" if event.detail else ""
        self._step(
            event.time, event.device_id, f"{place} {words(event.state)}{detail}", STATE_STYLES.get(event.state, "")
        )

    def _step(self, time: str, device_id: str, text: str, style: str) -> None:
        if self._as_json:
            return
        with self._last_line.above():
            pieces((f"{local(time)}  ", "dim"), (f"{self._names.get(device_id, device_id)}  ", "bold"), (text, style))
            sys.stdout.flush()

    def _json(self, event: object) -> None:
        if self._as_json:
            with self._last_line.above():
                sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
                sys.stdout.flush()

    def _say(self, text: str) -> None:
        with self._last_line.above():
            line(text, "cyan" if is_terminal("stderr") else "", err=True)

    def _sum_up(self) -> None:
        if not self._done:
            self._say("no device joined: nearer to the stick, or reset the device and try again")
            return
        for device_id in sorted((self._added or frozenset()) - self._done.keys()):
            self._say(f"{device_id}: did not join, or is not ready; see: hubctl device inside {device_id}")
        if self._added is not None:
            return
        for device_id in self._done:
            name = self._names.get(device_id, device_id)
            self._say(f"{name}: give it a name with hubctl device set {device_id} --name ... --area ...")
