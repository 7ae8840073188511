"""hubd: the configuration, the signals, and `async with Hub(...) as hub, serve(hub)`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from hub import VERSION
from hub.config import Config, default_data_dir, load, parse_listen
from hub.errors import ConfigError

if TYPE_CHECKING:
    from web.demo import Demo

EXIT_CONFIG = 2
OUR_PACKAGES = ("protocols", "radios", "hub", "web")


def arguments() -> argparse.ArgumentParser:
    """What hubd takes."""
    found = argparse.ArgumentParser(prog="hubd", description="The home-energy-hub service.")
    found.add_argument("--config", type=Path, metavar="FILE", help="hub.toml (default: $HEH_CONFIG, ./hub.toml, ...)")
    found.add_argument("--data-dir", type=Path, metavar="DIR", help="where state is kept (default: $HEH_DATA_DIR, ...)")
    found.add_argument("--listen", metavar="HOST:PORT", help="in place of web.listen")
    found.add_argument("--demo", action="store_true", help="run on emulated breakers; no hardware, no configuration")
    found.add_argument(
        "--log-level", default="info", choices=("debug", "info", "warning", "error"), help="(default: info)"
    )
    found.add_argument("--version", action="version", version=f"hubd {VERSION}")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to stop. 0: left on a signal, 1: failed, 2: wrong configuration."""
    given = arguments().parse_args(argv)
    logging.basicConfig(
        level=given.log_level.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", stream=sys.stderr
    )
    try:
        _check_packages()
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_run(given))
    except ConfigError as error:
        sys.stderr.write(f"hubd: {error}\n")
        return EXIT_CONFIG
    except KeyboardInterrupt:
        return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed (the optional extra), else asyncio's own loop."""
    if find_spec("uvloop") is None:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
    return factory


def _check_packages() -> None:
    """Our import names are common words: make sure that all four are ours. Raises `ConfigError`."""
    home = Path(__file__).resolve().parent.parent
    for name in OUR_PACKAGES:
        spec = find_spec(name)
        place = Path(spec.origin).resolve().parent.parent if spec is not None and spec.origin else None
        if place != home:
            raise ConfigError(
                f"package {name}", f"comes from {place}, not from {home}: install into an environment of its own"
            )


async def _run(given: argparse.Namespace) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        demo: Demo | None = None
        if given.demo:
            from web.demo import demo_home, played

            config, demo = await stack.enter_async_context(demo_home(given))
            config = _with_options(config, given)
        else:
            config = _load(given)
        # Imported here, so that a wrong option or configuration is answered at once.
        from hub.hub import Hub
        from web.server import serve

        hub = await stack.enter_async_context(Hub(config))
        server = await stack.enter_async_context(serve(hub, stop=stop.set))
        if demo is not None:
            await stack.enter_async_context(played(hub, demo))
        what = f"{len(config.radios)} radio(s)" if demo is None else demo.summary()
        _welcome(config, server.login_url(), server.token, what)
        await stop.wait()
        logging.getLogger(__name__).info("stopping")
    return 0


def _load(given: argparse.Namespace) -> Config:
    return _with_options(load(given.config, data_dir=given.data_dir), given)


def _with_options(config: Config, given: argparse.Namespace) -> Config:
    if given.listen is not None:
        config = replace(config, web=replace(config.web, listen=parse_listen("--listen", given.listen)))
    return config


def _welcome(config: Config, login_url: str, token: str | None, what: str) -> None:
    """Print where to click. On standard output, which is not the log: the link signs in."""
    host, port = config.web.listen
    program = Path(sys.argv[0])
    hubctl = str(program.with_name("hubctl")) if program.name == "hubd" and program.parent != Path() else "hubctl"
    settings = f"HEH_DATA_DIR={shlex.quote(str(config.data_dir))} " if config.data_dir != default_data_dir({}) else ""
    if (host, port) != ("127.0.0.1", 8080):
        settings += f"HEH_URL={login_url.partition('/login')[0]} "
    lines = [
        f"home-energy-hub {VERSION}: {what}, data in {config.data_dir}",
        "",
        f"  dashboard   {login_url}",
        f"  terminal    {settings}{_shortest(hubctl)} watch",
        "",
        f"  The link signs one browser in; `{settings}{_shortest(hubctl)} login` prints another. Ctrl-C stops the hub.",
    ]
    if token is not None:
        lines.append(f"  The data directory cannot be written. Admin token until the next start: {token}")
    if not config.radios:
        lines.append("  No radio is configured: see docs/operations.md, or try hubd --demo.")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _shortest(program: str) -> str:
    """The program's path relative to here where that is shorter."""
    relative = os.path.relpath(program) if os.sep in program else program
    return relative if len(relative) < len(program) else program


if __name__ == "__main__":
    sys.exit(main())
