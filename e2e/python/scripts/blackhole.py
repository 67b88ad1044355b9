"""Call an endpoint while its upstream has vanished, and print the report."""

import asyncio

from fastmcp import Client

import mcp_client


async def main(args) -> None:
    async with Client(mcp_client.config(args)) as client:
        answer = await client.call_tool(
            "fault_run_blackhole_impact_scenario",
            {
                "url": args.url,
                "method": "GET",
                "body": "",
                "duration": args.duration,
                "direction": args.direction,
                "side": "server",
                "num_clients": 1,
                "timeout": args.timeout,
                "rps": 3,
                "proxies": args.proxy,
            },
        )
    print(mcp_client.text(answer))


if __name__ == "__main__":
    p = mcp_client.parser()
    p.add_argument("url")
    p.add_argument("--proxy", action="append", default=[], help="LEFT=RIGHT, as the mappings of fault run")
    p.add_argument("--direction", default="egress")
    p.add_argument("--duration", default="10s")
    p.add_argument("--timeout", type=int, default=5)
    asyncio.run(main(p.parse_args()))
