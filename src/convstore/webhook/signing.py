"""Signs what is pushed, as Standard Webhooks have it: a receiver knows then who sent it, and when, and what.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

from convstore.errors import WebhookRefused

MOST_SECRETS: Final = 5

_PREFIX: Final = "whsec_"
_NEW_BYTES: Final = 32
# What the specification asks of a key.
_LEAST_BYTES: Final = 24
_MOST_BYTES: Final = 64


def new_secret() -> str:
    """Make a secret as it is given to a receiver."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_NEW_BYTES)).decode()


def check_secrets(given: Sequence[str]) -> None:
    """Refuse secrets that cannot sign.

    Raises:
        WebhookRefused: one is no ``whsec_`` and base64 of 24 to 64 bytes; or there are none, or too many.
    """
    if not 0 < len(given) <= MOST_SECRETS:
        raise WebhookRefused(f"A webhook has from one to {MOST_SECRETS} secrets.")
    for secret in given:
        try:
            size = len(_key(secret))
        except binascii.Error:
            size = 0
        if not secret.startswith(_PREFIX) or not _LEAST_BYTES <= size <= _MOST_BYTES:
            raise WebhookRefused("A secret is whsec_ and the base64 of 24 to 64 random bytes.")


def headers(given: Sequence[str], event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Give the headers that sign a body: one signature by each secret; ``timestamp`` in seconds since 1970."""
    signed = f"{event_id}.{timestamp}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(_key(secret), signed, "sha256")).decode() for secret in given)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
