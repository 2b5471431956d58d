"""The viewer's server, on this machine alone unless the user gives a token."""

import ipaddress
import secrets
import socket
from contextlib import closing, suppress
from threading import Thread

import uvicorn
from rich.console import Console

from stratacam.errors import InputError
from stratacam.interruption import served
from stratacam.viewer.application import make_application
from stratacam.viewer.built import BuiltPage
from stratacam.viewer.content import Viewed
from stratacam.viewer.gate import Application, Gate, check_token, is_loopback


def guarded(viewed: Viewed, page: BuiltPage, *, token: str, host: str) -> Application:
    """The application behind its gate."""
    return Gate(make_application(viewed, page), token=token, host=host)


def serve(
    viewed: Viewed,
    page: BuiltPage,
    console: Console,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
) -> None:
    """Serve a study until it is interrupted, and print the address to open.

    Args:
        viewed: the study.
        page: as built.
        console: where the address is printed.
        host: address to listen at; another than this machine's own needs a token.
        port: to listen at; 0: any that is free.
        token: that every request must name; if absent a random one.

    Raises:
        InputError: the host needs a token, the token can be guessed, or the host or port cannot be listened at.
    """
    if token is None and not is_loopback(host):
        raise InputError(
            f"--host: {host} can be reached from other machines; expected a token of yours with it: add --token, or "
            "leave --host out and reach this machine with `ssh -L`."
        )
    token = secrets.token_urlsafe(24) if token is None else check_token(token)
    Thread(target=_read_ahead, args=(viewed,), daemon=True).start()
    with closing(_listening(host, port)) as listening:
        address = f"http://{reached_at(host)}:{listening.getsockname()[1]}/{token}/"
        console.print(f"Open {address}\nStop with Ctrl-C.", highlight=False, soft_wrap=True, markup=False)
        settings = uvicorn.Config(
            guarded(viewed, page, token=token, host=host),
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=1,
        )
        with served():
            uvicorn.Server(settings).run(sockets=[listening])


def _read_ahead(viewed: Viewed) -> None:
    """Read what takes longest of the first view and what follows it, before somebody asks for it."""
    with suppress(InputError, OSError):  # whoever asks is told
        first = viewed.study().first.scan
        viewed.image(first, viewed.scan(first).sequences[0].id)
        viewed.atlas()


def reached_at(host: str) -> str:
    """How a browser names a host; where every address of this machine is listened at, by the machine's name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return socket.gethostname()
    return f"[{host}]" if address.version == 6 else host


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens there."""
    try:
        kind, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(kind, socket.SOCK_STREAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(place)
            made.listen()  # whoever opens the address at once waits, and is not refused
        except OSError:
            made.close()
            raise
    except OSError as fault:
        raise InputError(
            f"--host, --port: {host}, {port}: cannot be listened at ({fault.strerror}); choose another port, or "
            "leave it out for any that is free."
        ) from fault
    return made
