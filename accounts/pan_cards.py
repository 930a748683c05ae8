"""The permanent account number (PAN) of a person: encrypted in the database, masked in answers, never searched for.

The first of DATA_KEYS encrypts; without any, a key derived from SECRET_KEY does. All of them, and the keys derived from
SECRET_KEY and SECRET_KEY_FALLBACKS, decrypt. `manage.py reencrypt_pan_cards` writes every number under the first key.
"""

import logging
import re

from cryptography.fernet import InvalidToken
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import PanCard, User
from accounts.services import lock_active_user
from core.data_keys import ciphers
from core.errors import InvalidField, Unavailable

logger = logging.getLogger(__name__)

# The fourth letter is the kind of holder (P for a person); new kinds come, so every letter is taken.
NUMBER = re.compile(r"[A-Z]{5}[0-9]{4}[A-Z]")
PURPOSE = "accounts.pan_cards"
MASK = re.compile(r"X{5}[0-9]{4}X")


class KeyIsMissing(Unavailable):
    """None of our keys decrypts what is stored."""

    default_code = "pan_unreadable"
    default_detail = _("We cannot read this PAN at the moment. Please try again later.")
    retryable = False


def encrypt(owner: int | str, number: str) -> str:
    """With its owner, an account or a payment, so that a number copied into another row is not read there."""
    return ciphers(PURPOSE).encrypt(f"{owner}:{number}".encode()).decode()


def decrypt(owner: int | str, stored: str) -> str:
    """Raises KeyIsMissing."""
    try:
        written_for, _separator, number = ciphers(PURPOSE).decrypt(stored.encode()).decode().rpartition(":")
    except InvalidToken as error:
        logger.error("a PAN cannot be decrypted: a key is missing", extra={"owner": owner})
        raise KeyIsMissing() from error
    if written_for != str(owner):
        logger.error("a stored PAN belongs to another owner", extra={"owner": owner})
        raise KeyIsMissing()
    return number


def number_of(card: PanCard) -> str:
    """Raises KeyIsMissing."""
    return decrypt(card.user_id, card.number)


def read_number(typed: str, field: str = "pan_number") -> str:
    """As it is written on cards. Raises InvalidField of this field."""
    number = "".join(typed.split()).upper()
    if not NUMBER.fullmatch(number):
        raise InvalidField(
            field, _("A PAN has five letters, four digits and one letter, such as ABCPE1234F.")
        )
    return number


def mask(number: str) -> str:
    """In the shape of a PAN, so that the form of the frontend takes it back: XXXXX1234X."""
    return f"XXXXX{number[5:9]}X"


@transaction.atomic
def save(user: User, typed: str) -> PanCard:
    """The mask of the number that is stored changes nothing. Raises InvalidField."""
    number = read_number(typed)
    lock_active_user(user.pk)
    card = PanCard.objects.filter(user=user).first() or PanCard(user=user)
    is_mask = bool(MASK.fullmatch(number))
    if card.pk and is_mask and number == mask(number_of(card)):
        return card
    if is_mask:
        raise InvalidField("pan_number", _("Please write the whole PAN, also what is shown as X."))
    card.number, card.is_verified, card.updated_at = encrypt(user.pk, number), False, timezone.now()
    card.save()
    return card
