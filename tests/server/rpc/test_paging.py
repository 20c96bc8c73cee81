"""Paging: pages put together are the list, and a token fits one list only."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trilock.server.rpc.paging import PageTokenError, page_of
from trilock.v1.bundle_service_pb2 import ListBundlesRequest, ListFeatureSchemasRequest
from trilock.v1.release_service_pb2 import ListAliasesRequest


@given(st.integers(0, 50), st.integers(1, 20))
def test_pages_put_together_are_the_list(count: int, size: int) -> None:
    everything = list(range(count))
    request = ListBundlesRequest(model="delay", page_size=size)
    found: list[int] = []
    while True:
        page = page_of(request)
        # As a store that is asked for offset and limit, and as one that returns all.
        shown, token = page.cut(everything[page.offset : page.offset + page.limit])
        assert (shown, token) == page.of(everything)
        assert len(shown) <= size
        found += shown
        if not token:
            break
        request.page_token = token

    assert found == everything


@pytest.mark.parametrize(("asked", "size"), [(0, 100), (1, 1), (1000, 1000), (5000, 1000)])
def test_the_size_has_a_default_and_a_cap(asked: int, size: int) -> None:
    assert page_of(ListBundlesRequest(page_size=asked)).size == size


def token(request: Any) -> str:
    return page_of(request).of(range(1000))[1]


def test_the_size_may_change_from_page_to_page() -> None:
    given_out = token(ListBundlesRequest(model="delay", page_size=7))

    page = page_of(ListBundlesRequest(model="delay", page_size=3, page_token=given_out))

    assert (page.offset, page.size) == (7, 3)


def forged(form: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(form).encode()).decode()


LIST_ID = page_of(ListBundlesRequest(model="delay")).list_id


@pytest.mark.parametrize(
    "page_token",
    [
        token(ListBundlesRequest(model="other")),
        token(ListBundlesRequest()),
        token(ListAliasesRequest(model="delay")),
        token(ListFeatureSchemasRequest(service="delay")),
        "nonsense",
        "äöü",
        "x" * 10_000,
        forged("text"),
        forged([2, LIST_ID, 5]),
        forged([1, LIST_ID, -5]),
        forged([1, LIST_ID, 1 << 70]),
        forged([1, LIST_ID, "5"]),
    ],
)
def test_a_token_of_another_list_is_no_token(page_token: str) -> None:
    with pytest.raises(PageTokenError):
        page_of(ListBundlesRequest(model="delay", page_token=page_token))
