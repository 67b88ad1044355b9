"""Starts the web server of the tests, and fault in front of it."""

import contextlib
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import trustme
from conftest import FAULT, free_port

HERE = Path(__file__).resolve().parent


def wait_listening(process: subprocess.Popen, port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as s:
            # Resets on close: behind a mapping, the server would keep a connection that has only ended in one direction.
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        assert process.poll() is None and time.monotonic() < deadline, f"nothing listens on port {port}"
        time.sleep(0.02)


@contextlib.contextmanager
def running(*command: object, ports: list[int], **kwargs: object) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen([*map(str, command)], **kwargs)
    try:
        for port in ports:
            wait_listening(process, port)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class Origin:
    """The server: HTTP/1.1 and HTTP/2 on both ports, with and without TLS."""

    plain: int
    secure: int
    authority: Path


@contextlib.contextmanager
def origin(folder: Path) -> Iterator[Origin]:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    files = [folder / name for name in ("authority.pem", "chain.pem", "key.pem")]
    authority.cert_pem.write_to_path(files[0])
    files[1].write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(files[2])
    plain, secure = free_port(), free_port()
    with (folder / "log").open("w") as log, running(
        sys.executable, "-m", "hypercorn", "origin:app", "--bind", f"127.0.0.1:{secure}", "--insecure-bind", f"127.0.0.1:{plain}",
        "--certfile", files[1], "--keyfile", files[2], "--graceful-timeout", 0, "--keep-alive", 2, "--log-level", "error",
        ports=[plain, secure], cwd=HERE, stderr=log,
    ):  # fmt: skip
        yield Origin(plain, secure, files[0])


@dataclass(frozen=True)
class Way:
    """How a client gets to the server: its base URL, the proxy, if any, and whether fault sees HTTP exchanges or bytes."""

    url: str
    proxy: str | None = None
    exchanges: bool = False


WAYS: dict[str, Callable[[Origin, dict[str, int]], Way]] = {
    "forward": lambda o, p: Way(f"http://127.0.0.1:{o.plain}", f"http://127.0.0.1:{p['proxy']}", exchanges=True),
    "CONNECT": lambda o, p: Way(f"https://127.0.0.1:{o.secure}", f"http://127.0.0.1:{p['proxy']}"),
    "tcp": lambda o, p: Way(f"http://127.0.0.1:{p['tcp']}"),
    "tcp-tls": lambda o, p: Way(f"https://127.0.0.1:{p['tcp-tls']}"),
    "http": lambda o, p: Way(f"http://127.0.0.1:{p['http']}", exchanges=True),
    "https": lambda o, p: Way(f"http://127.0.0.1:{p['https']}", exchanges=True),
}

EXCHANGES = ["forward", "http", "https"]


@contextlib.contextmanager
def fault_run(o: Origin, *flags: object) -> Iterator[dict[str, Way]]:
    """Run fault with all ways to the server."""
    targets = {
        "tcp": f"127.0.0.1:{o.plain}",
        "tcp-tls": f"127.0.0.1:{o.secure}",
        "http": f"http://127.0.0.1:{o.plain}",
        "https": f"https://127.0.0.1:{o.secure}",
    }
    ports = {name: free_port() for name in ["proxy", *targets]}
    mappings = [flag for name, target in targets.items() for flag in ("--proxy", f"{ports[name]}={target}")]
    env = {k: v for k, v in os.environ.items() if not k.startswith("FAULT_")} | {"SSL_CERT_FILE": str(o.authority)}
    with running(
        FAULT, "run", "--no-ui", "--proxy-address", f"127.0.0.1:{ports['proxy']}", *mappings, *flags, ports=[*ports.values()], env=env
    ):
        yield {name: way(o, ports) for name, way in WAYS.items()}
