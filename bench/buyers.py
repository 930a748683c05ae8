"""Many buyers at once, or some who look until stdin ends: `python -m bench.buyers` reads its task there as one line.

A process of its own with one thread: hundreds of client threads would take the processor that the server needs. Those
who look get another one: to open 200 connections takes longer than the answer that they wait for.
"""

import asyncio
import json
import sys
import time
from typing import Any

PATIENCE_SECONDS = 900
PAUSE_SECONDS = 0.1  # of somebody who looks, after each answer
SECONDS_AFTER_DROP = 2.0  # a browser tries again when a connection ends without an answer


async def call(
    address: tuple[str, int], method: str, path: str, token: str = "", body: Any = None
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers by lower-case name, body. One connection each, as behind a proxy without keep-alive.

    Raises ConnectionError when the connection ends without an answer.
    """
    reader, writer = await asyncio.open_connection(*address)
    try:
        text = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {len(text)}\r\n"
        head += "Content-Type: application/json\r\n" + (f"Authorization: Bearer {token}\r\n" if token else "")
        writer.write(head.encode() + b"\r\n" + text)
        answer = await reader.read()
    finally:
        writer.close()
    if not answer:
        raise ConnectionResetError
    first, _, rest = answer.partition(b"\r\n")
    lines, _, content = rest.partition(b"\r\n\r\n")
    pairs = (line.partition(": ") for line in lines.decode("latin-1").split("\r\n"))
    return int(first.split(b" ")[1]), {name.lower(): value for name, _, value in pairs}, content


async def buy(address: tuple[str, int], token: str, cart: int, began: float) -> dict[str, Any]:
    """Clicks until the answer is final, and comes again when it is told to."""
    refusals, drops, first_told = 0, 0, 0.0
    path, body = "/api/payments/payments/process-cart/", {"cart_id": cart}
    while True:
        try:
            status, headers, content = await call(address, "POST", path, token, body)
        except ConnectionError:
            drops += 1
            await asyncio.sleep(SECONDS_AFTER_DROP)
            continue
        now = time.monotonic() - began
        first_told = first_told or now
        if status not in (503, 429) or now > PATIENCE_SECONDS:
            word = json.loads(content).get("code", "") if status >= 300 else ""
            counted = {"refusals": refusals, "drops": drops}
            return {"status": status, "code": word, "at": now, "told": first_told} | counted
        refusals += 1
        await asyncio.sleep(float(headers.get("retry-after", 2)))


async def look(
    address: tuple[str, int], path: str, pause: float, found: list[float], ended: asyncio.Event
) -> None:
    while not ended.is_set():
        began = time.monotonic()
        try:
            status, _, _ = await call(address, "GET", path)
        except ConnectionError:
            status = 0
        found.append(time.monotonic() - began if status == 200 else 99.0)
        await asyncio.sleep(pause)


async def main() -> None:
    wanted = json.loads(sys.stdin.readline())
    host, _, port = wanted["url"].removeprefix("http://").partition(":")
    address, ended = (host, int(port)), asyncio.Event()
    others: dict[str, list[float]] = {path: [] for path in wanted.get("others", [])}
    if others:
        lookers = [
            asyncio.create_task(look(address, path, PAUSE_SECONDS, found, ended))
            for path, found in others.items()
        ]
        await asyncio.to_thread(sys.stdin.read)
        ended.set()
        await asyncio.gather(*lookers)
        print(json.dumps(others))
        return
    began = time.monotonic()
    bought = await asyncio.gather(*(buy(address, token, cart, began) for token, cart in wanted["people"]))
    print(json.dumps(bought))


if __name__ == "__main__":
    asyncio.run(main())
