"""India's goods and services tax that is in a price: how much, which kind, and on which papers it stands.

Prices include the tax. Without GST_GSTIN nothing is taxed, and no paper says anything about it.
"""

from dataclasses import dataclass
from typing import Any

from booking.models import Checkout
from core.gstin import registration, state_code
from payment.models import CreditNote, Receipt

WHOLE = 10_000  # basis points


@dataclass(frozen=True)
class Tax:
    """In paise. Within a state CGST and SGST, which are equal; between states IGST."""

    cgst_paise: int = 0
    sgst_paise: int = 0
    igst_paise: int = 0


def tax_within(total_paise: int, basis_points: int, *, within_state: bool) -> Tax:
    """The tax that a total with tax has in it, each kind rounded to whole paise, a half upwards.

    It never falls when the total grows, and what is left beside it is never below nothing.
    """
    if not within_state:
        return Tax(igst_paise=_share(total_paise, basis_points, WHOLE + basis_points))
    half = _share(total_paise, basis_points, 2 * (WHOLE + basis_points))
    return Tax(cgst_paise=half, sgst_paise=half)


def _share(total_paise: int, part: int, whole: int) -> int:
    return (2 * total_paise * part + whole) // (2 * whole)


def tax_of_receipt(checkout: Checkout | None, buyer_gstin: str, total_paise: int) -> dict[str, Any]:
    """The columns of a receipt. None for a donation, which pays for nothing, and none without GST_GSTIN.

    Supplied where the buyer is: by their GSTIN, else by the address, else where we are (IGST Act, section 12(2)).
    """
    ours = registration()
    if ours is None or checkout is None:
        return {}
    place = buyer_gstin[:2] or state_code(checkout.address_state) or ours.gstin[:2]
    tax = tax_within(total_paise, ours.basis_points, within_state=place == ours.gstin[:2])
    return {
        "gstin": ours.gstin,
        "buyer_gstin": buyer_gstin,
        "sac": checkout.puja_service.sac or ours.sac,
        "place_of_supply": place,
        "gst_basis_points": ours.basis_points,
        **vars(tax),
    }


def tax_of_credit_note(receipt: Receipt, total_paise: int) -> dict[str, Any]:
    """The columns of the next credit note of a receipt, by what the receipt says.

    Parts of one receipt add up to its tax, to the paisa: each takes what the notes before it have left of the tax on
    all that has gone back so far.
    """
    if not receipt.gstin:
        return {}
    before = list(CreditNote.objects.filter(receipt=receipt))
    returned = min(sum(note.total_paise for note in before) + total_paise, receipt.total_paise)
    within_state = receipt.place_of_supply == receipt.gstin[:2]
    tax = tax_within(returned, receipt.gst_basis_points, within_state=within_state)
    kinds = {name: paise - sum(getattr(note, name) for note in before) for name, paise in vars(tax).items()}
    same = ("gstin", "buyer_gstin", "sac", "place_of_supply", "gst_basis_points")
    return {name: getattr(receipt, name) for name in same} | kinds
