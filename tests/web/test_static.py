"""The dashboard's files: what was built, nothing else, and cached as its names allow."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from yarl import URL

from tests.web.conftest import serving


def build(folder: Path) -> Path:
    """Something that looks like a built dashboard."""
    dist = folder / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text("<!doctype html><title>dashboard</title>")
    (dist / "assets" / "index-B3x9.js").write_text("console.log(1)")
    (dist / "assets" / "index-B3x9.js.gz").write_bytes(gzip.compress(b"console.log(1)"))
    (dist / "favicon.svg").write_text("<svg/>")
    (dist / ".hidden").write_text("hidden")
    (folder / "secret.txt").write_text("secret")
    (dist / "link.txt").symlink_to(folder / "secret.txt")
    return dist


async def test_the_dashboard_is_served_with_its_headers(tmp_path: Path) -> None:
    async with serving(tmp_path / "data", dist=build(tmp_path)) as served:
        index = await served.ask("GET", "/", token=None)
        assert (index.status, index.body) == (200, b"<!doctype html><title>dashboard</title>")
        assert index.headers["Content-Type"] == "text/html; charset=utf-8"
        assert index.headers["Cache-Control"] == "no-cache"
        policy = index.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy
        host = served.server.url.removeprefix("http://")
        assert f"connect-src 'self' ws://{host} wss://{host};" in policy
        assert index.headers["Referrer-Policy"] == "no-referrer"
        again = await served.ask("GET", "/", token=None, headers={"If-None-Match": index.headers["ETag"]})
        assert (again.status, again.body) == (304, b"")
        head = await served.ask("HEAD", "/", token=None)
        assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", "39")


async def test_files_with_a_digest_in_their_name_are_kept_for_ever(tmp_path: Path) -> None:
    async with serving(tmp_path / "data", dist=build(tmp_path)) as served:
        path = "/assets/index-B3x9.js"
        plain = await served.ask("GET", path, token=None, headers={"Accept-Encoding": "identity"})
        assert plain.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert "immutable" in plain.headers["Cache-Control"]
        assert "Content-Encoding" not in plain.headers
        for accepted in ("gzip", "br, gzip;q=0.5"):
            # The client unpacks what says that it is packed.
            packed = await served.ask("GET", path, token=None, headers={"Accept-Encoding": accepted})
            assert (packed.headers["Content-Encoding"], packed.body) == ("gzip", b"console.log(1)")
        refused = await served.ask("GET", path, token=None, headers={"Accept-Encoding": "gzip;q=0, br"})
        assert "Content-Encoding" not in refused.headers
        assert (await served.ask("GET", "/favicon.svg", token=None)).headers["Cache-Control"] == "no-cache"


async def test_a_new_build_is_seen_without_a_restart(tmp_path: Path) -> None:
    dist = build(tmp_path)
    async with serving(tmp_path / "data", dist=dist) as served:
        await served.ask("GET", "/", token=None)
        (dist / "index.html").write_text("<!doctype html><title>a new dashboard</title>")
        assert b"a new dashboard" in (await served.ask("GET", "/", token=None)).body


@pytest.mark.parametrize(
    "path",
    [
        "/.hidden",
        "/link.txt",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/assets/..%5c..%5csecret.txt",
        "/assets",
        "/assets/",
        "//etc/passwd",
        "/%00",
        "/" + "a" * 300,
        "/index.html/",
        "/favicon.svg/x",
    ],
)
async def test_nothing_else_is_reachable(tmp_path: Path, path: str) -> None:
    async with (
        serving(tmp_path / "data", dist=build(tmp_path)) as served,
        served.session.get(URL(served.server.url + path, encoded=True)) as answer,
    ):
        assert answer.status == 404
        assert answer.content_type == "application/problem+json"
        assert b"secret" not in (await answer.read()).replace(b"secret.txt", b"")


async def test_without_a_dashboard_the_page_says_how_to_build_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        page = await served.ask("GET", "/", token=None)
        assert page.status == 200
        assert b"make dashboard" in page.body
        assert page.headers["Cache-Control"] == "no-store"
