"""Tokens, roles, sessions, login links, and what another site must not be able to do."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import stat
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hub.clock import ManualClock
from tests.web.conftest import FRIDGE, Served, fridge, serving
from web import auth


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def named(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))


def cookie_of(headers: object) -> str:
    text = headers["Set-Cookie"]  # type: ignore[index]
    assert isinstance(text, str)
    return text.partition(";")[0]


async def test_the_first_start_writes_an_admin_token_for_its_owner_only(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        file = tmp_path / "token"
        assert mode(file) == 0o600
        assert file.read_text() == served.token + "\n"
        assert len(served.token) == auth.TOKEN_LENGTH
        assert served.server.token is None
        session = await served.get("/api/v1/session")
        assert session == {"name": "admin", "role": "admin"}
        assert named(tmp_path, ".token*") == []


async def test_the_token_stays_the_same_over_restarts(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        first = served.token
        other = await served.new_token("phone", "viewer")
    async with serving(tmp_path) as served:
        assert served.token == first
        assert (await served.get("/api/v1/session", token=other))["name"] == "phone"


async def test_a_lost_token_file_is_replaced_at_the_next_start(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        first = served.token
    (tmp_path / "token").unlink()
    async with serving(tmp_path) as served:
        assert served.token != first
        await served.get("/api/v1/system")
        (await served.ask("GET", "/api/v1/system", token=first)).problem(401)


async def test_a_lost_database_keeps_the_owners_token(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        first = served.token
    for path in named(tmp_path, "hub.db*"):
        path.unlink()
    async with serving(tmp_path) as served:
        assert served.token == first
        await served.get("/api/v1/system")


async def test_a_data_directory_that_takes_nothing_gives_a_token_in_memory(tmp_path: Path) -> None:
    blocked = tmp_path / "a-file"
    blocked.write_text("not a directory")
    async with serving(blocked / "data") as served:
        assert served.server.token is not None
        assert (await served.get("/api/v1/session"))["role"] == "admin"
        (await served.ask("POST", "/api/v1/tokens", {"name": "x", "role": "viewer"})).problem(507)


async def test_only_digests_of_secrets_are_on_disk(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        text = await served.new_token("phone", "viewer")
        answer = await served.ask("POST", "/api/v1/login", {"token": text}, token=None)
        secret = cookie_of(answer.headers).partition("=")[2]
        await served.hub.store.flush()
        found = b"".join(path.read_bytes() for path in named(tmp_path, "hub.db*"))
        assert auth.digest(text).encode() in found
        assert auth.digest(secret).encode() in found
        for hidden in (text, secret, served.token):
            assert hidden.encode() not in found


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer heh_wrong",
        "Bearer " + "heh_" + "A" * 43,
        "Basic ###",
        "Basic " + base64.b64encode(b"no-colon").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Digest username=x",
        "heh_",
    ],
)
async def test_a_wrong_credential_is_refused_without_being_repeated(served: Served, header: str) -> None:
    answer = await served.ask("GET", "/api/v1/devices", token=None, headers={"Authorization": header})
    answer.problem(401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    if len(header) > 12:
        assert header.partition(" ")[2].encode() not in answer.body


async def test_bearer_and_basic_are_the_same_token(served: Served) -> None:
    basic = base64.b64encode(f"anybody:{served.token}".encode()).decode()
    for header in (f"Bearer {served.token}", f"bearer  {served.token} ", f"Basic {basic}", f"basic {basic}"):
        answer = await served.ask("GET", "/api/v1/session", token=None, headers={"Authorization": header})
        assert answer.json == {"name": "admin", "role": "admin"}


async def test_roles_may_do_what_lower_ones_may_and_no_more(served: Served) -> None:
    served.hub.devices.add(fridge())
    viewer, operator = await served.new_token("v", "viewer"), await served.new_token("o", "operator")
    rename = ("PATCH", f"/api/v1/devices/{FRIDGE}", {"name": "Freezer"})
    (await served.ask(*rename, token=viewer)).problem(403)
    assert (await served.ask(*rename, token=operator)).json["name"] == "Freezer"
    (await served.ask("DELETE", f"/api/v1/devices/{FRIDGE}", token=operator)).problem(403)
    (await served.ask("GET", "/api/v1/tokens", token=operator)).problem(403)
    (await served.ask("POST", f"/api/v1/breakers/{FRIDGE}/open", token=viewer)).problem(403)
    assert (await served.ask("DELETE", f"/api/v1/devices/{FRIDGE}")).status == 204


async def test_wrong_tokens_are_slowed_down_and_a_right_one_never_is(tmp_path: Path) -> None:
    clock = ManualClock()
    async with serving(tmp_path, clock=clock) as served:
        for _ in range(auth.FAILURES_ALLOWED):
            (await served.ask("GET", "/api/v1/devices", token="heh_wrong")).problem(401)
        for path in ("/api/v1/devices", "/login?code=wrong"):
            answer = await served.ask("GET", path, token="heh_wrong")
            answer.problem(429)
            assert 1 <= int(answer.headers["Retry-After"]) <= auth.FAILURE_WINDOW_S
        (await served.ask("POST", "/api/v1/login", {"token": "wrong"}, token=None)).problem(429)
        await served.get("/api/v1/devices")
        clock.advance(auth.FAILURE_WINDOW_S)
        (await served.ask("GET", "/api/v1/devices", token="heh_wrong")).problem(401)


async def test_addresses_with_wrong_tokens_are_remembered_in_bounded_memory(served: Served) -> None:
    authority = auth.Auth(served.hub.store, ManualClock(), served.data_dir)
    for number in range(auth.FAILURE_ADDRESSES + 50):
        authority.failed(f"10.0.{number // 256}.{number % 256}")
    assert len(authority._failures) == auth.FAILURE_ADDRESSES


async def test_a_token_is_listed_without_its_text_and_shown_once(served: Served) -> None:
    answer = await served.ask("POST", "/api/v1/tokens", {"name": "phone", "role": "operator"})
    assert answer.status == 201
    created = answer.json
    text = created.pop("token")
    listed = await served.ask("GET", "/api/v1/tokens")
    assert created in listed.json["tokens"]
    assert text.encode() not in listed.body
    (await served.ask("POST", "/api/v1/tokens", {"name": " phone ", "role": "viewer"})).problem(409)


async def test_the_last_use_is_shown_at_once_and_written_once_a_minute(tmp_path: Path) -> None:
    clock = ManualClock()
    async with serving(tmp_path, clock=clock) as served:
        await served.hub.store.flush()
        writes: list[object] = []
        append = served.hub.store.append

        def count(*statements: object) -> None:
            writes.extend(statements)
            append(*statements)  # type: ignore[arg-type]

        served.hub.store.append = count  # type: ignore[method-assign]
        for _ in range(5):
            clock.advance(1)
            await served.get("/api/v1/session")
        [local] = (await served.get("/api/v1/tokens"))["tokens"]
        assert local["last_used_at"] == clock.now().strftime("%Y-%m-%dT%H:%M:%S.000Z")
        assert len(writes) == 1
        clock.advance(60)
        await served.get("/api/v1/session")
        assert len(writes) == 2


async def test_the_last_admin_token_cannot_be_revoked(served: Served) -> None:
    assert "last admin token" in (await served.ask("DELETE", "/api/v1/tokens/local")).problem(409)["detail"]
    other = await served.new_token("me", "admin")
    assert (await served.ask("DELETE", "/api/v1/tokens/local")).status == 204
    (await served.ask("GET", "/api/v1/system")).problem(401)
    assert not (served.data_dir / "token").exists()
    assert (await served.get("/api/v1/session", token=other))["name"] == "me"
    (await served.ask("DELETE", "/api/v1/tokens/nobody", token=other)).problem(404)


async def test_a_session_lives_over_restarts_until_it_is_idle_for_thirty_days(tmp_path: Path) -> None:
    clock = ManualClock()
    async with serving(tmp_path, clock=clock) as served:
        answer = await served.ask("POST", "/api/v1/login", {"token": served.token}, token=None)
        assert answer.json == {"name": "admin", "role": "admin"}
        attributes = answer.headers["Set-Cookie"].split("; ")
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)
        cookie = {"Cookie": cookie_of(answer.headers)}
    clock.advance(timedelta(days=29).total_seconds())
    async with serving(tmp_path, clock=clock) as served:
        assert (await served.get("/api/v1/session", token=None, headers=cookie))["name"] == "admin"
    clock.advance(timedelta(days=29).total_seconds())
    async with serving(tmp_path, clock=clock) as served:
        await served.get("/api/v1/session", token=None, headers=cookie)
        clock.advance(timedelta(days=31).total_seconds())
        (await served.ask("GET", "/api/v1/session", token=None, headers=cookie)).problem(401)


async def test_signing_out_ends_the_session_and_revoking_ends_all_of_a_token(served: Served) -> None:
    phone = await served.new_token("phone", "viewer")
    cookies = []
    for _ in range(3):
        answer = await served.ask("POST", "/api/v1/login", {"token": phone}, token=None)
        cookies.append({"Cookie": cookie_of(answer.headers), "Origin": served.server.url})
    out = await served.ask("POST", "/api/v1/logout", token=None, headers=cookies[0])
    assert (out.status, out.body) == (204, b"")
    assert "Max-Age=0" in out.headers["Set-Cookie"]
    (await served.ask("GET", "/api/v1/session", token=None, headers=cookies[0])).problem(401)
    await served.get("/api/v1/session", token=None, headers=cookies[1])
    [listed] = [token for token in (await served.get("/api/v1/tokens"))["tokens"] if token["name"] == "phone"]
    assert (await served.ask("DELETE", f"/api/v1/tokens/{listed['id']}")).status == 204
    for cookie in cookies[1:]:
        (await served.ask("GET", "/api/v1/session", token=None, headers=cookie)).problem(401)
    assert await served.hub.store.read("SELECT * FROM session") == []


async def test_another_site_cannot_use_a_browsers_session(served: Served) -> None:
    served.hub.devices.add(fridge())
    answer = await served.ask("POST", "/api/v1/login", {"token": served.token}, token=None)
    cookie = {"Cookie": cookie_of(answer.headers)}
    own = urlsplit(served.server.url).netloc
    rename = ("PATCH", f"/api/v1/devices/{FRIDGE}", {"name": "Mine"})
    for origin in ("http://evil.example", "null", f"http://{own}.evil.example", f"http://evil.example/{own}", own):
        (await served.ask(*rename, token=None, headers={**cookie, "Origin": origin})).problem(403)
    (await served.ask(*rename, token=None, headers=cookie)).problem(403)
    good = await served.ask(*rename, token=None, headers={**cookie, "Origin": f"http://{own}"})
    assert good.json["name"] == "Mine"
    # A browser sends Basic credentials by itself too, but never a bearer token.
    basic = {"Authorization": "Basic " + base64.b64encode(f":{served.token}".encode()).decode()}
    (await served.ask(*rename, token=None, headers={**basic, "Origin": "http://evil.example"})).problem(403)
    assert (await served.ask(*rename, token=None, headers=basic)).status == 200
    assert (await served.ask(*rename, headers={"Origin": "http://evil.example"})).status == 200
    # Nor may it sign a browser in as somebody of its choice.
    login = ("POST", "/api/v1/login", {"token": served.token})
    (await served.ask(*login, token=None, headers={"Origin": "http://evil.example"})).problem(403)


async def test_a_login_link_signs_in_once(tmp_path: Path) -> None:
    clock = ManualClock()
    async with serving(tmp_path, clock=clock) as served:
        viewer = await served.new_token("phone", "viewer")
        answer = await served.ask("POST", "/api/v1/login-links", token=viewer)
        assert answer.status == 201
        assert answer.json["expires_at"] == "2026-01-01T00:10:00.000Z"
        url = answer.json["url"]
        peek = await served.ask("HEAD", url, token=None)
        assert peek.status == 200
        used = await served.ask("GET", url, token=None)
        assert (used.status, used.headers["Location"]) == (303, "/")
        cookie = {"Cookie": cookie_of(used.headers)}
        assert (await served.get("/api/v1/session", token=None, headers=cookie))["name"] == "phone"
        again = await served.ask("GET", url, token=None)
        assert again.status == 410
        assert b"hubctl login" in again.body
        late = (await served.ask("POST", "/api/v1/login-links")).json["url"]
        clock.advance(601)
        assert (await served.ask("GET", late, token=None)).status == 410
        assert (await served.ask("GET", "/login", token=None)).headers["Location"] == "/"
        printed = served.server.login_url()
        assert (await served.ask("GET", printed.removeprefix(served.server.url), token=None)).status == 303


async def test_secrets_reach_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(tmp_path) as served:
        link = served.server.login_url()
        answer = await served.ask("POST", "/api/v1/login", {"token": served.token}, token=None)
        await served.ask("POST", "/api/v1/login", {"token": served.token, "extra": 1}, token=None)
        await served.ask("POST", "/api/v1/login", {"token": [served.token]}, token=None)
        await served.ask("GET", link.removeprefix(served.server.url), token=None)
        secrets = [served.token, cookie_of(answer.headers).partition("=")[2], link.partition("code=")[2]]
    for secret in secrets:
        assert secret not in caplog.text


async def test_a_wrong_field_that_is_secret_is_not_shown_back(served: Served) -> None:
    for body in ({"token": ["heh_secret"]}, {"token": "heh_secret" * 30}):
        answer = await served.ask("POST", "/api/v1/login", body, token=None)
        problem = answer.problem(400)
        assert problem["errors"][0]["field"] == "token"
        assert b"heh_secret" not in answer.body
    answer = await served.ask("PUT", "/api/v1/breakers/keys", {"unicast_keys": {FRIDGE: ["0123"]}})
    answer.problem(400)
    assert b"0123" not in answer.body


async def test_a_token_written_over_and_over_is_never_seen_half(tmp_path: Path) -> None:
    path = tmp_path / "token"
    seen: set[str | None] = set()

    def write() -> None:
        for _ in range(50):
            auth._write_token(path, auth.new_token())

    write()
    writing = asyncio.create_task(asyncio.to_thread(write))
    while not writing.done():
        seen.add(auth._read_token(path))
        await asyncio.sleep(0)
    await writing
    assert None not in seen
    assert os.listdir(tmp_path) == ["token"]  # noqa: PTH208
