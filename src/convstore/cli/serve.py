"""``convstore serve``: the server, its database, and its worker processes."""

import asyncio
import contextlib
import dataclasses
import ipaddress
import multiprocessing
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from multiprocessing.process import BaseProcess
from typing import Annotated

import structlog
from aiohttp import web
from cyclopts import Parameter

from convstore import demo as demo_data
from convstore import logs
from convstore.backend import Backend
from convstore.cli.loop import run
from convstore.config import Settings
from convstore.database import SERVER_ROLE, connect, open_pool, open_readers
from convstore.delivery.answering import Answering
from convstore.delivery.listener import Listener, check_port, longest_mail
from convstore.delivery.plan import check as check_delivery
from convstore.delivery.plan import listen
from convstore.delivery.service import Delivery, forget_channels_off
from convstore.directory import Directory
from convstore.embedded import Cluster
from convstore.engine import Engine
from convstore.engine.sample import keep_sampling
from convstore.errors import ConfigError, ConversationExists
from convstore.files.service import Files
from convstore.files.storage import open_storage
from convstore.files.sweep import keep_sweeping
from convstore.handle import handle
from convstore.http.app import make_app
from convstore.http.drain import DRAIN
from convstore.http.monitoring import make_local_app
from convstore.http.static import mounts
from convstore.log.create import facts
from convstore.log.presence import Presence
from convstore.log.recorded import Meta
from convstore.log.store import Store
from convstore.migrate import migrate, missing
from convstore.webhook.service import Webhooks

log = structlog.get_logger(__name__)

# Requests in flight get this long to finish after a stop was asked for, in seconds.
_GRACE = 10.0
# Bytes of a request line: 10,000 conversations may be removed at once, each named in the query (mc=…).
_LONGEST_LINE = 200_000
# A worker that died is started again after this many seconds, so that one that cannot live does not spin.
_RESTART_PAUSE = 1.0
_LOOPBACK = "127.0.0.1"


def serve(
    *,
    settings: Settings = Settings(),  # noqa: B008 - frozen
    demo: Annotated[int, Parameter(count=True, group="Server")] = 0,
    no_migrate: Annotated[bool, Parameter(negative=(), group="Database")] = False,
) -> None:
    """Run the server until it is told to stop (Ctrl-C, SIGTERM).

    With nothing configured it starts a private PostgreSQL in the data folder, creates the store there, and serves.

    Parameters
    ----------
    demo
        Fill in a small health service with people to log in as, such as admin/district. Loopback addresses only: these
        passwords are known to everybody. Say it twice to serve it elsewhere all the same.
    no_migrate
        Leave the schema as it is: somebody else migrates it.
    """
    if demo == 1 and not _is_loopback(settings.host):
        raise ConfigError(
            f"--demo has well-known passwords, and {settings.host} is open to others. Say --demo twice if you mean it."
        )
    # Now, not in each worker: one that cannot start would be started again and again.
    mounts(settings.static)
    open_storage(settings.attachments, settings.attachments_folder)
    check_delivery(settings)
    run(_serve(settings, with_demo=demo > 0, demo_anywhere=demo > 1, migrates=not no_migrate))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


async def _serve(settings: Settings, *, with_demo: bool, demo_anywhere: bool, migrates: bool) -> None:
    stop = _stop_signal()
    async with AsyncExitStack() as stack:
        dsn = settings.dsn
        if dsn is None:
            dsn = await stack.enter_async_context(_embedded(settings, stop))
        if migrates:
            for name in await migrate(dsn, partitions=settings.partitions):
                log.info("schema.migrated", migration=name)
        elif lacks := await missing(dsn):
            raise ConfigError(f"The database lacks {', '.join(lacks)}: let its owner run `convstore migrate` first.")
        # Here too, for the same reason as in serve().
        async with Presence(dsn):
            pass
        if not (demo_anywhere or _is_loopback(settings.host)):
            await _refuse_demo(dsn, settings.host)
        if with_demo:
            await _load_demo(dsn, settings)
        await forget_channels_off(dsn, settings)
        listener = _listen(settings)
        stack.callback(listener.close)
        _check_metrics_ports(settings)
        if (where := listen(settings)) is not None:
            check_port(where)
        if settings.workers == 1:
            await _work(settings, dsn, listener, stop)
        else:
            await _supervise(settings, dsn, listener, stop)
    log.info("server.stopped")


@asynccontextmanager
async def _embedded(settings: Settings, stop: asyncio.Event) -> AsyncIterator[str]:
    """Run the private PostgreSQL, and start it again should it die."""
    cluster = Cluster(settings.folder)
    await cluster.start()
    keeper = asyncio.create_task(_keep_alive(cluster))
    # A database that cannot be started again ends the server; what was wrong is raised below.
    keeper.add_done_callback(lambda _: stop.set())
    try:
        yield cluster.dsn()
    finally:
        keeper.cancel()
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await keeper
        finally:
            await cluster.stop()


async def _keep_alive(cluster: Cluster) -> None:
    while True:
        code = await cluster.wait()
        log.error("embedded.died", exit_code=code)
        await cluster.stop()
        await cluster.start()


async def _refuse_demo(dsn: str, host: str) -> None:
    """Keep a store that was once filled with the demo from being served to others.

    Raises:
        ConfigError: it was.
    """
    conn = await connect(dsn, role=SERVER_ROLE)
    try:
        if await demo_data.is_loaded(conn):
            raise ConfigError(
                f"This store has the demo's well-known passwords, and {host} is open to others. "
                "Say --demo twice if you mean it."
            )
    finally:
        await conn.close()


async def _load_demo(dsn: str, settings: Settings) -> None:
    """Fill in the demo's people and, through the ordinary commands, their messages."""
    async with Presence(dsn), _backend(dsn, settings) as backend:
        await demo_data.load(backend.pool)
        for story in demo_data.stories():
            # All of a conversation or nothing: a crash in between leaves none half told. Told already, or deleted
            # since: the uid is taken.
            with contextlib.suppress(ConversationExists):
                await handle(backend.store, backend.engine, story, Meta(actor=story[0].actor.id, causation="demo"))


@asynccontextmanager
async def _backend(dsn: str, settings: Settings) -> AsyncIterator[Backend]:
    # One for each partition's appends and one to hear of the directory's changes, beside those for requests.
    conn = await connect(dsn, role=SERVER_ROLE)
    try:
        partitions = (await facts(conn)).partitions
    finally:
        await conn.close()
    size = settings.connections + partitions + 1
    async with await open_pool(dsn, size=size) as pool, AsyncExitStack() as stack:
        store = await stack.enter_async_context(await Store.open(pool))
        directory = Directory(pool)
        await directory.start()
        stack.push_async_callback(directory.stop)
        engine = Engine(pool, dsn, store)
        await engine.start()
        stack.push_async_callback(engine.stop)
        readers = await stack.enter_async_context(await open_readers(dsn, size=settings.connections))
        files = Files(
            pool,
            open_storage(settings.attachments, settings.attachments_folder),
            limit=settings.max_attachment,
            partition_of=store.partition_of,
        )
        yield Backend(
            pool=pool,
            readers=readers,
            store=store,
            engine=engine,
            directory=directory,
            files=files,
            settings=settings,
            delivery=Delivery(dsn, store, directory, engine, settings),
            webhooks=Webhooks(dsn, pool, store=store, directory=directory, engine=engine, settings=settings),
        )


def _listen(settings: Settings) -> socket.socket:
    """Bind the port; with several workers in a way that each of them can bind it too.

    Raises:
        ConfigError: it is taken, or the address is not this machine's.
    """
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, number)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if settings.workers > 1:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
    except OSError as error:
        raise ConfigError(f"Cannot listen on {settings.host} port {settings.port}: {error.strerror}.") from error
    return listener


async def _work(settings: Settings, dsn: str, listener: socket.socket, stop: asyncio.Event, *, worker: int = 0) -> None:
    """Serve in this process until told to stop; then finish the requests in flight."""
    async with Presence(dsn, stop) as presence, _backend(dsn, settings) as backend:
        app = make_app(backend, worker=worker)
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=1.0, handle_signals=False, max_line_size=_LONGEST_LINE
        )
        await runner.setup()
        local = web.AppRunner(make_local_app(app), access_log=None)
        sweeper = asyncio.create_task(keep_sweeping(backend.files))
        sampler = asyncio.create_task(keep_sampling(dsn, backend.engine, settings.sample_seconds))
        answers = _answers(backend, settings, worker)
        assert backend.delivery is not None  # noqa: S101 - made above
        assert backend.webhooks is not None  # noqa: S101 - likewise
        try:
            # Before the first request: from then on every message is delivered.
            await backend.delivery.start()
            await backend.webhooks.start()
            if answers is not None:
                await answers.start()
            await _open_metrics(local, settings, worker)
            site = web.SockSite(runner, listener, backlog=1024)
            await site.start()
            host, port, *_ = listener.getsockname()
            shown = f"[{host}]" if ":" in host else host
            log.info("server.ready", url=f"http://{shown}:{port}{settings.context_path}/api")
            await stop.wait()
            log.info("server.stopping", grace_seconds=_GRACE)
            await site.stop()
            if cut := await app[DRAIN].finish(_GRACE):
                log.warning("server.stopping_late", requests=cut)
        finally:
            await runner.cleanup()
            await local.cleanup()
            if answers is not None:
                await answers.stop()
            await asyncio.gather(backend.delivery.stop(), backend.webhooks.stop())
            sweeper.cancel()
            sampler.cancel()
            await asyncio.gather(sweeper, sampler, return_exceptions=True)
    presence.check()


def _answers(backend: Backend, settings: Settings, worker: int) -> Listener | None:
    """Make what listens for answers by mail, in one process of this machine, if that is wanted."""
    where = listen(settings)
    if where is None or worker > 0 or backend.delivery is None:
        return None
    answering = Answering(
        backend.pool,
        backend.store,
        backend.engine,
        backend.directory,
        backend.files,
        settings=settings,
        longest_text=settings.max_body,
    )
    longest = longest_mail(settings.max_body, settings.max_attachment)
    return Listener(where, answering, backend.delivery.answers, longest=longest)


def _check_metrics_ports(settings: Settings) -> None:
    """Find out now, not in each worker for ever, whether the ports for metrics may be had.

    Raises:
        ConfigError: one is taken.
    """
    if not settings.metrics_port:
        return
    for port in range(settings.metrics_port, settings.metrics_port + settings.workers):
        try:
            socket.create_server((_LOOPBACK, port)).close()
        except OSError as error:
            raise ConfigError(f"Cannot listen on {_LOOPBACK} port {port} for metrics: {error.strerror}.") from error


async def _open_metrics(local: web.AppRunner, settings: Settings, worker: int) -> None:
    """Serve this process's metrics on a port of its own, if that is wanted."""
    if settings.metrics_port:
        port = settings.metrics_port + worker
        await local.setup()
        await web.TCPSite(local, _LOOPBACK, port).start()
        log.info("metrics.ready", url=f"http://{_LOOPBACK}:{port}/metrics")


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _supervise(settings: Settings, dsn: str, listener: socket.socket, stop: asyncio.Event) -> None:
    """Keep the worker processes running: one that dies is started again; all end with this one."""
    port = listener.getsockname()[1]
    processes = multiprocessing.get_context("spawn")

    def start(worker: int) -> BaseProcess:
        process = processes.Process(target=_worker, args=(settings, dsn, port, worker), daemon=False)
        process.start()
        return process

    async def keep_one(worker: int) -> None:
        while not stop.is_set():
            process = start(worker)
            log.info("worker.started", pid=process.pid)
            died = asyncio.create_task(_ended(process))
            asked = asyncio.create_task(stop.wait())
            await asyncio.wait({died, asked}, return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()
            if stop.is_set():
                process.terminate()
                await died
                return
            log.error("worker.died", pid=process.pid, exit_code=process.exitcode)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _RESTART_PAUSE)

    await asyncio.gather(*(keep_one(worker) for worker in range(settings.workers)))


async def _ended(process: BaseProcess) -> None:
    """Wait until a process has ended, without blocking the loop."""
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(process.sentinel, done.set)
    try:
        await done.wait()
    finally:
        loop.remove_reader(process.sentinel)
    process.join()


def _worker(settings: Settings, dsn: str, port: int, worker: int) -> None:
    """Serve in a process of its own; stops when told to, and when the parent is gone."""
    logs.configure()
    structlog.contextvars.bind_contextvars(worker=multiprocessing.current_process().pid)

    async def work() -> None:
        stop = _stop_signal()
        parent = multiprocessing.parent_process()
        assert parent is not None  # noqa: S101 - this runs in a child only
        asyncio.get_running_loop().add_reader(parent.sentinel, _gone(parent.sentinel, stop))
        # As the parent has bound it, which holds the port: one family or both, whatever the host's name stands for.
        with _listen(dataclasses.replace(settings, port=port)) as listener:
            await _work(settings, dsn, listener, stop, worker=worker)

    run(work())


def _gone(sentinel: int, stop: asyncio.Event) -> Callable[[], None]:
    def note() -> None:
        asyncio.get_running_loop().remove_reader(sentinel)
        stop.set()

    return note
