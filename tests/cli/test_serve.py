"""What an operator sees of ``convstore serve``: how it starts, refuses, shares a port, and stops."""

import asyncio
import socket
from pathlib import Path

import aiohttp
import pytest

from eventually import eventually
from served import convstore, serving

pytestmark = pytest.mark.slow

ADMIN = {"Authorization": aiohttp.encode_basic_auth("admin", "district")}


async def test_a_second_server_on_the_same_folder_is_told_so(tmp_path: Path) -> None:
    with serving(tmp_path) as first:
        second = await asyncio.to_thread(convstore, "serve", "--data-dir", str(tmp_path / "data"), "--port", "0")

        assert 1 == second.returncode
        assert str(tmp_path / "data") in second.stderr
        assert str(first.process.pid) in second.stderr
        async with aiohttp.ClientSession() as session, session.get(f"{first.url}/health/live") as answer:
            assert 200 == answer.status
        assert 0 == first.stop()


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        refused = await asyncio.to_thread(convstore, "serve", "--data-dir", str(tmp_path / "data"), "--port", port)

    assert 2 == refused.returncode
    assert f"port {port}" in refused.stderr


async def test_a_server_that_migrates_nothing_refuses_a_store_that_is_not_there(tmp_path: Path) -> None:
    refused = await asyncio.to_thread(
        convstore, "serve", "--no-migrate", "--data-dir", str(tmp_path / "data"), "--port", "0"
    )

    assert 2 == refused.returncode
    assert "lacks 0001_log" in refused.stderr
    assert "convstore migrate" in refused.stderr


async def test_the_demo_stays_on_this_machine_unless_told_twice(tmp_path: Path) -> None:
    refused = await asyncio.to_thread(
        convstore, "serve", "--demo", "--host", "0.0.0.0", "--data-dir", str(tmp_path / "data"), "--port", "0"
    )

    assert 2 == refused.returncode
    assert "--demo twice" in refused.stderr
    with serving(tmp_path, "--demo", "--demo", "--host", "0.0.0.0") as served:
        assert 0 == served.stop()
    # Its passwords are still there when the flag is not.
    refused = await asyncio.to_thread(
        convstore, "serve", "--host", "0.0.0.0", "--data-dir", str(tmp_path / "data"), "--port", "0"
    )
    assert 2 == refused.returncode
    assert "--demo twice" in refused.stderr


async def test_requests_in_flight_finish_when_it_is_told_to_stop(tmp_path: Path) -> None:
    """The body of a reply is still being sent when the server is told to stop; the answer comes all the same."""
    with serving(tmp_path, "--demo") as served:
        async with aiohttp.ClientSession() as session:
            begun, told = asyncio.Event(), asyncio.Event()

            async def body() -> object:
                begun.set()
                yield b"Half of it, "
                await told.wait()
                yield b"and the rest."

            async with session.get(f"{served.url}/me?fields=id", headers=ADMIN) as answer:
                assert 200 == answer.status
            reply = asyncio.create_task(
                session.post(
                    f"{served.url}/messageConversations/ZjHHSjyyeJ2",
                    data=body(),
                    headers={**ADMIN, "Content-Type": "text/plain"},
                    # The body is asked for when the server has the request in hand.
                    expect100=True,
                )
            )
            await asyncio.wait_for(begun.wait(), 20)
            stopped = asyncio.create_task(asyncio.to_thread(served.stop))
            await eventually(lambda: any(line["event"] == "server.stopping" for line in served.lines()))
            told.set()

            assert 200 == (await reply).status
            assert 0 == await stopped

    with serving(tmp_path) as again:
        async with (
            aiohttp.ClientSession(headers=ADMIN) as session,
            session.get(f"{again.url}/messageConversations/ZjHHSjyyeJ2/messages?fields=text") as answer,
        ):
            texts = [message["text"] for message in (await answer.json())["messages"]]
        assert "Half of it, and the rest." in texts
        assert 0 == again.stop()


async def test_workers_share_the_port_and_each_sees_what_the_others_write(tmp_path: Path) -> None:
    with serving(tmp_path, "--demo", "--workers", "2", "--context-path", "/demo", "--partitions", "4") as served:
        assert served.url.endswith("/demo/api")
        for number in range(12):
            # A connection each, so that the kernel spreads them over the workers.
            async with (
                aiohttp.ClientSession(headers=ADMIN) as session,
                session.post(
                    f"{served.url}/messageConversations/ZjHHSjyyeJ2",
                    data=str(number),
                    headers={"Content-Type": "text/plain"},
                ) as answer,
            ):
                assert 200 == answer.status
                reflected = "Convstore-Reflected" not in answer.headers

            async def shown(number: int = number) -> bool:
                async with (
                    aiohttp.ClientSession(headers=ADMIN) as session,
                    session.get(f"{served.url}/messageConversations/ZjHHSjyyeJ2/messages?fields=text") as answer,
                ):
                    return str(number) == (await answer.json())["messages"][-1]["text"]

            # A machine that is too busy to take it in within a second says so in its answer.
            assert await shown() if reflected else await eventually(shown)
        workers = {line["pid"] for line in served.lines() if line["event"] == "worker.started"}
        assert 2 == len(workers)
        assert 0 == served.stop()


async def test_a_misspelt_setting_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "convstore.toml").write_text("prot = 8081\n")

    refused = await asyncio.to_thread(convstore, "config", cwd=tmp_path)

    assert 2 == refused.returncode
    assert "prot" in refused.stderr


async def test_a_flag_beats_the_file(tmp_path: Path) -> None:
    (tmp_path / "convstore.toml").write_text('port = 8081\ndsn = "postgresql://me:secret@db/x"\n')

    shown = await asyncio.to_thread(convstore, "config", "--port", "8082", cwd=tmp_path)

    assert 0 == shown.returncode
    assert "port = 8082" in shown.stdout.splitlines()
    assert 'dsn = "postgresql://me:***@db/x"' in shown.stdout.splitlines()
