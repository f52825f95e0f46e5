"""A server in a process of its own, people who have accounts there, and clients that cost next to nothing.

The clients are raw sockets on asyncio: an HTTP library would take more of the machine than what it measures.
"""

import asyncio
import base64
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
from msgspec import Struct

from convstore.database import Conn
from convstore.directory.passwords import hash_password
from convstore.domain.uid import UserId, new_uid

PASSWORD = "a long password"  # noqa: S105 - opens nothing but a bench
_STARTS_WITHIN = 60.0
_ADD_PEOPLE = """
INSERT INTO account (id, username, first_name, surname, password_hash, uuid)
SELECT id, 'person' || number, 'First' || number, 'Sur' || number, $2, gen_random_uuid()
  FROM unnest($1::text[]) WITH ORDINALITY AS n (id, number)
"""
_ADMIN_ROLE = "INSERT INTO user_role (id, name, authorities) VALUES ('BenchAllRol', 'Bench', '{ALL}')"
_ADD_TO_ROLE = "INSERT INTO account_role (user_id, role_id) VALUES ($1, 'BenchAllRol')"


async def add_people(owner: Conn, number: int) -> list[UserId]:
    """Add accounts ``person1`` to ``person<number>``, all with one password; the first is a superuser."""
    people = [UserId(new_uid()) for _ in range(number)]
    await owner.execute(_ADD_PEOPLE, people, await hash_password(PASSWORD))
    await owner.execute(_ADMIN_ROLE)
    await owner.execute(_ADD_TO_ROLE, people[0])
    return people


def credentials(number: int) -> str:
    """Give the header of Basic authentication for a person, by number from 1."""
    encoded = base64.b64encode(f"person{number}:{PASSWORD}".encode()).decode()
    return f"Authorization: Basic {encoded}\r\n"


class Server(Struct):
    """A running server: its port, and the process that it began with."""

    port: int
    pid: int

    def memory(self) -> list[int]:
        """Give the most memory that each process that serves has ever had, in megabytes."""
        own = psutil.Process(self.pid)
        workers = [child for child in own.children() if "spawn_main" in " ".join(child.cmdline())]
        return [_peak(process) for process in workers or [own]]


def _peak(process: psutil.Process) -> int:
    try:
        status = Path(f"/proc/{process.pid}/status").read_text("ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) // 1024
    except OSError:  # not Linux: what it has now
        return int(process.memory_info().rss) >> 20


class Cpu:
    """What some processes, each with its children, spend of the processors: truer than a rate where others work too.

    This process counts too, without its children, as ``clients``.
    """

    def __init__(self, **pids: int) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._before = self._spent()

    def per(self, number: int) -> dict[str, int]:
        """Give the microseconds since the beginning, for each of so many."""
        return {name: round((spent - self._before[name]) / number * 1e6) for name, spent in self._spent().items()}

    def _spent(self) -> dict[str, float]:
        spent = {name: _spent(process) for name, process in self._processes.items()}
        return spent | {"clients": sum(psutil.Process().cpu_times()[:2])}


def _spent(process: psutil.Process) -> float:
    # Children that have ended are in the times of their parent.
    return sum(sum(each.cpu_times()[:4]) for each in (process, *process.children(recursive=True)))


async def postmaster(conn: Conn) -> int:
    """Give the process that a PostgreSQL of this machine began with."""
    return psutil.Process(await conn.fetchval("SELECT pg_backend_pid()")).ppid()


@asynccontextmanager
async def serving(dsn: str, *arguments: str) -> AsyncIterator[Server]:
    """Run ``convstore serve`` on a database, and give it when it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = ["-m", "convstore", "serve", "--dsn", dsn, "--no-migrate", "--port", str(port), *arguments]
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        deadline = time.monotonic() + _STARTS_WITHIN
        while True:
            assert child.returncode is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not start"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            except OSError:
                await asyncio.sleep(0.05)
        yield Server(port, child.pid)
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


def request(method: str, path: str, person: int, body: bytes = b"", kind: str = "text/plain") -> bytes:
    """Put a request together, with Basic authentication; the connection stays open."""
    said = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n" if method == "POST" else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{credentials(person)}{said}\r\n"
    return head.encode() + body


class Answer(Struct, frozen=True):
    """What came back: status, head as it came, body."""

    status: int
    head: bytes
    body: bytes


class Client:
    """One kept connection: ``await client.ask(request(…))``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int) -> "Client":
        """Open a connection to a port of this machine."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, sent: bytes) -> Answer:
        """Send a request, and wait for the whole answer."""
        self._writer.write(sent)
        head = await self._reader.readuntil(b"\r\n\r\n")
        # A 304 has no body, and no length.
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        return Answer(int(head[9:12]), head, await self._reader.readexactly(length))

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


class Load(Struct):
    """What a load came to: answers, seconds, how long each took in seconds; those not yet reflected."""

    answers: int
    seconds: float
    took: list[float]
    unreflected: int

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answers / self.seconds


async def load(port: int, clients: int, seconds: float, make: Callable[[int, int], bytes], expected: int) -> Load:
    """Let so many clients ask one thing after another for so long: ``make(client, number)`` gives each request.

    Every answer must have the expected status.
    """
    took: list[float] = []
    unreflected = 0
    connections = [await Client.connect(port) for _ in range(clients)]
    began = time.perf_counter()
    end = began + seconds

    async def go(client: int) -> int:
        nonlocal unreflected
        number = 0
        while (asked := time.perf_counter()) < end:
            answer = await connections[client].ask(make(client, number))
            took.append(time.perf_counter() - asked)
            assert answer.status == expected, answer
            unreflected += b"\nConvstore-Reflected: false" in answer.head
            number += 1
        return number

    counts = await asyncio.gather(*(go(client) for client in range(clients)))
    elapsed = time.perf_counter() - began
    for connection in connections:
        connection.close()
    return Load(sum(counts), elapsed, took, unreflected)


async def log_in(port: int, people: Sequence[int]) -> None:
    """Let people ask something once, so that their passwords have been checked."""
    client = await Client.connect(port)
    for person in people:
        answer = await client.ask(request("GET", "/api/me/dashboard", person))
        assert answer.status == 200, answer  # noqa: PLR2004 - OK
    client.close()
