"""Who may send a request, and how long a connection may stay silent.

`Gate` stands before the whole application. It answers only clients that call the server by its name and send
its token. `QuietProtocol` closes connections without a request.
"""

import hmac
from urllib.parse import urlsplit

from fastapi.responses import JSONResponse
from uvicorn.protocols.http.h11_impl import H11Protocol

from companion.serve.questions import Limits, Refused

QUIET_SECONDS = 10.0
"""How long a connection may take for the head of a request, the time since the last answer included."""
MAX_CONNECTIONS = 640  # that are open at once


def error_response(error: Refused) -> JSONResponse:
    """Return OpenAI's error object as a response."""
    headers = {}
    if error.status in (429, 503):
        headers["Retry-After"] = "1"
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error.body(), error.status, headers)


class Gate:
    """Middleware that checks the host, the token and the number of requests.

    /health needs no token, and is answered however many requests there are. A slash at the end of a path
    changes nothing.

    Args:
        app: The application.
        limits: The limits of the server.
        token: The token that every client must send, or None.
        hosts: Names by which the server may be called. Without any, each name is right.
    """

    def __init__(self, app, limits: Limits, token: str | None, hosts: tuple[str, ...]):
        self.app = app
        self.limits = limits
        self.token = token
        self.hosts = hosts
        self.n_requests = 0

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["path"] = scope["path"].rstrip("/") or "/"
        headers = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, value.decode("latin-1"))  # of two, the first counts
        try:
            check_host(headers.get(b"host"), self.hosts)
            if scope["path"] != "/health":
                check_token(headers.get(b"authorization"), self.token)
                self.check_number()
        except Refused as error:
            await error_response(error)(scope, receive, send)
            return
        self.n_requests += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.n_requests -= 1

    def check_number(self) -> None:
        """Raise Refused, 503, if too many requests are being answered."""
        if self.n_requests >= self.limits.connections:
            rule = f"{self.n_requests:,} requests are being answered, which is the limit"
            raise Refused(503, f"{rule}; try again in a second", code="too_many_requests")


def check_host(given: str | None, hosts: tuple[str, ...]) -> None:
    """Raise Refused, 421, for a call by another name, if there are any names.

    If the name of a web page was made to lead to this machine (DNS rebinding), the page calls the server by
    that name.
    """
    try:
        name = urlsplit(f"//{given}").hostname
    except ValueError:
        name = None
    if hosts and name not in hosts:
        raise Refused(421, f"this server is called {' or '.join(hosts)}, not {given!r:.40}")


def check_token(given: str | None, token: str | None) -> None:
    """Raise Refused, 401, unless the Authorization header has the server's token, if the server has one.

    The time of the comparison does not depend on how many characters are right.
    """
    if token is None:
        return
    scheme, _, value = (given or "").partition(" ")
    same = hmac.compare_digest(value.strip().encode("latin-1"), token.encode())
    if scheme.lower() != "bearer" or not same:
        message = "the token is missing or wrong; send it as Authorization: Bearer TOKEN"
        raise Refused(401, message, code="invalid_api_key")


class QuietProtocol(H11Protocol):
    """A connection that is closed if it has sent no request for QUIET_SECONDS.

    uvicorn closes a connection only some seconds after an answer. It does not close one that never sent a
    request, or that sends the head of a request a byte at a time. If more than MAX_CONNECTIONS are open, the
    one that has been quiet for the longest is closed.
    """

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        self.quiet_since = self.loop.time()
        self.timer = self.loop.call_later(QUIET_SECONDS, self.close_if_quiet)
        if len(self.connections) > MAX_CONNECTIONS:
            quiet = [one for one in self.connections if one.is_quiet()]  # this one is among them
            min(quiet, key=lambda one: one.quiet_since).transport.abort()

    def is_quiet(self) -> bool:
        """Return whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def close_if_quiet(self) -> None:
        """Close the connection if it has been quiet for too long. Otherwise look again later."""
        left = QUIET_SECONDS
        if self.is_quiet():
            left = self.quiet_since + QUIET_SECONDS - self.loop.time()
        if left <= 0:
            self.transport.abort()
        else:
            self.timer = self.loop.call_later(left, self.close_if_quiet)

    def on_response_complete(self) -> None:
        self.quiet_since = self.loop.time()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self.timer.cancel()
        super().connection_lost(exc)
