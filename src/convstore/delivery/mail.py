"""Writes a message as a mail to one person: headers, a part in plain text, a part in HTML (contract section 6).

Whatever people wrote is escaped in HTML, and is one line in a header. Headers are written here, line by line, and only
the parts by Python's EmailMessage: folding headers, it breaks long identifiers and loses blanks between encoded words.
"""

import html
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, make_msgid
from typing import Final

from msgspec import Struct

from convstore.delivery.letter import Letter, Reader, Row
from convstore.delivery.phrases import phrases
from convstore.delivery.signed import Purpose, Signer
from convstore.delivery.verdict import Skipped
from convstore.domain.uid import Uid, UserId

# Nothing but ASCII on the wire: any server takes it.
_POLICY: Final = SMTP.clone(cte_type="7bit")

# The HTML standard's valid e-mail address (section 4.10.5.1.5): what browsers take for one.
_ADDRESS: Final = re.compile(
    r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*"
)
_LONGEST_ADDRESS: Final = 254
_LONGEST_LOCAL: Final = 64
# Lines of encoded words (RFC 2047 section 2); and what is written on one line as it is, of the 998 that there may be.
_LINE: Final = 76
_LONGEST_PLAIN: Final = 700
# Everything that is no visible character, in runs: line breaks of all kinds, marks that turn the direction of writing.
_INVISIBLE: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+")


class Wording(Struct, frozen=True, kw_only=True):
    """What all mails of a store have in common.

    ``base_url``: of the server, or '' for mails without links; ``reply_address``: what answers go to, before it is
    signed, or ''; ``sender``: the address that mails come from.
    """

    sender: str
    base_url: str
    reply_address: str


class Mail(Struct, frozen=True):
    """A mail on its way: ``sender`` and ``recipient`` of the envelope, and what is sent between them."""

    sender: str
    recipient: str
    content: bytes


class Writer:
    """Writes the mails of one store."""

    def __init__(self, wording: Wording, signer: Signer) -> None:
        self._wording = wording
        self._signer = signer
        self._domain = wording.sender.rpartition("@")[2]

    def write(self, row: Row, letter: Letter, reader: Reader) -> Mail:
        """Write one message to one person; the same Message-ID whenever it is written again.

        Raises:
            Skipped: he has no address that a mail could be sent to.
        """
        recipient = address_of(reader.email)
        message = EmailMessage(policy=_POLICY)
        message.set_content(_plain(letter))
        message.add_alternative(self._html(letter), subtype="html")
        headers = [
            f"Date: {format_datetime(datetime.now(UTC))}",
            f"From: {_named('From', self._from_name(letter), self._wording.sender)}",
            f"To: {_named('To', one_line(reader.name), recipient)}",
            f"Subject: {_encoded('Subject', f'[{one_line(letter.title)}] {one_line(letter.subject)}')}",
            *self._ours(row, letter, reader),
        ]
        return Mail(self._envelope_sender(row), recipient, _lines(headers) + message.as_bytes())

    def test(self, recipient: str) -> Mail:
        """Write a mail that only says that mails arrive.

        Raises:
            Skipped: it is no address.
        """
        address = address_of(recipient)
        message = EmailMessage(policy=_POLICY)
        message.set_content("Mails from convstore arrive here.\n")
        headers = [
            f"Date: {format_datetime(datetime.now(UTC))}",
            f"From: {_named('From', 'convstore', self._wording.sender)}",
            f"To: {address}",
            "Subject: Test",
            f"Message-ID: {make_msgid(domain=self._domain)}",
            "Auto-Submitted: auto-generated",
        ]
        return Mail(self._wording.sender, address, _lines(headers) + message.as_bytes())

    def message_id(self, letter: Letter, message_id: Uid, user_id: UserId) -> str:
        """Give the Message-ID that a message of the letter's conversation has for a person.

        The first message is called after the conversation, so that all the others can refer to it.
        """
        name = letter.conversation_id if message_id == letter.first_message_id else message_id
        return f"<{name}.{self._signer.tag(user_id)}@{self._domain}>"

    def _ours(self, row: Row, letter: Letter, reader: Reader) -> list[str]:
        """Give the headers that hold only what we made."""
        signed = self._signer.sign
        root = self.message_id(letter, letter.first_message_id, reader.id)
        lines = [f"Message-ID: {self.message_id(letter, letter.message_id, reader.id)}"]
        if not letter.first:
            earlier = root if row.earlier is None else self.message_id(letter, row.earlier, reader.id)
            lines += [f"In-Reply-To: {earlier}", f"References: {' '.join(dict.fromkeys((root, earlier)))}"]
        if self._wording.reply_address:
            token = signed(Purpose.REPLY, letter.conversation_id, reader.id, letter.version)
            lines.append(f"Reply-To: {with_token(self._wording.reply_address, token)}")
        if self._wording.base_url and not row.forced:
            token = signed(Purpose.UNSUBSCRIBE_EMAIL, letter.conversation_id, reader.id, letter.version)
            lines.append(f"List-Unsubscribe: <{self._wording.base_url}/api/unsubscribe/{token}>")
            # RFC 8058: one click, and only over a connection that nobody reads along.
            if self._wording.base_url.startswith("https:"):
                lines.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
        # RFC 3834: no answering machine should answer. The second is what Exchange listens to.
        return [*lines, "Auto-Submitted: auto-generated", "X-Auto-Response-Suppress: OOF, AutoReply"]

    def _envelope_sender(self, row: Row) -> str:
        """Give the address that a mail which cannot be delivered comes back to, so that it tells which one it was."""
        if not self._wording.reply_address:
            return self._wording.sender
        token = self._signer.sign(Purpose.BOUNCE, row.conversation_id, row.user_id, row.version)
        return with_token(self._wording.reply_address, token)

    def _from_name(self, letter: Letter) -> str:
        name = f"{one_line(letter.title)} message"
        return name if self._wording.reply_address else f"{name} [No reply]"

    def _html(self, letter: Letter) -> str:
        parts = ['<!DOCTYPE HTML><html dir="ltr"><body>', _escaped(letter.text), "<br><br>"]
        if letter.signature is not None:
            parts += [f"{_escaped(line)}<br>" for line in letter.signature.lines()]
        parts.append("<br>")
        base = self._wording.base_url
        if base and letter.footer:
            link = f"{base}/dhis-web-messaging/#/{letter.message_type}/{letter.conversation_id}"
            label = html.escape(phrases(letter.locale)["respond"])
            parts.append(f'<a href="{html.escape(link)}" target="_top">{label}</a><br>')
        if base:
            parts.append(f"Host: {html.escape(base)}")
        return "".join([*parts, "</body></html>\n"])


def address_of(text: str | None) -> str:
    """Give an address that can be sent to.

    Raises:
        Skipped: there is none, or it is not one.
    """
    if not text or not text.strip():
        raise Skipped("no address")
    address = text.strip()
    local, _, domain = address.rpartition("@")
    if not domain.isascii():
        try:
            address = f"{local}@{domain.encode('idna').decode()}"
        except UnicodeError:
            raise Skipped("invalid address") from None
    if len(address) > _LONGEST_ADDRESS or len(local) > _LONGEST_LOCAL or not _ADDRESS.fullmatch(address):
        raise Skipped("invalid address")
    return address


def with_token(address: str, token: str) -> str:
    """Give the address with a token in it, as mail servers hand it on: name+token@domain (RFC 5233)."""
    local, _, domain = address.rpartition("@")
    return f"{local}+{token}@{domain}"


def one_line(text: str) -> str:
    """Give a text as it may stand in a header: without anything invisible but single blanks."""
    return _INVISIBLE.sub(" ", text).strip()


def _encoded(header: str, text: str) -> str:
    """Write one line of text for a header: as it is, or in encoded words (RFC 2047), which may be many lines."""
    if text.isascii() and "=?" not in text and len(text) <= _LONGEST_PLAIN:
        return text
    return Header(text, "utf-8", maxlinelen=_LINE, header_name=header).encode(linesep="\r\n")


def _named(header: str, name: str, address: str) -> str:
    """Write an address with a name, which may hold anything."""
    if not name:
        return address
    encoded = _encoded(header, name)
    # The address after encoded words is on a line of its own: with them it would be too long.
    return formataddr((name, address)) if encoded == name else f"{encoded}\r\n <{address}>"


def _lines(headers: Iterable[str]) -> bytes:
    return "".join(f"{header}\r\n" for header in headers).encode("ascii")


def _plain(letter: Letter) -> str:
    lines = [letter.text]
    if letter.signature is not None:
        lines += ["", *letter.signature.lines()]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return "<br>".join(html.escape(line) for line in text.splitlines())
