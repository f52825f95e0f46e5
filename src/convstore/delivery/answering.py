"""Turns an answer by mail into a reply, once, however often it is handed in."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Final

import structlog
from msgspec import structs

from convstore.config import DeliverySettings
from convstore.database import Pool
from convstore.delivery.inbound import Answer, Outcome, answer, bounce_status, is_automatic, is_from, parse
from convstore.delivery.leader import sql
from convstore.delivery.plan import reply_address
from convstore.delivery.signed import Purpose, Signer, Token
from convstore.delivery.unquote import above, named, unquoted
from convstore.directory import Directory, Person
from convstore.domain.commands import Reply
from convstore.domain.events import MessagePosted
from convstore.domain.types import Attachment
from convstore.domain.uid import Uid, derive_uid
from convstore.errors import BadText, Busy, ConvstoreError, KeyReused, Refused, StorageUnreachable
from convstore.files.names import safe_name, safe_type
from convstore.files.service import Files, Upload
from convstore.handle import Reflecting, handle
from convstore.log.codec import CODEC
from convstore.log.outcome import IdempotencyKey
from convstore.log.recorded import Meta
from convstore.log.store import Store

log = structlog.get_logger(__name__)

_CAUSATION: Final = "e-mail"
# Files of one answer.
_MOST_FILES: Final = 20


class Verdict(Exception):
    """What the mail server that handed a mail in is told, and what became of it."""

    def __init__(self, outcome: Outcome, said: str) -> None:
        super().__init__(said)
        self.outcome = outcome
        self.said = said


class Answering:
    """Takes mails to the signed addresses of one store. ``longest_text``: of an answer, in bytes."""

    def __init__(
        self,
        pool: Pool,
        store: Store,
        engine: Reflecting,
        directory: Directory,
        files: Files,
        *,
        settings: DeliverySettings,
        longest_text: int,
    ) -> None:
        self._pool = pool
        self._store = store
        self._engine = engine
        self._directory = directory
        self._files = files
        self._signer = Signer(store.secret, settings.mail_key)
        self._valid = timedelta(days=settings.mail_reply_days)
        local, _, self._domain = reply_address(settings).lower().rpartition("@")
        self._prefix = f"{local}+"
        self._ours = named(
            rf"{re.escape(self._prefix)}[a-z2-7]+@{re.escape(self._domain)}", re.escape(settings.mail_from)
        )
        self._longest_text = longest_text

    def token(self, recipient: str) -> Token:
        """Read the address that a mail is for.

        Raises:
            Verdict: it is none of ours, or not any more.
        """
        local, _, domain = recipient.strip().lower().rpartition("@")
        if domain != self._domain or not local.startswith(self._prefix):
            raise Verdict(Outcome.FORGED, "550 5.1.1 There is no such address")
        signed = local.removeprefix(self._prefix)
        token = self._signer.read(signed, valid=self._valid)
        if token is not None and token.purpose in (Purpose.REPLY, Purpose.BOUNCE):
            return token
        if self._signer.read(signed) is not None:
            raise Verdict(Outcome.REFUSED, "550 5.7.1 This address has expired: log in to answer")
        raise Verdict(Outcome.FORGED, "550 5.1.1 There is no such address")

    async def take(self, sender: str, token: Token, raw: bytes) -> Outcome:
        """Take a mail in that is for one of our addresses; ``sender`` is the envelope's, '' when that is empty.

        Raises:
            Verdict: it is not taken.
        """
        message = await asyncio.to_thread(parse, raw)
        if token.purpose is Purpose.BOUNCE:
            return await self._bounced(token, bounce_status(message))
        if not sender or is_automatic(message):
            raise Verdict(Outcome.AUTOMATIC, "550 5.7.1 Automatic answers are not taken")
        person = await self._directory.person(token.user_id)
        if person is None or person.disabled:
            raise Verdict(Outcome.REFUSED, "550 5.7.1 There is no such account any more")
        if not is_from(message, sender, person.email):
            raise Verdict(Outcome.FOREIGN, "550 5.7.1 Only the person whom a message was sent to can answer it")
        found = await asyncio.to_thread(answer, message)
        if found is None:
            raise Verdict(Outcome.REFUSED, "550 5.6.0 The mail has no Message-ID, or cannot be read")
        return await self._post(person, token, await self._without_quotes(found))

    async def _without_quotes(self, found: Answer) -> Answer:
        if len(found.text.encode("utf-8", "replace")) > self._longest_text:
            raise Verdict(Outcome.REFUSED, "552 5.3.4 The text is too long")
        text = await unquoted(above(found.text, self._ours))
        if text is None:
            raise Verdict(Outcome.REFUSED, "554 5.6.0 The answer cannot be told from what it quotes")
        if not text:
            # Files without a word: a message has a text.
            text = ", ".join(file.name for file in found.files if file.name)
        if not text:
            raise Verdict(Outcome.REFUSED, "550 5.6.0 There is no answer above what is quoted")
        if len(found.files) > _MOST_FILES:
            raise Verdict(Outcome.REFUSED, f"552 5.3.4 More than {_MOST_FILES} files are attached")
        return structs.replace(found, text=text)

    async def _post(self, person: Person, token: Token, found: Answer) -> Outcome:
        """Post the reply, with its files.

        Raises:
            Verdict: it is refused, or cannot be posted now.
        """
        # The Message-ID names the answer: whoever hands it in again does not know whether it was taken.
        named = (person.id, token.conversation_id, found.message_id)
        digest = hashlib.sha256("\0".join(named).encode("utf-8", "replace")).digest()
        key = IdempotencyKey(person.id, f"mail:{digest.hex()}", digest)
        try:
            if await self._store.recall(key):
                return Outcome.REPEATED
            message_id = derive_uid(self._store.secret, "mail", *named)
            async with AsyncExitStack() as stack:
                attachments = await self._attachments(stack, person, token.conversation_id, message_id, found)
                internal = await self._is_internal(token)
                command = Reply(
                    conversation_id=token.conversation_id,
                    actor=person.actor(),
                    message_id=message_id,
                    text=found.text,
                    # What was said among ticket managers is answered among them, too.
                    internal=internal,
                    ticket_managers=await self._directory.ticket_managers() if internal else frozenset(),
                    attachments=attachments,
                )
                handled = await handle(
                    self._store, self._engine, [command], Meta(actor=person.id, causation=_CAUSATION), key
                )
        except (Busy, StorageUnreachable) as error:
            raise Verdict(Outcome.FAILED, "451 4.3.2 Try again later") from error
        except (Refused, BadText, KeyReused) as error:
            raise Verdict(Outcome.REFUSED, f"550 5.7.1 {_ascii(error)}") from error
        return Outcome.REPEATED if handled.outcome.replayed else Outcome.POSTED

    async def _is_internal(self, token: Token) -> bool:
        """Tell whether the message that is answered was an internal one."""
        partition = self._store.partition_of(token.conversation_id)
        rows = await self._pool.fetch(sql.messages, partition, [token.conversation_id], [token.version])
        event = CODEC.decode(rows[0]["data"]) if rows else None
        return isinstance(event, MessagePosted) and event.internal

    async def _attachments(
        self, stack: AsyncExitStack, person: Person, conversation_id: Uid, message_id: Uid, found: Answer
    ) -> tuple[Attachment, ...]:
        """Upload the files under uids of their own, and keep them for the message while it is posted."""
        uids: list[Uid] = []
        for number, file in enumerate(found.files):
            upload = Upload(
                owner=person.id,
                name=safe_name(file.name),
                content_type=safe_type(file.content_type),
                uid=derive_uid(self._store.secret, "mail", message_id, str(number)),
                repeatable=True,
            )
            uids.append((await self._files.upload(upload, _chunks(file.content))).id)
        return await stack.enter_async_context(
            self._files.attaching(
                uids, owner=person.id, conversation_id=conversation_id, message_id=message_id, repeatable=True
            )
        )

    async def _bounced(self, token: Token, status: str | None) -> Outcome:
        """Note that a mail came back; other mails to such an address (out of office, say) are passed over.

        Raises:
            Verdict: it is no report of a mail that came back.
        """
        if status is None:
            raise Verdict(Outcome.AUTOMATIC, "550 5.7.1 Only reports of mails that came back are taken here")
        partition = self._store.partition_of(token.conversation_id)
        await self._pool.fetchval(
            sql.bounce, partition, token.conversation_id, token.user_id, token.version, f"bounced, {status}"
        )
        return Outcome.BOUNCE


def _ascii(error: ConvstoreError) -> str:
    """Give a refusal as one line of SMTP."""
    return " ".join(str(error).encode("ascii", "replace").decode().split())


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content
