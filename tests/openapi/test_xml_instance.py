"""That answers in XML are held to the document by a reader that notices what is wrong."""

import pytest
from xml_instance import Misread, XmlReader

_COUNTS = {
    "type": "object",
    "properties": {
        "unread": {"type": "integer", "xml": {"attribute": True}},
        "types": {
            "type": "array",
            "items": {"type": "object", "properties": {"name": {"type": "string"}}, "xml": {"name": "type"}},
            "xml": {"wrapped": True},
        },
        "at": {"type": ["string", "null"]},
    },
    "required": ["unread", "types", "at"],
    "additionalProperties": False,
    "xml": {"name": "counts", "namespace": "urn:a"},
}


@pytest.mark.parametrize(
    "body",
    [
        '<counts xmlns="urn:a" unread="1"/>',
        '<counts xmlns="urn:a" unread="1"><types><type><name>A</name></type><type/></types><at>now</at></counts>',
    ],
)
def test_what_is_described_is_read(body: str) -> None:
    XmlReader({}).check(body.encode(), _COUNTS)


@pytest.mark.parametrize(
    "body",
    [
        '<counts unread="1"/>',
        '<other xmlns="urn:a" unread="1"/>',
        '<counts xmlns="urn:a"/>',
        '<counts xmlns="urn:a" unread="one"/>',
        '<counts xmlns="urn:a" unread="1" more="2"/>',
        '<counts xmlns="urn:a"><unread>1</unread></counts>',
        '<counts xmlns="urn:a" unread="1"><more/></counts>',
        '<counts xmlns="urn:a" unread="1"><types><kind/></types></counts>',
        '<counts xmlns="urn:a" unread="1"><at>now</at><at>then</at></counts>',
    ],
)
def test_what_is_not_described_is_noticed(body: str) -> None:
    with pytest.raises(Misread):
        XmlReader({}).check(body.encode(), _COUNTS)
