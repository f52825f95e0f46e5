"""What a server process works with: the parts that requests are served from, opened and closed by who composes them."""

from msgspec import Struct

from convstore.config import Settings
from convstore.database import Pool
from convstore.delivery.service import Delivery
from convstore.directory import Directory
from convstore.engine import Engine
from convstore.files.service import Files
from convstore.log.store import Store
from convstore.webhook.service import Webhooks


class Backend(Struct, frozen=True, kw_only=True):
    """The parts. All are open and running while requests are served. ``readers`` are for lists and objects."""

    pool: Pool
    readers: Pool
    store: Store
    engine: Engine
    directory: Directory
    files: Files
    settings: Settings
    delivery: Delivery | None = None
    webhooks: Webhooks | None = None
