"""The dashboard's files as they were built: only what lies under `dist`, compressed where that lies beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from aiohttp import web as aioweb

from web.errors import NoSuchCallError

DIST = Path(__file__).parent / "dashboard" / "dist"
INDEX = "index.html"
HASHED = "assets"
"""Folder whose file names carry a digest of their content (Vite's default): what has such a name never changes."""
KEEP_FOR_EVER = "public, max-age=31536000, immutable"
ASK_EVERY_TIME = "no-cache"
MAX_CACHED_BYTES = 16 << 20
"""A dashboard has some 300 kB; whatever else somebody puts there is read anew each time."""

CONTENT_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
"""Own table: what the machine's mime.types says differs from machine to machine."""
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))

_NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>home-energy-hub</title>
<h1>home-energy-hub</h1>
<p>The hub is running, and its API works. Its dashboard has not been built yet: run</p>
<pre>make dashboard</pre>
<p>in the checkout, then load this page again. What the API offers stands in
<a href="/api/v1/openapi.json">/api/v1/openapi.json</a>; in a terminal, try <code>hubctl --help</code>.</p>
"""


@dataclass(frozen=True, slots=True)
class _File:
    stamp: tuple[int, int]
    """Time of change in ns, and size."""
    content: bytes


class Dashboard:
    """Answers for `/` and every file below it."""

    def __init__(self, dist: Path = DIST) -> None:
        self._dist = dist
        self._cache: dict[Path, _File] = {}
        self._cached_bytes = 0

    def answer(self, path: str, headers: Mapping[str, str]) -> aioweb.Response:
        """The file at `path` (decoded, with its leading slash). Raises `NoSuchCallError`."""
        if path == "/" and not (self._dist / INDEX).is_file():
            return aioweb.Response(
                body=_NOT_BUILT.encode(),
                headers={"Content-Type": CONTENT_TYPES[".html"], "Cache-Control": "no-store"},
            )
        found = self._locate(path)
        if found is None:
            raise NoSuchCallError("there is no such page; the dashboard is at /, the API at /api/v1")
        answer_headers = {
            "Content-Type": CONTENT_TYPES.get(found.suffix, "application/octet-stream"),
            "Cache-Control": KEEP_FOR_EVER if found.parent.name == HASHED else ASK_EVERY_TIME,
            "Vary": "Accept-Encoding",
        }
        chosen = found
        for encoding, suffix in _ENCODINGS:
            compressed = found.with_name(found.name + suffix)
            if _accepts(headers.get("Accept-Encoding", ""), encoding) and compressed.is_file():
                chosen = compressed
                answer_headers["Content-Encoding"] = encoding
                break
        file = self._read(chosen)
        answer_headers["ETag"] = tag = f'"{file.stamp[0]:x}-{file.stamp[1]:x}"'
        answer_headers["Last-Modified"] = formatdate(file.stamp[0] // 1_000_000_000, usegmt=True)
        if tag in [one.strip().removeprefix("W/") for one in headers.get("If-None-Match", "").split(",")]:
            return aioweb.Response(status=304, headers=answer_headers)
        return aioweb.Response(body=file.content, headers=answer_headers)

    def _locate(self, path: str) -> Path | None:
        segments = (INDEX,) if path == "/" else tuple(path[1:].split("/"))
        if any(not one or one.startswith(".") or "\\" in one or "\0" in one or len(one) > 255 for one in segments):
            return None
        found = self._dist.joinpath(*segments)
        try:
            # A link that leads out of the folder is not part of the dashboard.
            inside = found.resolve().is_relative_to(self._dist.resolve())
            return found if inside and found.is_file() else None
        except OSError:
            return None

    def _read(self, path: Path) -> _File:
        try:
            state = path.stat()
            stamp = (state.st_mtime_ns, state.st_size)
            known = self._cache.get(path)
            if known is not None and known.stamp == stamp:
                return known
            file = _File(stamp, path.read_bytes())
        except OSError as error:
            raise NoSuchCallError("the page cannot be read just now: it is being built anew") from error
        if known is not None:
            self._cached_bytes -= len(known.content)
            del self._cache[path]
        if self._cached_bytes + len(file.content) <= MAX_CACHED_BYTES:
            self._cache[path] = file
            self._cached_bytes += len(file.content)
        return file


def _accepts(header: str, encoding: str) -> bool:
    for part in header.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() == encoding:
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
