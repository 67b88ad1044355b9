"""Indexing, listing, extracting and searching, through the real FastMCP client."""

import json
from pathlib import Path

import pytest
from conftest import run

NAMES = [
    "retry",
    "retry.decorate",
    "retry.decorate.wrapper",
    "Basket.__init__",
    "Basket.total",
    "Basket.pay",
    "Order.pay",
    "fetch_exchange_rate",
]

TOOLS = {
    "fault_extract_code_block",
    "fault_index_source_code",
    "fault_lint",
    "fault_list_function_names",
    "fault_run_blackhole_impact_scenario",
    "fault_run_jitter_impact_scenario",
    "fault_run_latency_impact_scenario",
    "fault_score_performance",
    "fault_score_reliability",
    "fault_search_code",
}


def test_tools_are_described() -> None:
    tools = {tool["name"]: tool for tool in json.loads(run("list_tools"))}
    assert set(tools) >= TOOLS
    for name, tool in tools.items():
        assert tool["description"], name
        assert tool["inputSchema"]["type"] == "object", name
        for argument, schema in tool["inputSchema"].get("properties", {}).items():
            assert "type" in schema or "anyOf" in schema, f"{name}: {argument} has no type"
        for hint in ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"):
            assert isinstance(tool["annotations"][hint], bool), f"{name}: {hint} is not set"


def test_index_says_done(project: Path) -> None:
    assert run("index", project) == "done"
    assert run("index", project) == "done", "a second time, with nothing changed"


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_list_is_exact(project: Path, prefix: str) -> None:
    assert json.loads(run("list_functions", f"{prefix}{project}/shop.py")) == NAMES


def test_extract_is_exact(project: Path) -> None:
    source = (project / "shop.py").read_text().splitlines(keepends=True)

    def lines(first: int, last: int) -> str:
        return "".join(source[first - 1 : last]).strip()

    expected = {  # name: first line of the whole (decorators), first line of the body, last line
        "fetch_exchange_rate": (42, 43, 44),
        "Basket.pay": (31, 33, 34),
        "Basket.total": (27, 29, 29),
        "Order.pay": (38, 39, 39),
        "retry": (7, 8, 20),
    }
    for name, (first, body, last) in expected.items():
        block = json.loads(run("extract", project / "shop.py", name))
        assert {"full", "body"} <= set(block)
        assert block["full"].strip() == lines(first, last), name
        assert block["body"].strip() == lines(body, last), name


def test_extract_asks_which_one(project: Path) -> None:
    out = run("extract", project / "shop.py", "pay", code=1)
    assert "Basket.pay" in out and "Order.pay" in out, "an ambiguous name must be answered with the choices"


def test_extract_names_the_nearest(project: Path) -> None:
    assert "fetch_exchange_rate" in run("extract", project / "shop.py", "fetch_exchnge_rate", code=1)


def test_search_finds_by_meaning_of_the_name(project: Path) -> None:
    answer = run("search", project, "exchange rate of a currency")
    first = answer.index("fetch_exchange_rate")
    assert "shop.py" in answer and "42" in answer
    assert answer.find("Basket.pay") == -1 or answer.index("Basket.pay") > first


CARELESS = '''import requests


class Rates:
    @staticmethod
    def fetch(currency):
        return requests.get(f"https://rates.example.com/{currency}").json()
'''


def test_score_of_what_was_extracted(project: Path) -> None:
    (project / "rates.py").write_text(CARELESS)
    for concern, at_most in (("reliability", 0.5), ("performance", 1.0)):
        answer = json.loads(run("score", project / "rates.py", "fetch", "python", concern))
        assert set(answer) == {"explanation", "score"}
        assert 0 <= answer["score"] <= at_most
        assert ("requests.get has no timeout" in answer["explanation"]) == (concern == "reliability"), answer


def test_lint_says_where_and_why(project: Path) -> None:
    (project / "rates.py").write_text(CARELESS)
    answer = run("lint", project)
    assert f"{project.resolve()}/rates.py:7:16: error: requests.get has no timeout" in answer
    assert "2 files" in answer


@pytest.mark.parametrize(
    ("script", "args", "wanted"),
    [
        ("list_functions", ["missing.py"], "missing.py"),
        ("list_functions", ["latin1.py"], "UTF-8"),
        ("index", ["missing-folder"], "missing-folder"),
        ("index", [".", "--lang", "pythn"], "python"),
    ],
)
def test_bad_input_is_one_clear_line(project: Path, script: str, args: list[str], wanted: str) -> None:
    (project / "latin1.py").write_bytes("def caf\xe9():\n    return 1\n".encode("latin-1"))
    out = run(script, project / args[0], *args[1:], code=1)
    errors = [line for line in out.splitlines() if "ToolError" in line]
    assert errors and wanted in errors[-1], out
