"""A diagnosis for people: as a page and as plain text. Reads the JSON of `diagnostics.report`, short or full."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.translation import gettext_noop as _
from rest_framework.renderers import BaseRenderer

from core.printable import printable, printable_values
from diagnostics.enums import Culprit, Finding, Verdict
from diagnostics.report import Layer

Json = dict[str, Any]

LAYERS = {
    "dns": "Find the address",
    "tcp": "Connect",
    "proxy": "Pass the proxy",
    "tls": "Encrypt",
    "http": "Get an answer",
    "credentials": "Be recognised",
    "contract": "Ask about an order",
}
# The short answer contains only the last layer that worked, one of these.
STAGES = ("DNS", "TCP", "TLS", "HTTP")
DEPENDENCIES = {
    "database": _("Database"),
    "worker": _("Background worker"),
    "cache": _("Cache"),
    "mail": _("Mail server"),
    "broker": _("Message broker"),
    "disk": _("Disk"),
    "webhook": _("Our webhook address"),
    "webhook_silence": _("Webhooks from PhonePe"),
    "load": _("CPU time of this process"),
}
# Who has made a diagnosis: `DiagnosisRun.AskedBy`.
WHO_LOOKED = {"web": "a visitor of the page", "worker": "the worker", "command": "manage.py doctor"}
MARKS = {"good": "+", "bad": "X", "unseen": "-"}
FAMILIES = {"ipv4": "IPv4", "ipv6": "IPv6", "": ""}


@dataclass(frozen=True)
class Step:
    """One layer. `state`: good, bad, or unseen (not checked, or it says nothing)."""

    name: str
    state: str
    detail: str = ""


@dataclass(frozen=True)
class Route:
    """The steps to one endpoint by one address family."""

    family: str
    steps: tuple[Step, ...]


class TextRenderer(BaseRenderer):
    """For terminals."""

    media_type = "text/plain"
    format = "text"

    def render(self, data: Any, media_type: str | None = None, context: Any = None) -> bytes:
        return (as_text(data) if is_report(data) else f"{printable(data['error'])}\n").encode()


class PageRenderer(BaseRenderer):
    """For browsers."""

    media_type = "text/html"
    format = "html"

    def render(self, data: Any, media_type: str | None = None, context: Any = None) -> bytes:
        request: HttpRequest = context["request"]._request
        if not is_report(data):
            return render_to_string("payment/trouble.html", {"sentence": data["error"]}, request).encode()
        return render_to_string("diagnostics/diagnosis.html", page_context(data, request), request).encode()


def is_report(data: Json) -> bool:
    """Errors are rendered by the same renderers."""
    return "verdict" in data


def page_context(report: Json, request: HttpRequest) -> Json:
    report = printable_values(report, lines_in={"body"})
    changed = report.get("changed_since_last_ok")
    codes = report.get("unknown_codes", [])
    return {
        "found": report,
        "is_full": "next_action" in report,
        "is_refused": "refused" in request.GET,
        "severity": severity(report),
        "who_acts": who_acts(report),
        "checked_at": format_time(report["checked_at"]),
        "since": format_time(changed["since"]) if changed else "",
        "history": [
            {
                **run,
                "at": format_time(run["checked_at"]),
                "who": WHO_LOOKED.get(run["asked_by"], run["asked_by"]),
            }
            for run in report.get("history", [])
        ],
        "unknown_codes": [{**each, "at": format_time(each["last_seen"])} for each in codes],
        "endpoints": _page_endpoints(report["endpoints"]),
        "controls": _page_endpoints(report.get("controls", [])),
        "dependencies": dependencies(report),
        "build": settings.BUILD,
    }


def as_text(report: Json) -> str:
    report = printable_values(report, lines_in={"body"})  # a line of others must not look like one of ours
    lines = [
        *_summary_lines(report),
        *_endpoint_lines("The connection to PhonePe", report["endpoints"]),
        *_endpoint_lines("For comparison", report.get("controls", [])),
    ]
    if checks := dependencies(report):
        lines += ["", "Our own server"]
    for check in checks:
        lines.append(f"  {MARKS[check['state']]} {check['name']:<20} {check['target']}: {check['detail']}")
    if changed := report.get("changed_since_last_ok"):
        lines += ["", f"Changed since the last good diagnosis, on {format_time(changed['since'])}"]
        for change in changed["changes"]:
            lines.append(f"  {change['what']}: {change['before']} -> {change['now']}")
        if not changed["changes"]:
            lines.append("  nothing that is recorded")
    if warnings := report.get("warnings", []):
        lines += ["", "Settings to look at"]
    lines += [f"  {each['text']}. {each['remedy']} ({each['id']})" for each in warnings]
    if runs := report.get("history", []):
        lines += ["", "Earlier runs, the newest first"]
    for run in runs:
        who = WHO_LOOKED.get(run["asked_by"], run["asked_by"])
        lines.append(f"  {format_time(run['checked_at'])}: {run['verdict']}, {run['culprit']} ({who})")
    if codes := report.get("unknown_codes", []):
        lines += [
            "",
            "Unknown codes of PhonePe. They have no effect; please find out what they mean",
        ]
    for each in codes:
        lines.append(f"  {each['code']}: {each['times']} times, last on {format_time(each['last_seen'])}")
    if message := report.get("support_message"):
        lines += ["", f"Message to send to {message['to']}", f"  Subject: {message['subject']}", ""]
        lines += [f"  {line}".rstrip() for line in message["body"].splitlines()]
    return "\n".join(lines) + "\n"


def checks_as_text(checks: list[Layer]) -> str:
    return "".join(
        printable(f"{MARKS[state_of(each.ok)]} {each.layer:<12} {each.target}: {each.detail}") + "\n"
        for each in checks
    )


def state_of(ok: bool | None) -> str:
    return "unseen" if ok is None else "good" if ok else "bad"


def state_of_check(check: Json) -> str:
    """A check that is well and yet has a finding has seen nothing that proves it."""
    return "unseen" if check["ok"] and check["finding"] else state_of(check["ok"])


def severity(report: Json) -> str:
    """Of the whole answer, also a CSS class: good, simulated, hampered (payments go on) or bad."""
    if not report["success"]:
        return "hampered" if Verdict(report["verdict"]).is_minor else "bad"
    return "simulated" if report["verdict"] == Verdict.SIMULATED else "good"


def who_acts(report: Json) -> str:
    return str(Culprit(report["culprit"]).label)


def format_time(text: str) -> str:
    """`2026-11-23T05:46:58+05:30` as people read it."""
    at = datetime.fromisoformat(text)
    return f"{at:%-d %b %Y, %H:%M:%S} ({at:%Z})".replace("UTC+05:30", "IST")


def routes(endpoint: Json) -> list[Route]:
    """One for each address family that has an address; layers that belong to none stand in all of them."""
    layers = endpoint.get("ladder")
    if layers is None:
        return [Route("", tuple(_steps_of_stage(endpoint)))]
    with_address = (each for each in layers if each["finding"] != Finding.NO_ADDRESS)
    families = list(dict.fromkeys(each["family"] for each in with_address if each["family"])) or [""]
    return [Route(FAMILIES[family], _steps(layers, family)) for family in families]


def dependencies(report: Json) -> list[Json]:
    """With `name` and `state`, in the order of the answer."""
    return [
        {**check, "name": DEPENDENCIES.get(name, name), "state": state_of_check(check)}
        for name, check in report.get("dependencies", {}).items()
    ]


def _summary_lines(report: Json) -> Iterator[str]:
    yield from (
        report["summary"],
        "",
        f"Verdict:    {report['verdict']}",
        f"Must act:   {who_acts(report)}",
    )
    if "next_action" in report:
        yield f"What to do: {report['next_action']}"
    yield f"Checked at: {format_time(report['checked_at'])}"
    for also in report.get("also", []):
        yield f"Also:       {also['summary']} {also['next_action']}"


def _endpoint_lines(title: str, endpoints: list[Json]) -> Iterator[str]:
    if not endpoints:
        return
    yield from ("", title)
    for endpoint in endpoints:
        # The host for everyone; target, role and route for operators only.
        is_full = "target" in endpoint
        yield "  {target} ({role}, {way})".format(**endpoint) if is_full else f"  {endpoint['endpoint']}"
        for route in routes(endpoint):
            yield from (
                f"    {MARKS[step.state]} {route.family:<5}{step.name:<19} {step.detail}".rstrip()
                for step in route.steps
            )


def _steps(layers: list[Json], family: str) -> tuple[Step, ...]:
    """Those of one family; after a failed step also the steps that were not reached, up to an HTTP answer."""
    steps = tuple(
        Step(LAYERS[each["layer"]], state_of(each["ok"]), each["detail"])
        for each in layers
        if each["family"] in ("", family)
    )
    if not steps or steps[-1].state != "bad":
        return steps
    names = [LAYERS[stage.lower()] for stage in STAGES]
    last = steps[-1].name
    not_reached = names[names.index(last) + 1 :] if last in names else []
    return steps + tuple(Step(name, "unseen") for name in not_reached)


def _steps_of_stage(endpoint: Json) -> Iterator[Step]:
    """Passed up to `stage`; the next one failed."""
    stage = "TCP" if endpoint["stage"] == "PROXY" else endpoint["stage"]
    reached = STAGES.index(stage) if stage in STAGES else -1
    for position, name in enumerate(STAGES):
        is_passed = endpoint["reachable"] or position <= reached
        state = "good" if is_passed else "bad" if position == reached + 1 else "unseen"
        yield Step(LAYERS[name.lower()], state)


def _page_endpoints(endpoints: list[Json]) -> list[Json]:
    """`state` of each: bad with a bad step, good when nothing needs to be looked at."""
    pages = []
    for each in endpoints:
        found = routes(each)
        states = {step.state for route in found for step in route.steps}
        state = "bad" if "bad" in states else "good" if each["reachable"] else "unseen"
        pages.append({**each, "name": each.get("target", each["endpoint"]), "routes": found, "state": state})
    return pages
