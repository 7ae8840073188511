"""Modules, interfaces, endpoints and clusters that are added to a running hub, over HTTP."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hub.zigbee.model import Side
from protocols.zcl.header import Direction, FrameType, ZclHeader, parse_header
from radios.emulators.device import EmulatedDevice
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from tests.hub.waiting import eventually
from tests.web.conftest import Served, serving
from tests.web.rpc.modules import directory_in, home, write
from tests.web.rpc.test_rpc_http import rci
from web.rpc.markup import Element

BELL, POST = 0xFC10, 2
READ_RUNG = b"\x00\x00"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)


def values(element: Element) -> dict[str, tuple[str | None, str]]:
    """Tag -> type and text."""
    return {child.tag: (child.get("type"), child.text) for child in element.children}


async def ask(served: Served, name: str, parameters: str = "", token: str = "") -> tuple[str, dict[str, Any]]:
    """One request in XML: the name of what comes back, and its parameters with their types."""
    options = {"token": token} if token else {}
    [answer] = await rci(served, f'<{name} synchronous="TRUE">{parameters}</{name}>', **options)
    return answer.tag, values(answer)


async def refused(served: Served, name: str, parameters: str = "", token: str = "") -> str:
    """What is said of a request that cannot be."""
    tag, told = await ask(served, name, parameters, token)
    assert (tag, told["severity"]) == ("message", ("int", "0x2")), told
    return str(told["description"][1])


def read(device: EmulatedDevice, endpoint: int, profile: int = 0x0104) -> bytes:
    """The device asks for attribute 0 of the bell."""
    header = ZclHeader(FrameType.GENERAL, Direction.TO_SERVER, 0x55, 0x00, True)
    device._send(1, endpoint, profile, BELL, header.encode() + READ_RUNG, 0)
    return header.encode()


async def answered(device: EmulatedDevice) -> bytes:
    """What the device heard of the bell last, behind the header."""
    await eventually(lambda: any(frame.cluster == BELL for frame in device.heard))
    frame = [one for one in device.heard if one.cluster == BELL][-1]
    device.heard.clear()
    return parse_header(frame.payload)[1]


async def test_a_module_extends_the_hub_and_is_there_after_a_restart(tmp_path: Path) -> None:
    modules = str(directory_in(tmp_path))
    start = XbeeConfig(devices=("plug",), joined=(0,))
    async with XbeeEmulator(start) as module:
        [plug] = module.devices
        async with home(module, tmp_path, modules=modules) as served:
            assert "no request 'knock'" in await refused(served, "knock")
            name = "<module_name>door</module_name><request_identifier>4</request_identifier>"
            assert await ask(served, "add_module", name) == (
                "add_module_response",
                {"module_name": ("string", "door"), "request_identifier": ("int", "0x4")},
            )
            assert await ask(served, "add_module", name) == await ask(served, "add_module", name)
            _, version = await ask(served, "get_version", "<module_name>door</module_name>")
            assert version["version"] == ("string", "1.0")
            topics = dict.fromkeys(("interfaces", "endpoints", "clusters", "records", "paths"))
            listed = (await served.ask("POST", "/api/v1/rpc/help", topics)).json
            named = {
                kind: {one["name"] for one in listed["parameters"][kind] if one["module"] == "door"}
                for kind in ("interfaces", "endpoints", "clusters", "records")
            }
            assert named == {
                "interfaces": {"Door"}, "endpoints": {"DoorPost"}, "clusters": {"Bell"}, "records": {"VisitRecord"},
            }  # fmt: skip
            assert listed["parameters"]["paths"] == [modules]

            assert await ask(served, "add_interface", "<interface_class>Door</interface_class>") == (
                "add_interface_response",
                {"interface_class": ("string", "Door")},
            )
            visit = '<visit type="VisitRecord"><who>Ann</who><guests>{}</guests></visit>'
            assert await ask(served, "knock", visit.format(2)) == ("knock_response", {"guests": ("int", "0x2")})
            assert "guests is 300" in await refused(served, "knock", visit.format(300))
            answer = await served.ask("POST", "/api/v1/rpc/knock", {"visit": {"type": "VisitRecord", "who": "Bo"}})
            assert answer.json["parameters"] == {"guests": 3}

            assert await ask(served, "add_endpoint", "<endpoint_class>DoorPost</endpoint_class>") == (
                "add_endpoint_response",
                {
                    "endpoint_class": ("string", "DoorPost"), "endpoint_id": ("int", "0x2"),
                    "profile_id": ("int", "0x104"), "device_id": ("int", "0x402"), "device_version": ("int", "0x0"),
                },
            )  # fmt: skip
            cluster = "<endpoint_id>0x5E</endpoint_id><cluster_class>ZCL_Cluster</cluster_class>"
            place = "<cluster_id>0x0200</cluster_id><server_or_client>1</server_or_client>"
            encrypted = "<enable_APS_encryption>FALSE</enable_APS_encryption>"
            assert await ask(served, "add_cluster", cluster + place + encrypted) == (
                "add_cluster_response",
                {
                    "endpoint_id": ("int", "0x5e"), "cluster_class": ("string", "ZCL_Cluster"),
                    "cluster_id": ("int", "0x200"), "server_or_client": ("int", "0x1"),
                    "enable_APS_encryption": ("bool", "FALSE"),
                },
            )  # fmt: skip
            local = served.hub.networks.network("han").local
            assert local is not None
            assert local.hosted(0x5E, 0x0200, Side.CLIENT) is not None
            assert local.encryption(0x5E, 0x0200) is False
            read(plug, POST)
            assert await answered(plug) == b"\x00\x00\x00\x21\x00\x00"
        plug.heard.clear()
        async with home(module, tmp_path, modules=modules) as served:
            assert await ask(served, "knock", visit.format(5)) == ("knock_response", {"guests": ("int", "0x5")})
            read(plug, POST)
            assert await answered(plug) == b"\x00\x00\x00\x21\x00\x00"
            local = served.hub.networks.network("han").local
            assert local is not None
            assert local.hosted(0x5E, 0x0200, Side.CLIENT) is not None

            # The radio goes and comes: what was added is there again.
            module.kill()
            await eventually(lambda: served.hub.networks.get("han").state == "down")
            module.revive()
            await eventually(lambda: served.hub.networks.get("han").state == "up", 30)
            local = served.hub.networks.network("han").local
            assert local is not None
            assert [one.endpoint for one in local] == [1, POST, 0x5E]
            assert local.encryption(0x5E, 0x0200) is False

            assert await ask(served, "remove_cluster", "<endpoint_id>0x5E</endpoint_id>" + place) == (
                "remove_cluster_response",
                {
                    "endpoint_id": ("int", "0x5e"), "cluster_id": ("int", "0x200"), "server_or_client": ("int", "0x1"),
                },
            )  # fmt: skip
            assert local.hosted(0x5E, 0x0200, Side.CLIENT) is None
            assert local.encryption(0x5E, 0x0200) is None
            assert (await ask(served, "remove_endpoint", "<endpoint_id>2</endpoint_id>"))[
                0
            ] == "remove_endpoint_response"
            assert local.get(POST) is None
            gone = await ask(served, "remove_interface", "<interface_class>Door</interface_class>")
            assert gone == ("remove_interface_response", {"interface_class": ("string", "Door")})
            assert "no request 'knock'" in await refused(served, "knock", visit.format(1))
            # One that is to be encrypted takes nothing that is not.
            bell = "<endpoint_id>1</endpoint_id><cluster_class>Bell</cluster_class>"
            await ask(served, "add_cluster", f"{bell}<enable_APS_encryption>TRUE</enable_APS_encryption>")
            plug.heard.clear()
            read(plug, 1)
            assert await answered(plug) == b"\x00\x01"
            await ask(served, "remove_cluster", bell)
            await in_json(served)
            gone = await ask(served, "remove_module", "<module_name>door</module_name>")
            assert gone == ("remove_module_response", {"module_name": ("string", "door")})
        async with home(module, tmp_path, modules=modules) as served:
            assert "door" not in served.server._services.rpc.extending.present.modules
            assert "no request 'knock'" in await refused(served, "knock", visit.format(1))


async def in_json(served: Served) -> None:
    """The same again, in JSON."""
    cluster = {"endpoint_id": 2, "cluster_class": "ZCL_Cluster", "cluster_id": 0x0200, "server_or_client": 0}
    endpoint = {"endpoint_class": "DoorPost", "endpoint_id": 2, "profile_id": 0x0104}
    made = {**endpoint, "device_id": 0x0402, "device_version": 0}
    for request, given, wanted in (
        ("add_interface", {"interface_class": "Door"}, {"interface_class": "Door"}),
        ("remove_interface", {"interface_class": "Door"}, {"interface_class": "Door"}),
        ("add_endpoint", endpoint, made),
        ("add_cluster", cluster, {**cluster, "enable_APS_encryption": False}),
        ("remove_cluster", {"endpoint_id": 2, "cluster_class": "ZCL_Cluster"}, cluster),
        ("remove_endpoint", {"endpoint_id": 2}, {"endpoint_id": 2}),
    ):
        answer = await served.ask("POST", f"/api/v1/rpc/{request}", given)
        assert answer.status == 200, answer.body
        assert (answer.json["response"], answer.json["parameters"]) == (f"{request}_response", wanted)


async def test_what_cannot_be_added_is_told_and_changes_nothing(tmp_path: Path) -> None:
    directory = directory_in(tmp_path)
    for name, text in {
        "syntax": "def broken(:\n",
        "raising": "x = 1\ny = x / 0\n",
        "leaving": "import sys\nsys.exit(3)\n",
        "doubled": "from web.rpc.extension import *\nclass Door(Interface):\n    pass\n",
        "taking": (
            "from web.rpc.extension import *\nclass Thief(Interface):\n"
            "    REQUESTS = (RequestRow('get_time', Chapter.ADDED, 'Steals.'),)\n"
            "    async def get_time(self, request):\n        return None\n"
        ),
        "empty": (
            "from web.rpc.extension import *\nclass Empty(Interface):\n"
            "    REQUESTS = (RequestRow('nothing', Chapter.ADDED, 'Has no method.'),)\n"
        ),
        "wide": "from web.rpc.extension import *\nclass Wide(Endpoint):\n    PROFILE = 0x10000\n",
        "twice": (
            "from web.rpc.extension import *\nclass One(Cluster):\n    CLUSTER = 1\n"
            "class Two(Endpoint):\n    PROFILE = 1\n    CLUSTERS = (One, One)\n"
        ),
        "moody": (
            "from web.rpc.extension import *\nmade = []\nclass Moody(Cluster):\n    CLUSTER = 0xFC10\n"
            "    def __init__(self, place):\n        made.append(1)\n        assert len(made) < 2, 'not again'\n"
            "        super().__init__(place)\n"
        ),
        "clumsy": (
            "from web.rpc.extension import *\n"
            "class Clumsy(Interface):\n"
            "    REQUESTS = tuple(RequestRow(name, Chapter.ADDED, 'Fails.', response='stumbled')\n"
            "        for name in ('fall', 'stumble', 'leave'))\n"
            "    RESPONSES = (ResponseRow('stumbled', Chapter.ADDED, 'it fell', (Param('at', U8, 'where'),)),)\n"
            "    async def fall(self, request):\n        raise KeyError('stairs')\n"
            "    async def stumble(self, request):\n        return {'at': object()}\n"
            "    async def leave(self, request):\n        raise SystemExit(1)\n"
            "class NoPlace(Endpoint):\n    pass\n"
            "class Loud(Cluster):\n"
            "    CLUSTER = 0xFC10\n"
            "    def __init__(self, place):\n"
            "        super().__init__(place, (HostedAttribute(id=0, name='n', type=33, get=lambda now: 1 // 0),))\n"
            "    def command(self, header, payload, frame, now):\n        raise RuntimeError('too loud')\n"
            "class Never(Cluster):\n"
            "    CLUSTER = 0xFC11\n"
            "    def __init__(self, place):\n        raise RuntimeError('never')\n"
        ),
    }.items():
        write(directory, name, text)
    write(directory, "open", "x = 1\n").chmod(0o666)
    outside = tmp_path / "outside.py"
    outside.write_text("x = 1\n")
    (directory / "link.py").symlink_to(outside)
    (directory / "folder.py").mkdir()
    async with XbeeEmulator(XbeeConfig(devices=("plug",), joined=(0,))) as module:
        [plug] = module.devices
        async with home(module, tmp_path, modules=str(directory)) as served:

            async def fails(name: str) -> str:
                return await refused(served, "add_module", f"<module_name>{name}</module_name>")

            await ask(served, "add_module", "<module_name>door</module_name>")
            assert "is not Python" in await fails("syntax")
            assert "fails in line 2: ZeroDivisionError" in await fails("raising")
            assert "fails in line 2: SystemExit" in await fails("leaving")
            assert "'doubled' has Door, which is there already" in await fails("doubled")
            assert "Empty has no coroutine nothing" in await fails("empty")
            assert "PROFILE is 65536; allowed: 0x0 to 0xffff" in await fails("wide")
            assert "Two: one of its CLUSTERS is there twice" in await fails("twice")
            assert "others may write" in await fails("open")
            assert "chmod go-w" in await fails("open")
            assert "it is a link" in await fails("link")
            assert "Is a directory; allowed: a file in" in await fails("folder")
            for path in ("../outside", "/etc/passwd", "door.py", "a b"):
                assert "a name of letters, digits and underscores" in await fails(path)
            assert "did you mean door?" in await fails("doar")
            operator = await served.new_token("op", "operator")
            assert "admin" in await refused(served, "add_module", "<module_name>door</module_name>", operator)
            extending = served.server._services.rpc.extending
            assert extending.modules == ["door"]
            assert set(extending.present.modules) == {"door"}

            await ask(served, "add_module", "<module_name>taking</module_name>")
            text = await refused(served, "add_interface", "<interface_class>Thief</interface_class>")
            assert "Thief has get_time, which is there already" in text
            assert "did you mean Door?" in await refused(
                served, "add_interface", "<interface_class>Dor</interface_class>"
            )
            assert (await ask(served, "get_time"))[0] == "get_time_response"

            await ask(served, "add_module", "<module_name>clumsy</module_name>")
            await ask(served, "add_interface", "<interface_class>Clumsy</interface_class>")
            assert "fall failed in its module: KeyError: 'stairs'" in await refused(served, "fall")
            assert "leave failed in its module: SystemExit" in await refused(served, "leave")
            assert "stumble: what its module gives is no stumbled" in await refused(served, "stumble")

            # Endpoints.
            nowhere = "<endpoint_class>NoPlace</endpoint_class>"
            assert "profile_id is missing" in await refused(served, "add_endpoint", nowhere)
            assert "SE_EnergyServicePortal" in await refused(
                served, "add_endpoint", "<endpoint_class>SE_EnergyServicePortl</endpoint_class>"
            )
            for number in (1, 0x5E, 0x80):
                text = await refused(
                    served,
                    "add_endpoint",
                    f"{nowhere}<profile_id>0x104</profile_id><endpoint_id>{number}</endpoint_id>",
                )
                assert "which the hub needs" in text
            made = await ask(served, "add_endpoint", nowhere + "<profile_id>0x104</profile_id><device_id>7</device_id>")
            assert made[1]["endpoint_id"] == ("int", "0x2")
            text = await refused(
                served, "add_endpoint", nowhere + "<profile_id>0x104</profile_id><endpoint_id>2</endpoint_id>"
            )
            assert "there is an endpoint 0x2 already" in text
            assert "no added endpoint '0x5e'; did you mean 0x2?" in await refused(
                served, "remove_endpoint", "<endpoint_id>0x5E</endpoint_id>"
            )
            portal = "<endpoint_class>SE_EnergyServicePortal</endpoint_class><endpoint_id>0x5E</endpoint_id>"
            assert (await ask(served, "add_endpoint", portal))[1]["profile_id"] == ("int", "0x109")

            # Clusters.
            on = "<endpoint_id>2</endpoint_id><cluster_class>{}</cluster_class>"
            assert "cluster_id is missing" in await refused(served, "add_cluster", on.format("ZCL_Cluster"))
            text = await refused(served, "add_cluster", on.format("ZCL_Cluster") + "<cluster_id>6</cluster_id>")
            assert "server_or_client is missing" in text
            assert "Never cannot be made: RuntimeError: never" in await refused(
                served, "add_cluster", on.format("Never")
            )
            assert "allowed: an endpoint of the hub" in await refused(
                served, "add_cluster", "<endpoint_id>77</endpoint_id><cluster_class>Loud</cluster_class>"
            )
            text = await refused(
                served,
                "add_cluster",
                "<endpoint_id>0x5E</endpoint_id><cluster_class>ZCL_Cluster</cluster_class>"
                "<cluster_id>0</cluster_id><server_or_client>0</server_or_client>",
            )
            assert "has the server of cluster 0x0000 already" in text
            await ask(served, "add_cluster", on.format("Loud"))
            assert "already" in await refused(served, "add_cluster", on.format("Loud"))
            read(plug, 2)
            assert await answered(plug) == b"\x00\x00\x00\x21\xff\xff"
            header = ZclHeader(FrameType.CLUSTER, Direction.TO_SERVER, 0x56, 0x00, True)
            plug._send(1, 2, 0x0104, BELL, header.encode(), 0)
            assert await answered(plug) == b"\x00\xc1"
            assert "no added cluster" in await refused(served, "remove_cluster", on.format("ZCL_Cluster"))
            gone = await ask(served, "remove_cluster", on.format("Loud"))
            assert gone[1]["cluster_class"] == ("string", "Loud")
            # One that can be made once and then no more is there all the same, and says that it can do nothing.
            await ask(served, "add_module", "<module_name>moody</module_name>")
            assert (await ask(served, "add_cluster", on.format("Moody")))[0] == "add_cluster_response"
            header = ZclHeader(FrameType.CLUSTER, Direction.TO_SERVER, 0x57, 0x00, True)
            plug._send(1, 2, 0x0104, BELL, header.encode(), 0)
            assert await answered(plug) == b"\x00\x81"
        # What it needs is away at the next start: that is told, and the rest is there.
        (directory / "clumsy.py").unlink()
        async with home(module, tmp_path, modules=str(directory)) as served:
            mail = (await served.get("/api/v1/rpc/responses"))["responses"]
            texts = [one["parameters"]["description"] for one in mail if one["response"] == "message"]
            assert any("'clumsy' of modules.ini is not there" in text for text in texts)
            assert any("'Clumsy' of interfaces.ini is not there" in text for text in texts)
            assert (await ask(served, "add_interface", "<interface_class>Door</interface_class>"))[0].endswith(
                "_response"
            )
            assert "clumsy" in served.server._services.rpc.extending.modules


async def test_without_a_directory_only_what_is_there_anyway_can_be_added(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        text = await refused(served, "add_module", "<module_name>door</module_name>")
        assert "adding modules is off" in text
        assert 'modules = "DIRECTORY"' in text
        for what in ("module_name", "interface_class"):
            kind = what.partition("_")[0]
            given = f"<{what}>RPC_ZCL_Interface</{what}>"
            assert await ask(served, f"add_{kind}", given) == (
                f"add_{kind}_response",
                {what: ("string", "RPC_ZCL_Interface")},
            )
            assert (await ask(served, f"remove_{kind}", given))[0] == f"remove_{kind}_response"
            assert "is part of the hub" in await refused(served, f"remove_{kind}", given)
        answer = await served.ask("POST", "/api/v1/rpc/add_endpoint", {"endpoint_class": "ZCL_Endpoint"})
        assert "no radio of this hub lets it host" in answer.problem(409)["detail"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file away")
async def test_a_module_of_another_user_is_refused(tmp_path: Path) -> None:
    directory = directory_in(tmp_path)
    os.chown(directory / "door.py", 12345, 12345)
    from hub.errors import RefusedError
    from web.rpc.modules import ModuleDirectory

    with pytest.raises(RefusedError, match="belongs to user 12345"):
        ModuleDirectory(directory).load("door")


async def test_a_cluster_is_removed_by_what_names_it(served: Served) -> None:
    place = "<endpoint_id>2</endpoint_id>"
    assert "cluster_id is missing" in await refused(served, "remove_cluster", place)
    # An empty name, of whatever type, is no name.
    assert "cluster_id is missing" in await refused(
        served, "remove_cluster", f'{place}<cluster_class type="string"> </cluster_class>'
    )
    half = f"{place}<cluster_id>0x0200</cluster_id>"
    assert "server_or_client is missing" in await refused(served, "remove_cluster", half)
    whole = await refused(served, "remove_cluster", f"{half}<server_or_client>1</server_or_client>")
    assert "no added cluster on endpoint 0x2 '0x0200 (client)'" in whole
