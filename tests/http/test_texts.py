"""What no string may hold (contract section 9.1)."""

import pytest

from convstore.errors import BadText
from convstore.http.texts import check_escapes, check_percent_encoded, decoded, storable


@pytest.mark.parametrize("text", ["", "é", "😀", "\x0b", "\\0"])
def test_texts_that_can_be_stored_pass(text: str) -> None:
    assert text == storable(text)


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "a\udfff"])
def test_nul_and_lone_surrogates_do_not(text: str) -> None:
    with pytest.raises(BadText):
        storable(text)


def test_a_body_is_read_in_its_encoding() -> None:
    assert "naïve" == decoded("naïve".encode("iso8859-1"), "iso8859-1")


@pytest.mark.parametrize("raw", [b"\xff", b"a\x00b", b"\xed\xa0\x80"])
def test_a_body_that_is_not_in_its_encoding_is_refused(raw: bytes) -> None:
    with pytest.raises(BadText):
        decoded(raw)


@pytest.mark.parametrize("raw", ["a=b", "a=%C3%A9", "a=%2500"])
def test_percent_encoded_utf_8_passes(raw: str) -> None:
    check_percent_encoded(raw)


@pytest.mark.parametrize("raw", ["a=%00", "%ff", "%C3", "a=b&%ED%A0%80=1"])
def test_percent_encoded_rubbish_does_not(raw: str) -> None:
    with pytest.raises(BadText):
        check_percent_encoded(raw)


@pytest.mark.parametrize(
    "text", [r"\u00e9", r"\ud83d\ude00", r"\\u0000", r"\\\\ud800", r"\"\u0041", r"\ud83d\ude00\ud83d\ude00", r"\n"]
)
def test_escapes_of_whole_characters_pass(text: str) -> None:
    check_escapes(f'"{text}"')


@pytest.mark.parametrize(
    "text",
    [
        r"\u0000",
        r"\\\u0000",
        r"\ud800",
        r"\uDC00",
        r"\ud83dx\ude00",
        r"\ud83d\n",
        r"\ud83d\ud83d\ude00",
        r"\ud83d\ude00\ude00",
    ],
)
def test_escapes_of_nul_and_of_halves_do_not(text: str) -> None:
    with pytest.raises(BadText):
        check_escapes(f'"{text}"')
