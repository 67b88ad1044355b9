"""Call an endpoint while the time of its upstream varies, and print the report."""

import asyncio

from fastmcp import Client

import mcp_client


async def main(args) -> None:
    async with Client(mcp_client.config(args)) as client:
        answer = await client.call_tool(
            "fault_run_jitter_impact_scenario",
            {
                "url": args.url,
                "method": "GET",
                "body": "",
                "duration": args.duration,
                "amplitude": args.amplitude,
                "frequency": args.frequency,
                "direction": "ingress",
                "side": "server",
                "num_clients": "1",
                "rps": "3",
                "timeout": 10,
                "proxies": args.proxy,
            },
        )
    print(mcp_client.text(answer))


if __name__ == "__main__":
    p = mcp_client.parser()
    p.add_argument("url")
    p.add_argument("amplitude", type=float)
    p.add_argument("frequency", type=float)
    p.add_argument("--proxy", action="append", default=[], help="LEFT=RIGHT, as the mappings of fault run")
    p.add_argument("--duration", default="10s")
    asyncio.run(main(p.parse_args()))
