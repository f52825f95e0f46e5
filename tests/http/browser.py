"""A browser, as far as sessions go: it keeps the cookies that it was given, and says which page a request is from."""

from http.cookies import Morsel, SimpleCookie
from typing import Any

from people import PASSWORD, Answer, Client

OUR_OWN = {"Sec-Fetch-Site": "same-origin"}
LOGIN = "/api/auth/login"


class Browser:
    """Talks to one server without credentials of its own. ``headers`` go with every request, as a proxy adds them."""

    def __init__(self, client: Client, **headers: str) -> None:
        self._caller = client.as_nobody
        self._headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.cookies: dict[str, Morsel[str]] = {}

    async def __call__(self, method: str, path: str, **options: Any) -> Answer:
        """Send a request as one of this server's own pages would; ``headers`` of None are left out."""
        headers = {**self._headers, **OUR_OWN, **options.pop("headers", {})}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={each.value}" for name, each in self.cookies.items())
        sent = {name: value for name, value in headers.items() if value is not None}
        answer = await self._caller(method, path, headers=sent, **options)
        for line in answer.headers.getall("Set-Cookie", ()):
            for name, morsel in SimpleCookie(line).items():
                self.cookies.pop(name, None)
                if morsel["max-age"] != "0":
                    self.cookies[name] = morsel
        return answer

    async def get(self, path: str, **options: Any) -> Answer:
        """GET."""
        return await self("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Answer:
        """POST."""
        return await self("POST", path, **options)

    async def log_in(self, username: str, password: str = PASSWORD) -> Answer:
        """Log in, whether that succeeds or not."""
        return await self.post(LOGIN, json={"username": username, "password": password})

    async def who(self) -> str | None:
        """Tell whom the server takes this for; None for nobody."""
        answer = await self.get("/api/42/me?fields=username")
        assert answer.status in {200, 401}, answer.body
        return str(answer.json["username"]) if answer.status == 200 else None

    @property
    def cookie(self) -> "Morsel[str]":
        """The only cookie."""
        (cookie,) = self.cookies.values()
        return cookie
