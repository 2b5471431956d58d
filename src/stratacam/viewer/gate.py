"""Who may ask the viewer: whoever knows the token, under a name of this machine, and only to read."""

import hmac
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from stratacam.errors import InputError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

MINIMUM_TOKEN = 16
"""Characters of a token that the user gives."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Of every answer. What was seen is not kept by the browser, and the address with the token is sent nowhere."""

WRONG_TOKEN = "Wrong or missing token: open the whole address that `stratacam view` printed.\n"  # noqa: S105
WRONG_HOST = "Wrong host: open the address that `stratacam view` printed.\n"
WITHOUT_SLASH = "The address ends with a slash.\n"
WRONG_METHOD = "The viewer only reads: GET alone is answered.\n"


def check_token(token: str) -> str:
    """Return a user's token.

    Raises:
        InputError: it can be guessed, or cannot stand in an address.
    """
    if len(token) < MINIMUM_TOKEN or not re.fullmatch(r"[A-Za-z0-9_-]+", token):
        raise InputError(
            f"--token: found {len(token)} characters; expected {MINIMUM_TOKEN} or more of A-Z, a-z, 0-9, - and _: make "
            "one with `python -c 'import secrets; print(secrets.token_urlsafe())'`."
        )
    return token


class Gate:
    """An application behind a token, which is the first part of every path: `/<token>/...`."""

    def __init__(self, application: Application, *, token: str, host: str) -> None:
        self._application = application
        self._token = token.encode("ascii")
        self._names = {"localhost", host.lower()}
        self._from_elsewhere = not is_loopback(host)
        if self._from_elsewhere:
            self._names |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it before anything of the study is touched."""
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = dict(scope["headers"])
        first, slash, rest = scope["path"].removeprefix("/").partition("/")
        if not self._is_name_of_this_machine(headers.get(b"host", b"").decode("latin-1")):
            await _refuse(send, 421, WRONG_HOST)
        elif not hmac.compare_digest(first.encode("utf-8", "surrogateescape"), self._token):
            await _refuse(send, 401, WRONG_TOKEN)
        elif scope["method"] != "GET":
            await _refuse(send, 405, WRONG_METHOD, allow="GET")
        elif not slash:  # the page's own addresses are below it
            await _refuse(send, 307, WITHOUT_SLASH, location=f"{first}/")
        else:
            inside = {**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode(), "root_path": ""}
            await self._application(inside, receive, _with_headers(send))

    def _is_name_of_this_machine(self, host: str) -> bool:
        """Whether a `Host` is one that no name server of others could lead here: an IP address, or a name of ours."""
        found = re.fullmatch(r"(\[[0-9a-f:.]+\]|[^:/@\s]+)(:\d{1,5})?", host, re.IGNORECASE)
        if not found:
            return False
        name = found[1].strip("[]").lower()
        if name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or self._from_elsewhere


def is_loopback(host: str) -> bool:
    """Whether a host is this machine and can be reached from no other."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _with_headers(send: Send) -> Send:
    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            own = {name.lower() for name, _ in message.get("headers", ())}
            message["headers"] = [
                *message.get("headers", ()),
                *(
                    (name.encode(), value.encode())
                    for name, value in HEADERS.items()
                    if name.encode() not in own
                ),
            ]
        await send(message)

    return sent


async def _refuse(send: Send, status: int, words: str, **headers: str) -> None:
    """Answer with a status and one line."""
    send = _with_headers(send)
    body = words.encode()
    told = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body)), **headers}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode()) for name, value in told.items()],
        }
    )
    await send({"type": "http.response.body", "body": body})
