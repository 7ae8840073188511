"""An HTTP client in a process of its own: python -m bench.http_client PORT...

Reads lines of JSON {"port", "request", "count"} and answers each with the seconds that so many requests took, over
eight connections that are kept, each one after the other; and with the last body, in base 64.
"""

from __future__ import annotations

import base64
import json
import socket
import sys
import time

CONNECTIONS = 8
LONGEST_S = 120.0


class Connection:
    """A connection that is kept."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), LONGEST_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""

    def send(self, data: bytes) -> None:
        """Send requests."""
        self._socket.sendall(data)

    def answer(self) -> bytes:
        """The body of the next answer, which must be a good one."""
        while (end := self._read.find(b"\r\n\r\n")) < 0:
            self._more()
        head, self._read = self._read[:end], self._read[end + 4 :]
        lines = head.lower().split(b"\r\n")
        assert b" 200 " in lines[0], head
        [length] = [int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")]
        while len(self._read) < length:
            self._more()
        body, self._read = self._read[:length], self._read[length:]
        return body

    def _more(self) -> None:
        data = self._socket.recv(1 << 18)
        assert data, "the connection was closed"
        self._read += data


def main() -> None:
    """Do what the lines say."""
    connections: dict[int, list[Connection]] = {}
    for line in sys.stdin:
        told = json.loads(line)
        port = told["port"]
        if port not in connections:
            connections[port] = [Connection(port) for _ in range(CONNECTIONS)]
        request, body = told["request"].encode(), b""
        started = time.perf_counter()
        for _ in range(told["count"] // CONNECTIONS):
            for connection in connections[port]:
                connection.send(request)
            for connection in connections[port]:
                body = connection.answer()
        took = time.perf_counter() - started
        print(json.dumps({"seconds": took, "body": base64.b64encode(body).decode()}), flush=True)


if __name__ == "__main__":
    main()
