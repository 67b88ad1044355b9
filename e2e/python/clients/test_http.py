"""requests and httpx, over HTTP/1.1 and HTTP/2, all ways through the proxy."""

import asyncio
import hashlib
import itertools
import os
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import requests
from conftest import fault
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
            known = kind == "httpx-h2" and way.url.startswith("http:") and not way.proxy
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
    """The version of HTTP that the server has to see: what the client speaks. To proxies httpx speaks HTTP/1.1."""
    return "2" if kind == "httpx-h2" and name != "forward" else "1.1"


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


def everywhere(call: Callable[[str, str], str | None]) -> None:
    """Run a call with each client, each way, all at the same time; it returns what is wrong."""
    combinations = list(itertools.product(CLIENTS, WAYS))
    with ThreadPoolExecutor(max_workers=len(combinations)) as pool:
        answers = pool.map(lambda c: (*c, call(*c)), combinations)
    assert not [answer for answer in answers if answer[2]]


def failure(client: Client, path: str = "/") -> Exception | None:
    """What the client raises; None when it gets an answer."""
    try:
        client.get(path)
    except (requests.RequestException, httpx.TransportError) as error:
        return error
    return None


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

        def call(kind: str, name: str) -> str | None:
            start = time.perf_counter()
            with Client(kind, ways[name], origin.authority, timeout=1) as client:
                error = failure(client)
            took = time.perf_counter() - start
            return None if isinstance(error, requests.Timeout | httpx.TimeoutException) and took > 0.95 else f"{error!r} after {took:.2f} s"

        everywhere(call)


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


def is_reset(error: Exception | None) -> bool:
    return any(text in repr(error) for text in ("Connection reset by peer", "ConnectionResetError", "StreamReset"))


@pytest.mark.parametrize("moment", ["at once", "with the answer"])
def test_resets_arrive_each_time(origin: Origin, moment: str) -> None:
    """Twenty calls, twenty resets: nothing on the way repeats a call."""
    flags = [] if moment == "at once" else ["--reset-after-bytes", 0]
    with fault_run(origin, "--with-reset", *flags) as ways:

        def call(kind: str, name: str) -> str | None:
            errors = []
            for _ in range(20):
                with Client(kind, ways[name], origin.authority) as client:
                    errors.append(failure(client))

            def right(error: Exception | None) -> bool:
                # A reset that is there before the request is written fails the write. These clients pass over that and look for an
                # answer first; then the system has told them of the reset already, and says only that there is none.
                return is_reset(error) or (moment == "at once" and "without" in str(error) and "response" in str(error))

            wrong = [repr(error) for error in errors if not right(error)]
            return f"{len(wrong)}: {wrong}" if wrong else None

        everywhere(call)


@pytest.mark.parametrize("name", EXCHANGES)
@pytest.mark.parametrize("kind", CLIENTS)
def test_resets_on_pooled_connections(origin: Origin, kind: str, name: str) -> None:
    """Every other call of a session is reset, and that one only."""
    with (
        fault_run(origin, "--with-reset", "--reset-after-bytes", 0, "--reset-match", "/reset every:2") as ways,
        Client(kind, ways[name], origin.authority) as session,
    ):
        errors = [failure(session, "/reset") for _ in range(20)]
        assert [error is None for error in errors] == [True, False] * 10, errors
        assert all(map(is_reset, errors[1::2])), errors


def test_limited_data_is_an_incomplete_answer(origin: Origin) -> None:
    with fault_run(origin, "--with-limit-data", "--limit-data-bytes", 100_000) as ways:

        def call(kind: str, name: str) -> str | None:
            with Client(kind, ways[name], origin.authority) as client:
                error = failure(client, "/bytes")
            wanted = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError, httpx.ReadError, httpx.RemoteProtocolError)
            return None if isinstance(error, wanted) else repr(error)

        everywhere(call)


@pytest.mark.parametrize(
    ("flags", "least"),
    [
        (["--with-packet-loss", "--packet-loss-rate", 0.1, "--packet-loss-direction", "both", "--seed", 7], 0.045),
        (["--with-slicer", "--slicer-size", 20_000, "--slicer-delay", 10, "--slicer-variation", 5_000], 0.4),
        (["--with-bandwidth", "--bandwidth-rate", 2, "--bandwidth-unit", "MBps"], 0.5),
    ],
)
def test_slow_but_whole(origin: Origin, flags: list[object], least: float) -> None:
    """A megabyte arrives later, and as it was sent."""
    with fault_run(origin, *flags) as ways:

        def call(kind: str, name: str) -> str | None:
            with Client(kind, ways[name], origin.authority, timeout=60) as client:
                start = time.perf_counter()
                content = client.get("/bytes").content
                took = time.perf_counter() - start
                if client.request("POST", "/sum", data=CONTENT).text != hashlib.sha256(CONTENT).hexdigest():
                    return "upload differs"
            return None if content == CONTENT and took >= least else f"{len(content)} bytes in {took:.2f} s"

        everywhere(call)


def test_lost_for_good_is_a_timeout(origin: Origin) -> None:
    with fault_run(origin, "--with-packet-loss", "--packet-loss-rate", 1, "--packet-loss-mode", "drop") as ways:

        def call(kind: str, name: str) -> str | None:
            with Client(kind, ways[name], origin.authority, timeout=1) as client:
                error = failure(client)
            return None if isinstance(error, requests.Timeout | httpx.TimeoutException) else repr(error)

        everywhere(call)


def test_refused_upstream(origin: Origin) -> None:
    """HTTP clients get a 502 from the proxy; where it sees bytes only, the connection breaks."""
    with fault_run(origin, "--with-connect", "--connect-refuse") as ways:

        def call(kind: str, name: str) -> str | None:
            with Client(kind, ways[name], origin.authority) as client:
                try:
                    answer = client.get()
                except (requests.RequestException, httpx.TransportError) as error:
                    if name == "CONNECT":
                        return None if "502" in str(error) else repr(error)
                    return None if name not in EXCHANGES else repr(error)
            return None if name in EXCHANGES and answer.status_code == 502 else f"{answer.status_code} {answer.text}"

        everywhere(call)


@pytest.mark.parametrize("kind", CLIENTS)
def test_spoiled_answers(origin: Origin, kind: str) -> None:
    """Wrong data with a 200: a value of JSON is replaced, the length is right."""
    with (
        fault_run(origin, "--with-http-body", "--http-body-patch", "$.items[0].price=null", "--http-body-match", "/json") as ways,
        Client(kind, ways["http"], origin.authority) as client,
    ):
        answer = client.get("/json")
        assert answer.status_code == 200 and answer.json() == {"items": [{"price": None, "name": "a"}], "total": 12.5}
        assert answer.headers.get("content-length", str(len(answer.content))) == str(len(answer.content))
        assert client.get("/bytes").content == CONTENT


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ca") / "ca"
    fault("ca", "init", "--ca-dir", folder)
    return folder


@pytest.mark.parametrize("kind", CLIENTS)
def test_intercepted_https(origin: Origin, authority: Path, kind: str) -> None:
    """Faults act on single exchanges inside of HTTPS, and the client's version of HTTP goes through."""
    with fault_run(
        origin, "--tls-intercept", "127.0.0.1", "--ca-dir", authority, "--with-http-response", "--http-response-status", 503,
        "--http-response-match", "POST /orders first:2",
    ) as ways:  # fmt: skip
        with Client(kind, ways["CONNECT"], authority / "ca.pem") as client:
            answers = [client.request(method, "/orders", data=b"x") for method in ("PUT", "POST", "POST", "POST")]
            assert [a.status_code for a in answers] == [200, 503, 503, 200]
            assert answers[3].text == f"POST {version(kind, 'CONNECT')}"
            assert client.get("/bytes").content == CONTENT
        with Client(kind, ways["CONNECT"], origin.authority) as distrustful:
            error = failure(distrustful)
            assert "CERTIFICATE_VERIFY_FAILED" in str(error), error


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
