"""The web page's files: who gets them, in which form, and what a browser is told about them."""

import gzip
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import pytest
from people import Caller, Client, MakeClient

from convstore.config import Settings
from convstore.errors import ConfigError
from convstore.http.front import assets

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
BUILT = files("convstore.http") / "built"
MOST = 100_000  # bytes, compressed: what a slow link carries in a few seconds


async def plain(caller: Caller, path: str, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
    """Get a path as a browser does that takes no compressed form, unless said otherwise."""
    sent = (
        BROWSER | {"Accept-Encoding": "identity"} | {name.replace("_", "-"): value for name, value in headers.items()}
    )
    answer = await caller.get(path, headers=sent)
    return answer.status, answer.headers, answer.body


@pytest.fixture
def script() -> str:
    """Give the name of the page's script."""
    (name,) = (name for name in assets() if name.endswith(".js"))
    return name


async def test_a_browser_gets_the_page(client: Client) -> None:
    status, headers, body = await plain(client.as_nobody, "/")

    assert (200, "text/html; charset=utf-8") == (status, headers["Content-Type"])
    assert (BUILT / "index.html").read_bytes() == body


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "text/html;q=0, */*"])
async def test_a_program_gets_a_line_that_says_where_the_api_is(client: Client, accept: str | None) -> None:
    answer = await client.as_nobody.get("/", headers={"Accept": accept} if accept else {})

    assert 200 == answer.status
    assert f"convstore: a messaging backend. Its Web API is at {client.url}/api\n" == answer.body.decode()


async def test_the_page_is_asked_for_each_time_and_its_files_never_again(client: Client, script: str) -> None:
    _, page, _ = await plain(client.as_nobody, "/")
    _, file, _ = await plain(client.as_nobody, f"/page/{script}")

    assert ("no-cache", "Accept, Accept-Encoding") == (page["Cache-Control"], page["Vary"])
    assert "public, max-age=31536000, immutable" == file["Cache-Control"]
    for path, tag in (("/", page["ETag"]), (f"/page/{script}", file["ETag"])):
        assert (304, b"") == (await plain(client.as_nobody, path, If_None_Match=tag))[::2]


async def test_the_browser_is_told_to_let_the_page_do_little(client: Client, script: str) -> None:
    for path in ("/", f"/page/{script}"):
        _, headers, _ = await plain(client.as_nobody, path)
        policy = {
            name: values for name, *values in (part.split() for part in headers["Content-Security-Policy"].split(";"))
        }

        assert ["'none'"] == policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"]
        assert ["'self'"] == policy["script-src"] == policy["style-src"] == policy["connect-src"]
        assert (["'script'"], ["'none'"]) == (policy["require-trusted-types-for"], policy["trusted-types"])
        assert "nosniff" == headers["X-Content-Type-Options"]


async def test_the_page_names_no_script_style_or_handler_of_its_own() -> None:
    page = (BUILT / "index.html").read_text()

    assert "<style" not in page
    assert not re.search(r"<script(?![^>]*\ssrc=)|\son[a-z]+=|\sstyle=|https?:", page)


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip, deflate", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("GZIP", "gzip"),
        ("deflate", None),
        ("identity", None),
        ("gzip;q=0", None),
    ],
)
async def test_the_best_form_that_is_accepted_is_sent(
    client: Client, script: str, accepted: str, coding: str | None
) -> None:
    request = f"GET /page/{script} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {accepted}\r\nConnection: close\r\n\r\n"
    head, _, body = (await client.raw(request.encode())).partition(b"\r\n\r\n")

    ending = {"br": ".br", "gzip": ".gz", None: ""}[coding]
    assert (BUILT / (script + ending)).read_bytes() == body
    assert (b"Content-Encoding: " + (coding or "").encode() in head) is (coding is not None)
    assert b"Vary: Accept-Encoding" in head


def test_all_forms_say_the_same_and_nothing_is_missing() -> None:
    page = (BUILT / "index.html").read_text()
    named = set(re.findall(r'"page/([^"]+)"', page))

    assert named == set(assets()) - {"index.html"}
    for name, asset in assets().items():
        assert gzip.decompress(asset.forms["gzip"]) == asset.plain, name
        assert asset.forms["br"], name


def test_the_page_is_light() -> None:
    for coding in ("gzip", "br"):
        assert sum(len(asset.forms[coding]) for asset in assets().values()) < MOST


@pytest.mark.parametrize("name", ["index.html", "nothing.js", "..%2Ffront.py", "app.js", "%00"])
async def test_nothing_else_is_given_out(client: Client, name: str) -> None:
    assert (await client.as_nobody.get(f"/page/{name}")).status in {400, 404}


async def test_below_a_context_path_the_page_has_its_slash(make_client: MakeClient, script: str) -> None:
    client = await make_client(context_path="/demo")

    status, headers, _ = await plain(client.as_nobody, "/demo")
    assert (302, f"{client.url}/demo/") == (status, headers["Location"])
    assert 200 == (await plain(client.as_nobody, "/demo/"))[0]
    assert 200 == (await plain(client.as_nobody, f"/demo/page/{script}"))[0]


async def test_the_page_can_be_switched_off(make_client: MakeClient) -> None:
    client = await make_client(front="none")

    status, headers, _ = await plain(client.as_nobody, "/")
    assert (200, "text/plain; charset=utf-8") == (status, headers["Content-Type"])


async def test_an_app_can_stand_there_instead(make_client: MakeClient, tmp_path: Path) -> None:
    client = await make_client(front="/app", static=(f"/app={tmp_path}",))

    status, headers, _ = await plain(client.as_nobody, "/")
    assert (302, f"{client.url}/app/") == (status, headers["Location"])


@pytest.mark.parametrize("front", ["", "yes", "/app", "/other", "page/"])
def test_what_is_not_there_cannot_stand_at_the_front(front: str) -> None:
    with pytest.raises(ConfigError, match="front"):
        Settings(front=front, static=("/another=.",))
