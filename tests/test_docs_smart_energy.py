"""docs/smart-energy.md promises tests for rules: each of them is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
TABLES, _, _ = (ROOT / "docs/smart-energy.md").read_text(encoding="utf-8").partition("\n## Not yet\n")
NAMED = re.compile(r"`([^`]+)::([^`]+)`")


@cache
def functions_of(file: str) -> frozenset[str]:
    """Test functions of a file; none where there is no such file."""
    path = ROOT / file
    parts = ast.parse(path.read_text(encoding="utf-8")).body if path.is_file() else []
    functions = (part.name for part in parts if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(name for name in functions if name.startswith("test_"))


def missing(text: str) -> list[str]:
    """Tests that a text names and that do not exist."""
    return [f"{file}::{name}" for file, name in NAMED.findall(text) if name not in functions_of(file)]


def test_every_test_that_a_rule_names_exists() -> None:
    assert missing(TABLES) == []


def test_every_rule_names_code_that_exists_and_a_test() -> None:
    rows = [row.strip("|").split("|") for row in TABLES.splitlines() if row.startswith("| ")]
    rules = [row for row in rows if row[0].strip() != "rule"]
    assert rules
    for row in rules:
        assert len(row) == 4, row
        code = re.findall(r"`([^`]+)`", row[2])
        assert code, row
        assert all((ROOT / file).is_file() for file in code), row
        assert NAMED.search(row[3]), row


def test_a_wrong_name_is_found() -> None:
    here = "tests/test_docs_smart_energy.py"
    wrong = [f"{here}::test_of_nothing", f"{here}::missing", "tests/test_nowhere.py::test_a_wrong_name_is_found"]
    assert missing(f"`{here}::test_a_wrong_name_is_found`, " + ", ".join(f"`{one}`" for one in wrong)) == wrong
