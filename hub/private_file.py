"""Small files with secrets: 0600 from the first byte, and in place in one step."""

from __future__ import annotations

import os
from pathlib import Path


def folder_name(radio: str) -> str:
    """What a radio's folder is called. Its name may be any text; this has no separators and begins with no dot."""
    return "".join(one if one.isalnum() or one in "-_" else f"%{ord(one):02x}" for one in radio)


def write_private(path: Path, data: bytes) -> None:
    """Put `data` in place of the file; a loss of power leaves the old one or the new one. Raises `OSError`."""
    temporary = path.with_suffix(".new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)  # the new name, too
    finally:
        os.close(directory)
