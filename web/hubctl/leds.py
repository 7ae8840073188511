"""`hubctl breaker led`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from web.hubctl.breakers import ask, exit_of, tell
from web.hubctl.context import App, is_terminal, json_option, pass_app
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.find import complete_device, find_breakers
from web.hubctl.output import OUTCOME_STYLES, pieces, print_json
from web.hubctl.progress import waiting
from web.hubctl.units import parse_span, span

if TYPE_CHECKING:
    from web.client import HubClient

LED_COUNT = 5
LONGEST_DURATION_S = 10_737_418
"""124 days: the breaker refuses more (EMCB-LIB, set bargraph LED)."""
DARK = "#000000"
COLORS = {
    "red": "#ff0000",
    "orange": "#ff6000",
    "yellow": "#ffc000",
    "lime": "#80ff00",
    "green": "#00ff00",
    "cyan": "#00ffff",
    "blue": "#0000ff",
    "purple": "#8000ff",
    "magenta": "#ff00ff",
    "pink": "#ff4080",
    "white": "#ffffff",
    "off": DARK,
}
"""Names of colours as a light shows them; "off" leaves that one dark."""
_HEX = re.compile(r"#?([0-9a-f]{6})", re.IGNORECASE)
_SHORT_HEX = re.compile(r"#([0-9a-f]{3})", re.IGNORECASE)


def complete_color(_ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of colours."""
    return [CompletionItem(name, help=code) for name, code in COLORS.items() if name.startswith(incomplete)]


@click.command()
@click.argument("breaker", shell_complete=complete_device)
@click.option(
    "--color",
    "-c",
    "colors",
    multiple=True,
    metavar="COLOR",
    shell_complete=complete_color,
    help="#rrggbb or a name; up to five times, the light next to the status LED first. One colour lights all five.",
)
@click.option("--blink", is_flag=True, help="Half a second on, half a second off.")
@click.option("--duration", metavar="TIME", help="Seconds, or as 5m, 2h; 0 (default): until told otherwise.")
@click.option("--off", is_flag=True, help="Give the lights back to the breaker.")
@json_option
@pass_app
def led(
    app: App, breaker: str, colors: tuple[str, ...], blink: bool, duration: str | None, off: bool, as_json: bool
) -> int:
    """The five lights of a breaker.

    \b
    hubctl breaker led Kitchen --color red --blink --duration 60
    hubctl breaker led Kitchen --color '#00ff00' --color off --color blue
    hubctl breaker led Kitchen --off
    """
    if off and (colors or blink or duration):
        raise HubctlError("--off goes alone; it takes no --color, --blink or --duration", Exit.USAGE)
    if not off and not colors:
        raise HubctlError(f"no colour; say --color #rrggbb or one of {', '.join(COLORS)}, or --off", Exit.USAGE)
    if len(colors) > LED_COUNT:
        raise HubctlError(f"--color is given {len(colors)} times; allowed: up to {LED_COUNT}", Exit.USAGE)
    codes = [parse_color(color) for color in colors]
    codes = codes * LED_COUNT if len(codes) == 1 else codes + [DARK] * (LED_COUNT - len(codes))
    duration_s = parse_duration(duration or "0")

    async def work(hub: HubClient) -> Exit:
        from web.client import ProblemError
        from web.client_model import Led

        (device,) = await find_breakers(hub, (breaker,))
        lights = None if off else [Led(code, blink and code != DARK) for code in codes]
        try:
            with waiting(f"{device.name}: setting its lights"):
                command = await ask(hub.set_leds(device.id, lights, duration_s), device.name, "told")
        except ProblemError as error:
            if error.command is None:
                raise
            command = error.command
        if as_json:
            print_json(command)
        elif command.outcome != "confirmed":
            tell(command, device.name)
        elif off:
            pieces((f"{device.name}: ", "bold"), ("lights as usual", ""), (" (confirmed)", OUTCOME_STYLES["confirmed"]))
        else:
            how = " blinking" if blink else ""
            until = f" for {span(duration_s)}" if duration_s else " until told otherwise"
            shown = [("●", code) if code != DARK else ("○", "dim") for code in codes]
            if not is_terminal("stdout"):
                shown = [(" ".join(codes), "")]
            pieces(
                (f"{device.name}: ", "bold"),
                *shown,
                (f"{how}{until}", ""),
                (" (confirmed)", OUTCOME_STYLES["confirmed"]),
            )
        return exit_of((command,))

    return app.run(work)


def parse_color(text: str) -> str:
    """`#rrggbb` of a colour. Raises `HubctlError`."""
    said = text.strip().lower()
    if said in COLORS:
        return COLORS[said]
    if match := _HEX.fullmatch(said):
        return f"#{match[1]}"
    if match := _SHORT_HEX.fullmatch(said):
        return "#" + "".join(sign * 2 for sign in match[1])
    raise HubctlError(f"--color is {text!r}; allowed: #rrggbb or {', '.join(COLORS)}", Exit.USAGE)


def parse_duration(text: str) -> int:
    """Whole seconds. Raises `HubctlError`."""
    allowed = f"0 (until told otherwise) to {LONGEST_DURATION_S} seconds, or as 90s, 5m, 2h, 1d"
    if text.strip().isdecimal() and text.isascii():
        seconds = int(text)
    else:
        try:
            seconds = round(parse_span(text, "--duration").total_seconds())
        except HubctlError:
            raise HubctlError(f"--duration is {text!r}; allowed: {allowed}", Exit.USAGE) from None
    if seconds > LONGEST_DURATION_S:
        raise HubctlError(f"--duration is {text!r}; allowed: {allowed}", Exit.USAGE)
    return seconds
