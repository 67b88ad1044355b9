"""Print the tools that fault offers, as JSON."""

import asyncio
import json

from fastmcp import Client

import mcp_client


async def main(args) -> None:
    async with Client(mcp_client.config(args)) as client:
        tools = await client.list_tools()
    print(json.dumps([tool.model_dump(mode="json", by_alias=True) for tool in tools]))


if __name__ == "__main__":
    asyncio.run(main(mcp_client.parser().parse_args()))
