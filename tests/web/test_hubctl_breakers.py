"""hubctl breaker: an honest line for every outcome, lights, keys."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tests.web.fake_hub import DROP, FRIDGE, KITCHEN, SOLAR, FakeHub, command, problem
from tests.web.hubctl_runs import Hubctl
from tests.web.hubctl_runs import alone as alone
from tests.web.hubctl_runs import fake as fake
from tests.web.hubctl_runs import hubctl as hubctl
from web.hubctl.exits import Exit

GROUP = ("POST", "/api/v1/breakers/groups/open")
KEYS = ("PUT", "/api/v1/breakers/keys")
LED = ("PUT", f"/api/v1/breakers/{FRIDGE}/led")


def move(action: str) -> tuple[str, str]:
    return "POST", f"/api/v1/breakers/{FRIDGE}/{action}"


def test_confirmed_says_where_the_contacts_are(hubctl: Hubctl, fake: FakeHub) -> None:
    fake.answers[move("open")] = (200, command())
    ran = hubctl("breaker", "open", "Refrigerator")
    assert (ran.code, ran.out, ran.err) == (0, "Refrigerator: open (confirmed)\n", "")
    fake.answers[move("toggle")] = (200, command(position="closed"))
    assert hubctl("breaker", "toggle", "refrigerator").out == "Refrigerator: closed (confirmed)\n"


def test_refused_says_why(hubctl: Hubctl, fake: FakeHub) -> None:
    refused = command("refused", detail="it is protected")
    fake.answers[move("open")] = problem(409, "refused", "it is protected", command=refused)
    ran = hubctl("breaker", "open", "Refrigerator")
    assert (ran.code, ran.out) == (Exit.FAILED, "Refrigerator: refused: it is protected\n")
    ran = hubctl("breaker", "open", "Refrigerator", "--json")
    assert (ran.code, ran.json["outcome"]) == (Exit.FAILED, "refused")


def test_unknown_says_that_nobody_knows_and_where_to_look(hubctl: Hubctl, fake: FakeHub) -> None:
    fake.answers[move("open")] = problem(504, "unknown-outcome", "?", command=command("unknown"))
    ran = hubctl("breaker", "open", "Refrigerator")
    assert ran.code == Exit.UNKNOWN
    assert ran.out == "Refrigerator: unknown: nobody knows whether it opened - look at the breaker\n"


def test_a_breaker_that_cannot_be_asked_is_a_failure_without_a_command(hubctl: Hubctl, fake: FakeHub) -> None:
    fake.answers[move("open")] = problem(503, "unavailable", "Refrigerator does not answer")
    ran = hubctl("breaker", "open", "Refrigerator")
    assert (ran.code, ran.out, ran.err) == (Exit.FAILED, "", "hubctl: Refrigerator does not answer\n")


def test_a_lost_answer_is_unknown_and_nothing_is_sent_again(hubctl: Hubctl, fake: FakeHub) -> None:
    fake.answers[move("toggle")] = DROP
    ran = hubctl("breaker", "toggle", "Refrigerator")
    assert ran.code == Exit.UNKNOWN
    assert "nobody here knows whether it was toggled; hubctl commands tells" in ran.err
    assert len(fake.of("POST")) == 1


def test_several_go_as_one_group_and_the_worst_outcome_is_the_exit_code(hubctl: Hubctl, fake: FakeHub) -> None:
    ended = [command(), command("refused", SOLAR, detail="it is protected")]
    fake.answers[GROUP] = problem(409, "refused", "some", commands=ended)
    ran = hubctl("breaker", "open", "Refrigerator", "solar roof", FRIDGE)
    assert fake.asked[-1].body == {"breakers": [FRIDGE, SOLAR]}
    assert ran.lines == ["Refrigerator: open (confirmed)", "Solar roof: refused: it is protected"]
    assert ran.code == Exit.FAILED
    fake.answers[GROUP] = problem(504, "unknown-outcome", "x", commands=[*ended, command("unknown", KITCHEN)])
    assert hubctl("breaker", "open", "refrigerator", "kitchen").code == Exit.UNKNOWN


def test_all_is_said_as_all(hubctl: Hubctl, fake: FakeHub) -> None:
    fake.answers[GROUP] = (200, {"outcome": "confirmed", "commands": [command()]})
    ran = hubctl("breaker", "open", "--all", "--json")
    assert fake.asked[-1].body == {"all": True}
    assert (ran.code, ran.json["outcome"]) == (0, "confirmed")


@pytest.mark.parametrize("wrong", [(), ("--all", "Refrigerator")])
def test_which_breakers_must_be_said_once(hubctl: Hubctl, fake: FakeHub, wrong: tuple[str, ...]) -> None:
    assert hubctl("breaker", "open", *wrong).code == Exit.USAGE
    assert fake.asked == []


# -- lights ------------------------------------------------------------------------------------------------------------


def lights(fake: FakeHub) -> list[str]:
    return [one["color"] for one in fake.asked[-1].body["leds"]]


def test_one_colour_lights_all_five(hubctl: Hubctl, fake: FakeHub) -> None:
    fake.answers[LED] = (200, command(action="led"))
    ran = hubctl("breaker", "led", "Refrigerator", "--color", "#FF8000", "--blink", "--duration", "1m30s")
    assert ran.code == 0
    assert "blinking for 1 min 30 s (confirmed)" in ran.out
    assert fake.asked[-1].body == {"leds": [{"color": "#ff8000", "blinking": True}] * 5, "duration_s": 90}


def test_colours_go_to_the_lights_in_order_and_the_rest_stays_dark(hubctl: Hubctl, fake: FakeHub) -> None:
    fake.answers[LED] = (200, command(action="led"))
    hubctl("breaker", "led", "Refrigerator", "-c", "red", "-c", "off", "-c", "#00f", "--blink")
    assert lights(fake) == ["#ff0000", "#000000", "#0000ff", "#000000", "#000000"]
    assert [one["blinking"] for one in fake.asked[-1].body["leds"]] == [True, False, True, False, False]
    assert fake.asked[-1].body["duration_s"] == 0
    hubctl("breaker", "led", "Refrigerator", "--off")
    assert fake.asked[-1].body == {"off": True}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ((), "no colour; say --color #rrggbb or one of red"),
        (("-c", "reddish"), "allowed: #rrggbb or red, orange"),
        (("-c", "#12345"), "allowed: #rrggbb or red, orange"),
        (("-c", "red") * 6, "6 times; allowed: up to 5"),
        (("-c", "red", "--duration", "10737419"), "to 10737418 seconds"),
        (("-c", "red", "--duration", "-5"), "to 10737418 seconds"),
        (("-c", "red", "--duration", "soon"), "to 10737418 seconds"),
        (("--off", "-c", "red"), "--off goes alone"),
    ],
)
def test_wrong_lights_are_refused_with_what_is_allowed(
    hubctl: Hubctl, fake: FakeHub, wrong: tuple[str, ...], said: str
) -> None:
    ran = hubctl("breaker", "led", "Refrigerator", *wrong)
    assert ran.code == Exit.USAGE
    assert said in ran.err
    assert fake.asked == []


# -- keys --------------------------------------------------------------------------------------------------------------

SECRET = "c2VjcmV0LWtleS10aGF0LW5vYm9keS1tYXktc2Vl"


def test_keys_come_from_a_file_or_standard_input(
    hubctl: Hubctl, fake: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = {"radio": "breakers", "broadcast_key": SECRET, "unicast_keys": {"30000c2a69113173": SECRET}}
    state = {"radio": "breakers", "device_id": None, "state": "valid", "expires_at": "2099-01-01T00:00:00.000Z"}
    fake.answers[KEYS] = (200, {"keys": [state]})
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(update))
    ran = hubctl("breaker", "set-keys", str(file))
    assert (ran.code, fake.asked[-1].body) == (0, update)
    assert "broadcast" in ran.out
    assert SECRET not in ran.out + ran.err
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(update)))
    assert hubctl("breaker", "set-keys", "-", "--json").json == {"keys": [state]}
    assert fake.asked[-1].body == update


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'{{"broadcast_key": "{SECRET}"', "is not JSON (line 1"),
        (f'["{SECRET}"]', "is not a JSON object; allowed: radio, broadcast_key"),
        (f'{{"broadcast-key": "{SECRET}"}}', "'broadcast-key' is not known; allowed: radio, broadcast_key"),
        ('{"radio": "breakers"}', "has no key"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_wrong_key_file_is_refused_and_never_shown(
    hubctl: Hubctl, fake: FakeHub, tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "keys.json"
    file.write_text(text)
    ran = hubctl("breaker", "set-keys", str(file))
    assert ran.code == Exit.USAGE
    assert said in ran.err
    assert SECRET not in ran.err
    assert fake.asked == []
    assert hubctl("breaker", "set-keys", str(tmp_path / "none")).code == Exit.USAGE
