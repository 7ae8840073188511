"""Running `hubctl` in this process, against a fake hub."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.web.fake_hub import TOKEN, FakeHub
from web.hubctl.root import run


@dataclass
class Ran:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Hubctl = Callable[..., Ran]


@pytest.fixture
def fake() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        yield hub


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Hubctl:
    """hubctl with an environment of its own: an empty data directory, no token, no hub."""
    for name in [name for name in os.environ if name.startswith("HEH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HEH_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Ran:
        code = run(list(arguments))
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        assert TOKEN not in said.out + said.err
        return Ran(code, said.out, said.err)

    return call


@pytest.fixture
def hubctl(alone: Hubctl, fake: FakeHub, monkeypatch: pytest.MonkeyPatch) -> Hubctl:
    """hubctl that knows the fake hub and its token."""
    monkeypatch.setenv("HEH_URL", fake.url)
    monkeypatch.setenv("HEH_TOKEN", TOKEN)
    return alone
