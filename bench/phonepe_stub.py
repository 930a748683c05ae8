"""A PhonePe (V1) that answers after a set time and costs little: `python -m bench.phonepe_stub SECONDS`.

On two cores the simulator of this repository would be what is measured. This one checks no signature, has no accounts,
remembers the amount of each order, and says PENDING of all of them until `/control/paid` was called (and again after
`/control/unpaid`).
"""

import asyncio
import base64
import json
import re
import sys
import time
from typing import Any

PAGE = {"type": "PAY_PAGE", "redirectInfo": {"url": "http://127.0.0.1/page", "method": "GET"}}
STATUS = re.compile(r"/pg/v1/status/([^/]+)/([^/?]+)")


class PhonePe:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.amounts: dict[str, int] = {}
        self.is_paid = False
        self.retry_after = 0  # above 0: every call is answered 429
        self.now_calling = 0
        self.counts = {"calls": 0, "connections": 0, "most_at_once": 0, "throttled": 0}
        self.moments: list[float] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.counts["connections"] += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = re.search(r"(?i)\r\ncontent-length: *(\d+)", head)
                body = await reader.readexactly(int(length[1])) if length else b""
                status, answer = await self.answer(head.split(" ", 2)[1], body)
                text = json.dumps(answer).encode()
                extra = f"Retry-After: {self.retry_after}\r\n" if status == 429 else ""
                writer.write(
                    f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\n{extra}"
                    f"Content-Length: {len(text)}\r\n\r\n".encode()
                    + text
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def answer(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if "/control/" in path:
            return 200, self.control(path.partition("/control/")[2])
        self.counts["calls"] += 1
        self.moments.append(time.time())
        if self.retry_after:
            self.counts["throttled"] += 1
            return 429, {
                "success": False,
                "code": "TOO_MANY_REQUESTS",
                "message": "Too many requests.",
                "data": {},
            }
        self.now_calling += 1
        self.counts["most_at_once"] = max(self.counts["most_at_once"], self.now_calling)
        await asyncio.sleep(self.seconds)
        self.now_calling -= 1
        if found := STATUS.search(path):
            return self.status(*found.groups())
        order = json.loads(base64.b64decode(json.loads(body)["request"]))
        self.amounts[order["merchantTransactionId"]] = order["amount"]
        data = {
            "merchantId": order["merchantId"],
            "merchantTransactionId": order["merchantTransactionId"],
            "instrumentResponse": PAGE,
        }
        return 200, {
            "success": True,
            "code": "PAYMENT_INITIATED",
            "message": "Payment initiated",
            "data": data,
        }

    def status(self, merchant: str, order: str) -> tuple[int, dict[str, Any]]:
        state, code = ("COMPLETED", "PAYMENT_SUCCESS") if self.is_paid else ("PENDING", "PAYMENT_PENDING")
        data = {
            "merchantId": merchant,
            "merchantTransactionId": order,
            "transactionId": f"T{order[3:]}" if self.is_paid else None,
            "amount": self.amounts.get(order, 0),
            "state": state,
            "responseCode": "SUCCESS" if self.is_paid else "PAYMENT_PENDING",
        }
        return 200, {"success": True, "code": code, "message": "-", "data": data}

    def control(self, order: str) -> dict[str, Any]:
        word, _, value = order.partition("/")
        if word in ("paid", "unpaid"):
            self.is_paid = word == "paid"
        elif word == "throttle":
            self.retry_after = int(value)
        elif word == "reset":
            self.counts = dict.fromkeys(self.counts, 0)
            self.moments.clear()
        return self.counts | {"moments": self.moments}


async def main() -> None:
    phonepe = PhonePe(float(sys.argv[1]))
    server = await asyncio.start_server(phonepe.serve, "127.0.0.1", 0, backlog=1024)
    print(f"ready on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
