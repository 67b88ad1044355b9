"""fault run -- pytest: a test suite behind the proxy."""

import contextlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import FAULT
from peers import HERE, Origin
from peers import origin as start_origin

SUITE = "shop.py"
# Of the calls to the shop, each second one is lost: the first one of test_retries, and that of test_has_no_timeout.
LOSES_EACH_SECOND = ["--with-blackhole", "--blackhole-match", "GET every:2"]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    with start_origin(tmp_path_factory.mktemp("origin")) as o:
        yield o


@pytest.fixture(autouse=True)
def shop(tmp_path: Path) -> None:
    """A copy of the suite, away from the fixtures of this one."""
    shutil.copy(HERE / "suite" / SUITE, tmp_path)


def environment(origin: Origin) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("FAULT_", "PYTEST_"))}
    return env | {"SHOP_URL": f"http://127.0.0.1:{origin.plain}", "NO_PROXY": "localhost,127.0.0.1", "COLUMNS": "100"}


def command(*flags: object, suite: tuple[object, ...] = ()) -> list[str]:
    """fault with flags around pytest."""
    suite = suite or (sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "--junit-xml", "results.xml", SUITE)
    return [*map(str, (FAULT, "run", "--proxy-address", "127.0.0.1:0", *flags, "--", *suite))]


def test_report_names_the_test_without_timeout(origin: Origin, tmp_path: Path) -> None:
    flags = [*LOSES_EACH_SECOND, "--baseline", "--timeout", "10s", "--junit", "results.xml"]

    def run(report: str) -> str:
        folder = tmp_path / report.partition(".")[2]
        folder.mkdir()
        shutil.copy(tmp_path / SUITE, folder)
        done = subprocess.run(
            command(*flags, "--report", report), cwd=folder, env=environment(origin), capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 124, done.stdout + done.stderr
        assert "4 passed" in done.stdout, "without faults"
        assert "test_retries PASSED" in done.stdout.split("4 passed")[1], "under faults"
        return (folder / report).read_text()

    with ThreadPoolExecutor() as pool:
        text, facts, junit = pool.map(run, ["report.md", "report.json", "report.xml"])
    assert "| without faults | 0 |" in text and "| 124 (took too long) |" in text, text
    _, found, unfinished = text.partition("### Not finished")
    assert found and unfinished.split("\n\n")[1] == "- `shop::test_has_no_timeout`\n- `shop::test_closes`", text
    assert "fails only under faults" not in text, "the test that retries passes"

    document = json.loads(facts)
    without, under = document["runs"]
    assert (without["faults"], without["exit"]["code"], without["tests"]["passed"]) == (False, 0, 4)
    assert (under["faults"], under["exit"]["code"], under["exit"]["timed_out"], under["tests"]["passed"]) == (True, 124, True, 2)

    cases = {case.get("name"): case for case in ET.fromstring(junit).iter("testcase")}
    failed = [name for name, case in cases.items() if case.find("failure") is not None or case.find("error") is not None]
    assert any("test_has_no_timeout" in name for name in failed), failed
    assert not any("test_retries" in name or "test_opens" in name for name in failed), failed


@pytest.mark.parametrize(
    ("suite", "code"),
    [
        ((sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", SUITE), 0),
        ((sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", SUITE, "-k", "nothing_like_it"), 5),
        ((sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "missing.py"), 4),
        (("sh", "-c", "exit 42"), 42),
        (("sh", "-c", "kill -KILL $$"), 137),
        (("no-such-command",), 127),
    ],
)
def test_exit_codes_are_kept(origin: Origin, tmp_path: Path, suite: tuple[object, ...], code: int) -> None:
    done = subprocess.run(command(suite=suite), cwd=tmp_path, env=environment(origin), capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr


def test_failing_tests_fail(origin: Origin, tmp_path: Path) -> None:
    """With a latency that is longer than every timeout, the report says which tests fail, and how often."""
    done = subprocess.run(
        command(
            "--with-latency", "--latency-mean", 1100, "--latency-stddev", 0, "--baseline", "--repeat", 2, "--seed", 7,
            "--junit", "results.xml", "--report", "report.json",
        ),
        cwd=tmp_path, env=environment(origin), capture_output=True, text=True, timeout=90,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    document = json.loads((tmp_path / "report.json").read_text())
    assert [(run["exit"]["code"], run["tests"]["passed"], run["tests"].get("failed", 0)) for run in document["runs"]] == [
        (0, 4, 0),
        (1, 3, 1),
        (1, 3, 1),
    ]
    assert [run["seed"] for run in document["runs"] if run["faults"]] == [7, 8]
    assert "test_retries" in json.dumps(document["tests"]), document["tests"]
    assert "1 test fails only under faults" in done.stderr


def wait_for(path: Path, text: str) -> None:
    for _ in range(600):
        if path.exists() and text in path.read_text(errors="replace"):
            return
        time.sleep(0.05)
    raise AssertionError(f"{text!r} is not in {path.read_text(errors='replace')}")


@pytest.mark.parametrize("to", ["fault", "group"])
def test_interrupt_reaches_the_command(origin: Origin, tmp_path: Path, to: str) -> None:
    """Without a terminal the signal goes to fault alone or to everybody; pytest gets it once and ends in its own way."""
    out = tmp_path / "out"
    with out.open("w") as stdout:
        process = subprocess.Popen(
            command("--with-blackhole", "--report", "report.md"), cwd=tmp_path, env=environment(origin), stdout=stdout,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        wait_for(out, "test_opens")
        time.sleep(0.5)
        (os.kill if to == "fault" else os.killpg)(process.pid, signal.SIGINT)
        code = process.wait(timeout=20)
    text = out.read_text()
    assert "KeyboardInterrupt" in text and "no tests ran" in text, text
    assert code == 2, f"pytest's exit code for an interrupt, not {code}"
    assert "2 (interrupted)" in (tmp_path / "report.md").read_text()


def test_ctrl_c_at_a_terminal(origin: Origin, tmp_path: Path) -> None:
    """The command has the terminal, and Ctrl-C typed there reaches it."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        args = command("--with-blackhole")
        os.execvpe(args[0], args, environment(origin))
    log = tmp_path / "log"
    sent = None
    deadline = time.monotonic() + 40
    with log.open("wb") as out, contextlib.suppress(OSError):  # reading from a terminal without processes is an error
        while time.monotonic() < deadline:
            data = os.read(terminal, 4096)
            if not data:
                break
            out.write(data)
            out.flush()
            if sent is None and "test_opens" in log.read_text(errors="replace"):
                time.sleep(0.5)
                os.write(terminal, b"\x03")
                sent = time.monotonic()
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    text = log.read_text(errors="replace")
    assert sent is not None and time.monotonic() - sent < 15, text
    assert "KeyboardInterrupt" in text and "\x1b[" in text, f"pytest shows colors at a terminal only:\n{text}"
    assert os.waitstatus_to_exitcode(status) == 2, text


def test_nothing_is_left(origin: Origin, tmp_path: Path) -> None:
    """A command that starts others and ignores the interrupt is gone after the timeout, with all that it started."""
    script = "trap '' INT; echo $$ >pids; sleep 300 & echo $! >>pids; wait"
    done = subprocess.run(
        command("--timeout", "1s", suite=("sh", "-c", script)), cwd=tmp_path, env=environment(origin), capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 124, done.stdout + done.stderr
    pids = (tmp_path / "pids").read_text().split()
    assert len(pids) == 2

    def runs(pid: str) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"  # in a container nobody may reap it
        except OSError:
            return False

    assert not [pid for pid in pids if runs(pid)]
