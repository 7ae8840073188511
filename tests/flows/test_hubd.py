"""hubd as a program: what it prints, how it leaves, and one clear line for every mistake."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ports import free_port

ROOT = Path(__file__).parent.parent.parent
LONGEST_START_S = 20.0
LEAVES_WITHIN_S = 2.0


def environment(**more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HEH_")}
    return {**clean, "PYTHONPATH": str(ROOT), **more}


class Hubd:
    """A running hubd."""

    def __init__(self, process: subprocess.Popen[str], port: int, data_dir: Path) -> None:
        self.process, self.port, self.data_dir = process, port, data_dir
        self.printed = ""

    @property
    def token(self) -> str:
        return (self.data_dir / "token").read_text().strip()

    def get(self, path: str, token: str | None = None, method: str = "GET") -> tuple[int, dict]:  # type: ignore[type-arg]
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def wait_until_up(self) -> None:
        assert self.process.stdout is not None
        deadline = time.monotonic() + LONGEST_START_S
        while "Ctrl-C" not in self.printed:
            assert time.monotonic() < deadline
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read() if self.process.stderr else ""
            self.printed += line

    def wait_for_breakers(self, number: int = 4) -> list[dict]:  # type: ignore[type-arg]
        deadline = time.monotonic() + LONGEST_START_S
        while True:
            _, answer = self.get("/api/v1/breakers", self.token)
            ready = [d for d in answer["breakers"] if d["availability"] == "available" and d["readings"].get("total")]
            if len(ready) == number:
                return ready
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def leave(self, number: int = signal.SIGTERM) -> float:
        """Seconds that it takes to go."""
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.communicate(timeout=10)
        return time.monotonic() - started


@contextmanager
def demo(data_dir: Path) -> Iterator[Hubd]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "web.daemon", "--demo", "--data-dir", str(data_dir), "--listen", f"127.0.0.1:{port}"],
        cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    hubd = Hubd(process, port, data_dir)
    try:
        hubd.wait_until_up()
        yield hubd
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)


def test_the_demo_prints_where_to_click_and_shows_live_breakers(tmp_path: Path) -> None:
    with demo(tmp_path) as hubd:
        link = re.search(rf"http://127\.0\.0\.1:{hubd.port}/login\?code=\S+", hubd.printed)
        assert link
        assert f"HEH_DATA_DIR={tmp_path}" in hubd.printed
        assert "hubctl watch" in hubd.printed
        assert hubd.token not in hubd.printed
        assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
        assert hubd.get("/api/v1/health")[1]["status"] == "ok"
        breakers = hubd.wait_for_breakers()
        assert {breaker["name"] for breaker in breakers} >= {"Refrigerator"}
        status, command = hubd.get(f"/api/v1/breakers/{breakers[0]['id']}/open", hubd.token, "POST")
        assert (status, command["outcome"], command["position"]) == (200, "confirmed", "open")
        assert hubd.get("/api/v1/devices")[0] == 401


def test_the_demo_has_zigbee_devices_and_one_joins_when_joining_is_opened(tmp_path: Path) -> None:
    with demo(tmp_path) as hubd:
        deadline = time.monotonic() + 3 * LONGEST_START_S

        def wait_for(*kinds: str) -> dict:  # type: ignore[type-arg]
            while True:
                _, answer = hubd.get("/api/v1/devices", hubd.token)
                found = {d["kind"]: d for d in answer["devices"] if d["availability"] == "available"}
                if set(kinds) <= set(found):
                    return found
                assert time.monotonic() < deadline, found
                time.sleep(0.1)

        found = wait_for("plug", "meter", "thermostat")
        assert "remote" not in found
        while hubd.get("/api/v1/networks/zigbee", hubd.token)[1].get("joining_s") is not None:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        status, network = hubd.get("/api/v1/networks/zigbee/permit-join", hubd.token, "POST")
        assert (status, network["joining_s"]) == (200, 254)
        while not (cube := wait_for("remote")["remote"])["manufacturer"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert (cube["manufacturer"], cube["model"]) == ("LUMI", "lumi.sensor_cube")
        status, command = hubd.get(f"/api/v1/devices/{found['plug']['id']}/off", hubd.token, "POST")
        assert (status, command["outcome"]) == (200, "confirmed")


def test_the_demo_has_a_smart_energy_network_whose_devices_can_be_told_what_to_do(tmp_path: Path) -> None:
    with demo(tmp_path) as hubd:
        deadline = time.monotonic() + 3 * LONGEST_START_S
        stages: dict[str, str] = {}
        while set(stages.values()) != {"active"} or len(stages) < 4:
            assert time.monotonic() < deadline, stages
            time.sleep(0.2)
            _, answer = hubd.get("/api/v1/devices", hubd.token)
            stages = {}  # they get other names meanwhile
            for device in answer["devices"]:
                if device["radio"] == "han":
                    _, inside = hubd.get(f"/api/v1/devices/{device['id']}/zigbee", hubd.token)
                    stages[device["name"]] = inside["stage"] if inside["authenticated"] else ""
        assert set(stages) == {"Utility meter", "Kitchen display", "Bedroom", "Pool pump"}
        host, _, port = (tmp_path / "simulate").read_text().strip().rpartition(":")
        with socket.create_connection((host, int(port)), timeout=10) as control:
            lines = control.makefile("rw")
            for asked, said in (("list", '"kind": "load-control"'), ("quit", "error: the demo ends with Ctrl-C")):
                lines.write(asked + "\n")
                lines.flush()
                assert said in lines.readline()
        assert hubd.leave(signal.SIGTERM) < LEAVES_WITHIN_S
        assert not (tmp_path / "simulate").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_leaves_within_two_seconds_with_nothing_lost(tmp_path: Path, number: int) -> None:
    with demo(tmp_path) as hubd:
        breaker = hubd.wait_for_breakers()[0]
        hubd.get(f"/api/v1/breakers/{breaker['id']}/open", hubd.token, "POST")
        assert hubd.leave(number) < LEAVES_WITHIN_S
        assert hubd.process.returncode == 0
    with demo(tmp_path) as hubd:
        _, answer = hubd.get("/api/v1/commands", hubd.token)
        assert [command["outcome"] for command in answer["commands"]] == ["confirmed"]
        _, again = hubd.get(f"/api/v1/devices/{breaker['id']}", hubd.token)
        assert again["name"] == breaker["name"]


def test_a_killed_hub_has_everything_it_acknowledged(tmp_path: Path) -> None:
    names = []
    for number in range(3):
        with demo(tmp_path) as hubd:
            breaker = hubd.wait_for_breakers()[number]
            request = urllib.request.Request(
                f"http://127.0.0.1:{hubd.port}/api/v1/devices/{breaker['id']}",
                data=json.dumps({"name": f"Name {number}"}).encode(),
                headers={"Authorization": f"Bearer {hubd.token}", "Content-Type": "application/json"},
                method="PATCH",
            )
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert json.load(answer)["name"] == f"Name {number}"
            names.append(breaker["id"])
            hubd.leave(signal.SIGKILL)
    with demo(tmp_path) as hubd:
        devices = {device["id"]: device["name"] for device in hubd.wait_for_breakers()}
        assert [devices[device_id] for device_id in names] == ["Name 0", "Name 1", "Name 2"]


def run(*arguments: str, config: str | None = None, tmp_path: Path, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "web.daemon", "--data-dir", str(tmp_path / "data"), *arguments]
    if config is not None:
        (tmp_path / "hub.toml").write_text(config)
        command += ["--config", str(tmp_path / "hub.toml")]
    return subprocess.run(
        command, cwd=tmp_path, env=environment(**more), capture_output=True, text=True, timeout=30, check=False
    )


RADIO = '[[radio]]\nname = "b"\ndriver = "emcb"\npipe = "udp:127.255.255.255:9"\n'


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ("[web]\nlistn = 1", "web.listn: is not a known key; did you mean web.listen?"),
        (RADIO.replace("emcb", "emcd"), "radio 'b': driver: 'emcd' is not known (did you mean 'emcb'?)"),
        (RADIO + RADIO, "radio.name: two radios are called 'b'"),
        (RADIO + "broadcast_key = 'abcd'", "radio 'b': broadcast_key: is 2 bytes long; allowed: 32 bytes"),
        (
            RADIO.replace(":9", ":9?local=192.168.213.77"),
            "radio 'b': pipe: 'udp:127.255.255.255:9?local=192.168.213.77'",
        ),
        ("[web", "is not valid TOML"),
    ],
)
def test_a_wrong_configuration_is_one_line_and_exit_code_2(tmp_path: Path, config: str, named: str) -> None:
    done = run(config=config, tmp_path=tmp_path)
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if line.startswith("hubd: ")]
    assert named in line
    assert "Traceback" not in done.stderr
    assert "5ec2e7" not in done.stderr


def test_a_port_in_use_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("--listen", place, tmp_path=tmp_path)
    assert done.returncode == 2
    assert f"hubd: web.listen: '{place}' is in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_options_are_named(tmp_path: Path) -> None:
    for arguments, named in (
        (("--listen", "nowhere"), "--listen: 'nowhere' has no port"),
        (("--config", "missing.toml"), "missing.toml: cannot be read: No such file"),
        (("--nonsense",), "unrecognized arguments: --nonsense"),
    ):
        done = run(*arguments, tmp_path=tmp_path)
        assert done.returncode == 2
        assert named in done.stderr
        assert "Traceback" not in done.stderr


def test_a_wrong_environment_variable_is_named(tmp_path: Path) -> None:
    done = run(tmp_path=tmp_path, HEH_WEB__LISTN="x")
    assert done.returncode == 2
    assert "web.listn: is not a known key" in done.stderr


def test_no_log_line_ever_holds_a_key_or_a_token(tmp_path: Path) -> None:
    with demo(tmp_path) as hubd:
        hubd.wait_for_breakers()
        token = hubd.token
        hubd.get("/api/v1/devices", "heh_" + "wrong" * 8)
        hubd.process.send_signal(signal.SIGTERM)
        _, log = hubd.process.communicate(timeout=10)
    keys = json.loads((tmp_path / "keys.json").read_text())
    assert keys["seen"]
    assert token not in log + hubd.printed
    assert "wrongwrong" not in log


def test_a_read_only_data_directory_is_said_so_and_the_hub_runs(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the directory should be")
    with demo(blocked / "data") as hubd:
        assert "Admin token until the next start: heh_" in hubd.printed or "Admin token" in (
            hubd.printed + (hubd.process.stdout.readline() if hubd.process.stdout else "")
        )
        status, health = hubd.get("/api/v1/health")
        assert (status, health["status"]) == (200, "degraded")
        assert health["storage"]["state"] in ("read_only", "failed")
        assert hubd.leave() < LEAVES_WITHIN_S


def test_a_head_ends_exit_ends_it(tmp_path: Path) -> None:
    with demo(tmp_path) as hubd:
        started = time.monotonic()
        assert hubd.get("/api/v1/rpc/exit", hubd.token, "POST") == (202, {"accepted": "exit"})
        hubd.process.communicate(timeout=10)
        assert hubd.process.returncode == 0
        assert time.monotonic() - started < LEAVES_WITHIN_S
