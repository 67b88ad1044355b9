"""Index the source code below a folder."""

import asyncio

from fastmcp import Client

import mcp_client


async def main(args) -> None:
    async with Client(mcp_client.config(args)) as client:
        answer = await client.call_tool("fault_index_source_code", {"source_dir": args.source_dir, "lang": args.lang})
    print(mcp_client.text(answer))


if __name__ == "__main__":
    p = mcp_client.parser()
    p.add_argument("source_dir")
    p.add_argument("--lang", default="python")
    asyncio.run(main(p.parse_args()))
