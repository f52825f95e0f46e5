"""Message documents in JSON and XML (contract section 1.6)."""

import pytest

from convstore.errors import BadText
from convstore.http import xml_body
from convstore.http.incoming import Document

DXF2 = "http://dhis2.org/schema/dxf/2.0"
FULL = f"""<?xml version="1.0" encoding="UTF-8"?>
<message xmlns="{DXF2}">
  <subject>This is the subject</subject>
  <text>This is the text</text>
  <users><user id="user1ID"/><user id="user2ID"/></users>
  <userGroups><userGroup id="g1"/></userGroups>
  <organisationUnits><organisationUnit id="ou1"/></organisationUnits>
</message>"""
# The manual as it circulates: the wrappers are gone.
LITERAL = f"""<message xmlns="{DXF2}">
  <subject>This is the subject</subject>
  <text>This is the text</text>
    <user id="user1ID" />
    <user id="user2ID" />
    <userGroup id="g1" />
    <organisationUnit id="ou1" />
</message>"""
CHILDREN = """<message>
  <text>This is the text</text><subject>This is the subject</subject>
  <users><user><id>user1ID</id><name>Ann</name></user><user><name>Bob</name><id> user2ID </id></user></users>
  <userGroup><id>g1</id></userGroup><organisationUnits><organisationUnit><id>ou1</id></organisationUnit></organisationUnits>
</message>"""
PREFIXED = f"""<d:message xmlns:d="{DXF2}"><d:subject>This is the subject</d:subject><d:text>This is the text</d:text>
  <d:user id="user1ID"/><d:users><d:user id="user2ID"/></d:users><d:userGroup id="g1"/>
  <d:organisationUnit id="ou1"/></d:message>"""
MESSAGE = Document(
    subject="This is the subject", text="This is the text", users=("user1ID", "user2ID"), groups=("g1",), units=("ou1",)
)


@pytest.mark.parametrize("text", [FULL, LITERAL, CHILDREN, PREFIXED, FULL.replace("\n", "")])
def test_every_form_of_a_message_means_the_same(text: str) -> None:
    assert xml_body.parse(text.encode(), None) == MESSAGE


def test_texts_are_taken_as_they_stand() -> None:
    raw = b"<message><subject> a &amp; b </subject><text><![CDATA[<b>\n &no; </b>]]> &#x1F600;</text></message>"

    assert xml_body.parse(raw, None) == Document(subject=" a & b ", text="<b>\n &no; </b> \U0001f600")


def test_what_nobody_asked_for_is_ignored() -> None:
    raw = b'<message><!-- a --><?pi?><foo><subject>no</subject><user id="no"/></foo><subject>yes</subject></message>'

    assert xml_body.parse(raw, None) == Document(subject="yes")


def test_somebody_named_without_an_id_is_noted_as_such() -> None:
    assert xml_body.parse(b"<message><users><user/></users><userGroup id=''/></message>", None) == Document(
        users=(None,), groups=(None,)
    )


def test_attachments_are_read_as_well() -> None:
    raw = b'<message><attachments><attachment id="a"/></attachments><attachment id="b"/></message>'

    assert xml_body.parse(raw, None) == Document(attachments=("a", "b"))


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        ('<?xml version="1.0" encoding="ISO-8859-1"?><m><text>é</text></m>'.encode("iso8859-1"), None),
        ('<?xml version="1.0" encoding="UTF-16"?><m><text>é</text></m>'.encode("utf-16"), None),
        ("<m><text>é</text></m>".encode("iso8859-1"), "iso8859-1"),
        # What the header says beats what the document says (RFC 7303 section 3).
        ('<?xml version="1.0" encoding="ISO-8859-1"?><m><text>é</text></m>'.encode(), "utf-8"),
    ],
)
def test_documents_come_in_several_encodings(raw: bytes, encoding: str | None) -> None:
    assert xml_body.parse(raw, encoding) == Document(text="é")


BOMB = (
    "<!DOCTYPE m ["
    + "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "lol"}">' for n in range(10))
    + "]><m><text>&e9;</text></m>"
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing",
        "<message>",
        "<message></massage>",
        "<message/><message/>",
        "<m>&undefined;</m>",
        "<!DOCTYPE message><message/>",
        '<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]><m><text>&x;</text></m>',
        '<!DOCTYPE m SYSTEM "http://127.0.0.1:1/x.dtd"><m/>',
        BOMB,
        "<a>" * 17 + "</a>" * 17,
        "<a>" * 100_000,
        '<?xml version="1.0" encoding="no-such"?><m/>',
    ],
)
def test_what_is_not_well_formed_or_might_do_harm_is_refused(text: str) -> None:
    with pytest.raises(xml_body.MalformedXml):
        xml_body.parse(text.encode(), None)


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        (b"<m><text>\x00</text></m>", None),
        (b"<m><text>&#0;</text></m>", None),
        (b"<m><text>&#xD800;</text></m>", None),
        (b"<m><text>\xff</text></m>", None),
        (b"<m><text>\xff</text></m>", "utf-8"),
    ],
)
def test_characters_that_cannot_be_stored_are_refused(raw: bytes, encoding: str | None) -> None:
    with pytest.raises(BadText):
        xml_body.parse(raw, encoding)
