"""The far side of the poll benchmark, a process of its own: emulated breakers, or a bare echo of the same sizes.

python -m bench.far_side breakers COUNT LOSS      prints {"pipe", "broadcast", "unicast"} and answers until killed
python -m bench.far_side echo                     prints {"port"}
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import cast

ANSWER = b"x" * 310
LONGEST_S = 600.0
"""It ends by itself: a benchmark that died must not leave it running."""


class Echo(asyncio.DatagramProtocol):
    """The least that asyncio can do: an answer of the size of a status response to whatever comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer."""
        self.transport.sendto(ANSWER, addr)


async def echo() -> None:
    """Run the echo."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    print(json.dumps({"port": transport.get_extra_info("sockname")[1]}), flush=True)
    await asyncio.sleep(LONGEST_S)


async def breakers(count: int, loss: float) -> None:
    """Run emulated breakers on a wire that loses `loss` of the datagrams each way."""
    from radios.emulators.emcb import EmcbConfig, EmcbEmulator

    async with EmcbEmulator(EmcbConfig(count=count, bind="127.3.0.2")) as emulator:
        emulator.faults.loss = loss
        keys = {
            "pipe": emulator.pipe_url,
            "broadcast": emulator.broadcast_key.hex(),
            "unicast": {device_id: key.hex() for device_id, key in emulator.unicast_keys.items()},
        }
        print(json.dumps(keys), flush=True)
        await asyncio.sleep(LONGEST_S)


if __name__ == "__main__":
    if sys.argv[1] == "echo":
        asyncio.run(echo())
    else:
        asyncio.run(breakers(int(sys.argv[2]), float(sys.argv[3])))
