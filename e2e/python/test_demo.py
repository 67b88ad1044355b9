"""The demo application as others see it."""

import json
import re
import subprocess
from collections.abc import Iterator

import pytest
from conftest import FAULT, get
from openapi_spec_validator import OpenAPIV31SpecValidator


@pytest.fixture
def demo() -> Iterator[str]:
    process = subprocess.Popen([FAULT, "demo", "run", "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        yield re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())[0]
    finally:
        process.terminate()
        process.communicate(timeout=10)


def test_openapi_is_valid(demo: str) -> None:
    document = json.loads(get(f"{demo}/openapi.json"))
    OpenAPIV31SpecValidator(document).validate()
    assert {"/", "/ping", "/ping/myself", "/multi", "/uppercase", "/echo"} <= set(document["paths"])
    assert document["servers"] == [{"url": demo}]


@pytest.mark.parametrize("path", ["/", "/ping", "/ping/myself", "/multi", "/echo"])
def test_works_offline(demo: str, path: str) -> None:
    assert get(demo + path)
