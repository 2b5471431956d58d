"""Whatever is asked of the server, it neither fails nor answers against its own description, and knows its readers."""

import pytest
import schemathesis
from hypothesis import given, settings
from schemathesis import GenerationMode

from stratacam.viewer.serve import guarded

PATHS = 9
"""What the description describes."""


@pytest.fixture(scope="module")
def reached(viewed, page, token):
    """The server behind its gate, reached under a token: by a client that knows nothing of tokens."""

    def under(given_token):
        application = guarded(viewed, page, token=token, host="127.0.0.1")

        async def asked(scope, receive, send):
            if scope["type"] == "http":
                headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
                path = f"/{given_token}{scope['path']}"
                scope = {**scope, "path": path, "headers": [*headers, (b"host", b"127.0.0.1")]}
            await application(scope, receive, send)

        return asked

    return under


@pytest.fixture(scope="module")
def operations(reached, token):
    """What can be asked, by the server's own description."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", reached(token))
    found = [one.ok() for one in schema.get_all_operations()]
    assert len(found) == PATHS
    return found


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_any_request_gets_an_answer_of_its_description(operations, mode, study):
    folders, _ = study
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and "{" not in operation.path:
            continue  # nothing in it can be wrong

        @settings(max_examples=6)
        @given(operation.as_strategy(generation_mode=mode))
        def check(case):
            response = case.call_and_validate()
            assert response.status_code in {200, 404, 422}
            assert str(folders.root).encode() not in response.content

        check()


def test_any_request_with_a_wrong_token_is_refused(operations, reached, token):
    for operation in operations:

        @settings(max_examples=5)
        @given(operation.as_strategy())
        def check(case):
            assert case.call(app=reached(token[:-1])).status_code == 401

        check()
