"""The gateway's files of settings: out of a running hub and into it, over HTTP and by hubctl."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from hub.registry import ENTRIES, MAX_BUFFER_ITEMS
from hub.zigbee.model import Side
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from tests.web.conftest import Served, serving
from tests.web.rpc.modules import directory_in, home
from web.rpc.ini import (
    Ini,
    IniError,
    parse,
    read_cluster,
    read_device,
    read_endpoint,
    read_name,
    read_registry,
    write_device,
    write_registry,
)

GOLDEN: dict[str, list[list[str]]] = json.loads((Path(__file__).parents[2] / "golden" / "rpc_files.json").read_text())[
    "files"
]
READERS: dict[Ini, Any] = {
    Ini.REGISTRY: read_registry,
    Ini.DEVICES: read_device,
    Ini.MODULES: read_name,
    Ini.INTERFACES: read_name,
    Ini.ENDPOINTS: read_endpoint,
    Ini.CLUSTERS: read_cluster,
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)


async def exported(served: Served, file: str) -> list[str]:
    found = await served.get(f"/api/v1/rpc/files/{file}")
    assert found["file"] == file
    text: str = found["text"]
    assert not text or text.endswith("\n")
    return text.splitlines()


async def put(served: Served, file: str, *lines: str, **more: str) -> Any:
    return await served.ask("PUT", f"/api/v1/rpc/files/{file}", {"text": "\n".join(lines), **more})


@pytest.mark.parametrize(
    ("file", "line", "written"), [(Ini(file), *sample) for file, samples in GOLDEN.items() for sample in samples]
)
def test_the_manuals_samples_are_read_and_written(file: Ini, line: str, written: str) -> None:
    [found] = parse(file, f"\ufeff# comment\r\n\r\n  {line}\r\n", READERS[file])
    assert found.number == 3
    match file:
        case Ini.REGISTRY:
            assert write_registry(*found.value) == written
        case Ini.DEVICES:
            assert write_device(found.value) == written
        case Ini.CLUSTERS:
            assert (str(found.value), found.value.side) == (written, Side.CLIENT)
        case _:
            assert str(found.value) == written


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("rpc_manager.MAX_BUFFER_ITEMS int 0x10", "RPC_Manager.max_buffer_items int 16"),
        ("RPC_Manager.Use_Push\tBool\t TRUE", "RPC_Manager.use_push bool True"),
        ("rpc_manager.pushed_file_prefix STR  RPC_Response", "RPC_Manager.pushed_file_prefix str RPC_Response"),
        ("conversation.default_timeout", "Conversation.default_timeout int 40"),
    ],
)
def test_names_of_entries_are_taken_in_any_case_and_written_as_the_registry_has_them(line: str, written: str) -> None:
    [found] = parse(Ini.REGISTRY, line, read_registry)
    assert write_registry(*found.value) == written


@pytest.mark.parametrize(
    ("file", "line", "what", "allowed"),
    [
        (Ini.REGISTRY, "RPC_Manager.max_bufer_items int 3", "registry_name", "RPC_Manager.max_buffer_items"),
        (Ini.REGISTRY, "RPC_Manager.max_buffer_items bool True", "type of RPC_Manager.max_buffer_items", "int"),
        (Ini.REGISTRY, "RPC_Manager.max_buffer_items int 0", "RPC_Manager.max_buffer_items", "from 1 to 100000"),
        (Ini.REGISTRY, "RPC_Manager.max_buffer_items int", "RPC_Manager.max_buffer_items", "from 1 to 100000"),
        (Ini.REGISTRY, "RPC_Manager.use_push bool yes", "RPC_Manager.use_push", "true or false"),
        (Ini.REGISTRY, "RPC_Manager.pushed_file_prefix str ../x", "RPC_Manager.pushed_file_prefix", "letters"),
        (Ini.DEVICES, "00:11:22", "address", "00:11:22:33:44:55:66:77"),
        (Ini.DEVICES, "FF:FF:FF:FF:FF:FF:FF:FF", "address", "16 hex digits"),
        (Ini.DEVICES, "00:00:00:00:00:00:FF:FF", "address", "16 hex digits"),
        (Ini.MODULES, "two names", "line", "one name"),
        (Ini.ENDPOINTS, "ZCL_Endpoint", "line", "endpoint_class_name endpoint_id"),
        (Ini.ENDPOINTS, "ZCL_Endpoint 0", "endpoint_id", "0x1 to 0xf0"),
        (Ini.ENDPOINTS, "ZCL_Endpoint 0x2 0x10000", "profile_id", "0xffff"),
        (Ini.ENDPOINTS, "ZCL_Endpoint 0x2 0x104 0x7 16", "device_version", "0xf"),
        (Ini.CLUSTERS, "ZCL_Cluster 0x5E 2 0x0200", "server_or_client", "0 (server) or 1 (client)"),
        (Ini.CLUSTERS, "ZCL_Cluster 0x5E 1 word", "cluster_id", "0x0 to 0xffff"),
        (Ini.CLUSTERS, "ZCL_Cluster 0x5E 1 0x0200 maybe", "enable_APS_encryption", "True or False"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_with_what_is_allowed(
    file: Ini, line: str, what: str, allowed: str
) -> None:
    with pytest.raises(IniError) as told:
        parse(file, f"\n{line}\n", READERS[file])
    [refused] = told.value.refused
    assert (refused.line, refused.what) == (2, what)
    assert allowed in refused.allowed
    assert f"{file.value}: line 2: {what}" in str(told.value)


async def test_the_registry_goes_out_and_comes_in_whole_or_not_at_all(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        lines = await exported(served, "registry_settings.ini")
        assert [line.split()[0] for line in lines] == sorted(ENTRIES)
        assert "Cluster.disable_APS_encryption bool False" in lines
        assert "NTP_client.server1 str north-america.pool.ntp.org" in lines
        changed = [line.replace("max_buffer_items int 250", "max_buffer_items int 0x10") for line in lines]
        answer = await put(served, "registry_settings.ini", *changed)
        assert (answer.status, answer.json["lines"]) == (200, len(lines))
        assert served.hub.registry.number(MAX_BUFFER_ITEMS) == 16
        problem = (
            await put(
                served,
                "registry_settings.ini",
                "RPC_Manager.max_buffer_items int 20",
                "RPC_Manager.nothing int 1",
                "RPC_Manager.use_timestamps bool maybe",
            )
        ).problem(400)
        assert [one["field"] for one in problem["errors"]] == [
            "line 2: registry_name",
            "line 3: RPC_Manager.use_timestamps",
        ]
        both = ("RPC_Manager.max_buffer_items int 20", "rpc_manager.Max_Buffer_Items int 21")
        twice = await put(served, "registry_settings.ini", *both)
        assert "each name once" in twice.problem(400)["detail"]
        assert served.hub.registry.number(MAX_BUFFER_ITEMS) == 16
        # Without a value an entry has its default.
        assert (await put(served, "registry_settings.ini", "RPC_Manager.max_buffer_items")).status == 200
        assert served.hub.registry.number(MAX_BUFFER_ITEMS) == 250
        near = (await served.ask("GET", "/api/v1/rpc/files/registry.ini")).problem(404)
        assert "clusters.ini" in near["near"]
        operator = await served.new_token("op", "operator")
        answer = await served.ask("PUT", "/api/v1/rpc/files/modules.ini", {"text": ""}, token=operator)
        assert answer.status == 403
        assert "no Zigbee radio" in (await put(served, "devices.ini", "00:11:22:33:44:55:66:77")).problem(409)["detail"]
    async with serving(tmp_path) as served:
        assert served.hub.registry.number(MAX_BUFFER_ITEMS) == 250


async def test_a_gateways_files_bring_its_devices_modules_endpoints_and_clusters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = directory_in(tmp_path)
    async with XbeeEmulator(XbeeConfig(devices=("plug",), joined=())) as module:
        async with home(module, tmp_path, modules=str(directory)) as served:
            # Devices: all or none.
            [own] = [network.radio.network.ieee for network in served.hub.household.networks.values() if network.radio]
            problem = (await put(served, "devices.ini", "00:11:22:33:44:55:66:77", f"{own:016x}")).problem(400)
            assert [one["field"] for one in problem["errors"]] == ["line 2: address"]
            assert await exported(served, "devices.ini") == []
            answer = await put(served, "devices.ini", "00:11:22:33:44:55:66:77", "0011223344556678", radio="han")
            assert answer.json == {"file": "devices.ini", "lines": 2}
            both = ["00:11:22:33:44:55:66:77", "00:11:22:33:44:55:66:78"]
            assert await exported(served, "devices.ini") == both
            assert (await put(served, "devices.ini", "00:11:22:33:44:55:66:77")).status == 200
            assert await exported(served, "devices.ini") == both
            near = (await put(served, "devices.ini", "00:11:22:33:44:55:66:77", radio="hna")).problem(404)
            assert near["near"] == ["han"]

            # What extends the hub: first what cannot be.
            problem = (await put(served, "modules.ini", "door", "nowhere", "door")).problem(400)
            assert "line 3: name is 'door'; allowed: each name once" in problem["detail"]
            problem = (await put(served, "modules.ini", "door", "nowhere")).problem(400)
            assert "line 2: module_name is 'nowhere'" in problem["detail"]
            assert served.server._services.rpc.extending.present.modules == {}
            problem = (await put(served, "interfaces.ini", "RPC_SE_Interface", "Door")).problem(400)
            assert "line 2: interface_class is 'Door'" in problem["detail"]
            assert await exported(served, "interfaces.ini") == []

            assert (await put(served, "modules.ini", "RPC_ZCL_Interface", "door")).json["lines"] == 2
            assert (await put(served, "interfaces.ini", "RPC_ZCL_Interface", "Door")).json["lines"] == 2
            knock = {"visit": {"type": "VisitRecord", "who": "Ann"}}
            assert (await served.ask("POST", "/api/v1/rpc/knock", knock)).json["parameters"] == {"guests": 1}

            endpoints = ("SE_EnergyServicePortal 0x5E", "DoorPost 0x02", "ZCL_Endpoint 3 0x104 - 2")
            problem = (await put(served, "endpoints.ini", *endpoints, "DoorPost 3", "DoorPost 0x80")).problem(400)
            assert [one["field"] for one in problem["errors"]] == ["line 4: endpoint_id", "line 5: endpoint_id"]
            local = served.hub.networks.network("han").local
            assert local is not None
            assert [one.endpoint for one in local] == [1, 0x5E]
            assert (await put(served, "endpoints.ini", *endpoints)).status == 200
            assert [(one.endpoint, one.profile, one.device_type, one.version) for one in local][1:3] == [
                (2, 0x104, 0x402, 0),
                (3, 0x104, 0, 2),
            ]
            clusters = ("ZCL_Cluster 0x5E 1 0x0200", "ZCL_Cluster 3 0 6 True", "Bell 3")
            problem = (await put(served, "clusters.ini", *clusters, "Bell 2", "Bell 3", "Bell 9")).problem(400)
            assert [one["field"] for one in problem["errors"]] == [
                "line 4: cluster_id",
                "line 5: cluster_id",
                "line 6: endpoint_id",
            ]
            assert (await put(served, "clusters.ini", *clusters)).status == 200
            assert local.encryption(3, 6) is True
            assert await exported(served, "clusters.ini") == [
                "ZCL_Cluster 0x5e 1 0x0200", "ZCL_Cluster 0x03 0 0x0006 True", "Bell 0x03",
            ]  # fmt: skip
            files = {file: await exported(served, file) for file in ("endpoints.ini", "clusters.ini", "modules.ini")}

            # The same with hubctl.
            environment = {"HEH_URL": served.server.url, "HEH_DATA_DIR": str(tmp_path)}
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            file = tmp_path / "devices.ini"

            async def hubctl(*arguments: str) -> tuple[int, str]:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "web.hubctl", *arguments,
                    stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
                )  # fmt: skip
                out, _ = await process.communicate()
                return process.returncode or 0, out.decode()

            assert (await hubctl("device", "export", str(file)))[0] == 0
            assert file.read_text().splitlines() == both
            file.write_text("00:11:22:33:44:55:66:79\n")
            code, out = await hubctl("device", "import", str(file))
            assert (code, "1 lines of devices.ini taken" in out) == (0, True), out
            assert len(await exported(served, "devices.ini")) == 3
            code, out = await hubctl("registry", "export", "--what", "clusters", "-")
            assert (code, out.splitlines()) == (0, files["clusters.ini"])
            (tmp_path / "clusters.ini").write_text("Bell 3\nBall 3\n")
            code, out = await hubctl("registry", "import", str(tmp_path / "clusters.ini"))
            assert code == 2
            assert "line 2: cluster_class is 'Ball'; allowed: a class of an added module, or Bell" in out
            assert await exported(served, "clusters.ini") == files["clusters.ini"]
        async with home(module, tmp_path, modules=str(directory)) as served:
            for name, lines in files.items():
                assert await exported(served, name) == lines
            # An empty file takes all of it away.
            for name in ("clusters.ini", "endpoints.ini", "interfaces.ini", "modules.ini"):
                assert (await put(served, name)).json["lines"] == 0
            local = served.hub.networks.network("han").local
            assert local is not None
            assert [one.endpoint for one in local] == [1, 0x5E]
            assert (await served.ask("POST", "/api/v1/rpc/knock", knock)).status == 404


async def test_devices_are_taken_back_when_one_cannot_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        XbeeEmulator(XbeeConfig(devices=("plug",), joined=())) as module,
        home(module, tmp_path) as served,
    ):
        flush, calls = served.hub.household.flush, []

        async def failing() -> None:
            from hub.errors import StorageError

            calls.append(1)
            if len(calls) == 2:
                raise StorageError("the disk is full")
            await flush()

        monkeypatch.setattr(served.hub.household, "flush", failing)
        answer = await put(served, "devices.ini", "00:11:22:33:44:55:66:77", "00:11:22:33:44:55:66:78")
        assert "the disk is full" in answer.problem(507)["detail"]
        assert await exported(served, "devices.ini") == []
