"""Writes the description of the API for generated clients, and a collection for Bruno: client_schema FILE FOLDER.

It has what the shop and servers use, without the simulator, the desk, what is not sold, and what PhonePe alone calls.
"""

import json
import os
import re
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import django

KEPT = {"Accounts", "Bookings", "Cart", "Catalogue", "Payments", "Servers"}
LEFT_OUT = re.compile(
    r"/public/|/NaN/|/picture/|/uploads/|/receipt/|/calendar/$|/users/|/pancard/|/close/|/otp/|/password/|check-and"
    r"|create-booking|retry-webhook|/api/payments/(cart|status|verify)|by-cart|by-id|/latest/|simulate-payment"
)


def client_schema() -> dict[str, Any]:
    """Operations without the shared refusals of other statuses: a client raises on them, whatever they are."""
    from drf_spectacular.generators import SchemaGenerator  # noqa: PLC0415 - after django.setup()

    schema: dict[str, Any] = SchemaGenerator().get_schema(public=True)
    paths = {}
    for path, operations in schema["paths"].items():
        kept = {
            method: operation
            for method, operation in operations.items()
            if KEPT.intersection(operation.get("tags", []))
            and not LEFT_OUT.search(path)
            and (method == "get" or not path.startswith("/api/puja/"))  # the desk writes there
        }
        for operation in kept.values():
            answers = operation["responses"]
            operation["responses"] = {
                code: answer for code, answer in answers.items() if code.startswith("2") or code == "400"
            }
            if content := operation.get("requestBody", {}).get("content"):
                operation["requestBody"]["content"] = {"application/json": content["application/json"]}
        if kept:
            paths[path] = kept
    schema["servers"] = [{"url": "http://127.0.0.1:8000"}]
    schema["paths"] = paths
    used = _used_schemas(schema["components"]["schemas"], json.dumps(paths))
    schema["components"]["schemas"] = {name: schema["components"]["schemas"][name] for name in sorted(used)}
    return schema


def write_bruno(schema: dict[str, Any], folder: Path) -> None:
    """A collection for Bruno: a request for each operation, with its example."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "environments").mkdir(parents=True)
    about = {"version": "1", "name": "OkPuja payments", "type": "collection"}
    (folder / "bruno.json").write_text(json.dumps(about, indent=2) + "\n")
    variables = "  baseUrl: http://127.0.0.1:8000\n  access: \n  apiKey: \n"
    (folder / "environments" / "local.bru").write_text(f"vars {{\n{variables}}}\n")
    numbers: Counter[str] = Counter()
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            tag = operation["tags"][0]
            numbers[tag] += 1
            (folder / tag).mkdir(exist_ok=True)
            request = _request(path, method, operation, numbers[tag])
            (folder / tag / f"{operation['operationId']}.bru").write_text(request)


def _request(path: str, method: str, operation: dict[str, Any], number: int) -> str:
    parameters = [each for each in operation.get("parameters", []) if "example" in each]
    given = {
        place: {each["name"]: each["example"] for each in parameters if each["in"] == place}
        for place in ("path", "query", "header")
    }
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    token = "apiKey" if path.startswith("/api/server/") else "access"
    url = "{{baseUrl}}" + re.sub(r"\{(\w+)\}", r":\1", path)
    body = "json" if "example" in content else "none"
    parts = [
        f"meta {{\n  name: {operation['summary']}\n  type: http\n  seq: {number}\n}}",
        f"{method} {{\n  url: {url}\n  body: {body}\n  auth: bearer\n}}",
        *(_block(f"params:{place}", given[place]) for place in ("path", "query") if given[place]),
        *([_block("headers", given["header"])] if given["header"] else []),
        f"auth:bearer {{\n  token: {{{{{token}}}}}\n}}",
    ]
    if body == "json":
        text = json.dumps(content["example"], indent=2, ensure_ascii=False).replace("\n", "\n  ")
        parts.append(f"body:json {{\n  {text}\n}}")
    return "\n\n".join(parts) + "\n"


def _block(name: str, values: dict[str, Any]) -> str:
    lines = "".join(f"  {key}: {value}\n" for key, value in values.items())
    return f"{name} {{\n{lines}}}"


def _used_schemas(schemas: dict[str, Any], text: str) -> set[str]:
    found, waiting = set[str](), {*re.findall(r"#/components/schemas/(\w+)", text)}
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= {*re.findall(r"#/components/schemas/(\w+)", json.dumps(schemas[name]))} - found
    return found


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "okpuja.settings")
    django.setup()
    described = json.loads(json.dumps(client_schema(), default=str))
    Path(sys.argv[1]).write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n")
    write_bruno(described, Path(sys.argv[2]))
