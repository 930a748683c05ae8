"""What a donor says about themselves. The PAN is encrypted with its payment (`accounts.pan_cards`)."""

from dataclasses import dataclass

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction

from accounts.models import User
from accounts.pan_cards import decrypt, encrypt
from payment.models import Donation, Payment


@dataclass(frozen=True)
class Donor:
    """`email` is empty for people with an account: theirs counts. `pan` in full, or empty; with it, `address`."""

    email: str = ""
    language: str = "en"
    purpose: str = ""
    purpose_hi: str = ""
    pan: str = ""
    address: str = ""


def build_donation(payment: Payment, donor: Donor) -> Donation:
    """The row, not written yet. The key of the payment is known."""
    return Donation(
        payment=payment,
        email=donor.email,
        language=donor.language,
        purpose=donor.purpose,
        purpose_hi=donor.purpose_hi,
        pan=encrypt(_owner(payment.pk), donor.pan) if donor.pan else "",
        address=donor.address,
    )


def donor_of(payment: Payment) -> Donor | None:
    """For a second try of the same donation. Raises KeyIsMissing."""
    donation = Donation.objects.filter(payment=payment).first()
    if donation is None:
        return None
    return Donor(
        donation.email,
        donation.language,
        donation.purpose,
        donation.purpose_hi,
        pan_of(donation),
        donation.address,
    )


def pan_of(donation: Donation) -> str:
    """In full; empty without one. Raises KeyIsMissing."""
    return decrypt(_owner(donation.payment_id), donation.pan) if donation.pan else ""


def write_address(donation: Donation, address: str, by: User) -> None:
    """What staff have learned from the donor. The log keeps who wrote it, and not the address."""
    with transaction.atomic():
        Donation.objects.filter(pk=donation.pk).update(address=address)
        LogEntry.objects.log_actions(by.pk, [donation], CHANGE, "address of the donor", single_object=True)


def encrypt_again(donation: Donation) -> bool:
    """Under the first key. False if the row has changed meanwhile. Raises KeyIsMissing."""
    again = encrypt(_owner(donation.payment_id), pan_of(donation))
    return bool(Donation.objects.filter(pk=donation.pk, pan=donation.pan).update(pan=again))


def _owner(payment_id: int) -> str:
    return f"payment {payment_id}"
