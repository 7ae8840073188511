"""hub.toml and the environment: what is read, and one clear line for everything that is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hub.config import Config, load
from hub.errors import ConfigError
from protocols.se.base import SeVersion

KEY = "ab" * 32
GOOD = f"""
[hub]
name = "home"
role = "esi_router"
se_version = "1.2"
[web]
listen = "0.0.0.0:8099"
[home]
mains = ["emcb-30000c2a69113173"]
[[radio]]
name = "breakers"
driver = "emcb"
pipe = "udp:192.168.1.255:32866"
broadcast_key = "{KEY}"
poll_interval_s = 0.5
unavailable_after = 7
keys_issued_at = 2026-11-20T12:00:00Z
[radio.unicast_keys]
"30000c2a69113173" = ["{KEY}", "{KEY.upper()}"]
[radio.consumption]
default = "positive"
"30000c2a69113173" = ["negative", "positive"]
"""


def read(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> Config:
    path = tmp_path / "hub.toml"
    path.write_text(text)
    return load(path, environ=environ or {}, data_dir=tmp_path)


def test_a_full_configuration_is_read(tmp_path: Path) -> None:
    config = read(tmp_path, GOOD)
    assert (config.hub.name, config.hub.role, config.web.listen) == ("home", "esi_router", ("0.0.0.0", 8099))
    assert config.hub.se_version is SeVersion.V1_2
    assert config.home.mains == ("emcb-30000c2a69113173",)
    [radio] = config.radios
    assert (radio.name, radio.radio.driver, radio.unavailable_after) == ("breakers", "emcb", 7)
    assert radio.consumption_signs("30000c2a69113173") == (-1, 1)
    assert radio.consumption_signs("30000c2a69110000") == (1, 1)
    assert "keys_issued_at" not in radio.radio.options, "the hub's own keys are not the driver's"


def test_without_a_file_there_are_defaults_and_no_radio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load(environ={"HEH_DATA_DIR": str(tmp_path), "HEH_SIMULATE": "4711", "XDG_CONFIG_HOME": str(tmp_path)})
    assert config.web.listen == ("127.0.0.1", 8080)
    assert config.radios == ()
    assert config.hub.se_version is SeVersion.V1_0
    assert config.data_dir == tmp_path


def test_any_key_can_be_set_by_the_environment(tmp_path: Path) -> None:
    environ = {
        "HEH_WEB__LISTEN": "127.0.0.1:9",
        "HEH_HISTORY__RAW_H": "12",
        "HEH_RADIO__BREAKERS__POLL_INTERVAL_S": "2.5",
        "HEH_RADIO__BREAKERS__BROADCAST_KEY": "11" * 32,
        "HEH_HOME__MAINS": '["emcb-1", "emcb-2"]',
    }
    config = read(tmp_path, GOOD, environ)
    assert config.web.listen == ("127.0.0.1", 9)
    assert config.history.raw_h == 12
    assert config.radios[0].radio.options["poll_interval_s"] == 2.5
    assert config.radios[0].radio.options["broadcast_key"] == "11" * 32, "a key of digits only is a key, not a number"
    assert config.home.mains == ("emcb-1", "emcb-2")


RADIO = '[[radio]]\nname = "b"\ndriver = "emcb"\npipe = "udp:10.0.0.255:32866"\n'


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[web]\nlistn = 1", "web.listn: is not a known key; did you mean web.listen? known: listen, allowed_hosts"),
        ("[wbe]\n", "wbe: is not a known key; did you mean web?"),
        ("[hub]\nse_version = 1.2", 'hub.se_version: 1.2 is not allowed; allowed: "1.0", "1.1", "1.2"'),
        ("[hub]\nrole = 'king'", "hub.role: 'king' is not allowed; allowed: esi_coordinator, esi_router, aux_gateway"),
        ("[hub]\nname = ''", "hub.name: '' is not text of 1 to 64 characters"),
        ("[web]\nlisten = 8080", "web.listen: 8080 is not text"),
        ("[web]\nlisten = '127.0.0.1'", "has no port from 0 to 65535"),
        ("[web]\nlisten = 'example.com:80'", "'example.com' is not an IP address"),
        ("[history]\nraw_h = 0", "history.raw_h: 0 is not a whole number from 1 to 8784"),
        ("hub = 3", "hub: must be a table: write [hub]"),
        ("[radio]\nname='b'", "radio: must be a list of tables: write [[radio]], not [radio]"),
        ("[[radio]]\nname='b'", "radio 'b': driver: is missing"),
        (RADIO + RADIO, "radio.name: two radios are called 'b'"),
        (
            RADIO.replace("emcb", "emcd"),
            "radio 'b': driver: 'emcd' is not known (did you mean 'emcb'?); known are emcb",
        ),
        (RADIO.replace("udp:", "serial:"), "radio 'b': pipe: 'serial:10.0.0.255:32866': this driver takes udp:"),
        (RADIO + "pol_interval_s = 1", "radio 'b': pol_interval_s: not an option of the emcb driver; known are"),
        (RADIO + "poll_interval_s = 0.1", "poll_interval_s: 0.1 is not a number of seconds from 0.2 to 25"),
        (RADIO + "poll_interval_s = true", "poll_interval_s: True is not a number"),
        (RADIO + "broadcast_key = 'abcd'", "broadcast_key: is 2 bytes long; allowed: 32 bytes as 64 hex digits"),
        (RADIO + "broadcast_key = 'zz!'", "broadcast_key: is neither hex nor base64"),
        (RADIO + "broadcast_key = 'file:/nowhere/key'", "broadcast_key: cannot read /nowhere/key: No such file"),
        (RADIO + "broadcast_key = []", "broadcast_key: 0 keys given; one or two are allowed"),
        (RADIO + "unicast_keys = 3", "unicast_keys: must be a table"),
        (RADIO + "[radio.unicast_keys]\n'123' = 'x'", "unicast_keys: '123' is not a device id: 16 letters or digits"),
        (RADIO + "[radio.addresses]\n'30000c2a69113173' = '8.8.8.8'", "8.8.8.8 is not an address of a private network"),
        (RADIO + "group_control = 'yes'", "group_control: 'yes' is not true or false"),
        (RADIO + "unavailable_after = 0", "unavailable_after: 0 is not a whole number from 1 to 1000"),
        (
            RADIO + "[radio.consumption]\ndefault = 'up'",
            'consumption.default: is \'up\'; allowed: "negative", "positive"',
        ),
        (RADIO + "key_url = 'ftp://x'", "key_url: 'ftp://x' is not an http:// or https:// address"),
        (RADIO + "keys_issued_at = 'today'", "keys_issued_at: 'today' is not a time"),
        ("this is not toml", "is not valid TOML"),
    ],
)
def test_each_mistake_is_one_line_that_names_the_key_and_what_is_allowed(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"{tmp_path / 'no.toml'}: cannot be read: No such file")):
        load(tmp_path / "no.toml", environ={})


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("HEH_WBE", "HEH_WBE: is not a known variable"),
        ("HEH_RADIO__NOBODY__PIPE", "there is no radio called 'nobody'"),
        ("HEH_RADIO__BREAKERS", "names no key"),
        ("HEH_WEB__LISTN", "web.listn: is not a known key"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, name: str, named: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(named)):
        read(tmp_path, GOOD, {name: "x"})


def test_no_message_ever_shows_a_key(tmp_path: Path) -> None:
    secret = "5ec2e7" * 10
    for text in (
        RADIO + f"broadcast_key = '{secret}'",
        RADIO + f"broadcast_key = ['{secret}', '{secret}', '{secret}']",
        RADIO + f"[radio.unicast_keys]\n'30000c2a69113173' = '{secret}'",
    ):
        with pytest.raises(ConfigError) as caught:
            read(tmp_path, text)
        assert "5ec2e7" not in str(caught.value)


def test_keys_may_be_hex_base64_or_in_a_file(tmp_path: Path) -> None:
    import base64

    from radios.keys import parse_keys

    raw = bytes(range(32))
    (tmp_path / "raw").write_bytes(raw)
    (tmp_path / "hex").write_text(raw.hex() + "\n")
    for text in (
        raw.hex(),
        raw.hex(":"),
        base64.b64encode(raw).decode(),
        f"file:{tmp_path}/raw",
        f"file:{tmp_path}/hex",
    ):
        assert parse_keys(text, {}).broadcast == (raw,)
    assert raw.hex() not in repr(parse_keys(raw.hex(), {"30000c2a69113173": raw.hex()}))


def test_a_module_directory_must_be_there(tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    assert read(tmp_path, f'[rpc]\nmodules = "{tmp_path}"\n', environ).rpc.modules == tmp_path
    with pytest.raises(ConfigError, match=r"rpc\.modules: .*nowhere' is not a directory"):
        read(tmp_path, f'[rpc]\nmodules = "{tmp_path}/nowhere"\n', environ)
