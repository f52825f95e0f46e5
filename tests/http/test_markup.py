"""XML out: whatever a text holds, the document parses, and the text comes back (XML 1.0)."""

import pytest
from lxml import etree

from convstore.http import markup

AWKWARD = ["plain", "a < b && c > d", "\"'", "]]>", "a\r\nb\rc", "\ttab\n", "  ", "é 中 😀 \U0010ffff", "&amp;"]


@pytest.mark.parametrize("value", AWKWARD)
def test_a_text_comes_back_as_it_went(value: str) -> None:
    parsed = etree.fromstring(f'<a b="{markup.attribute(value)}">{markup.text(value)}</a>')

    assert [value, value] == [parsed.text, parsed.get("b")]


@pytest.mark.parametrize("character", ["\0", "\x0b", "\x1b", "\ufffe", "\uffff", "\ud800"])
def test_what_xml_cannot_carry_is_replaced(character: str) -> None:
    parsed = etree.fromstring(f'<a b="{markup.attribute(character)}">x{markup.text(character)}y</a>')

    assert ["x\ufffdy", "\ufffd"] == [parsed.text, parsed.get("b")]


def test_an_element_holds_its_text() -> None:
    assert markup.element("text", "a<b") == "<text>a&lt;b</text>"
