"""`hubctl join`: joining is open, and every device's interview is seen as it goes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, is_terminal, json_option, pass_app
from web.hubctl.exits import Exit
from web.hubctl.networks import the_radio
from web.hubctl.output import line, pieces, words
from web.hubctl.units import local, span

if TYPE_CHECKING:
    from web.client import HubClient
    from web.client_model import Event, Snapshot
    from web.client_zigbee_model import InterviewProgress

LAST_INTERVIEWS_S = 120.0
"""After the window closed, interviews that are going on may take so long."""
STATE_STYLES = {"done": "green", "failed": "red", "waiting": "yellow", "started": "dim"}


@click.command()
@click.argument("radio", required=False)
@click.option("--seconds", type=click.IntRange(1, 3600), default=254, show_default=True, help="How long it is open.")
@click.option("--count", type=click.IntRange(1), help="Close it after so many devices are done.")
@json_option
@pass_app
def join(app: App, radio: str | None, seconds: int, count: int | None, as_json: bool) -> int:
    """Let new devices join, and see each of them being asked what it is.

    Open it, then start the joining of the device: hold its button, or switch it on and off five times; its manual says.
    Ends when the time is over, after --count devices, or with Ctrl-C; joining is closed then.
    """

    async def work(hub: HubClient) -> Exit:
        name = await the_radio(hub, radio)
        session = _Session(hub, name, count, as_json)
        try:
            return await session.run(seconds)
        finally:
            await session.close()

    try:
        return app.run(work)
    except KeyboardInterrupt:
        return Exit.OK


class _Session:
    """One opened window."""

    def __init__(self, hub: HubClient, radio: str, count: int | None, as_json: bool) -> None:
        self._hub, self._radio, self._count, self._as_json = hub, radio, count, as_json
        self._names: dict[str, str] = {}
        self._going_on: set[str] = set()
        self._done: dict[str, bool] = {}
        """Device id -> whether everything was answered."""
        self._is_open = False

    async def run(self, seconds: int) -> Exit:
        """Until the window closes and the last interview has ended."""
        import asyncio

        stream = self._hub.events()
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
            await stream.aclose()
        self._sum_up()
        return Exit.OK if self._done or not self._count else Exit.FAILED

    def _is_over(self) -> bool:
        if self._count is not None and len(self._done) >= self._count:
            return True
        return not self._is_open and not self._going_on

    async def close(self) -> None:
        """Close the window, whatever happened."""
        if self._is_open:
            self._is_open = False
            await self._hub.permit_join(self._radio, 0)
            self._say("joining is closed")

    async def _take(self, event: Event, seconds: int) -> None:
        from web.client_model import DeviceAdded, DeviceChanged, Snapshot
        from web.client_zigbee_model import DeviceAnnounced, InterviewProgress, NetworkChanged

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
        elif isinstance(event, InterviewProgress) and event.radio == self._radio:
            self._json(event)
            self._progress(event)

    async def _begin(self, snapshot: Snapshot, seconds: int) -> None:
        # First listen, then open: a device that is quick is not missed.
        self._names = {device.id: device.name for device in snapshot.devices}
        network = await self._hub.permit_join(self._radio, seconds)
        self._is_open = True
        self._say(f"{self._radio}: joining is open for {span(seconds)}; start the joining of your device now")
        if network.explicit_add:
            self._say("only devices that were added by hand may join (hubctl network add)")

    def _window(self, left: int | None, state: str) -> None:
        if left is None and self._is_open:
            self._is_open = False
            self._say("joining is closed" if state == "up" else f"the radio is {state}: nobody can join")

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
        pieces((f"{local(time)}  ", "dim"), (f"{self._names.get(device_id, device_id)}  ", "bold"), (text, style))
        sys.stdout.flush()

    def _json(self, event: object) -> None:
        if self._as_json:
            import msgspec

            sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
            sys.stdout.flush()

    def _say(self, text: str) -> None:
        line(text, "cyan" if is_terminal("stderr") else "", err=True)

    def _sum_up(self) -> None:
        if not self._done:
            self._say("no device joined: nearer to the stick, or reset the device and try again")
            return
        for device_id in self._done:
            name = self._names.get(device_id, device_id)
            self._say(f"{name}: give it a name with hubctl device set {device_id} --name ... --area ...")
