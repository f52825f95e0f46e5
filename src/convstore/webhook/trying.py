"""Sends an event that means nothing to a webhook's receiver, signed as all others are: to see whether it arrives."""

import secrets
from datetime import UTC, datetime
from typing import Final

from msgspec import structs

from convstore.config import WebhookSettings
from convstore.log import cloudevents
from convstore.webhook.calling import Answer, call
from convstore.webhook.guard import Guard
from convstore.webhook.targets import Webhook

TYPE: Final = "webhook-test"
"""The type of such an event: none of the log's."""


async def send_test(webhook: Webhook, store_id: str, settings: WebhookSettings) -> Answer:
    """Send a test event, past everything that waits, and give what the receiver said."""
    event = cloudevents.envelope(
        cloudevents.source(store_id),
        partition=0,
        position=0,
        stream=TYPE,
        version=0,
        tag=TYPE,
        data="{}",
        recorded_at=datetime.now(UTC),
    )
    # Another one each time: a receiver leaves out what it has had.
    event = structs.replace(event, id=f"{TYPE}@{secrets.token_hex(8)}")
    session = Guard(settings.webhook_networks).session(connections=1, timeout=settings.webhook_timeout)
    async with session:
        return await call(
            session,
            webhook.url,
            headers=webhook.headers,
            secrets=webhook.secrets,
            event_id=event.id,
            body=cloudevents.encode(event),
        )
