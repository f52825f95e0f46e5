"""The link in mails that turns them off: for people a page that asks, for mail programs one click (RFC 8058).

Whoever has the link may use it, without a login: it is signed, stands for one person, and turns one setting off.
"""

import html

from aiohttp import web

from convstore.delivery.phrases import phrases
from convstore.delivery.signed import Purpose, Signer
from convstore.delivery.unsubscribing import locale_of, turn_off
from convstore.domain.uid import UserId
from convstore.http.keys import BACKEND

# Nothing but the page itself, and nobody learns the address that it was reached by.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}


async def ask(request: web.Request) -> web.Response:
    """``GET /api/unsubscribe/{token}``: asks whether the mails are to end; a look alone ends nothing."""
    person = _person(request)
    if person is None:
        return _page("en", "unsubscribe_invalid", status=404)
    locale = await locale_of(request.app[BACKEND].readers, person)
    return _page(locale, "unsubscribe_question", button=True)


async def unsubscribe(request: web.Request) -> web.Response:
    """``POST /api/unsubscribe/{token}``: ends the mails; again and again, if somebody clicks so often."""
    person = _person(request)
    if person is None:
        return _page("en", "unsubscribe_invalid", status=404)
    backend = request.app[BACKEND]
    await turn_off(backend.pool, person)
    return _page(await locale_of(backend.readers, person), "unsubscribed")


def _person(request: web.Request) -> UserId | None:
    backend = request.app[BACKEND]
    token = Signer(backend.store.secret, backend.settings.mail_key).read(request.match_info["token"])
    if token is None or token.purpose is not Purpose.UNSUBSCRIBE_EMAIL:
        return None
    return token.user_id


def _page(locale: str, text: str, *, button: bool = False, status: int = 200) -> web.Response:
    said = {name: html.escape(phrase) for name, phrase in phrases(locale).items()}
    form = f'<form method="post"><button>{said["unsubscribe_button"]}</button></form>' if button else ""
    body = (
        f'<!DOCTYPE html><html lang="{said["language"]}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{said['unsubscribe_title']}</title></head>"
        f"<body><main><h1>{said['unsubscribe_title']}</h1><p>{said[text]}</p>{form}</main></body></html>"
    )
    return web.Response(text=body, status=status, content_type="text/html", headers=_HEADERS)
