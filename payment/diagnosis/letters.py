"""A message ready to be sent to whoever must act: what, when, how far, the exact error, and what works meanwhile."""

import socket
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from django.conf import settings

from payment.diagnosis.configuration import masked
from payment.diagnosis.facts import Facts
from payment.diagnosis.knocks import Visit
from payment.diagnosis.rules import Judgement
from payment.diagnosis.words import Culprit

TO = {
    Culprit.HOSTING: "the support of the hosting provider",
    Culprit.PHONEPE: "PhonePe's merchant support",
    Culprit.CREDENTIALS: "whoever manages our account in PhonePe's dashboard",
    Culprit.CONFIGURATION: "whoever configures this server",
    Culprit.THIS_SERVER: "whoever operates this server",
}
INDIA = ZoneInfo("Asia/Kolkata")


def letter(judgement: Judgement, facts: Facts, now: datetime) -> dict[str, str] | None:
    """`to`, `subject`, `body`; None when nobody has to act. `now` is aware."""
    if judgement.culprit is Culprit.NONE:
        return None
    subject = facts.subject
    about = f" ({subject.door.target})" if subject and _is_about_a_door(judgement) else ""
    return {
        "to": TO[judgement.culprit],
        "subject": f"{judgement.verdict.value.replace('_', ' ')}{about} from {socket.gethostname()}",
        "body": "\n".join(_lines(judgement, facts, now)),
    }


def _lines(judgement: Judgement, facts: Facts, now: datetime) -> list[str]:
    evidence = _network(facts) if _is_about_a_door(judgement) else _own_hops(facts)
    return [
        judgement.summary,
        "",
        f"Our server: {socket.gethostname()}",
        f"Checked at: {_both_clocks(now)}",
        *_merchant(judgement),
        *evidence,
        "",
        f"What is needed: {judgement.next_action}",
    ]


def _is_about_a_door(judgement: Judgement) -> bool:
    return judgement.culprit in {Culprit.HOSTING, Culprit.PHONEPE, Culprit.CREDENTIALS, Culprit.CONFIGURATION}


def _merchant(judgement: Judgement) -> list[str]:
    if judgement.culprit not in {Culprit.PHONEPE, Culprit.CREDENTIALS}:
        return []
    name = settings.PHONEPE_CLIENT_ID or settings.PHONEPE_MERCHANT_ID
    return [f"Merchant: {masked(name)} ({settings.PHONEPE_ENV})"]


def _network(facts: Facts) -> list[str]:
    lines = []
    if subject := facts.subject:
        lines += [f"Target: {subject.door.target}, {subject.door.way}", *map(_visited, subject.visits)]
    if facts.reply:
        lines.append(f"A question about an order that does not exist: {facts.reply.detail}")
    if control := facts.control:
        lines += [
            f"For comparison: {control.door.target}, {control.door.way}",
            *map(_visited, control.visits),
        ]
    return lines


def _own_hops(facts: Facts) -> list[str]:
    return [f"{hop.layer} ({hop.target}): {hop.detail}" for hop in facts.hops.values() if hop.ok is False]


def _visited(visit: Visit) -> str:
    took = ", ".join(f"{layer} {ms} ms" for layer, ms in visit.milliseconds.items())
    end = f"HTTP {visit.http_status}" if visit.is_reached else f"stopped at {visit.stopped_at}: {visit.error}"
    return f"  {visit.address or 'no address'}: {took or 'nothing'}; {end}"


def _both_clocks(now: datetime) -> str:
    utc, india = now.astimezone(timezone.utc), now.astimezone(INDIA)
    return f"{utc:%Y-%m-%d %H:%M:%S} UTC ({india:%Y-%m-%d %H:%M:%S} IST)"
