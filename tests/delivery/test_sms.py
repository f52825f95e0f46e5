"""SMS: a gateway by an operator's template, numbers, lengths, and what the gateway answers."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import parse_qs
from xml.etree import ElementTree as ET

import pytest
from mailroom import WRITER, Process, add_people, process
from post import Gateway, sms_gateway

from convstore.config import Settings
from convstore.database import Pool
from convstore.delivery.plan import sms
from convstore.delivery.sms import number_of, sms_text
from convstore.delivery.verdict import Deferred, NotSent, Refused, Skipped, Unavailable
from convstore.domain.uid import UserId
from eventually import eventually
from seeding import people

Staff = tuple[UserId, ...]


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with sms_gateway() as gateway:
        yield gateway


@pytest.fixture
async def nurses(pool: Pool) -> Staff:
    """Give three people who want SMS, and no mails."""
    nurses = people(3)
    await add_people(pool, nurses, wanting=("Sms",))
    await add_people(pool, [WRITER], wanting=())
    return nurses


def texting(gateway: Gateway, **more: object) -> Settings:
    given: dict[str, object] = {
        "sms_gateway": gateway.url,
        "sms_headers": ("Content-Type: application/json", "Authorization: Bearer key"),
        "sms_body": '{"to": "${recipient}", "message": "${text}", "ref": "${id}"}',
        "sms_rate": 1_000,
        "delivery_retry_seconds": 0.05,
        **more,
    }
    return Settings(**given)  # type: ignore[arg-type]


@pytest.fixture
async def texter(dsn: str, nurses: Staff, gateway: Gateway, tmp_path: Path) -> AsyncIterator[Process]:
    async with process(dsn, texting(gateway), tmp_path) as texter:
        yield texter


def _number(person: UserId) -> str:
    return f"255700{person[-6:]}"


async def test_each_gets_the_text_alone_by_the_template(texter: Process, nurses: Staff, gateway: Gateway) -> None:
    text = 'Say "measles"\nመልእክት \\ ${recipient}'
    await texter.send(*nurses, subject="Not sent", text=text)
    await eventually(texter.settled)
    bodies = [json.loads(request["body"]) for request in gateway.requests]
    assert {_number(person): text for person in nurses} == {body["to"]: body["message"] for body in bodies}
    assert {"POST"} == {request["method"] for request in gateway.requests}
    assert {"Bearer key"} == {request["headers"]["Authorization"] for request in gateway.requests}
    assert 3 == len({body["ref"] for body in bodies})
    assert {f'"{body["ref"]}"' for body in bodies} == {
        request["headers"]["Idempotency-Key"] for request in gateway.requests
    }
    assert {"sent": 3} == await texter.states(channel="sms")
    assert {} == await texter.states()


async def test_a_text_in_an_address_stays_one_value(dsn: str, nurses: Staff, gateway: Gateway, tmp_path: Path) -> None:
    url = f"{gateway.url}?to=${{recipient}}&text=${{text}}"
    async with process(
        dsn, texting(gateway, sms_gateway=url, sms_method="GET", sms_body="", sms_headers=()), tmp_path
    ) as texter:
        await texter.send(nurses[0], text="a&b=c #d /é")
        await eventually(texter.settled)
    assert [{"to": _number(nurses[0]), "text": "a&b=c #d /é"}] == [request["query"] for request in gateway.requests]


async def test_what_the_gateway_puts_off_is_asked_again_and_what_it_refuses_is_not(
    texter: Process, nurses: Staff, gateway: Gateway
) -> None:
    gateway.script += [(503, {}), (429, {"Retry-After": "0"}), (400, {})]
    await texter.send(*nurses)
    await eventually(texter.settled)
    assert {"sent": 2, "failed": 1} == await texter.states(channel="sms")
    assert ["HTTP 400"] == [reason for state, reason, _ in (await texter.reasons()).values() if state == "failed"]
    assert 5 == len(gateway.requests)


async def test_a_gateway_that_is_away_or_knows_us_not_is_waited_for(
    texter: Process, nurses: Staff, gateway: Gateway
) -> None:
    gateway.script += [(401, {})] * 2
    await texter.send(*nurses)
    await eventually(texter.settled)
    assert {"sent": 3} == await texter.states(channel="sms")


async def test_what_the_gateway_may_have_sent_is_asked_for_once_more_and_no_third_time(
    texter: Process, nurses: Staff, gateway: Gateway
) -> None:
    gateway.script += [(0, {}), (0, {})]
    await texter.send(nurses[0])
    await eventually(texter.settled)
    assert ("uncertain", "connection lost", 2) == (await texter.reasons())[nurses[0]]
    # A gateway that remembers them knows that they are one.
    assert 1 == len({request["headers"]["Idempotency-Key"] for request in gateway.requests})


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((402, {}), Unavailable("HTTP 402")),
        ((405, {}), Unavailable("HTTP 405")),
        ((301, {"Location": "/elsewhere"}), Unavailable("HTTP 301")),
        ((404, {}), Refused("HTTP 404")),
        ((429, {"Retry-After": "7"}), Deferred("HTTP 429", after=7.0)),
    ],
)
async def test_what_a_gateway_says_is_about_one_or_about_all(
    gateway: Gateway, answer: tuple[int, dict[str, str]], why: NotSent
) -> None:
    channel = sms(texting(gateway))
    assert channel is not None
    gateway.script.append(answer)
    with pytest.raises(type(why)) as said:
        await channel.ask("255700000001", "text", "id")
    await channel.rest()
    assert (why.reason, why.after) == (said.value.reason, said.value.after)


async def test_without_a_gateway_the_setting_to_look_at_is_named() -> None:
    for host, reason in (("127.0.0.1:1", "connection refused"), ("nowhere.invalid", "unknown host")):
        channel = sms(texting(Gateway(url=f"http://{host}/")))
        assert channel is not None
        with pytest.raises(Unavailable, match=reason):
            await channel.ask("255700000001", "text", "id")
        await channel.rest()


@pytest.mark.parametrize(
    ("content_type", "body", "read"),
    [
        (
            "application/json; charset=utf-8",
            '{"to": "${recipient}", "text": "${text}"}',
            lambda body: json.loads(body)["text"],
        ),
        ("application/x-www-form-urlencoded", "to=${recipient}&text=${text}", lambda body: parse_qs(body)["text"][0]),
        (
            "text/xml",
            '<sms to="${recipient}"><t>${text}</t></sms>',
            lambda body: ET.fromstring(body).findtext("t"),
        ),
    ],
)
async def test_a_text_stays_one_value_in_every_kind_of_body(
    gateway: Gateway, content_type: str, body: str, read: Callable[[str], str]
) -> None:
    channel = sms(texting(gateway, sms_headers=(f"Content-Type: {content_type}",), sms_body=body))
    assert channel is not None
    text = 'a"}&text=b\\</t><t>]]>${recipient} $$ %20+ \U0001f9a0 \u05e9'
    await channel.ask("255700000001", text, "id")
    await channel.rest()
    assert text == read(gateway.requests[0]["body"])


async def test_a_longer_text_than_may_be_is_not_sent_at_all(texter: Process, nurses: Staff, gateway: Gateway) -> None:
    await texter.send(nurses[0], text="x" * 1_071)
    await texter.send(nurses[1], text="x" * 1_072)
    await texter.pool.execute("UPDATE account SET phone_number = 'none' WHERE id = $1", nurses[2])
    await texter.send(nurses[2])
    await eventually(texter.settled)
    assert 1 == len(gateway.requests)
    reasons = {reason for state, reason, _ in (await texter.reasons()).values() if state == "skipped"}
    assert {"too long", "invalid number"} == reasons


@pytest.mark.parametrize(
    ("given", "dialled"),
    [
        ("+255 700 000001", "255700000001"),
        ("00255-700-000001", "255700000001"),
        ("(255) 700.000/001", "255700000001"),
        ("0700000001", "0700000001"),
    ],
)
def test_numbers_are_as_gateways_want_them(given: str, dialled: str) -> None:
    assert dialled == number_of(given)


@pytest.mark.parametrize("given", [None, "", "  ", "call me", "12", "+255 700 000001, +255 700 000002", "1" * 16])
def test_what_is_no_number_gets_no_sms(given: str | None) -> None:
    with pytest.raises(Skipped):
        number_of(given)


def test_of_a_validation_summary_the_first_line_is_sent() -> None:
    assert "High 3, medium 2, low 1" == sms_text("High 3, medium 2, low 1\r\nClinic A: too many")
    assert "Hello\nHigh 3, medium 2, low 1" == sms_text("Hello\nHigh 3, medium 2, low 1")
