"""A small test suite as somebody may have it, about a shop at SHOP_URL. test_run.py runs it behind fault."""

import os

import requests

SHOP = os.environ["SHOP_URL"]


def test_opens() -> None:
    assert requests.get(f"{SHOP}/open", timeout=5).ok


def test_retries() -> None:
    for attempt in range(3):
        try:
            assert requests.get(f"{SHOP}/prices", timeout=1).ok
            return
        except requests.Timeout:
            if attempt == 2:
                raise


def test_has_no_timeout() -> None:
    assert requests.get(f"{SHOP}/stock").ok  # noqa: S113: that is the point


def test_closes() -> None:
    assert requests.get(f"{SHOP}/close", timeout=5).ok
