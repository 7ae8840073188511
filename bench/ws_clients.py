"""Websocket clients in a process of their own, that read and count: python -m bench.ws_clients PORT COUNT TOKEN

Prints "ready", then one line whenever every client has read another batch (a message that contains the mark).
"""

from __future__ import annotations

import asyncio
import base64
import os
import sys

MARK = b"end-of-batch"
READ_BYTES = 1 << 18
LONGEST_S = 300.0


class Counter:
    """Batches that every client has read."""

    def __init__(self, clients: int) -> None:
        self._clients = clients
        self._read: dict[int, int] = {}

    def batch(self, number: int) -> None:
        """One client has read the mark of batch `number`."""
        self._read[number] = self._read.get(number, 0) + 1
        if self._read[number] == self._clients:
            del self._read[number]
            print("batch", flush=True)


async def client(port: int, token: str, counter: Counter, ready: asyncio.Event) -> None:
    """Shake hands, then look for marks in what comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=READ_BYTES)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /api/v1/ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in head.split(b"\r\n")[0], head
    ready.set()
    seen, tail = 0, b""
    while True:
        data = await reader.read(READ_BYTES)
        if not data:
            return
        window = tail + data
        for _ in range(window.count(MARK)):
            seen += 1
            counter.batch(seen)
        # Keep what may be the beginning of a mark, and nothing that was counted.
        tail = window[-(len(MARK) - 1) :] if not window.endswith(MARK) else b""


async def main(port: int, count: int, token: str) -> None:
    """Run the clients."""
    counter = Counter(count)
    async with asyncio.timeout(LONGEST_S), asyncio.TaskGroup() as group:
        for _ in range(count):
            ready = asyncio.Event()
            group.create_task(client(port, token, counter, ready))
            await ready.wait()
        print("ready", flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
