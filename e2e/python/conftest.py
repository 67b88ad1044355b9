"""Starts the peers of the tests: the FastAPI application in the role of an application under test and of its upstream."""

import contextlib
import os
import random
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
FAULT = Path(os.environ.get("FAULT_BIN", HERE.parent.parent / "bin" / "fault")).resolve()


def free_port() -> int:
    """A port that nothing listens on, below those that systems hand out to outgoing connections, so that it stays free."""
    while True:
        port = random.randint(12000, 30000)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


@contextlib.contextmanager
def serve(**env: str) -> Iterator[str]:
    """Run service.py in a process of its own; yields its address."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "service:app", "--port", str(port), "--log-level", "warning"],
        cwd=HERE,
        env=os.environ | env,
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            assert process.poll() is None and time.monotonic() < deadline, "the application did not start"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class Service:
    """An application that calls its upstream through a mapping, which listens only while a scenario runs."""

    url: str
    proxy: str


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    with serve() as upstream:
        mapping = free_port()
        with serve(UPSTREAM_URL=f"http://127.0.0.1:{mapping}") as url:
            yield Service(url=url, proxy=f"{mapping}={upstream}")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The index goes to a cache of the tests' own."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["FAULT_BIN"] = str(FAULT)
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "OPENAI_API_KEY"):
        os.environ.pop(name, None)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the sample project."""
    target = tmp_path / "shop"
    target.mkdir()
    for source in (HERE / "project").iterdir():
        if source.is_file():
            (target / source.name).write_bytes(source.read_bytes())
    return target


def run(script: str, *args: object, code: int = 0) -> str:
    """Run one of the scripts as a user would; returns what it printed."""
    done = subprocess.run(
        [sys.executable, HERE / "scripts" / f"{script}.py", *map(str, args)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=HERE / "scripts",
    )
    assert done.returncode == code, f"{script}.py ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout.strip() if code == 0 else done.stdout + done.stderr


def fault(*args: object, code: int = 0, cwd: Path | None = None) -> subprocess.CompletedProcess:
    done = subprocess.run([FAULT, *map(str, args)], capture_output=True, text=True, timeout=120, cwd=cwd)
    assert done.returncode == code, f"fault ended with {done.returncode}, want {code}:\n{done.stdout}{done.stderr}"
    return done


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.read()
