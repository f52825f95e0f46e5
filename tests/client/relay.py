"""A network that fails: passes bytes on to a server, until it is told to lose connections or answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Relay:
    """Stands between client and server; ``url`` is where clients find it, ``target`` the port that it leads to.

    While ``mute``, what is asked reaches the server, and its answer is lost with the connection.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.url = ""
        self.mute = False
        self.lost = 0
        self.accepted = 0
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Lose all connections that there are."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._writers.add(writer)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
            self._writers.add(back)
            try:
                await asyncio.gather(self._pass(reader, back, losing=False), self._pass(there, writer, losing=True))
            finally:
                self._writers.discard(back)
                back.transport.abort()
        except OSError:
            # Nobody is there, or somebody went: the client finds out by its connection.
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, losing: bool) -> None:
        while data := await reader.read(65536):
            if losing and self.mute:
                self.lost += 1
                raise ConnectionResetError
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


@asynccontextmanager
async def relaying(server: str) -> AsyncIterator[Relay]:
    """Run a relay to the server with this address until the end of the block."""
    port = urlsplit(server).port
    assert port is not None
    relay = Relay(port)
    listening = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    relay.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield relay
    finally:
        listening.close()
        relay.cut()
        await listening.wait_closed()
