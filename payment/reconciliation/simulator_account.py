"""The account of the simulated PhonePe, read from its control API, beside our ledger."""

from collections import defaultdict
from dataclasses import dataclass
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
class AccountDifference:
    """Paise, ours beside theirs, of what one merchant of the simulated PhonePe received or gave back."""

    merchant: str
    what: str
    ours_paise: int
    theirs_paise: int


def compare_account() -> list[AccountDifference]:
    """Empty when the ledger of simulated money agrees with PhonePe's own account. Raises Unavailable."""
    theirs, ours = _fetch_account(), _sum_ledger()
    return [
        AccountDifference(f"{merchant} ({generation})", what, our_paise, their_paise)
        for generation, merchant in sorted(theirs.keys() | ours.keys())
        for what, our_paise, their_paise in zip(
            ("received", "given back"),
            ours.get((generation, merchant), NOTHING),
            theirs.get((generation, merchant), NOTHING),
            strict=True,
        )
        if our_paise != their_paise
    ]


def _sum_ledger() -> dict[Owner, tuple[int, int]]:
    """Received and refunded paise by merchant. Accepted money has three entries, which sum to what was received."""
    columns = ("attempt__generation", "attempt__environment", "attempt__merchant")
    kinds = (Kind.RECEIPT, Kind.SURPLUS, Kind.SUSPENSE, Kind.REFUND)
    entries = LedgerEntry.objects.filter(simulated=True, kind__in=kinds, attempt__by_hand=False).order_by()
    sums: defaultdict[Owner, list[int]] = defaultdict(lambda: [0, 0])
    for generation, environment, merchant, kind, total in entries.values_list(*columns, "kind").annotate(
        sum=Sum("amount_paise")
    ):
        try:
            # V2 tokens are issued to a client; PhonePe's account belongs to the merchant behind it.
            owner = credentials.for_identity(Identity(generation, environment, merchant, True)).merchant_id
        except NotConfigured:
            owner = merchant
        sums[generation, owner][kind == Kind.REFUND] += -total if kind == Kind.REFUND else total
    return {owner: (received, refunded) for owner, (received, refunded) in sums.items()}


def _fetch_account() -> dict[Owner, tuple[int, int]]:
    """As `_sum_ledger`, from the control API of the simulator. Raises Unavailable."""
    base = urlsplit(credentials.current().endpoints[0].base_url)
    url = f"{base.scheme}://{base.netloc}/simulator/control/account/"
    session = transport.session()
    in_flight = session.start_request(Deadline(SECONDS))
    try:
        answer = session.send_request(in_flight, "GET", url, headers={"X-Ops-Token": settings.OPS_TOKEN})
    except WIRE_ERRORS as error:
        raise Unavailable("The simulated PhonePe does not answer.", code="simulator_silent") from error
    accounts = (json_object(answer.body) or {}).get("merchants")
    if not isinstance(accounts, list):
        raise Unavailable("The simulated PhonePe did not return its account.", code="simulator_refused")
    return {
        (identifier(each.get("generation")), identifier(each.get("merchant_id"))): (
            paise(each.get("paid_paise")) or 0,
            paise(each.get("refunded_paise")) or 0,
        )
        for each in accounts
    }
