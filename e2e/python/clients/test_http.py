"""requests and httpx, over HTTP/1.1 and HTTP/2, all ways through the proxy."""

import asyncio
import hashlib
import itertools
import os
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import requests
from origin import CONTENT, EVENTS
from peers import EXCHANGES, WAYS, Origin, Way, fault_run
from peers import origin as start_origin

CLIENTS = ["requests", "httpx", "httpx-h2"]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    with start_origin(tmp_path_factory.mktemp("origin")) as o:
        yield o


class Client:
    """One session of a client, with what the tests use of it under one name each."""

    def __init__(self, kind: str, way: Way, authority: object, timeout: float = 15) -> None:
        self.kind, self.way, self.timeout = kind, way, timeout
        if kind == "requests":
            self.session = requests.Session()
            self.session.trust_env = False
            self.session.verify = str(authority)
            if way.proxy:
                self.session.proxies = {"http": way.proxy, "https": way.proxy}
        else:
            # HTTP/2 without TLS takes prior knowledge, which a proxy that is asked for http:// URLs cannot have.
            known = kind == "httpx-h2" and way.url.startswith("http:") and not way.proxy and not way.exchanges
            self.session = httpx.Client(
                proxy=way.proxy, http2=kind == "httpx-h2", http1=not known, verify=ssl.create_default_context(cafile=authority),
                trust_env=False, timeout=timeout,
            )  # fmt: skip

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def request(self, method: str, path: str, **kwargs: object) -> requests.Response | httpx.Response:
        if self.kind == "requests":
            kwargs["timeout"] = self.timeout
        elif "data" in kwargs:
            kwargs["content"] = kwargs.pop("data")
        return self.session.request(method, self.way.url + path, **kwargs)

    def get(self, path: str = "/") -> requests.Response | httpx.Response:
        return self.request("GET", path)

    def lines(self, path: str) -> Iterator[str]:
        if self.kind == "requests":
            with self.session.get(self.way.url + path, stream=True, timeout=self.timeout) as response:
                yield from response.iter_lines(chunk_size=1, decode_unicode=True)
        else:
            with self.session.stream("GET", self.way.url + path) as response:
                yield from response.iter_lines()


def version(kind: str, name: str) -> str:
    """The version of HTTP that the server has to see."""
    return "2" if kind == "httpx-h2" and name in ("CONNECT", "tcp", "tcp-tls") else "1.1"


def steady(attempt: Callable[[], str | None]) -> None:
    """Run an attempt that returns what is wrong with its figures. On a machine with more work than cores they are those of its
    scheduler: then it is tried again, three times at most. Otherwise there is no second chance."""
    for i in range(4):
        wrong = attempt()
        if wrong is None:
            return
        print(f"attempt {i}: {wrong}, load {os.getloadavg()[0]:.1f}")
        if os.getloadavg()[0] < (os.cpu_count() or 1):
            break
        time.sleep(5)
    raise AssertionError(wrong)


def quickest(client: Client, calls: int = 4) -> float:
    """The time of the quickest of some calls, in ms: what a busy machine adds to single ones does not count."""
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        assert client.get().status_code == 200
        times.append(1000 * (time.perf_counter() - start))
    return min(times)


@pytest.fixture(scope="module")
def clean(origin: Origin) -> Iterator[dict[str, Way]]:
    with fault_run(origin) as ways:
        yield ways


@pytest.fixture(scope="module")
def slow(origin: Origin) -> Iterator[dict[str, Way]]:
    with fault_run(origin, "--with-latency", "--latency-mean", 100, "--latency-stddev", 0, "--latency-scope", "turn") as ways:
        yield ways


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("kind", CLIENTS)
def test_latency(origin: Origin, clean: dict[str, Way], slow: dict[str, Way], kind: str, name: str) -> None:
    with Client(kind, clean[name], origin.authority) as control, Client(kind, slow[name], origin.authority) as delayed:
        for client in (control, delayed):  # connects
            assert client.get().text == f"GET {version(kind, name)}"

        def attempt() -> str | None:
            added = quickest(delayed) - quickest(control)
            return None if 97 <= added <= 112 else f"{added:.1f} ms added, want 100"

        steady(attempt)


@pytest.fixture(scope="module")
def toggling(origin: Origin) -> Iterator[dict[str, Way]]:
    """Latency and jitter in turn, 50 ms each."""
    schedules = [";".join(f"start:{ms}ms,duration:50ms" for ms in range(first, 120_000, 100)) for first in (0, 50)]
    with fault_run(
        origin, "--with-latency", "--latency-mean", 20, "--latency-direction", "both", "--latency-per-read-write", "--latency-sched",
        schedules[0], "--with-jitter", "--jitter-amplitude", 20, "--jitter-frequency", 50, "--jitter-direction", "both",
        "--jitter-sched", schedules[1],
    ) as ways:  # fmt: skip
        yield ways


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("kind", CLIENTS)
def test_bytes_are_right(origin: Origin, toggling: dict[str, Way], kind: str, name: str) -> None:
    """Megabytes each way while faults come and go."""
    with Client(kind, toggling[name], origin.authority) as client:
        for _ in range(3):
            assert client.get("/bytes").content == CONTENT
            assert client.request("POST", "/sum", data=CONTENT).text == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("kind", CLIENTS)
def test_events_come_one_by_one(origin: Origin, slow: dict[str, Way], kind: str, name: str) -> None:
    """Each event is there at its own time, although the answer never ends; the first carries the latency."""

    def attempt() -> str | None:
        late = []
        with Client(kind, slow[name], origin.authority) as client:
            for line in client.lines("/events"):
                if line.startswith("data: "):
                    late.append(1000 * (time.time() - float(line.removeprefix("data: "))))
                    if len(late) == EVENTS:
                        break
        # One that waits for the next would be late by 100 ms.
        if 99 <= late[0] < 150 and sorted(late)[EVENTS // 2] < 50:
            return None
        return f"late by {late} ms"

    steady(attempt)


def test_blackhole_is_a_timeout(origin: Origin) -> None:
    with fault_run(origin, "--with-blackhole") as ways:

        def call(kind: str, name: str) -> str:
            want = requests.Timeout if kind == "requests" else httpx.TimeoutException
            start = time.perf_counter()
            try:
                with Client(kind, ways[name], origin.authority, timeout=1) as client:
                    return f"{kind}, {name}: {client.get().text}"
            except want:
                took = time.perf_counter() - start
                return "" if took > 0.95 else f"{kind}, {name}: timed out after {took:.2f} s"
            except Exception as error:  # noqa: BLE001: which one it was is the answer
                return f"{kind}, {name}: {error!r}"

        with ThreadPoolExecutor(max_workers=18) as pool:
            wrong = pool.map(call, *zip(*itertools.product(CLIENTS, WAYS), strict=True))
            assert not list(filter(None, wrong))


@pytest.mark.parametrize("name", EXCHANGES)
@pytest.mark.parametrize("kind", ["requests", "httpx"])
def test_first_calls_fail(origin: Origin, kind: str, name: str) -> None:
    """Fail the first two calls to POST /orders, then recover."""
    with (
        fault_run(
            origin, "--with-http-response", "--http-response-status", 503, "--http-response-body", '{"error": "later"}',
            "--http-response-headers", "Retry-After: 1", "--http-response-match", "POST /orders first:2",
        ) as ways,
        Client(kind, ways[name], origin.authority) as client,
    ):  # fmt: skip
        answers = [client.request(method, path, data=b"x") for method, path in
                   [("POST", "/other"), ("PUT", "/orders"), ("POST", "/orders"), ("POST", "/orders?again"), ("POST", "/orders")]]  # fmt: skip
        assert [a.status_code for a in answers] == [200, 200, 503, 503, 200]
        for failed in answers[2:4]:
            assert failed.json() == {"error": "later"} and failed.headers["Retry-After"] == "1" and "X-Path" not in failed.headers
        assert answers[4].headers["X-Path"] == "/orders"


@pytest.mark.parametrize("name", ["CONNECT", "tcp", "tcp-tls"])
def test_many_streams_of_one_connection(origin: Origin, clean: dict[str, Way], name: str) -> None:
    """Fifty calls at once over one HTTP/2 connection get the right answers."""

    async def calls() -> list[httpx.Response]:
        way = clean[name]
        async with httpx.AsyncClient(
            proxy=way.proxy, http2=True, http1=way.url.startswith("https"), verify=ssl.create_default_context(cafile=origin.authority),
            trust_env=False, timeout=20,
        ) as client:  # fmt: skip
            await client.get(way.url)
            return await asyncio.gather(*(
                client.get(way.url + "/bytes") if i % 2 else client.post(way.url + "/sum", content=CONTENT[i:]) for i in range(50)
            ))

    for i, response in enumerate(asyncio.run(calls())):
        assert response.http_version == "HTTP/2"
        assert response.content == (CONTENT if i % 2 else hashlib.sha256(CONTENT[i:]).hexdigest().encode())
