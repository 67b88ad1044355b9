"""An ASGI application for hypercorn: / says over which version of HTTP it was called, /bytes sends a megabyte, /json a few values, /sum answers the
SHA-256 of what it was sent, /events sends the time eight times, every 100 ms, and never ends."""

import asyncio
import hashlib
import time

CONTENT = hashlib.shake_128(b"a megabyte").digest(1_000_000)
EVENTS = 8
INTERVAL = 0.1


async def app(scope, receive, send) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])

    async def body() -> bytes:
        parts = []
        while True:
            message = await receive()
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                return b"".join(parts)

    async def head(content_type: bytes) -> None:
        headers = [(b"content-type", content_type), (b"x-path", scope["path"].encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def answer(content: bytes, content_type: bytes = b"application/octet-stream") -> None:
        await head(content_type)
        await send({"type": "http.response.body", "body": content})

    match scope["path"]:
        case "/bytes":
            await answer(CONTENT)
        case "/sum":
            await answer(hashlib.sha256(await body()).hexdigest().encode())
        case "/json":
            await answer(b'{"items": [{"price": 12.5, "name": "a"}], "total": 12.5}', b"application/json")
        case "/events":
            await head(b"text/event-stream")
            for _ in range(EVENTS):
                event = f"data: {time.time()}\n\n".encode()
                await send({"type": "http.response.body", "body": event, "more_body": True})
                await asyncio.sleep(INTERVAL)
            while (await receive())["type"] != "http.disconnect":
                pass
        case _:
            await body()  # a server that answers without reading may reset the connection
            await answer(f"{scope['method']} {scope['http_version']}".encode())
