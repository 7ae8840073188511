"""Drivers by name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from radios import loader
from radios.api import OptionError
from radios.emcb.driver import DRIVER


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """What a test lets be installed is not there for others."""
    yield
    loader._outside.cache_clear()


def test_the_libraries_of_ezsp_and_z_stack_sticks_are_loaded_for_these_only() -> None:
    code = """
import sys
from radios.loader import driver_names, load_driver
for name in driver_names():
    if name not in ("ezsp", "znp"):
        load_driver(name)
import hub.hub, web.daemon
family = {"zigpy", "bellows", "zigpy_znp", "serialx", "voluptuous"}
assert not family & set(sys.modules), family & set(sys.modules)
load_driver("ezsp")
assert "bellows" in sys.modules and "zigpy_znp" not in sys.modules
load_driver("znp")
assert "zigpy_znp" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def outside(monkeypatch: pytest.MonkeyPatch, *points: EntryPoint) -> None:
    """Let `points` be what is installed."""

    def entry_points(**selection: str) -> EntryPoints:
        return EntryPoints(points).select(**selection)

    monkeypatch.setattr(loader, "entry_points", entry_points)
    loader._outside.cache_clear()


def test_a_shipped_driver_is_found() -> None:
    assert loader.load_driver("emcb") is DRIVER


def test_an_unknown_driver_is_named_with_the_nearest_and_the_known_ones() -> None:
    with pytest.raises(OptionError, match=r"'emc' is not known \(did you mean 'emcb'\?\); known are emcb"):
        loader.load_driver("emc")


def test_a_driver_from_outside_is_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    outside(monkeypatch, EntryPoint("mine", "radios.emcb.driver:DRIVER", loader.ENTRY_POINT_GROUP))
    assert "mine" in loader.driver_names()
    assert loader.load_driver("mine") is DRIVER


def test_two_drivers_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    outside(monkeypatch, EntryPoint("emcb", "somebody.else:DRIVER", loader.ENTRY_POINT_GROUP))
    with pytest.raises(OptionError, match="two installed drivers are called 'emcb': remove one"):
        loader.load_driver("emcb")
