"""`hubctl on|off|toggle|level|setpoint|mode|identify`: switches, lights, thermostats."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import click

from web.hubctl.breakers import ask, exit_of
from web.hubctl.context import App, json_option, pass_app
from web.hubctl.exits import Exit
from web.hubctl.find import complete_device, find_device
from web.hubctl.output import OUTCOME_STYLES, pieces, print_json, words
from web.hubctl.progress import waiting

if TYPE_CHECKING:
    from web.client import HubClient
    from web.client_model import Command, Device

MODES = ("off", "auto", "cool", "heat", "emergency_heating", "precooling", "fan_only", "dry", "sleep")

device_argument = click.argument("device", shell_complete=complete_device)
endpoint_option = click.option("--endpoint", type=click.IntRange(1, 240), help="Which of several; else the first.")


def _do(
    app: App,
    said: str,
    doing: str,
    done: str,
    send: Callable[[HubClient, Device], Awaitable[Command]],
    as_json: bool,
) -> int:
    async def work(hub: HubClient) -> Exit:
        from web.client import ProblemError

        device = await find_device(hub, said)
        note = " (it sleeps: this may take a while)" if device.sleepy else ""
        try:
            with waiting(f"{device.name}: {doing}{note}"):
                command = await ask(send(hub, device), device.name, done)
        except ProblemError as error:
            if error.command is None:
                raise
            command = error.command
        if as_json:
            print_json(command)
        else:
            _tell(command, device.name, done)
        return exit_of((command,))

    return app.run(work)


def _tell(command: Command, name: str, done: str) -> None:
    style = OUTCOME_STYLES.get(command.outcome, "")
    if command.outcome == "confirmed":
        pieces((f"{name}: ", "bold"), (done, ""), (" (confirmed)", style))
    elif command.outcome == "unknown":
        detail = command.detail or "nobody knows whether it did"
        pieces((f"{name}: ", "bold"), ("unknown: ", style), (f"{detail.rstrip('.')} - look at the device", ""))
    else:
        pieces((f"{name}: ", "bold"), (f"{words(command.outcome)}: ", style), (command.detail or "no reason given", ""))


@click.command()
@device_argument
@endpoint_option
@json_option
@pass_app
def on(app: App, device: str, endpoint: int | None, as_json: bool) -> int:
    """Switch a plug, switch or light on."""
    return _do(app, device, "switching on", "on", lambda hub, one: hub.switch(one.id, "on", endpoint), as_json)


@click.command()
@device_argument
@endpoint_option
@json_option
@pass_app
def off(app: App, device: str, endpoint: int | None, as_json: bool) -> int:
    """Switch a plug, switch or light off."""
    return _do(app, device, "switching off", "off", lambda hub, one: hub.switch(one.id, "off", endpoint), as_json)


@click.command()
@device_argument
@endpoint_option
@json_option
@pass_app
def toggle(app: App, device: str, endpoint: int | None, as_json: bool) -> int:
    """Switch over; it is sent once and never again."""
    send = lambda hub, one: hub.switch(one.id, "toggle", endpoint)  # noqa: E731 - the argument of the next line
    return _do(app, device, "switching over", "switched over", send, as_json)


@click.command()
@device_argument
@click.argument("percent", type=click.FloatRange(0, 100))
@click.option("--transition", type=click.FloatRange(0, 6553), default=0.0, metavar="SECONDS", help="How slowly.")
@endpoint_option
@json_option
@pass_app
def level(app: App, device: str, percent: float, transition: float, endpoint: int | None, as_json: bool) -> int:
    """Dim a light to so many percent."""
    text = f"{percent:g} %"
    send = lambda hub, one: hub.set_level(one.id, percent, transition or None, endpoint)  # noqa: E731
    return _do(app, device, f"to {text}", f"at {text}", send, as_json)


@click.command()
@device_argument
@click.argument("heating", type=float, required=False)
@click.option("--cooling", type=float, metavar="DEGREES", help="Cool down to so many °C.")
@endpoint_option
@json_option
@pass_app
def setpoint(
    app: App, device: str, heating: float | None, cooling: float | None, endpoint: int | None, as_json: bool
) -> int:
    """Heat up to so many °C (or --cooling: cool down to)."""
    if heating is None and cooling is None:
        from web.hubctl.exits import HubctlError

        raise HubctlError("to how many °C? hubctl setpoint DEVICE 21.5, or --cooling 26", Exit.USAGE)
    wanted = [f"{heating:g} °C"] if heating is not None else []
    wanted += [f"cooling {cooling:g} °C"] if cooling is not None else []
    text = ", ".join(wanted)
    send = lambda hub, one: hub.set_setpoint(one.id, heating_c=heating, cooling_c=cooling, endpoint=endpoint)  # noqa: E731
    return _do(app, device, f"to {text}", f"set to {text}", send, as_json)


@click.command()
@device_argument
@click.argument("what", metavar="MODE", type=click.Choice(MODES))
@endpoint_option
@json_option
@pass_app
def mode(app: App, device: str, what: str, endpoint: int | None, as_json: bool) -> int:
    """What a thermostat does: off, heat, cool, auto ..."""
    send = lambda hub, one: hub.set_mode(one.id, what, endpoint)  # noqa: E731
    return _do(app, device, f"to {words(what)}", f"set to {words(what)}", send, as_json)


@click.command()
@device_argument
@click.option("--seconds", type=click.IntRange(0, 3600), default=10, show_default=True, help="For how long; 0: stop.")
@endpoint_option
@json_option
@pass_app
def identify(app: App, device: str, seconds: int, endpoint: int | None, as_json: bool) -> int:
    """Make a device show itself: it blinks, beeps or clicks."""
    done = f"shows itself for {seconds} s" if seconds else "stopped showing itself"
    send = lambda hub, one: hub.identify(one.id, seconds, endpoint)  # noqa: E731
    return _do(app, device, "identify", done, send, as_json)
