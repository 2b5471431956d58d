"""HTTP requests that end: an answer is bounded in time and in size, however slowly or long a server sends it."""

from concurrent.futures import Future
from threading import Thread
from typing import Any

import requests

ANSWER_SECONDS = 300.0
"""Within which a request must be answered whole, beside the time that it may take to be sent."""

BYTES_A_SECOND = 2**16
"""That the slowest line carries."""

ANSWER_BYTES = 2**25
PIECE = 2**16


class UnboundedAnswerError(requests.RequestException):
    """An answer was not whole in time, or too large; says which."""


class BoundedSession(requests.Session):
    """A session whose answers are whole when they are returned; redirections are errors.

    The timeout of `requests` bounds the wait for the next byte alone: a server that sends one now and then, or never
    ends, holds a request for ever.
    """

    def send(self, request: requests.PreparedRequest, **settings: Any) -> requests.Response:  # noqa: ANN401
        """Send a request and read its whole answer.

        Raises:
            UnboundedAnswerError: it takes too long, or is too large.
            requests.TooManyRedirects: it leads elsewhere.
            requests.RequestException: anything else goes wrong.
        """
        sent = len(request.body) if isinstance(request.body, bytes) else 0
        seconds = ANSWER_SECONDS + sent / BYTES_A_SECOND
        answer: Future[requests.Response] = Future()
        send = super().send

        def work() -> None:
            try:
                answer.set_result(
                    _whole(send(request, **settings | {"stream": True, "allow_redirects": False}))
                )
            except Exception as fault:  # noqa: BLE001 - raised where the answer is waited for
                answer.set_exception(fault)

        Thread(target=work, daemon=True).start()
        try:
            return answer.result(seconds)
        except TimeoutError as fault:
            raise UnboundedAnswerError(f"did not answer whole within {seconds:.0f} s") from fault


def _whole(response: requests.Response) -> requests.Response:
    """A response whose content has been read."""
    if response.is_redirect:
        response.close()
        raise requests.TooManyRedirects(response=response)
    content = bytearray()
    for piece in response.iter_content(PIECE):
        content += piece
        if len(content) > ANSWER_BYTES:
            response.close()
            raise UnboundedAnswerError(f"answers with more than {ANSWER_BYTES // 2**20} MiB")
    response._content = bytes(content)  # noqa: SLF001 - where the library keeps what it has read
    return response
