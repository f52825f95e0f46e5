"""Tells a client that it has a list already, without fetching the list again (design section 6, RFC 9110 section 13).

The ``ETag`` of such a list has two halves. The first is a digest of what the list was made from: who asked, for what,
and the list's revision (``Source.revision``), read in the snapshot of the list itself. The second is a digest of the
document. A client that shows a tag whose first half is what it would be now has this very document. One whose second
half is that of the document which was fetched again has it too: what the list is made from did change, but nothing that
it shows.
"""

import hashlib
import re
from functools import lru_cache

from aiohttp import web

from convstore import __version__
from convstore.domain.uid import UserId
from convstore.http.keys import FORMAT, SUFFIX
from convstore.http.query.listing import ListPlan

# Of each half, in hexadecimal digits.
_DIGITS = 24
_OURS = re.compile(r'"[0-9a-f]{24}-[0-9a-f]{24}"')


def tags_of_lists(request: web.Request) -> list[str]:
    """Give the tags of lists that the client has, from ``If-None-Match``; weak ones count (RFC 9110 section 13.1.2)."""
    if "If-None-Match" not in request.headers:
        return []
    return [match.group() for match in _OURS.finditer(",".join(request.headers.getall("If-None-Match", ())))]


def basis(request: web.Request, plan: ListPlan, revision: str, *, reader: UserId, api_url: str) -> str:
    """Give the first half of a list's tag: all that its document depends on. ``reader``: whose list it is."""
    # The statement says what rights made of the query; the raw query says what goes into it, and into the links.
    made_from = (
        __version__,
        _short(plan.statement.sql),
        reader,
        request[FORMAT].value,
        request[SUFFIX],
        api_url,
        request.rel_url.raw_query_string,
        revision,
    )
    return hashlib.sha256("\0".join(made_from).encode()).hexdigest()[:_DIGITS]


@lru_cache(maxsize=1_000)
def _short(sql: str) -> str:
    """Give a digest of a statement, which is long, and the same for everybody who asks the same."""
    return hashlib.sha256(sql.encode()).hexdigest()


def tag_of(tags: list[str], basis: str, body: bytes) -> str:
    """Give the entity tag of a document that was made from this; one of these tags, where it is of the very same one.

    What that one was made from may have changed since, as long as the document shows nothing of it.
    """
    end = f'-{hashlib.sha256(body).hexdigest()[:_DIGITS]}"'
    return next((tag for tag in tags if tag.endswith(end)), f'"{basis}{end}')


def made_from(tags: list[str], basis: str) -> str | None:
    """Give that of these tags whose document was made from the same; None when there is none."""
    return next((tag for tag in tags if tag.startswith(f'"{basis}-')), None)
