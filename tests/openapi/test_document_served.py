"""The document and its page as they are served: to whoever may call the API, and no more often than they change."""

import json

import pytest
import requests

from served import Served

pytestmark = pytest.mark.slow

MOBILE = ("mobile", "district")


def ask(demo: Served, path: str, **options: object) -> requests.Response:
    return requests.get(f"{demo.url}/{path}", auth=MOBILE, timeout=30, **options)  # type: ignore[arg-type]  # requests's


def test_the_document_is_json_whatever_is_asked_for(demo: Served) -> None:
    answer = ask(demo, "openapi.json", headers={"Accept": "application/xml"})

    assert "application/json" == answer.headers["Content-Type"]
    assert "3.1.0" == json.loads(answer.content)["openapi"]


def test_the_document_below_a_version_has_paths_below_it(demo: Served) -> None:
    assert "/api/42/messageConversations" in ask(demo, "42/openapi.json").json()["paths"]


@pytest.mark.parametrize("path", ["openapi.json", "docs", "docs/start.js", "docs/swagger-ui-bundle.js"])
def test_what_a_reader_has_is_not_sent_again(demo: Served, path: str) -> None:
    first = ask(demo, path)

    again = ask(demo, path, headers={"If-None-Match": first.headers["ETag"]})

    assert (200, 304, b"") == (first.status_code, again.status_code, again.content)


def test_the_page_may_run_and_fetch_from_this_server_only(demo: Served) -> None:
    answer = ask(demo, "docs")

    policy = dict(each.strip().split(" ", 1) for each in answer.headers["Content-Security-Policy"].split(";"))
    assert "'none'" == policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"]
    assert {"'self'"} == {policy[name] for name in ("script-src", "style-src", "connect-src")}
    assert b"<script>" not in answer.content
    assert b"http" not in answer.content


def test_only_the_files_of_the_page_are_given_out(demo: Served) -> None:
    assert 404 == ask(demo, "docs/index.html").status_code
    assert 404 == ask(demo, "docs/page.html").status_code
    assert 404 == ask(demo, "docs/..%2F__init__.py").status_code


@pytest.mark.parametrize("path", ["openapi.json", "docs", "docs/start.js"])
def test_nobody_is_told_nothing(demo: Served, path: str) -> None:
    assert 401 == requests.get(f"{demo.url}/{path}", timeout=30).status_code
