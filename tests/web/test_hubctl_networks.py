"""`hubctl network add`: one device, or many at once from a file, each line checked before anything is sent."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.web.fake_hub import FakeHub, network, problem
from tests.web.hubctl_runs import Hubctl
from tests.web.hubctl_runs import alone as alone
from tests.web.hubctl_runs import fake as fake
from tests.web.hubctl_runs import hubctl as hubctl

CODE = "83FED3407A939723A5C639B26916D505C3B5"
KEY = "5A6967426565416C6C69616E63653039"
ADDRESS, OTHER = "00124b0014d90101", "00124b0014d90102"


@pytest.fixture
def zigbee(fake: FakeHub) -> FakeHub:
    able = network(can={"install_codes": True, "link_keys": True})
    fake.answers["GET", "/api/v1/networks"] = (200, {"networks": [able]})
    fake.answers["GET", "/api/v1/networks/han"] = (200, able)
    added = {"device_id": f"zigbee-{ADDRESS}", "radio": "han", "ieee": ADDRESS}
    fake.answers["POST", "/api/v1/networks/han/devices"] = (201, added)
    return fake


def test_each_line_is_a_device_with_its_fields(hubctl: Hubctl, zigbee: FakeHub, tmp_path: Path) -> None:
    file = tmp_path / "devices"
    file.write_text(
        f'# ground floor\n\n{ADDRESS}\n00:12:4b:00:14:d9:01:02\tname="Plug #2" install_code={CODE}  # behind\n'
        f"00124B0014D90103 link_key={KEY} name=Lamp#3\n"
    )
    ran = hubctl("network", "add", "--file", str(file))
    assert (ran.code, ran.err) == (0, "")
    assert ran.lines[-1] == "3 added; open joining (hubctl join han) and switch them on"
    assert [asked.body for asked in zigbee.of("POST")] == [
        {"eui64": ADDRESS},
        {"eui64": OTHER, "name": "Plug #2", "install_code": CODE},
        {"eui64": "00124b0014d90103", "name": "Lamp#3", "link_key": KEY},
    ]
    assert CODE not in ran.out
    assert KEY not in ran.out


def test_devices_are_taken_from_a_pipe(hubctl: Hubctl, zigbee: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{ADDRESS}\n"))
    ran = hubctl("network", "add", "han", "--file", "-", "--json")
    assert [one["device_id"] for one in ran.json["devices"]] == [f"zigbee-{ADDRESS}"]
    assert [asked.body for asked in zigbee.of("POST")] == [{"eui64": ADDRESS}]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (CODE, "its first word is no extended address; allowed: 16 hex digits"),
        (f"{OTHER} {CODE}", "what stands behind the address is no field; allowed: name="),
        (f"{OTHER} {KEY}=", "what stands behind the address is no field; allowed: name="),
        (f"{OTHER} code={CODE}", "what stands behind the address is no field; allowed: name="),
        (f"{OTHER} name=My {CODE}", "what stands behind name is no field; allowed: name="),
        (f'{OTHER} name="{CODE}', "what stands behind the address is no field; allowed: name="),
        (f"{OTHER} install_code={CODE}0", "install_code is 37 hex digits; allowed: 6, 8, 12 or 16 bytes"),
        (f"{OTHER} install_code={CODE[1:]}0", "install_code is 18 bytes of which the last two are not the CRC"),
        (f"{OTHER} link_key={CODE}", "link_key is 36 characters; allowed: 32 hex digits"),
        (f"{OTHER} link_key={KEY} link_key={KEY}", "link_key is given twice"),
        (f'{OTHER} name=""', "name is 0 characters; allowed: 1 to 64 characters"),
        (OTHER[1:], "its first word is no extended address; allowed: 16 hex digits (it has 15), as "),
        ("f" * 16, "its first word is no device's address"),
        (ADDRESS.upper(), f"{ADDRESS} stands on line 2 already"),
    ],
)
def test_a_wrong_line_is_told_by_its_number_and_nothing_is_sent(
    hubctl: Hubctl, zigbee: FakeHub, tmp_path: Path, row: str, said: str
) -> None:
    file = tmp_path / "devices"
    file.write_text(f"# all\n{ADDRESS}\n{row}\nnot this\n")
    ran = hubctl("network", "add", "han", "--file", str(file))
    assert ran.code == 2
    first, second, last = ran.err.splitlines()
    assert first.startswith(f"{file}: line 3: {said}")
    assert second.startswith(f"{file}: line 4: its first word is no extended address")
    assert last == "hubctl: 2 lines are wrong; nothing was sent"
    assert not zigbee.asked
    for secret in (CODE, KEY):
        assert secret not in ran.out + ran.err


@pytest.mark.parametrize(
    ("field", "what"), [(f"install_code={CODE}", "installation codes"), (f"link_key={KEY}", "keys")]
)
def test_keys_that_the_radio_cannot_keep_are_refused_before_anything_is_sent(
    hubctl: Hubctl, zigbee: FakeHub, tmp_path: Path, field: str, what: str
) -> None:
    zigbee.answers["GET", "/api/v1/networks/han"] = (200, network())
    file = tmp_path / "devices"
    file.write_text(f"{ADDRESS}\n{OTHER} {field}\n")
    ran = hubctl("network", "add", "han", "--file", str(file))
    assert ran.code == 2
    assert f"{file}: line 2: han takes no " in ran.err
    assert what in ran.err
    assert not zigbee.of("POST")


def test_a_device_that_the_hub_refuses_is_told_by_its_line(hubctl: Hubctl, zigbee: FakeHub, tmp_path: Path) -> None:
    zigbee.answers["POST", "/api/v1/networks/han/devices"] = problem(409, "refused", "no more devices")
    file = tmp_path / "devices"
    file.write_text(f"\n{ADDRESS}\n{OTHER}\n")
    ran = hubctl("network", "add", "han", "--file", str(file))
    assert ran.code == 1
    assert ran.err == (f"hubctl: {file}: line 2: no more devices; 0 of 2 were added before it, none after it\n")
    assert len(zigbee.of("POST")) == 1


@pytest.mark.parametrize(
    "arguments",
    [("han",), (), ("han", ADDRESS, "--file", "x"), ("han", "--file", "x", "--link-key"), ("han", "--file", "nowhere")],
)
def test_what_to_add_has_to_be_said_once(hubctl: Hubctl, zigbee: FakeHub, arguments: tuple[str, ...]) -> None:
    ran = hubctl("network", "add", *arguments)
    assert ran.code == 2
    assert ran.err.startswith("hubctl: ")
    assert not zigbee.asked


@pytest.mark.parametrize("group", ["device", "network"])
@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ((ADDRESS, "--install-code", CODE), {"install_code": CODE}),
        (("han", ADDRESS, f"--link-key={KEY}"), {"link_key": KEY}),
        ((ADDRESS, "--install-code", "-"), {"install_code": "piped"}),
        ((ADDRESS, "--link-key"), {"link_key": "asked"}),
        (("--install-code", "--name", "Meter", ADDRESS), {"install_code": "asked", "name": "Meter"}),
        (("--install-code", ADDRESS), {"install_code": "asked"}),
        (("han", "--link-key", ADDRESS), {"link_key": "asked"}),
        ((ADDRESS, "--join-time", "600", "--json"), {"join_time_s": 600}),
        ((ADDRESS, "--join-time", "600", "--no-wait"), {"join_time_s": 600}),
    ],
)
def test_a_secret_is_said_piped_in_or_asked_for(
    hubctl: Hubctl,
    zigbee: FakeHub,
    monkeypatch: pytest.MonkeyPatch,
    group: str,
    arguments: tuple[str, ...],
    sent: dict[str, object],
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("piped\nmore\n"))
    monkeypatch.setattr("click.prompt", lambda what, **_: "asked")
    ran = hubctl(group, "add", *arguments)
    assert (ran.code, ran.err) == (0, "")
    assert [asked.body for asked in zigbee.of("POST")] == [{"eui64": ADDRESS, **sent}]
    for secret in (CODE, KEY):
        assert secret not in ran.out


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        (("han", "--install-code", CODE), {"install_code": CODE}),
        (("han", f"--link-key={KEY}"), {"link_key": KEY}),
        (("han", "--install-code", "-"), {"install_code": "piped"}),
        (("han", "--link-key"), {"link_key": "asked"}),
        (("--link-key", "--channels", "11", "han"), {"link_key": "asked", "channels": [11]}),
        (("--install-code", "han"), {"install_code": "asked"}),
    ],
)
def test_a_network_is_configured_with_a_secret_as_a_device_is_added(
    hubctl: Hubctl,
    zigbee: FakeHub,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    sent: dict[str, object],
) -> None:
    zigbee.answers["POST", "/api/v1/networks/han/configure"] = (200, network())
    monkeypatch.setattr("sys.stdin", io.StringIO("piped\nmore\n"))
    monkeypatch.setattr("click.prompt", lambda what, **_: "asked")
    ran = hubctl("network", "configure", "--confirm", "han", *arguments)
    assert (ran.code, ran.err) == (0, "")
    assert [asked.body for asked in zigbee.of("POST")] == [{"confirm": "han", **sent}]
    for secret in (CODE, KEY):
        assert secret not in ran.out


def test_a_network_is_not_configured_with_two_keys_or_without_its_name(hubctl: Hubctl, zigbee: FakeHub) -> None:
    for arguments in (("--link-key", KEY), ("han", "--link-key", KEY, "--install-code", CODE)):
        ran = hubctl("network", "configure", *arguments, "--confirm", "han")
        assert ran.code == 2
        assert not zigbee.asked
        for secret in (CODE, KEY):
            assert secret not in ran.out + ran.err


def test_an_address_that_is_too_short_is_told_its_digits(hubctl: Hubctl, zigbee: FakeHub) -> None:
    for arguments, said in (((ADDRESS[1:],), "(there are 15)"), (("han",), "on its label, or")):
        ran = hubctl("device", "add", *arguments)
        assert (ran.code, said in ran.err) == (2, True)


def test_a_code_without_a_device_is_not_shown(hubctl: Hubctl, zigbee: FakeHub) -> None:
    for arguments in (("--install-code", CODE), (ADDRESS, "--install-code", CODE, "--link-key", KEY)):
        ran = hubctl("device", "add", *arguments)
        assert ran.code == 2
        assert not zigbee.asked
        for secret in (CODE, KEY):
            assert secret not in ran.out + ran.err


def test_joining_is_opened_with_the_last_device_of_a_file(hubctl: Hubctl, zigbee: FakeHub, tmp_path: Path) -> None:
    file = tmp_path / "devices"
    file.write_text(f"{ADDRESS}\n{OTHER}\n")
    ran = hubctl("network", "add", "--file", str(file), "--join-time", "60", "--no-wait")
    assert (ran.code, ran.lines[-1]) == (0, "2 added; joining is open for 1 min 0 s: switch them on")
    assert [asked.body for asked in zigbee.of("POST")] == [{"eui64": ADDRESS}, {"eui64": OTHER, "join_time_s": 60}]


def test_all_registers_are_listed_without_a_hub(alone: Hubctl) -> None:
    ran = alone("network", "at", "--list")
    assert (ran.code, ran.err) == (0, "")
    assert "how long joining is open after it was changed" in ran.out
    ran = alone("network", "at", "--list", "--json")
    rows = {row["command"]: row for row in ran.json["registers"]}
    assert rows["NJ"]["unit"] == "s"
    assert rows["ID"]["effect"] == "the network is formed or joined anew"
    assert rows["KY"]["access"] == "write"


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        (("NJ",), {"command": "NJ"}),
        (("han", "NJ"), {"command": "NJ"}),
        (("NJ", "10"), {"command": "NJ", "value": 10}),
        (("han", "NJ", "0x0A"), {"command": "NJ", "value": "0x0A"}),
        (("NR", "0", "--yes"), {"command": "NR", "value": 0, "confirm": "han"}),
        (("KY", "-", "--yes"), {"command": "KY", "value": "0x5A", "confirm": "han"}),
        (("KY", KEY, "--yes"), {"command": "KY", "value": KEY, "confirm": "han"}),
        (("han", "nk", "5a:69 67-42" * 4, "--yes"), {"command": "nk", "value": "5a:69 67-42" * 4, "confirm": "han"}),
        (("KY", "1" * 32, "--yes"), {"command": "KY", "value": "1" * 32, "confirm": "han"}),
        (("KY", "0", "--yes"), {"command": "KY", "value": "0", "confirm": "han"}),
    ],
)
def test_radio_command_and_value_are_told_apart(
    hubctl: Hubctl, zigbee: FakeHub, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], body: object
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("0x5A\n"))
    zigbee.answers["POST", "/api/v1/networks/han/at"] = (200, {"command": "NJ", "value": 10, "value_hex": "0a"})
    assert hubctl("network", "at", *arguments).code == 0
    assert [asked.body for asked in zigbee.of("POST")] == [body]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("a", "b", "c", "d"),
        ("--list", "NJ"),
        ("NJ", "han", "fast"),
        ("NR",),
        ("CB", "4"),
        ("KY", KEY),
        ("KY", KEY + "x", "--yes"),
        ("KY", KEY[1:], "--yes"),
        ("ZT", "key.txt", "--yes"),
    ],
)
def test_what_is_no_at_command_is_not_sent(hubctl: Hubctl, zigbee: FakeHub, arguments: tuple[str, ...]) -> None:
    ran = hubctl("network", "at", *arguments)
    assert ran.code == 2
    assert ran.err.startswith("hubctl: ")
    assert KEY[1:] not in ran.err
    assert not zigbee.asked
