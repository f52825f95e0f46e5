"""Receivers in networks that are only ours are not called, whatever their names resolve to, and whenever."""

import socket
from collections.abc import Sequence

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from people import Client
from receiver import pushing, receiving, subscribed

from convstore.config import Settings
from convstore.errors import ConfigError
from convstore.webhook import service
from convstore.webhook.calling import Answer, call
from convstore.webhook.guard import Guard
from convstore.webhook.signing import new_secret
from eventually import eventually

REFUSED = "its address may not be called: see webhook-networks"


class Resolver(AbstractResolver):
    """Gives another answer each time, as a name server of somebody's who means harm does."""

    def __init__(self, *answers: str) -> None:
        self._answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        address = self._answers.pop(0)
        kind = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=0)]

    async def close(self) -> None:
        return


async def asked(guard: Guard, url: str, *answers: str) -> Sequence[Answer]:
    """Ask as often as there are answers of the name server, once at least."""
    async with guard.session(connections=2, timeout=5, resolver=Resolver(*answers)) as session:
        return [
            await call(session, url, headers={}, secrets=[new_secret()], event_id="a@1", body=b"{}")
            for _ in answers or [""]
        ]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.10",
        "100.64.0.1",
        "100.100.100.200",
        "169.254.169.254",
        "168.63.129.16",
        "192.0.0.192",
        "64:ff9b:1::a00:1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "ff02::1",
        "ff0e::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:0a00:0001::1",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
        "::ffff:0:127.0.0.1",
        "::8.8.8.8",
        "fec0::1",
        "5f00::1",
        "100::1",
        "2001:db8::1",
        "192.0.2.1",
        "240.0.0.1",
    ],
)
def test_an_address_that_only_we_can_reach_is_refused(address: str) -> None:
    assert not Guard([]).allows(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_is_allowed(address: str) -> None:
    assert Guard([]).allows(address)


def test_a_network_that_an_operator_names_is_allowed_and_no_other() -> None:
    guard = Guard(["10.1.0.0/16", "fd00:1::/32"])
    assert guard.allows("10.1.255.1")
    assert guard.allows("::ffff:10.1.0.1")
    assert guard.allows("fd00:1::5")
    assert not guard.allows("10.2.0.1")
    assert not guard.allows("fd00:2::5")


def test_a_network_that_is_none_is_told() -> None:
    with pytest.raises(ConfigError, match=r"webhook-networks '10\.1\.0\.1/16'"):
        Settings(webhook_networks=("10.1.0.1/16",))


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0"],
)
async def test_no_writing_of_our_own_address_leads_to_us(host: str) -> None:
    async with receiving() as receiver:
        async with Guard([]).session(connections=1, timeout=5) as session:
            url = f"http://{host}:{receiver.port}/hook"
            answer = await call(session, url, headers={}, secrets=[new_secret()], event_id="a@1", body=b"{}")
        assert not answer.taken
        assert answer.status is None
        assert [] == receiver.asked


async def test_a_name_that_changes_its_mind_is_refused_when_it_does() -> None:
    """As DNS rebinding does: the first answer may be called, the next one leads to us."""

    async def hear(_request: web.Request) -> web.Response:
        # So that the next request needs a connection of its own.
        return web.Response(headers={"Connection": "close"})

    app = web.Application()
    app.router.add_post("/hook", hear)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        # Listens on all addresses of this machine; 127.0.0.2 plays the part of a public one.
        await web.TCPSite(runner, "0.0.0.0", 0).start()
        port = runner.addresses[0][1]
        first, second, third = await asked(
            Guard(["127.0.0.2/32"]),
            f"http://receiver.example:{port}/hook",
            "127.0.0.2",
            "127.0.0.1",
            "::ffff:127.0.0.1",
        )
    finally:
        await runner.cleanup()
    assert first.taken
    assert [REFUSED, REFUSED] == [second.reason, third.reason]


async def test_a_connection_of_a_proxy_from_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving() as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        (answer,) = await asked(Guard(["127.0.0.0/8"]), f"http://receiver.example:{receiver.port}/x", "127.0.0.1")
        assert 404 == answer.status
        assert [] == proxy.asked


async def test_no_cookie_is_kept() -> None:
    seen: list[str | None] = []

    async def hear(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Cookie"))
        response = web.Response()
        response.set_cookie("a", "b")
        return response

    app = web.Application()
    app.router.add_post("/hook", hear)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://receiver.example:{runner.addresses[0][1]}/hook"
        await asked(Guard(["127.0.0.0/8"]), url, "127.0.0.1", "127.0.0.1")
    finally:
        await runner.cleanup()
    assert [None, None] == seen


async def test_a_webhook_whose_name_leads_to_us_fails_and_says_why(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_LOOK", 0.05)
    async with receiving() as receiver:
        await client.as_mobile.send("ClerkClerk1")
        await subscribed(client.as_admin, receiver, url=f"http://localhost:{receiver.port}/hook")
        tried = (await client.as_admin.post("/api/subscriptions/hook/webhook/test")).json
        assert (False, None, REFUSED) == (tried["taken"], tried["status"], tried["reason"])

        async def why() -> str | None:
            reason: str | None = (await client.as_admin.get("/api/subscriptions/hook/webhook")).json["reason"]
            return reason

        async with pushing(client.backend, client.dsn):
            assert REFUSED == await eventually(why)
        assert [] == receiver.asked
