"""Print the names of the functions of a file, as the JSON array that fault answers."""

import asyncio

from fastmcp import Client

import mcp_client


async def main(args) -> None:
    async with Client(mcp_client.config(args)) as client:
        answer = await client.call_tool("fault_list_function_names", {"file": args.file})
    print(mcp_client.text(answer))


if __name__ == "__main__":
    p = mcp_client.parser()
    p.add_argument("file")
    asyncio.run(main(p.parse_args()))
