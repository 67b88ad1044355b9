"""Print one function of a file, as the JSON object that fault answers."""

import asyncio

from fastmcp import Client

import mcp_client


async def main(args) -> None:
    async with Client(mcp_client.config(args)) as client:
        answer = await client.call_tool("fault_extract_code_block", {"file": args.file, "func": args.func})
    print(mcp_client.text(answer))


if __name__ == "__main__":
    p = mcp_client.parser()
    p.add_argument("file")
    p.add_argument("func")
    asyncio.run(main(p.parse_args()))
