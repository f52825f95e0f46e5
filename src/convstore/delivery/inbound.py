"""Answers by mail: who may answer what, and what an answer says.

An address alone proves nothing: it is signed, names one person and one conversation, and is refused unless both the
envelope and the From are that person's own address. Whether *those* are forged is for the mail server before this one
to say (SPF, DKIM, DMARC): it is the one that talks to the world.
"""

import email
import re
from collections.abc import Iterator
from email.message import EmailMessage, Message
from email.policy import SMTP
from enum import StrEnum
from typing import Final

from lxml import html as lxml_html
from msgspec import Struct

from convstore.delivery.mail import address_of
from convstore.delivery.verdict import Skipped

# What machines say, so that two of them do not answer each other for ever (RFC 3834 section 2).
_PRECEDENCE: Final = frozenset({"bulk", "junk", "list", "auto_reply"})
_MACHINES: Final = ("X-Autoreply", "X-Autorespond", "X-Auto-Reply", "List-Id", "List-Unsubscribe", "Feedback-ID")
_REPORTS: Final = frozenset({"multipart/report", "message/delivery-status", "message/disposition-notification"})
# Text of an HTML mail ends its line after these.
_BLOCKS: Final = frozenset({"p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "blockquote", "table", "ul", "ol"})
_UNSEEN: Final = frozenset({"script", "style", "head", "title"})
# Mail programs mark what they quote by these: the text before is the answer.
_QUOTES: Final = "//blockquote|//div[contains(@class,'gmail_quote')]|//div[@id='appendonsend']/following-sibling::*"
# What S/MIME and PGP put beside a text.
_SEALS: Final = frozenset({"application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature"})
# A picture within a text that is smaller is a logo, in bytes.
_LOGO: Final = 20_000
_STATUS: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


class Outcome(StrEnum):
    """What became of a mail that came in."""

    POSTED = "posted"
    REPEATED = "repeated"
    BOUNCE = "bounce"
    AUTOMATIC = "automatic"
    FORGED = "forged"
    FOREIGN = "foreign"
    REFUSED = "refused"
    FAILED = "failed"


class File(Struct, frozen=True):
    """A file that was attached."""

    name: str
    content_type: str
    content: bytes


class Answer(Struct, frozen=True):
    """What a mail brings: its text with what it quotes, and its files; ``message_id`` is the same for copies of it."""

    message_id: str
    text: str
    files: tuple[File, ...]


def parse(raw: bytes) -> EmailMessage:
    """Read a mail; what is wrong with it is passed over as far as possible."""
    message = email.message_from_bytes(raw, policy=SMTP)
    assert isinstance(message, EmailMessage)  # noqa: S101 - the policy's kind
    return message


def is_automatic(message: EmailMessage) -> bool:
    """Tell whether a machine wrote a mail: an answering machine, a list, a report, or this server itself."""
    submitted = str(message.get("Auto-Submitted", "no")).partition(";")[0].strip().lower()
    precedence = str(message.get("Precedence", "")).strip().lower()
    return (
        submitted != "no"
        or precedence in _PRECEDENCE
        or any(name in message for name in _MACHINES)
        or message.get_content_type() in _REPORTS
    )


def is_from(message: EmailMessage, envelope_sender: str, address: str | None) -> bool:
    """Tell whether a mail says that it comes from one address, on the envelope and within, and from no other."""
    try:
        own = address_of(address).lower()
        senders = [sender.addr_spec.lower() for sender in message["From"].addresses] if "From" in message else []
    except (Skipped, ValueError, AttributeError, IndexError):
        return False
    return senders == [own] and envelope_sender.strip().lower() == own


def answer(message: EmailMessage) -> Answer | None:
    """Give what a mail brings; None when it has no Message-ID, or cannot be read."""
    message_id = str(message.get("Message-ID", "")).strip()
    if not message_id:
        return None
    try:
        return Answer(_storable(message_id), _storable(_text(message)), tuple(_files(message)))
    except (LookupError, ValueError, AttributeError):
        return None


def bounce_status(message: EmailMessage) -> str | None:
    """Give the status of a report that a mail was not delivered (RFC 3464); None when it is no such report.

    A report of a delay, or of success, is none.
    """
    for part in message.walk():
        if part.get_content_type() != "message/delivery-status":
            continue
        blocks = part.get_payload()
        for block in blocks if isinstance(blocks, list) else ():
            if not isinstance(block, Message):
                continue
            action = str(block.get("Action", "")).strip().lower()
            status = _STATUS.match(str(block.get("Status", "")).strip())
            if action == "failed":
                return status[0] if status else "5.0.0"
    return None


def _leaves(message: Message) -> Iterator[Message]:
    """Give the parts that hold something, in order; a mail that was attached is one, with all that is in it."""
    if message.get_content_maintype() == "multipart":
        for part in message.iter_parts() if isinstance(message, EmailMessage) else ():
            yield from _leaves(part)
    else:
        yield message


def _is_text(part: Message, subtype: str) -> bool:
    """Tell whether a part is what somebody wrote, or more of it: some mail programs go on after a picture."""
    return (
        part.get_content_type() == f"text/{subtype}"
        and part.get_content_disposition() != "attachment"
        and not part.get_filename()
    )


def _text(message: EmailMessage) -> str:
    for subtype, read in (("plain", str), ("html", html_text)):
        found = [part for part in _leaves(message) if isinstance(part, EmailMessage) and _is_text(part, subtype)]
        if found:
            return "\n".join(read(str(part.get_content())) for part in found)
    return ""


def html_text(page: str) -> str:
    """Give the text of an HTML mail without what mail programs mark as quoted."""
    if not page.strip():
        return ""
    # Bytes, for a page may say a charset that it is not in any more.
    root = lxml_html.document_fromstring(page.encode(), parser=lxml_html.HTMLParser(encoding="utf-8", no_network=True))
    found = root.xpath(_QUOTES)
    for quoted in found if isinstance(found, list) else ():
        if isinstance(quoted, lxml_html.HtmlElement):
            quoted.drop_tree()
    lines = "".join(_spoken(root)).splitlines()
    text = "\n".join(" ".join(line.split()) for line in lines)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _spoken(node: lxml_html.HtmlElement) -> Iterator[str]:
    """Give the pieces of text of a page, in order, with a line's end after each block."""
    waiting: list[tuple[lxml_html.HtmlElement, bool]] = [(node, False)]
    while waiting:
        element, left = waiting.pop()
        if left:
            if element.tag in _BLOCKS:
                yield "\n"
            yield " ".join((element.tail or "").splitlines())
            continue
        waiting.append((element, True))
        if not isinstance(element.tag, str) or element.tag in _UNSEEN:
            continue
        yield " ".join((element.text or "").splitlines())
        waiting.extend((child, False) for child in reversed(element))


def _files(message: EmailMessage) -> Iterator[File]:
    """Give what was attached, wherever: Apple's Mail puts files beside the text in HTML that they came with.

    Small pictures that belong to a text are left out (they are logos), and so are signatures made by machines.
    """
    for part in _leaves(message):
        if _is_text(part, "plain") or _is_text(part, "html") or part.get_content_type() in _SEALS:
            continue
        if part.get_content_maintype() == "message":
            inner = part.get_payload(0) if part.is_multipart() else part
            content = inner.as_bytes() if isinstance(inner, Message) else b""
        else:
            decoded = part.get_payload(decode=True)
            content = decoded if isinstance(decoded, bytes) else b""
        if content and not (_is_within_text(part) and len(content) < _LOGO):
            yield File(_storable(part.get_filename() or ""), part.get_content_type(), content)


def _is_within_text(part: Message) -> bool:
    return "Content-ID" in part and part.get_content_disposition() != "attachment"


def _storable(text: str) -> str:
    """Give a text without what cannot be stored: NUL, and bytes that were in no encoding."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")
