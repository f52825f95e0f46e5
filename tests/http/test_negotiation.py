"""Which format a client gets (contract section 1.2)."""

import pytest

from convstore.http.negotiation import Format, negotiate

JSON, XML = Format.JSON, Format.XML


@pytest.mark.parametrize(
    ("accept", "content_type", "expected"),
    [
        (None, None, JSON),
        ("", None, JSON),
        ("*/*", None, JSON),
        ("application/*", None, JSON),
        (None, "application/xml", XML),
        ("*/*", "text/xml; charset=utf-8", XML),
        ("*/*", "application/json", JSON),
        ("application/json", "application/xml", JSON),
        ("application/xml", "application/json", XML),
        ("text/xml", None, XML),
        ("APPLICATION/XML", None, XML),
        ("application/json, text/plain, */*", None, JSON),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", None, XML),
        ("application/xml;q=0.5, application/json", None, JSON),
        ("application/json;q=0.5, application/xml;q=0.6", None, XML),
        ("application/xml, application/json", None, XML),
        ("application/json, application/xml", "application/xml", JSON),
        ("application/json;q=0, */*", None, XML),
        ("application/xml;q=0, */*", "application/xml", JSON),
        ("*/*;q=0.1, application/xml;q=0.2", None, XML),
        ("application/json;q=nonsense, application/xml", None, XML),
        ("application/json;q=nan, application/xml", None, XML),
        ("text/csv", None, None),
        ("text/html", None, None),
        ("application/json;q=0", None, None),
        ("application/json;q=0, application/xml;q=0, */*", None, None),
    ],
)
def test_accept_chooses_and_the_request_body_breaks_the_tie(
    accept: str | None, content_type: str | None, expected: Format | None
) -> None:
    assert expected is negotiate("", accept, content_type)


@pytest.mark.parametrize(("suffix", "expected"), [(".json", JSON), (".xml", XML)])
def test_the_suffix_beats_the_accept_header(suffix: str, expected: Format) -> None:
    assert expected is negotiate(suffix, "text/csv", "application/xml")
    assert expected is negotiate(suffix, "application/xml, application/json", None)
