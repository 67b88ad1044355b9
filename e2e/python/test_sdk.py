"""The official Python SDK of the protocol, whichever release FastMCP brings along."""

import asyncio
import json
import os
from pathlib import Path

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


def field(value: object, snake: str, camel: str) -> object:
    """Newer releases of the SDK name fields in Python's way, older ones as the protocol does."""
    return getattr(value, snake) if hasattr(value, snake) else getattr(value, camel)


def test_list_and_call(project: Path) -> None:
    async def talk() -> tuple[object, object, object]:
        server = StdioServerParameters(command=os.environ["FAULT_BIN"], args=["agent", "tool"])
        async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
            hello = await session.initialize()
            tools = await session.list_tools()
            answer = await session.call_tool(
                "fault_extract_code_block", {"file": str(project / "shop.py"), "func": "fetch_exchange_rate"}
            )
        return hello, tools, answer

    hello, tools, answer = asyncio.run(talk())
    assert field(hello, "server_info", "serverInfo").name == "fault"
    assert len(tools.tools) >= 7
    assert not field(answer, "is_error", "isError"), answer
    block = json.loads(answer.content[0].text)
    assert block["full"].startswith("async def fetch_exchange_rate(client, currency):")
