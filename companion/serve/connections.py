"""Who may ask, and how long a connection may say nothing.

`Gate` stands before the whole application: every answer, also one that there is nothing here, is given only
to who calls the server by its name and brings its token. `QuietProtocol` closes connections that ask nothing.
"""

from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from companion.serve.questions import Limits, Refused, check_host, check_token

QUIET_SECONDS = 10.0
"""How long a connection may take for the head of a request, the time since the last answer included."""
SPARE = 128  # connections that may be open and ask nothing, beside as many as may ask at once


def error_response(error: Refused) -> Any:
    """OpenAI's error object as an answer."""
    from fastapi.responses import JSONResponse

    headers = {"Retry-After": "1"} if error.status in (429, 503) else {}
    headers |= {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
    return JSONResponse(error.body(), error.status, headers)


class Gate:
    """Checks the host, the token and the number of requests before the application sees a request.

    A slash at the end of a path is left out, so that `/health/` is `/health`. /health needs no token, and is
    answered however many requests there are.
    """

    def __init__(self, app: Any, limits: Limits, token: str | None, hosts: tuple[str, ...]):
        self.app, self.limits, self.token, self.hosts = app, limits, token, hosts
        self.requests = 0

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["path"] = scope["path"].rstrip("/") or "/"
        try:
            self.check(scope["path"], dict(reversed(scope["headers"])))
        except Refused as error:
            await error_response(error)(scope, receive, send)
            return
        self.requests += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.requests -= 1

    def check(self, path: str, headers: dict[bytes, bytes]) -> None:
        """Raises Refused for a request that is not let in. headers: by their names in small letters."""
        given = {name: value.decode("latin-1") for name, value in headers.items()}
        check_host(given.get(b"host"), self.hosts)
        if path == "/health":
            return
        check_token(given.get(b"authorization"), self.token)
        if self.requests >= self.limits.connections:
            rule = f"{self.requests:,} requests are being answered, which is the limit; try again in a second"
            raise Refused(503, rule, code="too_many_requests")


class QuietProtocol(H11Protocol):
    """A connection that is closed when it has asked nothing for QUIET_SECONDS.

    uvicorn itself closes a connection only some seconds after an answer, and not one that never asked or that
    sends the head of a request a byte at a time. Where more than SPARE such connections are open, the one
    that has been quiet for the longest is closed for each new one.
    """

    most = Limits().connections + SPARE

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.quiet_since = self.loop.time()
        self.clock = self.loop.call_later(QUIET_SECONDS, self.close_if_quiet)
        if len(self.connections) > self.most:
            quiet = [one for one in self.connections if one.is_quiet()]
            min(quiet, key=lambda one: one.quiet_since).transport.abort()  # this one is among them

    def is_quiet(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def close_if_quiet(self) -> None:
        """Close the connection if it has been quiet for too long; else look again later."""
        left = QUIET_SECONDS
        if self.is_quiet():
            left = self.quiet_since + QUIET_SECONDS - self.loop.time()
        if left <= 0:
            self.transport.abort()
        else:
            self.clock = self.loop.call_later(left, self.close_if_quiet)

    def on_response_complete(self) -> None:
        self.quiet_since = self.loop.time()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self.clock.cancel()
        super().connection_lost(exc)
