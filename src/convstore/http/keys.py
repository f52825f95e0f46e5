"""What the application and each request carry, by typed keys."""

from ipaddress import IPv4Network, IPv6Network

from aiohttp import web

from convstore.backend import Backend
from convstore.directory import Person
from convstore.http.entry import Entry
from convstore.http.negotiation import Format

BACKEND = web.AppKey("backend", Backend)

# Whose X-Forwarded-* headers are believed.
PROXIES: web.AppKey[tuple[IPv4Network | IPv6Network, ...]] = web.AppKey("proxies")

# Who asks. Set before the handler runs, on every route but the public ones.
CALLER = web.RequestKey("caller", Person)

# How he came in. Set with it.
ENTRY = web.RequestKey("entry", Entry)

# What to answer in. Set before the handler runs, and before anything can fail.
FORMAT = web.RequestKey("format", Format)

# The version segment of the path, such as 26 in /api/26/…; 0 when there is none.
VERSION = web.RequestKey("version", int)

# The query parameters that the route is described with: no others can be read (params.py).
TAKES: web.RequestKey[frozenset[str]] = web.RequestKey("takes")

# The suffix that the path was asked with, '.json' or '.xml', else ''.
SUFFIX = web.RequestKey("suffix", str)

REQUEST_ID = web.RequestKey("request_id", str)

# Headers that the answer gets, whatever becomes of it: filled by whoever knows them.
HEADERS: web.RequestKey[dict[str, str]] = web.RequestKey("headers")

# When the answer began, by the clock that durations are measured with; an answer may go on long after.
BEGAN = web.RequestKey("began", float)
