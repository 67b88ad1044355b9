"""Print the score of one function of a file, as the JSON object that fault answers."""

import asyncio
import json

from fastmcp import Client

import mcp_client


async def main(args) -> None:
    async with Client(mcp_client.config(args)) as client:
        block = await client.call_tool("fault_extract_code_block", {"file": args.file, "func": args.func})
        snippet = json.loads(mcp_client.text(block))["full"]
        answer = await client.call_tool(f"fault_score_{args.concern}", {"snippet": snippet, "lang": args.lang})
    print(mcp_client.text(answer))


if __name__ == "__main__":
    p = mcp_client.parser()
    p.add_argument("file")
    p.add_argument("func")
    p.add_argument("lang")
    p.add_argument("concern", choices=["performance", "reliability"])
    asyncio.run(main(p.parse_args()))
