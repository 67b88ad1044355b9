"""Print what fault finds in files and folders."""

import asyncio

from fastmcp import Client

import mcp_client


async def main(args) -> None:
    async with Client(mcp_client.config(args)) as client:
        answer = await client.call_tool("fault_lint", {"paths": [str(path) for path in args.paths]})
    print(mcp_client.text(answer))


if __name__ == "__main__":
    p = mcp_client.parser()
    p.add_argument("paths", nargs="+")
    asyncio.run(main(p.parse_args()))
