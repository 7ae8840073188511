"""hubctl: what it shows, how it finds a device and a hub, and what its exit codes say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ports import free_port
from tests.web.fake_hub import DROP, FRIDGE, KITCHEN, SOLAR, TOKEN, FakeHub, breaker, command, problem
from tests.web.hubctl_runs import Hubctl
from tests.web.hubctl_runs import alone as alone
from tests.web.hubctl_runs import fake as fake
from tests.web.hubctl_runs import hubctl as hubctl
from web import errors
from web.hubctl.exits import Exit

# -- what it shows -----------------------------------------------------------------------------------------------------


def test_devices_are_an_aligned_table_without_colours_in_a_pipe(hubctl: Hubctl) -> None:
    ran = hubctl("devices")
    assert (ran.code, ran.err) == (0, "")
    assert "\x1b" not in ran.out
    head, *rows = ran.lines
    assert [row.split("  ")[0] for row in rows] == ["Refrigerator", "Solar roof", "Kitchen"]
    for title, value in (("STATE", "unavailable"), ("ID", SOLAR)):
        assert rows[1].index(value) == head.index(title)
    assert all(row[: head.index("POWER") + len("POWER")].endswith("152.1 W") for row in rows)


def test_json_is_what_the_interface_says(hubctl: Hubctl, fake: FakeHub) -> None:
    ran = hubctl("devices", "--json", "--kind", "breaker")
    expected = breaker()
    del expected["a_field_of_a_newer_hub"]
    assert ran.json["devices"][0] == expected
    assert fake.asked[-1].query == {"kind": "breaker"}
    assert hubctl("breaker", "list", "--json").json["breakers"][2]["id"] == KITCHEN
    assert hubctl("device", "show", "kitchen", "--json").json["id"] == KITCHEN
    assert hubctl("energy", "--json").json["power_w"] == -1234.5
    assert hubctl("status", "--json").json["radios"][0]["counters"]["dropped_signature"] == 3


def test_status_names_what_is_wrong(hubctl: Hubctl) -> None:
    out = hubctl("status").out
    for said in (
        "2 of 3 available",
        "full  4.4 MB, 12 waiting  the disk is full",
        "1 of 2 valid",
        "signature 3",
        "expired",
        "-1,234.5 W",
        "it does not answer",
    ):
        assert said in out
    assert "replayed" not in out


def test_a_device_that_was_never_heard_says_so(hubctl: Hubctl, fake: FakeHub) -> None:
    silent = breaker(last_seen=None, availability="unavailable", readings={}, readings_at=None)
    for path in ("devices", "breakers"):
        fake.answers["GET", f"/api/v1/{path}"] = (200, {path: [silent]})
    fake.answers["GET", f"/api/v1/devices/{silent['id']}"] = (200, silent)
    for words in (("devices",), ("breaker", "list")):
        head, row, *_ = hubctl(*words).lines
        assert row[head.index("HEARD") : head.index("HEARD") + len("HEARD")].strip() == "-"
    [heard] = [row for row in hubctl("device", "show", silent["id"]).lines if row.strip().startswith("heard")]
    assert heard.split() == ["heard", "never"]


def test_the_house_says_who_is_missing_and_what_nobody_knows(hubctl: Hubctl) -> None:
    out = hubctl("energy").out
    assert "without 1 device that did not say" in out
    assert "missing    Solar roof" in out
    assert "- given to the grid" in out


def test_a_device_is_shown_with_all_that_it_measures(hubctl: Hubctl) -> None:
    out = hubctl("device", "show", "Refrigerator").out
    assert "1,234.567 kWh" in out
    assert "121.250 V" in out
    assert "POLE 0" in out
    # What is not known is absent, not zero.
    assert "frequency" not in out


def test_a_one_pole_breaker_shows_the_voltage_of_its_leg(hubctl: Hubctl) -> None:
    assert "121.2 V" in hubctl("breaker", "list").lines[1]


def test_names_cannot_command_the_terminal(hubctl: Hubctl, fake: FakeHub) -> None:
    evil = breaker(name="\x1b[2J\x1b]0;owned\x07Fridge\r\nx")
    fake.answers["GET", "/api/v1/devices"] = (200, {"devices": [evil]})
    out = hubctl("devices").out
    assert "\x1b" not in out
    assert "\r" not in out
    assert len(out.splitlines()) == 2
    err = hubctl("device", "show", "\x1b[2Jfoo").err
    assert "\x1b" not in err


def test_an_empty_house_says_so(hubctl: Hubctl, fake: FakeHub) -> None:
    fake.answers["GET", "/api/v1/devices"] = (200, {"devices": []})
    assert "no devices yet" in hubctl("devices").out
    assert "the hub knows none yet" in hubctl("device", "show", "fridge").err


# -- changing and finding devices --------------------------------------------------------------------------------------


def test_set_sends_what_was_said(hubctl: Hubctl, fake: FakeHub) -> None:
    fake.answers["PATCH", f"/api/v1/devices/{FRIDGE}"] = (200, breaker(name="Freezer", protected=True))
    ran = hubctl("device", "set", "refrigerator", "--name", "Freezer", "--protected")
    assert fake.asked[-1].body == {"name": "Freezer", "protected": True}
    assert ran.out == f"Freezer ({FRIDGE}): area Kitchen, protected\n"
    hubctl("device", "set", "refrigerator", "--no-protected", "--area", "")
    assert fake.asked[-1].body == {"area": "", "protected": False}
    ran = hubctl("device", "set", "refrigerator")
    assert ran.code == Exit.USAGE
    assert "--name, --area, --protected" in ran.err


def test_remove_forgets_the_device_that_is_meant(hubctl: Hubctl, fake: FakeHub) -> None:
    fake.answers["DELETE", f"/api/v1/devices/{SOLAR}"] = (204, None)
    assert hubctl("device", "remove", "3174").code == 0
    assert [one.path for one in fake.of("DELETE")] == [f"/api/v1/devices/{SOLAR}"]


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (FRIDGE, FRIDGE),
        (FRIDGE.upper(), FRIDGE),
        ("refrigerator", FRIDGE),
        ("  SOLAR ROOF ", SOLAR),
        ("3174", SOLAR),
        ("emcb-30000c2b", KITCHEN),
        ("30000c2b", KITCHEN),
    ],
)
def test_a_device_is_found_by_id_name_and_part(hubctl: Hubctl, said: str, found: str) -> None:
    assert hubctl("device", "show", said, "--json").json["id"] == found


def test_what_may_be_several_is_an_error_that_lists_them(hubctl: Hubctl, fake: FakeHub) -> None:
    ran = hubctl("device", "show", "30000c2a")
    assert ran.code == Exit.USAGE
    assert f"Refrigerator ({FRIDGE})" in ran.err
    assert f"Solar roof ({SOLAR})" in ran.err
    twins = [breaker(FRIDGE, "Lamp"), breaker(SOLAR, "lamp")]
    fake.answers["GET", "/api/v1/breakers"] = (200, {"breakers": twins})
    assert hubctl("breaker", "open", "Lamp").code == Exit.USAGE
    assert fake.of("POST") == []


def test_an_unknown_device_is_not_found_and_the_nearest_is_suggested(hubctl: Hubctl, fake: FakeHub) -> None:
    ran = hubctl("breaker", "open", "Refridgerator")
    assert ran.code == Exit.NOT_FOUND
    assert "did you mean Refrigerator?" in ran.err
    # Three characters of an id are too few to cut somebody's power.
    assert hubctl("breaker", "open", "174").code == Exit.NOT_FOUND
    assert fake.of("POST") == []


# -- commands, tokens, login -------------------------------------------------------------------------------------------


def test_commands_tell_who_asked_for_what_and_how_it_ended(hubctl: Hubctl, fake: FakeHub) -> None:
    found = [command("unknown", detail="it did not answer"), command(device_id="emcb-gone")]
    fake.answers["GET", "/api/v1/commands"] = (200, {"commands": found})
    ran = hubctl("commands", "--device", "Refrigerator", "--limit", "2")
    assert fake.of("GET")[-2].query == {"device": FRIDGE, "limit": "2"}
    assert "Refrigerator" in ran.lines[1]
    assert ran.lines[1].endswith("it did not answer")
    assert "emcb-gone" in ran.lines[2]
    assert hubctl("commands", "--json").json["commands"][0]["outcome"] == "unknown"
    assert hubctl("commands", "--limit", "0").code == Exit.USAGE


def test_a_new_token_stands_alone_on_stdout(hubctl: Hubctl, fake: FakeHub) -> None:
    made = {"id": "t-1", "name": "kiosk", "role": "operator", "created_at": None, "last_used_at": None}
    fake.answers["POST", "/api/v1/tokens"] = (201, {**made, "token": "heh_new"})
    ran = hubctl("token", "create", "kiosk", "--role", "operator")
    assert ran.out == "heh_new\n"
    assert "once" in ran.err
    assert fake.asked[-1].body == {"name": "kiosk", "role": "operator"}
    ran = hubctl("token", "create", "kiosk", "--role", "king")
    assert ran.code == Exit.USAGE
    assert "'viewer', 'operator', 'admin'" in ran.err


def test_tokens_are_listed_and_revoked_by_id_or_name(hubctl: Hubctl, fake: FakeHub) -> None:
    tokens = [
        {"id": f"t-{number}", "name": name, "role": "viewer", "created_at": None, "last_used_at": None}
        for number, name in enumerate(("kiosk", "twin", "twin"))
    ]
    fake.answers["GET", "/api/v1/tokens"] = (200, {"tokens": tokens})
    for number in range(3):
        fake.answers["DELETE", f"/api/v1/tokens/t-{number}"] = (204, None)
    assert "never" in hubctl("token", "list").lines[1]
    assert "token" not in hubctl("token", "list", "--json").json["tokens"][0]
    assert hubctl("token", "revoke", "Kiosk").code == 0
    assert hubctl("token", "revoke", "t-2").code == 0
    assert [one.path[-3:] for one in fake.of("DELETE")] == ["t-0", "t-2"]
    ran = hubctl("token", "revoke", "twin")
    assert (ran.code, "t-1, t-2" in ran.err) == (Exit.USAGE, True)
    assert "did you mean kiosk?" in hubctl("token", "revoke", "kisk").err
    ran = hubctl("token", "revoke", "heh_secret")
    assert (ran.code, "heh_secret" in ran.err) == (Exit.USAGE, False)


def test_login_prints_a_link_that_can_be_clicked(hubctl: Hubctl, fake: FakeHub) -> None:
    link = {"url": "/login?code=abc", "expires_at": "2099-01-01T00:00:00.000Z"}
    fake.answers["POST", "/api/v1/login-links"] = (201, link)
    ran = hubctl("login")
    assert ran.out == f"{fake.url}/login?code=abc\n"
    assert "good once" in ran.err


# -- where the hub is, and how it ends ---------------------------------------------------------------------------------


def test_the_token_is_found_in_the_data_directory(
    alone: Hubctl, fake: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    assert alone("--url", fake.url, "devices").code == 0
    monkeypatch.setenv("HEH_TOKEN", "heh_wrong")
    ran = alone("--url", fake.url, "devices")
    assert ran.code == Exit.FAILED
    assert "--token" in ran.err
    assert "heh_wrong" not in ran.err
    assert alone("--url", fake.url, "--token", TOKEN, "devices").code == 0


def test_without_a_token_the_error_says_where_it_was_looked_for(alone: Hubctl, fake: FakeHub, tmp_path: Path) -> None:
    ran = alone("--url", fake.url, "devices")
    assert ran.code == Exit.FAILED
    assert f"{tmp_path}/token cannot be read (No such file or directory)" in ran.err
    (tmp_path / "token").write_text("two words")
    assert "does not hold one" in alone("--url", fake.url, "devices").err
    assert [one.path for one in fake.asked] == ["/api/v1/health"] * 2


def test_the_token_of_this_machine_goes_to_no_other(
    alone: Hubctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from web.hubctl.context import App
    from web.hubctl.exits import HubctlError

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    (tmp_path / "home-energy-hub").mkdir()
    (tmp_path / "home-energy-hub" / "token").write_text(TOKEN)
    for ours in ("http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"):
        App.from_environment(ours, None, {}).client()
    with pytest.raises(HubctlError, match="another machine"):
        App.from_environment("http://192.0.2.1:8080", None, {}).client()
    App.from_environment("http://192.0.2.1:8080", TOKEN, {}).client()


def test_no_hub_is_unreachable(alone: Hubctl) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    for token in ((), ("--token", "heh_x")):
        ran = alone("--url", url, *token, "status")
        assert ran.code == Exit.UNREACHABLE
        assert f"no hub answers at {url}: connection refused; start one with hubd" in ran.err


@pytest.mark.parametrize("wrong", ["ftp://x", "http://", "http://a:b", "http://u:p@h", "http://h:99999", "http://h?x"])
def test_an_address_that_is_none_is_wrong_usage(alone: Hubctl, wrong: str) -> None:
    ran = alone("--url", wrong, "status")
    assert ran.code == Exit.USAGE
    assert "allowed: http://HOST:PORT" in ran.err


def test_an_address_may_go_without_its_scheme(hubctl: Hubctl, fake: FakeHub) -> None:
    assert hubctl("--url", fake.url.removeprefix("http://"), "devices").code == 0


def test_an_answer_that_is_lost_while_reading_is_unreachable(hubctl: Hubctl, fake: FakeHub) -> None:
    fake.answers["GET", "/api/v1/devices"] = DROP
    assert hubctl("devices").code == Exit.UNREACHABLE


@pytest.mark.parametrize(
    ("status", "slug", "code"),
    [
        (400, "invalid", Exit.USAGE),
        (403, "forbidden", Exit.FAILED),
        (404, "not-found", Exit.NOT_FOUND),
        (404, "of-a-newer-hub", Exit.NOT_FOUND),
        (500, "internal", Exit.FAILED),
        (504, "unknown-outcome", Exit.UNKNOWN),
        (507, "storage", Exit.FAILED),
    ],
)
def test_a_problem_is_one_line_and_its_exit_code(
    hubctl: Hubctl, fake: FakeHub, status: int, slug: str, code: Exit
) -> None:
    wrong = [{"field": "kind", "allowed": "breaker, evse", "value": "x"}]
    fake.answers["GET", "/api/v1/devices"] = problem(status, slug, "that cannot be", errors=wrong)
    ran = hubctl("devices")
    assert ran.code == code
    assert ran.err == "hubctl: that cannot be; kind: allowed: breaker, evse\n"


def test_exit_codes_are_those_of_the_one_table() -> None:
    contract = (errors.OK, errors.FAILED, errors.USAGE, errors.NOT_FOUND, errors.UNKNOWN, errors.UNREACHABLE)
    assert tuple(Exit)[:6] == contract


def test_a_fault_of_ours_is_not_hidden(hubctl: Hubctl, monkeypatch: pytest.MonkeyPatch) -> None:
    import web.hubctl.devices

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(web.hubctl.devices, "_devices_table", broken)
    with pytest.raises(ZeroDivisionError):
        hubctl("devices")


# -- config check ------------------------------------------------------------------------------------------------------


def test_config_check_says_what_the_hub_would_say(alone: Hubctl, tmp_path: Path) -> None:
    ran = alone("config", "check")
    assert ran.code == 0
    assert "the defaults hold: ok" in ran.out
    (tmp_path / "hub.toml").write_text('[web]\nlisten = "127.0.0.1:9000"\n')
    assert "127.0.0.1:9000" in alone("config", "check").out
    assert alone("config", "check", "--json").json["ok"] is True


def test_a_wrong_configuration_is_one_line_and_exit_code_2(alone: Hubctl, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[web]\nlisten = "somewhere"\n')
    ran = alone("config", "check", str(wrong))
    assert (ran.code, ran.out) == (Exit.USAGE, "")
    assert ran.err.startswith("web.listen: ")
    assert ran.err.count("\n") == 1
    found = alone("config", "check", str(wrong), "--json").json
    assert (found["ok"], found["problems"][0]["key"]) == (False, "web.listen")
    assert alone("config", "check", str(tmp_path / "none.toml")).code == Exit.USAGE
