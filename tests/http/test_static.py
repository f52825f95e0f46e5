"""Built web apps beside the API (``serve --static``)."""

import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from people import Client, MakeClient

from convstore.errors import ConfigError
from convstore.http.static import modules, mounts

MODULES = "/dhis-web-commons/menu/getModules.action"
APP = "/dhis-web-messaging"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Give a folder as an app's build tool leaves it, with a secret beside it."""
    app = tmp_path / "app"
    (app / "assets").mkdir(parents=True)
    (app / "empty").mkdir()
    (app / ".git").mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    files = {
        "index.html": "<!doctype html><title>Messages é</title>",
        "plugin/index.html": "plugin",
        "assets/main-Dq3_x9Lk.js": "let a = 1",
        "assets/settings-overview.js": "let b = 2",
        "static/main.8f2c1b9d.css": "body {}",
        "settings-Overview.js": "let c = 3",
        "dhis2-app-icon.png": "png",
        "font.woff2": "font",
        "sub dir/a b.json": "{}",
        "no-extension": "x",
        "bundle.tar.gz": "gz",
        ".env": "secret",
        ".git/config": "secret",
        "manifest.webapp": json.dumps({"name": "Messages", "icons": {"48": "dhis2-app-icon.png"}}),
    }
    for name, text in files.items():
        (app / name).parent.mkdir(exist_ok=True)
        (app / name).write_text(text)
    (app / "inside.html").symlink_to("index.html")
    (app / "outside.txt").symlink_to(tmp_path / "secret.txt")
    (app / "outside").symlink_to(tmp_path)
    os.mkfifo(app / "pipe")
    return app


Serve = Callable[..., Awaitable[Client]]


@pytest.fixture
async def client(make_client: MakeClient, built: Path) -> Client:
    """Give a client of a server with the app."""
    return await make_client(static=(f"{APP}={built}",))


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("/", "text/html; charset=utf-8", "<!doctype html><title>Messages é</title>"),
        ("/index.html", "text/html; charset=utf-8", "<!doctype html><title>Messages é</title>"),
        ("/?a=b", "text/html; charset=utf-8", "<!doctype html><title>Messages é</title>"),
        ("/plugin/", "text/html; charset=utf-8", "plugin"),
        ("/inside.html", "text/html; charset=utf-8", "<!doctype html><title>Messages é</title>"),
        ("/assets/main-Dq3_x9Lk.js", "text/javascript; charset=utf-8", "let a = 1"),
        ("/static/main.8f2c1b9d.css", "text/css; charset=utf-8", "body {}"),
        ("/sub%20dir/a%20b.json", "application/json; charset=utf-8", "{}"),
        ("/manifest.webapp", "application/x-web-app-manifest+json; charset=utf-8", None),
        ("/dhis2-app-icon.png", "image/png", "png"),
        ("/font.woff2", "font/woff2", "font"),
        ("/no-extension", "application/octet-stream", "x"),
        ("/bundle.tar.gz", "application/octet-stream", "gz"),
    ],
)
async def test_files_are_served_to_everybody(client: Client, path: str, content_type: str, body: str | None) -> None:
    answer = await client.as_nobody.get(APP + path)

    assert (200, content_type) == (answer.status, answer.headers["Content-Type"])
    assert "nosniff" == answer.headers["X-Content-Type-Options"]
    assert body is None or body == answer.body.decode()
    head = await client.as_nobody("HEAD", APP + path)
    assert (200, b"", str(len(answer.body))) == (head.status, head.body, head.headers["Content-Length"])


@pytest.mark.parametrize(
    "path",
    [
        "/nothing.html",
        "/plugin",  # a folder without its slash: the page's own links would be wrong
        "/empty/",
        "/assets/",
        "/.env",
        "/.git/config",
        "/outside.txt",
        "/outside/secret.txt",
        "/outside/",
        "/pipe",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/assets/../../secret.txt",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "/..%5csecret.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/index.html%00.js",
        "/index.html/",
        "/index.html/x",
        "/" + "x" * 300,
        "/%ff",
    ],
)
async def test_whatever_is_not_a_file_of_the_folder_is_not_there(client: Client, path: str) -> None:
    request = f"GET {APP}{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = await client.raw(request.encode())

    assert answer.split(b" ", 2)[1] in {b"404", b"400"}, answer
    assert b"secret" not in answer.partition(b"\r\n\r\n")[2].replace(b"secret.txt", b"")


async def test_the_path_alone_leads_into_the_folder(client: Client) -> None:
    answer = await client.as_nobody.get(APP + "?a=b")

    assert (302, f"{client.url}{APP}/?a=b") == (answer.status, answer.headers["Location"])


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_files_are_only_read(client: Client, method: str) -> None:
    answer = await client.as_nobody(method, APP + "/index.html")

    assert (405, "GET, HEAD") == (answer.status, answer.headers["Allow"])


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/", "no-cache"),
        ("/assets/settings-overview.js", "no-cache"),
        ("/settings-Overview.js", "no-cache"),
        ("/font.woff2", "no-cache"),
        ("/assets/main-Dq3_x9Lk.js", "public, max-age=31536000, immutable"),
        ("/static/main.8f2c1b9d.css", "public, max-age=31536000, immutable"),
    ],
)
async def test_only_what_never_changes_is_kept_without_asking(client: Client, path: str, kept: str) -> None:
    assert kept == (await client.as_nobody.get(APP + path)).headers["Cache-Control"]


async def test_an_unchanged_file_is_not_sent_twice(client: Client) -> None:
    tag = (await client.as_nobody.get(APP + "/")).headers["ETag"]
    again = await client.as_nobody.get(APP + "/", headers={"If-None-Match": tag})

    assert (304, b"") == (again.status, again.body)


async def test_everything_else_is_as_it_was(client: Client) -> None:
    assert 401 == (await client.as_nobody.get("/api/me")).status
    assert 200 == (await client.as_nobody.get("/")).status
    assert 404 == (await client.as_nobody.get("/dhis-web-messaging2/")).status


async def test_below_a_context_path(make_client: MakeClient, built: Path) -> None:
    client = await make_client(static=(f"{APP}={built}",), context_path="/demo")

    assert 200 == (await client.as_nobody.get(f"/demo{APP}/")).status
    assert f"{client.url}/demo{APP}/" == (await client.as_nobody.get(f"/demo{APP}")).headers["Location"]
    assert 404 == (await client.as_nobody.get(f"{APP}/")).status


async def test_the_menu_has_the_apps_that_are_served(client: Client) -> None:
    (module,) = (await client.as_nobody.get(MODULES)).json["modules"]

    assert ("dhis-web-messaging", "Messages") == (module["name"], module["displayName"])
    assert ("../dhis-web-messaging/", "../dhis-web-messaging/dhis2-app-icon.png") == (
        module["defaultAction"],
        module["icon"],
    )


def test_what_does_not_say_that_it_is_an_app_is_not_in_the_menu(tmp_path: Path) -> None:
    for name, manifest in (("none", None), ("broken", "{"), ("wrong", '{"name": 1}'), ("bare", "{}")):
        (tmp_path / name).mkdir()
        if manifest is not None:
            (tmp_path / name / "manifest.webapp").write_text(manifest)
    found = modules(mounts([f"/{name}={tmp_path / name}" for name in ("none", "broken", "wrong", "bare")]))

    assert [("bare", "bare", "")] == [(module.name, module.display_name, module.icon) for module in found]


def test_the_closest_path_serves(tmp_path: Path) -> None:
    found = mounts([f"/a={tmp_path}", f"/a/b={tmp_path}"])

    assert ["/a/b", "/a"] == [mount.path for mount in found]


@pytest.mark.parametrize(
    "setting",
    [
        "/api=HERE",
        "/api/app=HERE",
        "/API=HERE",
        "/dhis-web-commons=HERE",
        "/dhis-web-commons-security/x=HERE",
        "/=HERE",
        "app=HERE",
        "//app=HERE",
        "/../app=HERE",
        "/.app=HERE",
        "/a b=HERE",
        "/app",
        "/app=",
        "/app=HERE/nowhere",
        "/app=HERE/file",
    ],
)
def test_what_cannot_be_served_is_refused_at_the_start(tmp_path: Path, setting: str) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(ConfigError):
        mounts([setting.replace("HERE", str(tmp_path))])


def test_a_path_is_served_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="already"):
        mounts([f"/app={tmp_path}", f"/app/={tmp_path}"])
