"""A diagnosis for people: what the page draws and the plain text says. Reads the answer of `diagnostics.report`,
short or full, and adds nothing to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from diagnostics.enums import Culprit, Verdict

Wire = dict[str, Any]

STEPS = {
    "dns": "Find the address",
    "tcp": "Connect",
    "proxy": "Pass the proxy",
    "tls": "Encrypt",
    "http": "Get an answer",
    "credentials": "Be recognised",
    "contract": "Ask about an order",
}
# What the short answer tells of a ladder: the last layer that worked.
STAGES = ("DNS", "TCP", "TLS", "HTTP")
WHO_ACTS = {
    Culprit.NONE: "nobody",
    Culprit.HOSTING: "the hosting provider, or whoever runs this server's network",
    Culprit.PHONEPE: "PhonePe",
    Culprit.CREDENTIALS: "whoever manages our account in PhonePe's dashboard",
    Culprit.CONFIGURATION: "whoever configures this server",
    Culprit.THIS_SERVER: "whoever operates this server",
}
# Payments go on with these.
HAMPERED = {Verdict.BROKER_DOWN, Verdict.MAIL_DOWN, Verdict.WEBHOOK_UNREACHABLE}
HOPS = {
    "database": "Database",
    "worker": "Background worker",
    "cache": "Cache",
    "mail": "Mail server",
    "broker": "Message broker",
    "disk": "Disk",
    "webhook": "PhonePe's way to us",
    "webhook_silence": "Calls from PhonePe",
}
MARKS = {"good": "+", "bad": "X", "unseen": "-"}
FAMILIES = {"ipv4": "IPv4", "ipv6": "IPv6", "": ""}


@dataclass(frozen=True)
class Rung:
    """`state`: good, bad, or unseen (not looked at, or it says nothing)."""

    step: str
    state: str
    detail: str = ""


@dataclass(frozen=True)
class Ladder:
    """One way to one address, by one address family."""

    family: str
    rungs: tuple[Rung, ...]


def state(ok: bool | None) -> str:
    return "unseen" if ok is None else "good" if ok else "bad"


def mood(found: Wire) -> str:
    """Of the whole answer: good, simulated, hampered (payments go on) or bad."""
    if not found["success"]:
        return "hampered" if found["verdict"] in HAMPERED else "bad"
    return "simulated" if found["verdict"] == Verdict.SIMULATED else "good"


def who_acts(found: Wire) -> str:
    return WHO_ACTS[Culprit(found["culprit"])]


def moment(text: str) -> str:
    """`2026-11-23T05:46:58+05:30` as people read it."""
    at = datetime.fromisoformat(text)
    return f"{at:%-d %b %Y, %H:%M:%S} ({at:%Z})".replace("UTC+05:30", "IST")


def ladders(endpoint: Wire) -> list[Ladder]:
    """One for each address family that was tried; rungs that belong to none stand in all of them."""
    rungs = endpoint.get("ladder")
    if rungs is None:
        return [Ladder("", tuple(_short(endpoint)))]
    families = list(dict.fromkeys(rung["family"] for rung in rungs if rung["family"])) or [""]
    return [Ladder(FAMILIES[each], _whole(_of_family(rungs, each))) for each in families]


def dependencies(found: Wire) -> list[Wire]:
    """Our own hops with `name` and `state`, in the order of the answer."""
    return [
        {**hop, "name": HOPS.get(name, name), "state": state(hop["ok"])}
        for name, hop in found.get("dependencies", {}).items()
    ]


def as_text(found: Wire) -> str:
    return "\n".join(_lines(found)) + "\n"


def checks_as_text(checks: list[Wire]) -> str:
    return "".join(
        f"{MARKS[state(each['ok'])]} {each['layer']:<12} {each['target']}: {each['detail']}\n"
        for each in checks
    )


def _lines(found: Wire) -> Iterator[str]:
    yield from (
        found["summary"],
        "",
        f"Verdict:    {found['verdict']}",
        f"Must act:   {who_acts(found)}",
    )
    if "next_action" in found:
        yield f"What to do: {found['next_action']}"
    yield f"Checked at: {moment(found['checked_at'])}"
    for also in found.get("also", []):
        yield f"Also:       {also['summary']} {also['next_action']}"
    yield from _drawn("The way to PhonePe", found["endpoints"])
    yield from _drawn("For comparison", found.get("controls", []))
    yield from _own_hops(found)
    yield from _changes(found.get("changed_since_last_ok"))
    yield from _unknown(found.get("unknown_codes", []))
    yield from _letter(found.get("support_message"))


def _drawn(title: str, endpoints: list[Wire]) -> Iterator[str]:
    if not endpoints:
        return
    yield from ("", title)
    for endpoint in endpoints:
        yield f"  {named(endpoint)}"
        for ladder in ladders(endpoint):
            yield from (
                f"    {MARKS[rung.state]} {ladder.family:<5}{rung.step:<19} {rung.detail}".rstrip()
                for rung in ladder.rungs
            )


def _own_hops(found: Wire) -> Iterator[str]:
    hops = dependencies(found)
    if hops:
        yield from ("", "Our own server")
    for hop in hops:
        yield f"  {MARKS[hop['state']]} {hop['name']:<20} {hop['target']}: {hop['detail']}"


def _changes(changed: Wire | None) -> Iterator[str]:
    if not changed:
        return
    yield from ("", f"Changed since all was well, on {moment(changed['since'])}")
    for change in changed["changes"]:
        yield f"  {change['what']}: {change['before']} -> {change['now']}"
    if not changed["changes"]:
        yield "  nothing that we look at"


def _unknown(codes: list[Wire]) -> Iterator[str]:
    if codes:
        yield from (
            "",
            "Words of PhonePe that we do not know. They decide nothing; somebody should look them up",
        )
    for each in codes:
        yield f"  {each['code']}: {each['times']} times, last on {moment(each['last_seen'])}"


def _letter(message: Wire | None) -> Iterator[str]:
    if not message:
        return
    yield from ("", f"Message to send to {message['to']}", f"  Subject: {message['subject']}", "")
    yield from (f"  {line}".rstrip() for line in message["body"].splitlines())


def named(endpoint: Wire) -> str:
    """The host for everyone; target, way and purpose for whoever operates this server."""
    if "target" not in endpoint:
        return str(endpoint["endpoint"])
    return f"{endpoint['target']} ({endpoint['role']}, {endpoint['way']})"


def _of_family(rungs: list[Wire], family: str) -> tuple[Rung, ...]:
    return tuple(
        Rung(STEPS[rung["layer"]], state(rung["ok"]), rung["detail"])
        for rung in rungs
        if rung["family"] in ("", family)
    )


def _whole(rungs: tuple[Rung, ...]) -> tuple[Rung, ...]:
    """With the steps that nobody came to, up to an answer."""
    if not rungs or rungs[-1].state != "bad":
        return rungs
    names = [STEPS[stage.lower()] for stage in STAGES]
    last = rungs[-1].step
    left = names[names.index(last) + 1 :] if last in names else []
    return rungs + tuple(Rung(name, "unseen") for name in left)


def _short(endpoint: Wire) -> Iterator[Rung]:
    """Passed up to `stage`; the next one stopped us."""
    stage = "TCP" if endpoint["stage"] == "PROXY" else endpoint["stage"]
    reached = STAGES.index(stage) if stage in STAGES else -1
    for position, name in enumerate(STAGES):
        passed = endpoint["reachable"] or position <= reached
        yield Rung(STEPS[name.lower()], "good" if passed else "bad" if position == reached + 1 else "unseen")
