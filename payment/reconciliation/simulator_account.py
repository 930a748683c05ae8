"""The account of the simulated PhonePe, read from its control API, beside our ledger."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Sum

from core.errors import Unavailable
from payment.models import LedgerEntry
from payment.phonepe import credentials, transport
from payment.phonepe.credentials import Identity, NotConfigured
from payment.phonepe.errors import WIRE_ERRORS
from payment.phonepe.schemas import identifier, json_object, paise
from payment.phonepe.transport import Deadline

SECONDS = 10
Kind = LedgerEntry.Kind
Owner = tuple[str, str]  # generation and merchant id, as PhonePe names them
NOTHING = (0, 0)


@dataclass(frozen=True)
class Difference:
    """Paise, ours beside theirs, of what one merchant of the simulated PhonePe received or gave back."""

    merchant: str
    what: str
    ours_paise: int
    theirs_paise: int


def compare_account() -> list[Difference]:
    """Empty when the ledger of simulated money says what PhonePe's own books say. Raises Unavailable."""
    theirs, ours = _theirs(), _ours()
    return [
        Difference(f"{owner[1]} ({owner[0]})", what, mine, said)
        for owner in sorted(theirs.keys() | ours.keys())
        for what, mine, said in zip(
            ("received", "given back"), ours.get(owner, NOTHING), theirs.get(owner, NOTHING), strict=True
        )
        if mine != said
    ]


def _ours() -> dict[Owner, tuple[int, int]]:
    """What a staff member accepted stands in the ledger three times, and sums to what came."""
    columns = ("attempt__generation", "attempt__environment", "attempt__merchant")
    kinds = (Kind.RECEIPT, Kind.SURPLUS, Kind.SUSPENSE, Kind.REFUND)
    found = (
        LedgerEntry.objects.filter(simulated=True, kind__in=kinds).order_by().values_list(*columns, "kind")
    )
    sums: defaultdict[Owner, list[int]] = defaultdict(lambda: [0, 0])
    for generation, environment, merchant, kind, total in found.annotate(sum=Sum("amount_paise")):
        owner = _owner(Identity(generation, environment, merchant, True))
        sums[owner][kind == Kind.REFUND] += -total if kind == Kind.REFUND else total
    return {owner: (came, went) for owner, (came, went) in sums.items()}


def _owner(identity: Identity) -> Owner:
    """V2 tokens are issued to a client; PhonePe's books are kept for the merchant behind it."""
    try:
        return identity.generation, credentials.for_identity(identity).merchant_id
    except NotConfigured:
        return identity.generation, identity.merchant


def _theirs() -> dict[Owner, tuple[int, int]]:
    answer = _fetch(f"{_origin()}/simulator/control/account/")
    accounts = answer.get("merchants")
    if not isinstance(accounts, list):
        raise Unavailable("The simulated PhonePe did not tell its account.", code="simulator_refused")
    return {
        (identifier(each.get("generation")), identifier(each.get("merchant_id"))): (
            paise(each.get("paid_paise")) or 0,
            paise(each.get("refunded_paise")) or 0,
        )
        for each in accounts
    }


def _origin() -> str:
    base = urlsplit(credentials.current().endpoints[0].base_url)
    return f"{base.scheme}://{base.netloc}"


def _fetch(url: str) -> dict[str, Any]:
    session = transport.session()
    in_flight = session.start_request(Deadline(SECONDS))
    try:
        answer = session.send_request(in_flight, "GET", url, headers={"X-Ops-Token": settings.OPS_TOKEN})
    except WIRE_ERRORS as error:
        raise Unavailable("The simulated PhonePe does not answer.", code="simulator_silent") from error
    return json_object(answer.body) or {}
