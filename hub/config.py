"""hub.toml and the environment as frozen dataclasses. Every message names the key and says what is allowed."""

from __future__ import annotations

import difflib
import ipaddress
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from pathlib import Path

from platformdirs import user_config_dir, user_data_dir

from hub.errors import ConfigError
from protocols.se.base import SeVersion
from radios.api import OptionError, RadioConfig
from radios.loader import load_driver

APPLICATION = "home-energy-hub"
CONFIG_NAME = "hub.toml"
ENVIRONMENT_PREFIX = "HEH_"
COORDINATOR = "esi_coordinator"
ROLES = (COORDINATOR, "esi_router", "aux_gateway")
SE_VERSIONS = {"1.0": SeVersion.V1_0, "1.1": SeVersion.V1_1, "1.2": SeVersion.V1_2}
SIGNS = {"negative": -1, "positive": 1}
DEFAULT_UNAVAILABLE_AFTER = 5
"""Polls unanswered in a row after which a breaker counts as unavailable."""
DEFAULT_COMMAND_LOCKOUT_S = 10.0
"""A breaker refuses a command within 10 s of the one before (EMCB-LIB)."""
DEFAULT_RAW_HISTORY_H = 48
DEFAULT_BACKUP_AT = time(3, 0)
"""Nobody waits for a light then."""
DEFAULT_BACKUPS, MAX_BACKUPS = 14, 365
DEFAULT_MIRRORS, MAX_MIRRORS = 16, 32
"""Sleepy meters that are mirrored: more than a house has, and half of the endpoints that there are for them."""
_SETTINGS_OF_THE_ENVIRONMENT = ("CONFIG", "DATA_DIR", "URL", "TOKEN", "SIMULATE")
"""HEH_* names that are not keys of hub.toml."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSection:
    """`[hub]`"""

    name: str = "home"
    role: str = COORDINATOR
    se_version: SeVersion = SeVersion.V1_0
    """Revision of the Smart Energy profile that is spoken, and whose rules are followed where they differ."""
    mirrors: int = DEFAULT_MIRRORS
    """Sleepy meters that each network mirrors at most; 0: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSection:
    """`[web]`"""

    listen: tuple[str, int] = ("127.0.0.1", 8080)
    allowed_hosts: tuple[str, ...] = ()
    """Names that a browser may call this hub by, beside its addresses and localhost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcSection:
    """`[rpc]`"""

    push_dir: Path | None = None
    """Where responses are pushed to as files while `RPC_Manager.use_push` is on."""
    push_url: str = ""
    """Where they are pushed to by HTTP."""
    modules: Path | None = None
    """Where modules are that an administrator may add to the running hub; None: nothing can be added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorySection:
    """`[history]`"""

    raw_h: int = DEFAULT_RAW_HISTORY_H
    """Hours for which every single reading is kept; sums over minutes to days are kept for years."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeSection:
    """`[home]`"""

    mains: tuple[str, ...] = ()
    """Device ids that carry the whole home; empty: the home is the sum of all breakers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSection:
    """`[backup]`"""

    nightly: bool = True
    """Coordinators that can are backed up each night; else on demand only."""
    at: time = DEFAULT_BACKUP_AT
    """In the home's zone."""
    keep: int = DEFAULT_BACKUPS
    """Backups of each radio; beside these those that an alarm still needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioSection:
    """One `[[radio]]`: what the hub itself needs, and `radio`, which belongs to the driver."""

    radio: RadioConfig
    carries: str = "breakers"
    """What its driver carries: `breakers` or `zigbee`."""
    unavailable_after: int = DEFAULT_UNAVAILABLE_AFTER
    command_lockout_s: float = DEFAULT_COMMAND_LOCKOUT_S
    consumption: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Device id, or "default" -> the sign of each pole's active energy that means consumption, -1 or +1."""
    keys_issued_at: datetime | None = None
    key_command: tuple[str, ...] = ()
    key_url: str = ""
    trace: Path | None = None

    @property
    def name(self) -> str:
        """The radio's name."""
        return self.radio.name

    def consumption_signs(self, device_id: str) -> tuple[int, int]:
        """Signs of both poles of a breaker; negative where nothing is said, as in every capture of the document."""
        return self.consumption.get(device_id) or self.consumption.get("default") or (-1, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All of hub.toml."""

    data_dir: Path
    source: Path | None = None
    hub: HubSection = HubSection()
    web: WebSection = WebSection()
    rpc: RpcSection = RpcSection()
    history: HistorySection = HistorySection()
    home: HomeSection = HomeSection()
    backup: BackupSection = BackupSection()
    radios: tuple[RadioSection, ...] = ()


def default_data_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the hub keeps its state unless told otherwise."""
    return Path(environ.get("HEH_DATA_DIR") or user_data_dir(APPLICATION))


def find_config(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The configuration file that applies without `--config`: $HEH_CONFIG, ./hub.toml, the platform's directory."""
    if named := environ.get("HEH_CONFIG"):
        return Path(named)
    for path in (Path(CONFIG_NAME), Path(user_config_dir(APPLICATION)) / CONFIG_NAME):
        if path.is_file():
            return path
    return None


def load(path: Path | None = None, *, environ: Mapping[str, str] = os.environ, data_dir: Path | None = None) -> Config:
    """Read and check the configuration. Raises `ConfigError` for the first thing that is wrong."""
    source = path or find_config(environ)
    table: dict[str, object] = {}
    if source is not None:
        try:
            table = tomllib.loads(source.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(str(source), f"cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(str(source), f"is not valid TOML: {error}") from None
    _apply_environment(table, environ)
    return parse(table, data_dir=data_dir or default_data_dir(environ), source=source)


def parse(table: Mapping[str, object], *, data_dir: Path, source: Path | None = None) -> Config:
    """Check a configuration that is already a table. Raises `ConfigError` for the first thing that is wrong."""
    _refuse_unknown("", table, ("hub", "web", "rpc", "history", "home", "backup", "radio"))
    hub, web, rpc, history, home = (_table(table, name) for name in ("hub", "web", "rpc", "history", "home"))
    backup = _table(table, "backup")
    _refuse_unknown("hub.", hub, ("name", "role", "se_version", "mirrors"))
    _refuse_unknown("web.", web, ("listen", "allowed_hosts"))
    _refuse_unknown("rpc.", rpc, ("push_dir", "push_url", "modules"))
    _refuse_unknown("history.", history, ("raw_h",))
    _refuse_unknown("home.", home, ("mains",))
    _refuse_unknown("backup.", backup, ("nightly", "at", "keep"))
    radios = table.get("radio", [])
    if not isinstance(radios, list) or not all(isinstance(item, Mapping) for item in radios):
        raise ConfigError("radio", "must be a list of tables: write [[radio]], not [radio]")
    role = _one_of("hub.role", hub.get("role", COORDINATOR), ROLES)
    sections = tuple(_radio(number, item, role) for number, item in enumerate(radios, 1))
    with_zigbee = [section for section in sections if section.carries == "zigbee"]
    if role != COORDINATOR and with_zigbee and not any(section.radio.joins for section in with_zigbee):
        raise ConfigError(
            "hub.role",
            f'{role!r} needs a radio that can join a network, as driver "xbee" or "ezsp"; allowed here: {COORDINATOR}',
        )
    names = [section.name for section in sections]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError("radio.name", f"two radios are called {name!r}; each needs a name of its own")
    return Config(
        data_dir=data_dir,
        source=source,
        hub=HubSection(
            name=_text("hub.name", hub.get("name", "home"), 64),
            role=role,
            se_version=_se_version(hub.get("se_version", "1.0")),
            mirrors=_integer("hub.mirrors", hub.get("mirrors", DEFAULT_MIRRORS), 0, MAX_MIRRORS),
        ),
        web=WebSection(
            listen=parse_listen("web.listen", web.get("listen", "127.0.0.1:8080")),
            allowed_hosts=_texts("web.allowed_hosts", web.get("allowed_hosts", [])),
        ),
        rpc=RpcSection(
            push_dir=Path(_text("rpc.push_dir", rpc["push_dir"], 1024)).expanduser() if "push_dir" in rpc else None,
            push_url=_url("rpc.push_url", rpc.get("push_url", "")),
            modules=_directory("rpc.modules", rpc.get("modules")),
        ),
        history=HistorySection(raw_h=_integer("history.raw_h", history.get("raw_h", DEFAULT_RAW_HISTORY_H), 1, 8784)),
        home=HomeSection(mains=_texts("home.mains", home.get("mains", []))),
        backup=BackupSection(
            nightly=_flag("backup.nightly", backup.get("nightly", True)),
            at=_time_of_day("backup.at", backup.get("at", DEFAULT_BACKUP_AT)),
            keep=_integer("backup.keep", backup.get("keep", DEFAULT_BACKUPS), 2, MAX_BACKUPS),
        ),
        radios=sections,
    )


def parse_listen(key: str, value: object) -> tuple[str, int]:
    """`HOST:PORT`, `[IPv6]:PORT`; port 0 lets the system choose. Raises `ConfigError`."""
    allowed = 'an address and a port, as "127.0.0.1:8080" or "[::]:8080"'
    if not isinstance(value, str):
        raise ConfigError(key, f"{value!r} is not text; allowed: {allowed}")
    host, separator, port = value.rpartition(":")
    if not separator or not port.isdecimal() or int(port) > 65535:
        raise ConfigError(key, f"{value!r} has no port from 0 to 65535; allowed: {allowed}")
    host = host.removeprefix("[").removesuffix("]")
    if host != "localhost":
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise ConfigError(key, f"{host!r} is not an IP address; allowed: {allowed}") from None
    return host, int(port)


def _radio(number: int, table: Mapping[str, object], role: str) -> RadioSection:
    options = dict(table)
    where = f"radio {number}"
    name = _text(f"{where}: name", options.pop("name", None), 32)
    where = f"radio {name!r}"
    config = RadioConfig(
        name=name,
        driver=_text(f"{where}: driver", options.pop("driver", None), 64),
        pipe=_text(f"{where}: pipe", options.pop("pipe", None), 1024),
        options={key: value for key, value in options.items() if key not in _HUBS_OWN},
    )
    try:
        driver = load_driver(config.driver)
        config = replace(config, joins=role != COORDINATOR and driver.joins)
        driver.check(config)
    except OptionError as error:
        raise ConfigError(f"{where}: {error.key}", error.problem) from None
    if driver.carries == "zigbee":
        for key in _HUBS_OWN:
            if key in options and key != "trace":
                raise ConfigError(f"{where}: {key}", f"is for radios with breakers; {config.driver} carries Zigbee")
    return RadioSection(
        radio=config,
        carries=driver.carries,
        unavailable_after=_integer(
            f"{where}: unavailable_after", options.get("unavailable_after", DEFAULT_UNAVAILABLE_AFTER), 1, 1000
        ),
        command_lockout_s=_number(
            f"{where}: command_lockout_s", options.get("command_lockout_s", DEFAULT_COMMAND_LOCKOUT_S), 0, 60
        ),
        consumption=_consumption(where, options.get("consumption", {})),
        keys_issued_at=_time(f"{where}: keys_issued_at", options.get("keys_issued_at")),
        key_command=_texts(f"{where}: key_command", options.get("key_command", [])),
        key_url=_url(f"{where}: key_url", options.get("key_url", "")),
        trace=Path(_text(f"{where}: trace", options["trace"], 1024)).expanduser() if "trace" in options else None,
    )


_HUBS_OWN = (
    "unavailable_after",
    "command_lockout_s",
    "consumption",
    "keys_issued_at",
    "key_command",
    "key_url",
    "trace",
)


def _consumption(where: str, value: object) -> Mapping[str, tuple[int, int]]:
    allowed = '"negative", "positive", or one of them for each pole: ["negative", "positive"]'
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: consumption", f'must be a table: default = {allowed}, or "<device id>" = ...')
    found: dict[str, tuple[int, int]] = {}
    for device, signs in value.items():
        pair = [signs, signs] if isinstance(signs, str) else signs
        if not isinstance(pair, list) or len(pair) != 2 or any(sign not in SIGNS for sign in pair):
            raise ConfigError(f"{where}: consumption.{device}", f"is {signs!r}; allowed: {allowed}")
        found[str(device)] = (SIGNS[pair[0]], SIGNS[pair[1]])
    return found


# -- values ----------------------------------------------------------------------------------------------------------


def _refuse_unknown(prefix: str, table: Mapping[str, object], known: Sequence[str]) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {prefix}{near[0]}? " if near else ""
            raise ConfigError(f"{prefix}{key}", f"is not a known key; {hint}known: {', '.join(known)}")


def _table(table: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = table.get(name, {})
    if not isinstance(value, Mapping):
        raise ConfigError(name, f"must be a table: write [{name}]")
    return value


def _text(key: str, value: object, longest: int) -> str:
    if value is None:
        raise ConfigError(key, "is missing")
    if not isinstance(value, str) or not value.strip() or len(value) > longest:
        raise ConfigError(key, f"{value!r} is not text of 1 to {longest} characters")
    return value


def _texts(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise ConfigError(key, f'{value!r} is not a list of texts, as ["one", "two"]')
    return tuple(value)


def _se_version(value: object) -> SeVersion:
    found = SE_VERSIONS.get(value) if isinstance(value, str) else None
    if found is None:
        allowed = ", ".join(f'"{name}"' for name in SE_VERSIONS)
        raise ConfigError("hub.se_version", f"{value!r} is not allowed; allowed: {allowed}")
    return found


def _one_of(key: str, value: object, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise ConfigError(key, f"{value!r} is not allowed; allowed: {', '.join(allowed)}")
    return str(value)


def _integer(key: str, value: object, minimum: int, maximum: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
        raise ConfigError(key, f"{value!r} is not a whole number from {minimum} to {maximum}")
    return value


def _number(key: str, value: object, minimum: float, maximum: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not minimum <= value <= maximum:
        raise ConfigError(key, f"{value!r} is not a number from {minimum:g} to {maximum:g}")
    return float(value)


def _time(key: str, value: object) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise ConfigError(key, f"{value!r} is not a time; allowed: a TOML date-time, as 2026-11-20T12:00:00Z")
    return value.astimezone(UTC)


def _time_of_day(key: str, value: object) -> time:
    allowed = 'a time of day, as "03:00"'
    if isinstance(value, time):
        return value
    if not isinstance(value, str):
        raise ConfigError(key, f"{value!r} is not {allowed}")
    try:
        return datetime.strptime(value, "%H:%M").replace(tzinfo=UTC).time()
    except ValueError:
        raise ConfigError(key, f"{value!r} is not {allowed}") from None


def _flag(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(key, f"{value!r} is not allowed; allowed: true, false")
    return value


def _directory(key: str, value: object) -> Path | None:
    if value is None:
        return None
    path = Path(_text(key, value, 1024)).expanduser()
    if not path.is_dir():
        raise ConfigError(key, f"{str(path)!r} is not a directory")
    return path.resolve()


def _url(key: str, value: object) -> str:
    if value and not (isinstance(value, str) and value.startswith(("http://", "https://"))):
        raise ConfigError(key, f"{value!r} is not an http:// or https:// address")
    return str(value)


# -- environment -----------------------------------------------------------------------------------------------------


def _apply_environment(table: dict[str, object], environ: Mapping[str, str]) -> None:
    """HEH_WEB__LISTEN sets [web] listen; HEH_RADIO__HAN__PIPE sets pipe of the radio called "han"."""
    for name, text in sorted(environ.items()):
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        path = [part.lower() for part in name.removeprefix(ENVIRONMENT_PREFIX).split("__")]
        if len(path) == 1:
            if path[0].upper() not in _SETTINGS_OF_THE_ENVIRONMENT:
                raise ConfigError(name, "is not a known variable; allowed: HEH_SECTION__KEY, as HEH_WEB__LISTEN")
            continue
        target: dict[str, object] = table
        section, *keys = path
        if section == "radio":
            target = _radio_table(name, table, keys.pop(0))
            if not keys:
                raise ConfigError(name, "names no key; allowed: HEH_RADIO__<NAME>__<KEY>")
        else:
            keys = path
        for key in keys[:-1]:
            inner = target.setdefault(key, {})
            if not isinstance(inner, dict):
                raise ConfigError(name, f"{key} is not a table")
            target = inner
        target[keys[-1]] = _literal(text)


def _radio_table(variable: str, table: Mapping[str, object], name: str) -> dict[str, object]:
    radios = table.get("radio", [])
    for radio in radios if isinstance(radios, list) else ():
        if isinstance(radio, dict) and str(radio.get("name", "")).lower() == name:
            return radio
    raise ConfigError(variable, f"there is no radio called {name!r}")


def _literal(text: str) -> object:
    """A TOML value if it is one (5, true, ["a"]), else the text as it is."""
    if len(text) > _LONGEST_NUMBER and text.isalnum():
        return text  # a key of digits only is still a key
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


_LONGEST_NUMBER = 20
