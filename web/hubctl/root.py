"""The tree of commands, and the one place where what went wrong becomes a sentence and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from web.hubctl.exits import Exit, HubctlError
from web.hubctl.lazy import Entry, LazyGroup

PROGRAM = "hubctl"
COMPLETION_VARIABLE = "_HUBCTL_COMPLETE"
"""Set by the shell when it asks what may come next; click makes the name of the program's."""

COMMANDS = {
    "status": Entry("status:status", "The hub: radios, database, keys, power of the house."),
    "devices": Entry("devices:devices", "All devices and what they say now."),
    "device": Entry("root:device", "One device: add, show, name, protect, remove."),
    "breaker": Entry("root:breaker", "Smart breakers: list, open, close, lights, keys."),
    "on": Entry("controls:on", "Switch a plug, switch or light on."),
    "off": Entry("controls:off", "Switch a plug, switch or light off."),
    "toggle": Entry("controls:toggle", "Switch it over; sent once and never again."),
    "level": Entry("controls:level", "Dim a light to so many percent."),
    "setpoint": Entry("controls:setpoint", "The temperature that a thermostat holds."),
    "mode": Entry("controls:mode", "What a thermostat does: off, heat, cool, auto."),
    "identify": Entry("controls:identify", "Make a device show itself."),
    "join": Entry("join:join", "Let new Zigbee devices join, and see them being asked what they are."),
    "network": Entry("root:network", "Zigbee networks: joining, map, channels, the stick."),
    "radio": Entry("radio:radio", "Radios: what they are, sticks that are plugged in, backups, another stick."),
    "event": Entry("root:event", "Smart Energy: demand response events."),
    "price": Entry("root:price", "Smart Energy: publish prices, list them."),
    "message": Entry("root:message", "Smart Energy: messages on displays."),
    "certificate": Entry("root:certificate", "A Smart Energy radio's certificate: status, install, revert, test-ca."),
    "attr": Entry("root:attr", "A Zigbee device's attributes: read, write, discover, report."),
    "registry": Entry("root:registry", "Settings of the gateway's registry: list, set, export, import."),
    "rpc": Entry("rpc:rpc", "Requests of the ConnectPort X2; the mailbox of responses."),
    "watch": Entry("watch:watch", "The house, live, until Ctrl-C."),
    "readings": Entry("readings:readings", "What a device measured over time."),
    "energy": Entry("energy:energy", "Power and energy of the whole house."),
    "commands": Entry("commands:commands", "What was asked of devices, by whom, and how it ended."),
    "simulate": Entry("simulate:simulate", "Emulated devices: prices, events, opt-out, usage, faults."),
    "login": Entry("login:login", "A link that opens the dashboard in a browser."),
    "tunnel": Entry("root:tunnel", "Tunnels to Smart Energy devices: open, answer, list, close."),
    "token": Entry("root:token", "Who may talk to the hub: create, list, revoke."),
    "config": Entry("root:config", "The hub's configuration file: check."),
    "completion": Entry("completion:completion", "Completion script for bash, zsh or fish."),
}
DEVICE_COMMANDS = {
    "show": Entry("devices:show", "Everything about one device."),
    "add": Entry("adding:add", "List Zigbee devices before they join, by code or key; as network add."),
    "set": Entry("devices:set_", "Give it a name, an area, protection."),
    "profile": Entry("metering:profile", "What a meter counted in each of its intervals."),
    "consumption": Entry("metering:consumption", "What a meter counted by day, week, month and tier."),
    "fast-poll": Entry("metering:fast_poll", "Ask a meter often for a while."),
    "inside": Entry("attributes:inside", "Endpoints, clusters and attributes of a Zigbee device."),
    "interview": Entry("attributes:interview", "Ask a Zigbee device everything again."),
    "export": Entry("ini_files:device_export", "Write the addresses of Zigbee devices as a gateway kept them."),
    "import": Entry("ini_files:device_import", "List the devices of a gateway's devices.ini."),
    "remove": Entry("devices:remove", "Forget it; if it still answers it is found again."),
}
NETWORK_COMMANDS = {
    "list": Entry("networks:list_", "All Zigbee networks."),
    "show": Entry("networks:show_", "Where it is, what its stick is and can do."),
    "permit": Entry("networks:permit", "Let devices join for a while."),
    "add": Entry("adding:add", "List devices before they join."),
    "scan": Entry("networks:scan", "Who hears whom, and how well."),
    "energy": Entry("networks:energy", "How much is going on on each channel."),
    "channel": Entry("networks:channel", "Move it to another channel."),
    "set": Entry("networks:set_", "The stick's light, power, certification."),
    "configure": Entry("network_setup:configure", "Form another network, or join one."),
    "leave": Entry("network_setup:leave", "Leave the network that a router has joined."),
    "mirrors": Entry("mirrors:mirrors", "Sleepy meters that the hub keeps values of."),
    "at": Entry("at_commands:at", "Registers of an XBee: read, write, list."),
    "erase": Entry("networks:erase", "Make the stick forget its network."),
}
TUNNEL_COMMANDS = {
    "open": Entry("tunnels:open_", "Open one to a device: standard input goes in, what comes goes out."),
    "answer": Entry("tunnels:answer", "Wait for a device that opens one, and talk to it."),
    "list": Entry("tunnels:list_", "All tunnels, and protocols that somebody answers."),
    "close": Entry("tunnels:close", "Close one."),
}
ATTR_COMMANDS = {
    "list": Entry("attributes:list_", "Everything that is known of a device."),
    "read": Entry("attributes:read", "Read attributes now."),
    "write": Entry("attributes:write", "Write one attribute."),
    "discover": Entry("attributes:discover", "Which attributes a cluster has."),
    "report": Entry("attributes:report", "Have an attribute reported, or not any more."),
}
CERTIFICATE_COMMANDS = {
    "status": Entry("certificate:status", "Whether there is one, and for whom it has to be."),
    "install": Entry("certificate:install", "Install another one from a file."),
    "revert": Entry("certificate:revert", "Go back to the maker's."),
    "test-ca": Entry("root:test_ca", "A test authority of one's own: new, issue."),
}
TEST_CA_COMMANDS = {
    "new": Entry("authority:new", "Make a test authority."),
    "issue": Entry("authority:issue", "Issue a device's certificate."),
}
EVENT_COMMANDS = {
    "drlc": Entry("root:drlc", "Demand response and load control."),
    "received": Entry("received:received", "What an energy service interface has sent us."),
    "load-control": Entry("load_control:load_control", "For which loads we take such events."),
}
DRLC_COMMANDS = {
    "create": Entry("smart_energy:create", "Ask devices to shed load."),
    "list": Entry("smart_energy:list_", "All events."),
    "show": Entry("event_status:show_", "What each device says to one, live with --watch."),
    "cancel": Entry("smart_energy:cancel", "Cancel one, or all."),
    "opt-out": Entry("received:opt_out", "Do not take part in one that has come to us."),
    "opt-in": Entry("received:opt_in", "Take part after all."),
}
PRICE_COMMANDS = {
    "publish": Entry("smart_energy:publish", "Publish what a kWh costs."),
    "list": Entry("smart_energy:list_prices", "All prices."),
    "current": Entry("smart_energy:current", "What it costs now."),
    "forget": Entry("smart_energy:forget", "Forget all prices, at the hub alone."),
    "tariff": Entry("tariff:tariff", "Blocks and tiers, which devices read."),
}
MESSAGE_COMMANDS = {
    "send": Entry("smart_energy:send", "Have a text shown on every display."),
    "list": Entry("smart_energy:list_messages", "All messages, and who has confirmed them."),
    "cancel": Entry("smart_energy:cancel_message", "Take one away."),
    "confirm": Entry("received:confirm", "Confirm one that has come to us."),
}
REGISTRY_COMMANDS = {
    "list": Entry("networks:registry_list", "All settings."),
    "set": Entry("networks:registry_set", "Change one."),
    "export": Entry("ini_files:registry_export", "Write them to a file as a gateway kept them."),
    "import": Entry("ini_files:registry_import", "Take a gateway's file of settings."),
}
BREAKER_COMMANDS = {
    "list": Entry("breakers:list_", "All breakers: position, power, voltage."),
    "open": Entry("breakers:open_", "Cut the power of one breaker, several, or all."),
    "close": Entry("breakers:close", "Give power to one breaker, several, or all."),
    "toggle": Entry("breakers:toggle", "The other position; sent once and never again."),
    "led": Entry("leds:led", "The five lights: colours, blinking, off."),
    "keys": Entry("keys:keys", "Which keys the hub has, and how long they live."),
    "set-keys": Entry("keys:set_keys", "Give the hub fresh keys from a file."),
}
TOKEN_COMMANDS = {
    "create": Entry("tokens:create", "A new token; it is shown once."),
    "list": Entry("tokens:list_", "All tokens, never their secrets."),
    "revoke": Entry("tokens:revoke", "Make a token worthless."),
}
CONFIG_COMMANDS = {"check": Entry("config:check", "Read hub.toml as the hub would, and say what is wrong.")}

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from hub import VERSION

        click.echo(f"{PROGRAM} {VERSION}")
        ctx.exit()


@click.group(cls=LazyGroup, table=COMMANDS, context_settings=SETTINGS, no_args_is_help=True)
@click.option("--url", metavar="URL", help="Where the hub is.  [HEH_URL; default: http://127.0.0.1:8080]")
@click.option("--token", metavar="TOKEN", help="[HEH_TOKEN; default: the file token in the hub's data directory]")
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="And exit.")
@click.pass_context
def cli(ctx: click.Context, url: str | None, token: str | None) -> None:
    """See and switch a home's energy devices through its hub.

    On the hub's own account nothing needs to be said: its token is found in its data directory
    (HEH_DATA_DIR, else the platform's). Elsewhere say --url and --token, or HEH_URL and HEH_TOKEN.

    A device is named by its id, its name, or the first or last four or more characters of its id.

    Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 not found, 4 nobody knows whether it
    happened, 5 the hub cannot be reached.
    """
    from web.hubctl.context import App

    ctx.obj = App.from_environment(url, token, os.environ)


@click.group(cls=LazyGroup, table=DEVICE_COMMANDS, no_args_is_help=True)
def device() -> None:
    """One device."""


@click.group(cls=LazyGroup, table=BREAKER_COMMANDS, no_args_is_help=True)
def breaker() -> None:
    """Smart breakers. A breaker takes one command in ten seconds, so an answer may take twenty."""


@click.group(cls=LazyGroup, table=NETWORK_COMMANDS, no_args_is_help=True)
def network() -> None:
    """Zigbee networks, by the names of their radios; the name of an only one may be left out, except to erase it."""


@click.group(cls=LazyGroup, table=TUNNEL_COMMANDS, no_args_is_help=True)
def tunnel() -> None:
    """Tunnels between programs here and Smart Energy devices."""


@click.group(cls=LazyGroup, table=ATTR_COMMANDS, no_args_is_help=True)
def attr() -> None:
    """The attributes of a Zigbee device's clusters, by name or number."""


@click.group(cls=LazyGroup, table=CERTIFICATE_COMMANDS, no_args_is_help=True)
def certificate() -> None:
    """The certificate that a Smart Energy radio shows to devices which establish keys with it."""


@click.group(cls=LazyGroup, table=EVENT_COMMANDS, no_args_is_help=True)
def event() -> None:
    """Smart Energy events that we make as energy service interface."""


@click.group(cls=LazyGroup, table=DRLC_COMMANDS, no_args_is_help=True)
def drlc() -> None:
    """Demand response and load control: ask devices to shed load, and see what they say."""


@click.group(cls=LazyGroup, table=PRICE_COMMANDS, no_args_is_help=True)
def price() -> None:
    """Prices that displays show and devices act upon."""


@click.group(cls=LazyGroup, table=MESSAGE_COMMANDS, no_args_is_help=True)
def message() -> None:
    """Texts on displays."""


@click.group(cls=LazyGroup, table=TEST_CA_COMMANDS, no_args_is_help=True)
def test_ca() -> None:
    """A test authority of one's own, in a directory on this machine; needs no hub.

    Its certificates are for laboratories: devices of other authorities, production or test, do not trust them.
    """


@click.group(cls=LazyGroup, table=REGISTRY_COMMANDS, no_args_is_help=True)
def registry() -> None:
    """Settings of the gateway's registry."""


@click.group(cls=LazyGroup, table=TOKEN_COMMANDS, no_args_is_help=True)
def token() -> None:
    """Who may talk to the hub. Needs an admin's token."""


@click.group(cls=LazyGroup, table=CONFIG_COMMANDS, no_args_is_help=True)
def config() -> None:
    """The hub's configuration file, on this machine."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code and never raises what a person can cause."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that cannot show a sign shows "?" and the command goes on.
            stream.reconfigure(errors="replace")
    try:
        code = _run(None if arguments is None else list(arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        # What Python still holds for the closed pipe would fail again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = Exit.BROKEN_PIPE
    return int(code)


def _run(arguments: list[str] | None) -> int:
    try:
        code = cli.main(arguments, prog_name=PROGRAM, complete_var=COMPLETION_VARIABLE, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except HubctlError as error:
        _say(str(error))
        return error.code
    except (click.Abort, KeyboardInterrupt):
        click.echo("", err=True)
        return Exit.INTERRUPTED
    except SystemExit:
        # click exits by itself in two cases: after a completion, and when the reader of a pipe went away.
        if COMPLETION_VARIABLE in os.environ:
            raise
        raise BrokenPipeError from None
    except BrokenPipeError:
        raise
    except Exception as error:
        if "web.client" not in sys.modules:
            raise
        from web.hubctl.failures import explain

        told = explain(error)
        if told is None:
            raise
        _say(str(told))
        return told.code
    return code if isinstance(code, int) else Exit.OK


def _say(sentence: str) -> None:
    click.echo(f"{PROGRAM}: {sentence}", err=True)
