"""An import may only point down: web -> hub -> radios -> protocols, and drivers and emulators stay apart."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("protocols", "radios", "hub", "web")
ALLOWED = {"protocols": {"protocols"}, "radios": {"radios", "protocols"}, "hub": {"hub", "radios", "protocols"}}
ALLOWED["web"] = {"web", "hub", "protocols"}
RADIOS_FOR_THE_HUB = {
    "radios.api", "radios.loader", "radios.trace", "radios.keys", "radios.errors", "radios.sticks",
}  # fmt: skip
"""What the hub knows of radios: their contract, which sticks are plugged in, and no driver."""
PROTOCOLS_MAY_USE = {"cryptography"}
TIME_OF_DAY = ("time.time", "time.time_ns", "datetime.now", "datetime.utcnow")
DRIVERS = {"emcb", "xbee", "zigate", "ezsp", "znp"}


def imports(path: Path) -> Iterator[str]:
    for part in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(part, ast.Import):
            yield from (alias.name for alias in part.names)
        elif isinstance(part, ast.ImportFrom):
            assert part.level == 0, f"{path}: relative import"
            assert part.module is not None
            yield part.module


def modules(package: str) -> list[Path]:
    return sorted(path for path in (ROOT / package).rglob("*.py") if "node_modules" not in path.parts)


def violations(module: str, imported: str) -> str | None:
    """What is wrong with `module` importing `imported`, both dotted; None when it may."""
    parts, target = module.split("."), imported.split(".")
    if target[0] not in PACKAGES:
        return None
    if target[0] not in ALLOWED[parts[0]]:
        # The demo and the tests of a user without hardware run emulators: only hubd may start them.
        if module == "web.demo" and imported.startswith("radios.emulators"):
            return None
        return f"{parts[0]} imports {target[0]}: up or past a layer"
    if parts[0] == "hub" and target[0] == "radios" and imported not in RADIOS_FOR_THE_HUB:
        return "the hub knows radios by their contract only"
    if parts[0] == "radios" and target[0] == "radios" and len(target) > 1:
        own = parts[1]
        if own in DRIVERS and target[1] in DRIVERS | {"emulators"} and target[1] != own:
            return "a driver imports another driver or an emulator"
        if own == "emulators" and target[1] != "emulators":
            return "an emulator imports driver-side code"
    if parts[:2] == ["radios", "emulators"] and target[0] == "protocols":
        return "an emulator has its own encoder"
    return None


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_down(package: str) -> None:
    found = []
    paths = modules(package)
    assert paths
    for path in paths:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for imported in imports(path):
            problem = violations(module, imported)
            if problem:
                found.append(f"{module} -> {imported}: {problem}")
    assert found == []


def test_the_rule_sees_what_it_forbids() -> None:
    for module, imported in (
        ("protocols.emcb", "radios.api"),
        ("hub.devices", "web.schema"),
        ("hub.devices", "radios.emcb.driver"),
        ("web.rest.devices", "radios.api"),
        ("radios.emcb.driver", "radios.zigate.driver"),
        ("radios.emcb.driver", "radios.emulators.emcb"),
        ("radios.emulators.emcb", "radios.emcb.link"),
        ("radios.emulators.emcb", "protocols.emcb"),
        ("web.server", "radios.emulators.emcb"),
    ):
        assert violations(module, imported) is not None, (module, imported)


def test_protocols_are_pure_and_need_nothing_but_the_standard_library() -> None:
    import sys

    forbidden = {"asyncio", "time", "random", "secrets", "logging", "socket", "threading"}
    for path in modules("protocols"):
        for imported in imports(path):
            top = imported.split(".")[0]
            assert top not in forbidden, f"{path.name} imports {imported}"
            assert top in sys.stdlib_module_names or top in PACKAGES or top in PROTOCOLS_MAY_USE, imported


def test_only_the_clock_asks_the_machine_for_the_time_of_day() -> None:
    for package in ("protocols", "radios", "hub", "web"):
        for path in modules(package):
            # Emulators know nothing of the hub, as devices do, and have a clock of their own.
            if path.relative_to(ROOT).as_posix() in ("hub/clock.py", "radios/emulators/clock.py"):
                continue
            for part in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
                    used = f"{part.value.id}.{part.attr}"
                    assert used not in ("time.time", "datetime.now", "datetime.utcnow", "time.time_ns"), (
                        f"{path}: {used}"
                    )
