"""Paths and what they lead to (contract sections 1.1 and 1.5)."""

import pytest
from aiohttp import web

from convstore.http.router import Route, Router


async def _handler(request: web.Request) -> web.Response:
    raise NotImplementedError  # never called here


ROUTES = (
    Route("GET", "", _handler),
    Route("GET", "ping", _handler, documents=False),
    Route("GET", "messageConversations", _handler),
    Route("POST", "messageConversations", _handler),
    Route("POST", "messageConversations/read", _handler),
    Route("GET", "messageConversations/{uid}", _handler),
    Route("POST", "messageConversations/{uid}", _handler),
    Route("GET", "messageConversations/{uid}/{property}", _handler),
    Route("DELETE", "messageConversations/{uid}/{userUid}", _handler),
    Route("POST", "messageConversations/{uid}/assign", _handler),
    Route("DELETE", "messageConversations/{uid}/assign", _handler),
)
ROUTER = Router(ROUTES, outside=[Route("GET", "", _handler)])
MC = "messageConversations"


@pytest.mark.parametrize(
    ("method", "path", "expected", "parameters"),
    [
        ("GET", "/api", "", {}),
        ("GET", "/api/", "", {}),
        ("GET", "/api/26", "", {}),
        ("GET", "/", "", {}),
        ("HEAD", "/api/messageConversations", MC, {}),
        ("GET", "/api/26/messageConversations", MC, {}),
        ("POST", "/api/messageConversations/", MC, {}),
        ("POST", "/api/messageConversations/read", f"{MC}/read", {}),
        ("POST", "/api/99/messageConversations/abc", f"{MC}/{{uid}}", {"uid": "abc"}),
        ("POST", "/api/messageConversations/a%2Fb%C3%A9", f"{MC}/{{uid}}", {"uid": "a/bé"}),
        ("DELETE", "/api/messageConversations/a/b", f"{MC}/{{uid}}/{{userUid}}", {"uid": "a", "userUid": "b"}),
        ("DELETE", "/api/messageConversations/a/assign", f"{MC}/{{uid}}/assign", {"uid": "a"}),
        ("GET", "/api/messageConversations/a/assign", f"{MC}/{{uid}}/{{property}}", {"uid": "a", "property": "assign"}),
    ],
)
def test_a_path_leads_to_its_route(method: str, path: str, expected: str, parameters: dict[str, str]) -> None:
    found = ROUTER.find(method, path)

    assert found.route is not None
    assert (expected, parameters) == (found.route.path, found.parameters)


@pytest.mark.parametrize(
    ("path", "expected", "suffix"),
    [
        ("/api/messageConversations.json", MC, ".json"),
        ("/api/26/messageConversations.xml/", MC, ".xml"),
        ("/api/messageConversations/ZjHHSjyyeJ2.xml", f"{MC}/{{uid}}", ".xml"),
        ("/api/messageConversations/ZjHHSjyyeJ2.csv", f"{MC}/{{uid}}", ""),
        ("/api/messageConversations/.xml", f"{MC}/{{uid}}", ""),
    ],
)
def test_a_suffix_is_taken_off_the_last_segment(path: str, expected: str, suffix: str) -> None:
    found = ROUTER.find("GET", path)

    assert found.route is not None
    assert (expected, suffix) == (found.route.path, found.suffix)


@pytest.mark.parametrize(
    "path",
    [
        "/api/ping.json",
        "/api/nothing",
        "/api/1/messageConversations",
        "/api/026/messageConversations",
        "/api/100/messageConversations",
        "/api/messageConversations/a/b/c",
        "/api//messageConversations",
        "/messageConversations",
        "/apis",
    ],
)
def test_other_paths_lead_nowhere(path: str) -> None:
    found = ROUTER.find("GET", path)

    assert found.route is None
    assert not found.allowed


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/messageConversations", ("GET", "HEAD", "POST")),
        ("PATCH", "/api/messageConversations/ZjHHSjyyeJ2", ("GET", "HEAD", "POST")),
        ("GET", "/api/messageConversations/read", ("POST",)),
        ("PUT", "/api/messageConversations/ZjHHSjyyeJ2/assign", ("DELETE", "GET", "HEAD", "POST")),
    ],
)
def test_a_method_that_a_path_does_not_have_is_told_those_that_it_has(
    method: str, path: str, allowed: tuple[str, ...]
) -> None:
    found = ROUTER.find(method, path)

    assert (None, allowed) == (found.route, found.allowed)


@pytest.mark.parametrize("word", ["attachments", "counts", "gist", "events"])
def test_a_reserved_word_is_never_a_conversation(word: str) -> None:
    assert ROUTER.find("POST", f"/api/messageConversations/{word}").route is None


@pytest.mark.parametrize("path", ["/demo", "/demo/", "/demo/api/26/messageConversations"])
def test_the_context_path_stands_before_everything(path: str) -> None:
    router = Router(ROUTES, outside=[Route("GET", "", _handler)], context_path="/demo")

    assert router.find("GET", path).route is not None
    assert router.find("GET", path.replace("/demo", "") or "/").route is None
    assert router.find("GET", path.replace("/demo", "/demolition")).route is None


def test_two_routes_cannot_have_one_place() -> None:
    with pytest.raises(ValueError, match="twice"):
        Router([*ROUTES, Route("GET", "messageConversations/{id}", _handler)])
