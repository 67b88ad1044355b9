"""What the faults do to an application that calls its upstream through a mapping, measured by the real binary."""

import json
import os
import re
import time
from pathlib import Path

import pytest
from conftest import Service, fault, get, run

CLIENTS = ["pooled", "per-call"]


def row(report: str, first: str) -> list[str]:
    """The cells of the table row that begins with a cell, without emphasis."""
    for line in report.splitlines():
        cells = [cell.strip(" *`") for cell in line.strip().strip("|").split("|")]
        if cells[0] == first:
            return cells
    raise AssertionError(f"no row {first!r} in:\n{report}")


def overview(report: str) -> tuple[int, int]:
    """The numbers of requests and of errors."""
    lines = report.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("| Num. Requests"))
    cells = [cell.strip() for cell in lines[at + 2].strip("|").split("|")]
    return int(cells[0]), int(re.match(r"(\d+) \(", cells[1])[1])


def baseline(report: str) -> tuple[float, float]:
    """The median without the fault, and what the fault added to it, as the report says."""
    found = re.search(r"p50 ([0-9.]+) ms without faults \(5 calls\), ([0-9.]+) ms with them: ([+-][0-9.]+) ms", report)
    assert found, report
    without, faulty, added = map(float, found.groups())
    assert faulty == float(row(report, "p50")[1]), "two figures for the same thing"
    return without, added


def scenario(folder: Path, service: Service, path: str, faults: str, **call: object) -> dict:
    """Run a load of 10 s with 3 calls a second from a scenario file; returns its only item's result."""
    timeout = call.get("timeout", 10000)
    (folder / "scenario.yaml").write_text(f"""---
title: Impact on {path}
items:
  - call:
      method: GET
      url: {service.url}/{path}
      timeout: {timeout}
    context:
      upstreams: []
      faults:
{faults}
      strategy:
        mode: load
        duration: 10s
        clients: 1
        rps: 3
      proxy:
        disable_http_proxies: true
        proxies:
          - {service.proxy}
""")
    fault("scenario", "run", "--scenario", "scenario.yaml", "--result", "r.json", "--report", "r.md",
          "--proxy-address", "127.0.0.1:0", cwd=folder)  # fmt: skip
    results = json.loads((folder / "r.json").read_text())
    assert len(results["results"]) == 1 and len(results["results"][0]["results"]) == 1
    return results["results"][0]["results"][0]


def applied(report: str, fault: str) -> tuple[int, float]:
    """How often a fault was applied, and its mean delay."""
    table = report[report.index("| Fault | Times Applied") :]
    cells = row(table, fault)
    return int(cells[1]), float(cells[2])


@pytest.mark.parametrize("path", CLIENTS)
def test_latency_moves_the_median(service: Service, path: str) -> None:
    for attempt in range(4):
        report = run("latency", f"{service.url}/{path}", 300, "--proxy", service.proxy)
        assert f"Evaluating runtime performance of {service.url}/{path}" in report
        assert overview(report) == (30, 0), report
        assert row(report, "latency")[2] == "Latency: ➡️🖧, Per Read/Write Op.: false, Mean: 300.00 ms, Stddev: 0.00 ms"
        assert applied(report, "latency") == (30, 300), "one delay for each call"
        assert row(report, "95% @ 200ms")[1] == "❌", report
        faulty = float(row(report, "p50")[1])
        without, added = baseline(report)
        assert added == pytest.approx(faulty - without, abs=0.011), "the report's own figure"
        if abs(faulty - without - 300) <= 5:
            return
        # What was applied is exact. Of a machine that has other work at that moment, the times are those of its scheduler.
        print(f"attempt {attempt}: {without} -> {faulty} ms, load {os.getloadavg()[0]:.1f}")
        time.sleep(10)
    raise AssertionError(f"the median moved by {faulty - without:.2f} ms, want 300 ± 5\n{report}")


@pytest.mark.parametrize("path", CLIENTS)
def test_jitter_stays_within_its_amplitude(service: Service, path: str) -> None:
    report = run("jitter", f"{service.url}/{path}", 150, 5, "--proxy", service.proxy)
    assert overview(report) == (30, 0), report
    assert row(report, "jitter")[2] == "Jitter: ➡️🖧Amplitude: 150.00ms, Frequency 5.00Hz"
    times, mean = applied(report, "jitter")
    # Three calls a second, at most five jitters a second: every call is delayed, uniformly up to the amplitude. The mean of
    # thirty such delays is 75 ms with a standard deviation of 8 ms.
    assert times == 30 and 35 < mean < 115, report
    _, added = baseline(report)
    assert added > 20, report


@pytest.mark.parametrize("path", CLIENTS)
@pytest.mark.parametrize("direction", ["egress", "ingress"])
def test_blackhole_swallows_every_call(service: Service, path: str, direction: str) -> None:
    report = run("blackhole", f"{service.url}/{path}", "--proxy", service.proxy, "--duration", "3s", "--timeout", 1,
                 "--direction", direction)  # fmt: skip
    assert overview(report) == (9, 9), report
    assert 995 < float(row(report, "p50")[1]) < 1500, "a call fails by its timeout, not sooner"


@pytest.mark.parametrize("path", CLIENTS)
def test_blackhole_window(service: Service, path: str, tmp_path: Path) -> None:
    """From 45 % to 55 % of ten seconds, three calls a second: none is meant to start within 100 ms of an edge."""
    item = scenario(tmp_path, service, path, timeout=1000, faults="""
        - type: blackhole
          side: server
          direction: egress
          period: start:45%,duration:10%""")  # fmt: skip
    calls = item["results"]
    assert item["requests_count"] == len(calls) == 30
    begin = min(call["intended_start"] for call in calls)
    inside = 0
    for call in calls:
        start = (call["intended_start"] - begin) / 1000
        assert min(abs(start - 4500), abs(start - 5500)) >= 100, f"{start} ms is too near to an edge for this test"
        metrics = call["metrics"]
        if 4500 < start < 5500:
            inside += 1
            assert metrics["timed_out"] and metrics["errored"], f"the call at {start} ms got an answer: {call}"
            assert 995 < metrics["total_time"] < 1500
        else:
            assert not metrics["errored"] and metrics["protocol"]["code"] == 200, f"the call at {start} ms failed: {call}"
    assert inside == 3


@pytest.mark.parametrize("path", CLIENTS)
def test_latency_from_a_scenario_file(service: Service, path: str, tmp_path: Path) -> None:
    """The same figures in results.json: each call is 300 ms slower, and each says which fault did it."""
    item = scenario(tmp_path, service, path, faults="""
        - type: latency
          mean: 300
          stddev: 0
          side: server
          direction: ingress""")  # fmt: skip
    calls = [call["metrics"] for call in item["results"]]
    assert len(calls) == 30 and all(call["protocol"]["code"] == 200 for call in calls)
    total = item["applied"][0]
    assert (total["type"], total["count"], total["delay"]) == ("latency", 30, 9000), "an http:// mapping counts exchanges"
    # Calls that overlap on a slow machine share their delays: those are in the total, but in no call's own record.
    delays = [applied["event"]["delay"] for call in calls for url in call["faults"] for applied in url["applied"]]
    assert set(delays) == {300} and len(delays) == 30 - total.get("unattributed", 0)
    assert min(call["total_time"] for call in calls) >= 300


def test_mapping_is_gone_afterwards(service: Service) -> None:
    """A scenario's mapping listens only while it runs: the application's call fails at once, with its own error."""
    with pytest.raises(Exception, match="500"):
        get(f"{service.url}/per-call")


def test_only_this_machine_gets_load() -> None:
    out = run("latency", "http://example.com/", 300, code=1)
    assert "--allow-target example.com:80" in out


def test_proxy_that_makes_no_sense(service: Service) -> None:
    out = run("latency", service.url + "/pooled", 300, "--proxy", "nonsense", code=1)
    assert "nonsense" in out and "=" in out
