from collections.abc import Iterator

import pytest

from config import docs


@pytest.fixture(autouse=True)
def no_document_of_other_addresses_remains(request: pytest.FixtureRequest) -> Iterator[None]:
    """The OpenAPI document is made once in a process: not of the addresses that only some tests have."""
    is_about_other_addresses = request.node.get_closest_marker("urls") is not None
    if is_about_other_addresses:
        _forget_documents()
    yield
    if is_about_other_addresses:
        _forget_documents()


def _forget_documents() -> None:
    docs._document.cache_clear()
    docs._reference.cache_clear()
