"""A laboratory as docs/operations.md has it: an authority, certificates for two hubs, and keys between them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from test_hubctl_zigbee import Shell
from test_rest_zigbee import Service

from hub.hub import Hub
from tests.hub.waiting import eventually
from tests.hub.zigbee_pair import CENTRE, GUEST, PRECONFIGURED, Pair, all_have_keys
from tests.hub.zigbee_pair import pair as pair
from web.server import serve


@asynccontextmanager
async def shell_of(hub: Hub, folder: Path) -> AsyncIterator[Shell]:
    async with serve(hub) as server:
        yield Shell(Service(hub, None, server.url, (folder / "token").read_text().strip()), folder)  # type: ignore[arg-type]


async def test_from_an_authority_to_keys(pair: Pair) -> None:
    lab = pair.folder / "lab"
    async with (
        pair.trust_centre(knows_guest=False) as centre,
        pair.router("esi_router") as guest,
        shell_of(centre, pair.folder / "centre") as ours,
        shell_of(guest, pair.folder / "guest") as theirs,
    ):
        ran = await ours.run("certificate", "status")
        assert ran.out.strip() == f"centre: there is no certificate; one for {CENTRE} is needed"
        await eventually(lambda: "hubctl certificate install FILE guest" in guest.networks.get("guest").detail)
        for suite in ("1", "2"):
            assert (await ours.run("certificate", "test-ca", "new", str(lab), "--suite", suite)).code == 0
            for ieee in (CENTRE, GUEST):
                assert (
                    await ours.run("certificate", "test-ca", "issue", str(lab), str(ieee), "--suite", suite)
                ).code == 0
        ran = await ours.run("device", "add", str(GUEST), "--link-key", PRECONFIGURED.hex())
        assert ran.code == 0, ran.err
        for shell, ieee in ((ours, CENTRE), (theirs, GUEST)):
            for name in (f"{ieee}.txt", f"{ieee}-2.txt"):
                ran = await shell.run("certificate", "install", str(lab / name))
                assert (ran.code, f"there is a certificate for {ieee}" in ran.out) == (0, True), ran.err
        wrong = await theirs.run("certificate", "install", str(lab / f"{CENTRE}.txt"))
        assert (wrong.code, f"one for {GUEST}" in wrong.err) == (2, True)
        await eventually(lambda: all_have_keys([(centre, GUEST), (guest, CENTRE)]))
        ran = await ours.run("device", "inside", f"zigbee-{GUEST}")
        assert (ran.code, "keys established" in ran.out, "no keys" in ran.out) == (0, True, False), ran.out + ran.err
        assert pair.centre.keys[GUEST] == pair.guest.keys[CENTRE] != PRECONFIGURED
        ran = await theirs.run("network", "show")
        assert (ran.code, "no keys" in ran.out) == (0, False)
