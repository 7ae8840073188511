"""What a wheel carries, and that nobody else owns our four import names."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import hub

ROOT = Path(__file__).parent.parent
OURS = ("protocols", "radios", "hub", "web")


def test_our_import_names_come_from_this_checkout_and_no_other_distribution() -> None:
    for name in OURS:
        module = __import__(name)
        assert module.__file__ is not None
        assert Path(module.__file__).parent.parent == ROOT
    owners = packages_distributions()
    for name in OURS:
        assert set(owners.get(name, [])) <= {"home-energy-hub"}, f"{name} belongs to {owners[name]}"


def test_the_wheel_carries_the_four_packages_the_programs_and_the_dashboard(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT, check=True, capture_output=True, timeout=100,
    )  # fmt: skip
    [wheel] = tmp_path.glob("*.whl")
    assert wheel.name.startswith(f"home_energy_hub-{hub.VERSION}-py3")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        scripts = archive.read(next(name for name in names if name.endswith("entry_points.txt"))).decode()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == set(OURS)
    assert not [name for name in names if "node_modules" in name or name.startswith(("web/dashboard/src", "tests"))]
    assert "hubd = web.daemon:main" in scripts
    assert "hubctl = web.hubctl:main" in scripts
    if (ROOT / "web/dashboard/dist/index.html").exists():
        assert "web/dashboard/dist/index.html" in names


def test_every_locked_version_is_pinned_with_hashes_and_names_no_host() -> None:
    for name in ("requirements.lock", "requirements-dev.lock", "requirements-build.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text, f"{name} names a host"
        pins = [line for line in text.splitlines() if line and line[0].isalnum()]
        assert pins
        assert all("==" in line for line in pins)
        assert text.count("--hash=sha256:") >= len(pins)


def test_every_run_time_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = {line.split("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line}
    for requirement in project["dependencies"]:
        assert requirement.split(">")[0] in locked
