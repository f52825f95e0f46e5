"""Whether somebody whose answer goes on and on may still be given it: his credentials may end at any moment.

Nobody is asked again and again. What ends a session or a token, and every change of the directory, is heard of; when
they run out by themselves is known beforehand. Only while this process hears nothing it looks every few seconds.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from convstore.errors import BadCredentials
from convstore.http.auth import secret_of
from convstore.http.entry import Entry, Means
from convstore.http.keys import BACKEND, CALLER, ENTRY

# How long what was found out may be relied on, in seconds: while changes are heard of, and while they are not.
_HEARD: Final = 600.0
_UNHEARD: Final = 5.0


class Recheck:
    """The caller of one request, looked at again as long as the request lasts."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._directory = request.app[BACKEND].directory
        self._secret = secret_of(request)
        self._password_mark: bytes | None = None
        self.due = True
        """Whether he must be looked at now: never done yet, or something has ended or changed since."""

    @contextmanager
    def told(self, wake: Callable[[], None]) -> Iterator[None]:
        """Have ``wake`` called whenever a look becomes due because of what was heard."""

        def tell() -> None:
            self.due = True
            wake()

        with self._directory.watching(self._secret, tell):
            yield

    async def look(self) -> float:
        """See that the caller may still come in, and give the seconds for which that holds if nothing is heard.

        From then on the request has the caller and the entry of now, with the rights that he has by now.

        Raises:
            NotAuthenticated: he may not.
        """
        self.due = False
        entry, seconds = await self._entered(self._request[ENTRY])
        self._request[ENTRY] = entry
        self._request[CALLER] = entry.person
        return min(seconds, _HEARD if self._directory.hears else _UNHEARD)

    async def _entered(self, before: Entry) -> tuple[Entry, float]:
        if before.means is Means.TOKEN:
            person, token = await self._directory.by_token(self._secret)
            left = (token.expires - datetime.now(UTC)).total_seconds()
            return Entry(person=person, means=Means.TOKEN, token=token), left
        person = await self._directory.still(before.person.id)
        if before.means is Means.SESSION:
            # An answer that goes on is no use of the session: else it would never end.
            seconds = await self._directory.session_lasts(self._secret)
            if seconds is None:
                raise BadCredentials
            return Entry(person=person, means=Means.SESSION), seconds
        mark = await self._directory.password_mark(before.person.username)
        if mark is None or mark != (self._password_mark or mark):
            raise BadCredentials
        self._password_mark = mark
        return Entry(person=person, means=Means.PASSWORD), _HEARD
