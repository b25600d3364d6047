"""Who may send a request, and how long a connection may stay silent.

`Gate` stands before the whole application. It answers only clients that call the server by its name and send
its token. `QuietProtocol` closes connections without a request.
"""

import hmac
from urllib.parse import urlsplit

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from uvicorn.protocols.http.h11_impl import H11Protocol

from companion.serve.chat_requests import Refused

QUIET_SECONDS = 10.0
"""How long a connection may take for the head of a request, the time since the last answer included."""
MAX_CONNECTIONS = 640  # that are open at once; above, uvicorn answers with 503


def error_response(error: Refused) -> JSONResponse:
    """Return OpenAI's error object as a response."""
    headers = {}
    if error.status in (429, 503):
        headers["Retry-After"] = "1"
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error.body(), error.status, headers)


class Gate:
    """Middleware that checks the host and the token. /health needs no token.

    A slash at the end of a path changes nothing.

    Args:
        app: The application.
        token: The token that every client must send, or None.
        hosts: Names by which the server may be called. Without any, each name is right.
    """

    def __init__(self, app, token: str | None, hosts: tuple[str, ...]):
        self.app = app
        self.token = token
        self.hosts = hosts

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["path"] = scope["path"].rstrip("/") or "/"
        headers = Headers(scope=scope)
        try:
            check_host(headers.get("host"), self.hosts)
            if scope["path"] != "/health":
                check_token(headers.get("authorization"), self.token)
        except Refused as error:
            await error_response(error)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def check_host(given: str | None, hosts: tuple[str, ...]) -> None:
    """Check the name by which a server was called, if it has any names.

    If the name of a web page was made to lead to this machine (DNS rebinding), the page calls the server by
    that name.

    Raises:
        Refused: With status 421, if the server was called by another name.
    """
    try:
        name = urlsplit(f"//{given}").hostname
    except ValueError:
        name = None
    if hosts and name not in hosts:
        raise Refused(421, f"this server is called {' or '.join(hosts)}, not {given!r:.40}")


def check_token(given: str | None, token: str | None) -> None:
    """Check the Authorization header of a request, if the server has a token.

    The time of the comparison does not depend on how many characters are right.

    Raises:
        Refused: With status 401, if the header does not have the server's token.
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
    request, or that sends the head of a request a byte at a time.

    It uses attributes that uvicorn does not document (`cycle`, `loop`), so pyproject.toml pins the version.
    """

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        self.wait_for_request()

    def on_response_complete(self) -> None:
        self.wait_for_request()
        super().on_response_complete()

    def wait_for_request(self) -> None:
        """Close the connection later, unless a request has come by then."""
        self.loop.call_later(QUIET_SECONDS, self.close_if_quiet, self.cycle)

    def close_if_quiet(self, cycle) -> None:
        """Close the connection if the last request is still the one of this cycle."""
        if self.cycle is cycle:
            self.transport.abort()
