"""Message documents in XML, read as they stream by (contract section 1.6).

The full form (``<users><user id="…"/></users>``), the manual's literal one (``<user id="…"/>`` directly in
``<message>``), and ``id`` as a child element. Namespaces are ignored. Hardened: a document type ends the reading before
any entity of it is looked at, nothing is fetched, and depth is limited.
"""

from typing import Final

from lxml import etree

from convstore.errors import BadText, ConvstoreError
from convstore.http.incoming import Document, SystemDocument

_DEPTH: Final = 16
# Where the children of the root lie.
_CHILD: Final = 2

# Elements of the document that are texts: of everybody's, and of a system's.
TEXTS = frozenset({"subject", "text"})
SYSTEM_TEXTS = TEXTS | {"sender", "externalId", "forced", "priority"}
# What may stand around texts of the same name.
WRAPPERS = {"priorities": "priority"}
# Elements that name somebody or a file: by themselves, and in a list.
KINDS = {"user": "users", "userGroup": "groups", "organisationUnit": "units", "attachment": "attachments"}
LISTS = {"users": "users", "userGroups": "groups", "organisationUnits": "units", "attachments": "attachments"}

# libxml2: a character that XML cannot have (XML_ERR_INVALID_CHAR), bytes that are not in the document's encoding.
_BAD_TEXT = frozenset({9, 81})


class MalformedXml(ConvstoreError):
    """This is no XML document that can be read; the text says why."""


def parse(raw: bytes, encoding: str | None) -> Document:
    """Read a document; ``encoding`` is the one in the request's header, in Python's words: it beats the document's own.

    Raises:
        MalformedXml: it is not well-formed, has a document type, or is nested too deeply.
        BadText: it holds a character that cannot be stored, or is not in its encoding.
    """
    return _read(raw, encoding, TEXTS).document()


def parse_system(raw: bytes, encoding: str | None) -> SystemDocument:
    """Read a document of a system: the same, and what only those have.

    Raises:
        MalformedXml, BadText: as ``parse``.
    """
    return _read(raw, encoding, SYSTEM_TEXTS).system_document()


def _read(raw: bytes, encoding: str | None, texts: frozenset[str]) -> "_Reader":
    reader = _Reader(texts)
    if encoding is not None:
        try:
            raw = raw.decode(encoding).encode()
        except UnicodeError:
            raise BadText(f"The text is not valid {encoding.upper()}.") from None
    parser = etree.XMLParser(
        target=reader,  # type: ignore[arg-type]  # the stubs ask for bytes and comments too, lxml gives neither
        encoding="UTF-8" if encoding is not None else None,
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        etree.fromstring(raw, parser)
    except etree.XMLSyntaxError as error:
        if error.code in _BAD_TEXT:  # type: ignore[attr-defined]  # missing in the stubs
            raise BadText from None
        raise MalformedXml(error.msg) from None
    return reader


class _Reader:
    """Takes what the parser meets, and keeps the few things that a message is made of."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self._wanted = wanted
        self._depth = 0
        self._texts: dict[str, list[str]] = {}
        self._wrapped: str | None = None  # what the open wrapper may have inside
        self._ids: dict[str, list[str | None]] = {kind: [] for kind in LISTS.values()}
        self._list: str | None = None  # the list that is open
        self._entry: tuple[str, int] | None = None  # whose list the open entry goes to, and at which depth it lies
        self._into: tuple[str, int] | None = None  # the text that is being read, and at which depth it lies
        self._pieces: list[str] = []

    def doctype(self, _name: str, _public: str | None, _system: str | None) -> None:
        """Refuse a document type: called before its entities are declared."""
        raise MalformedXml("a document type is not allowed")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Open an element."""
        self._depth += 1
        if self._depth > _DEPTH:
            raise MalformedXml("nested too deeply")
        name = tag.rpartition("}")[2]
        if self._into is not None:
            return
        if (self._depth == _CHILD and name in self._wanted) or (self._depth > _CHILD and name == self._wrapped):
            self._into = (name, self._depth)
            if name == "sender":
                # Named as other people are, or by a text.
                self._take(name, attributes.get("id", ""))
        elif self._depth == _CHILD and WRAPPERS.get(name) in self._wanted:
            self._wrapped = WRAPPERS[name]
        elif self._depth == _CHILD and name in LISTS:
            self._list = LISTS[name]
        elif self._entry is not None:
            if name == "id" and self._depth == self._entry[1] + 1:
                self._into = (name, self._depth)
        elif self._list is not None or (self._depth == _CHILD and name in KINDS):
            self._entry = (self._list or KINDS[name], self._depth)
            self._ids[self._entry[0]].append(attributes.get("id") or None)

    def data(self, piece: str) -> None:
        """Take some characters."""
        if self._into is not None:
            self._pieces.append(piece)

    def end(self, _tag: str) -> None:
        """Close an element."""
        if self._into is not None and self._into[1] == self._depth:
            text = "".join(self._pieces)
            self._pieces.clear()
            if self._into[0] != "id":
                self._take(self._into[0], text)
            elif self._entry is not None and text.strip():
                self._ids[self._entry[0]][-1] = text.strip()
            self._into = None
        elif self._entry is not None and self._entry[1] == self._depth:
            self._entry = None
        elif self._depth == _CHILD:
            self._list = self._wrapped = None
        self._depth -= 1

    def close(self) -> None:
        """End the document."""

    def document(self) -> Document:
        """Give what was read."""
        return Document(
            subject=self._text("subject"),
            text=self._text("text"),
            users=tuple(self._ids["users"]),
            groups=tuple(self._ids["groups"]),
            units=tuple(self._ids["units"]),
            attachments=tuple(self._ids["attachments"]),
        )

    def system_document(self) -> SystemDocument:
        """Give what was read of a system's document."""
        return SystemDocument(
            message=self.document(),
            sender=_stripped(self._text("sender")),
            external_id=self._text("externalId"),
            forced=_stripped(self._text("forced")) or "",
            priorities=tuple(filter(None, map(_stripped, self._texts.get("priority", ())))),
        )

    def _take(self, name: str, text: str) -> None:
        if text:
            self._texts.setdefault(name, []).append(text)

    def _text(self, name: str) -> str | None:
        """Give a text, the last when it was there several times; None for an empty one."""
        return self._texts.get(name, [None])[-1]


def _stripped(text: str | None) -> str | None:
    return (text or "").strip() or None
