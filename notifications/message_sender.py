"""Short messages to the phones of people, by SMS or WhatsApp: MESSAGE_SENDER names who carries them.

docs/message-senders.md says how to write one. Without it there are none, and everything goes by mail alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from django.conf import settings
from django.utils import translation
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.brand import brand
from core.language import Text, supported_language
from core.printable import printable
from notifications.code_sender import call_sender
from notifications.formatting import format_facts
from notifications.messages import Unwritable
from notifications.models import Notification

# By kind. No names, no addresses, no amounts and no signed links: others read what a phone shows.
TEXTS: dict[str, Text] = {
    "booked": gettext_lazy("{brand}: {puja} is booked for {starts_at}. Booking {book_id}."),
    "cancelled": gettext_lazy("{brand}: your booking {book_id}, {puja}, is cancelled."),
    "called_off": gettext_lazy(
        "{brand}: we had to call off {puja} on {wanted_at}. Please choose another time by the link in our mail."
    ),
    "moved": gettext_lazy("{brand}: {puja} is now on {starts_at}. Booking {book_id}."),
    "moved_by_customer": gettext_lazy("{brand}: {puja} is now on {starts_at}. Booking {book_id}."),
    "reminder": gettext_lazy("{brand}: {puja} begins on {starts_at}. Booking {book_id}."),
    "waiting_offer": gettext_lazy(
        "{brand}: a place is free for {puja} on {starts_at}. We keep it until {until}: please log in and book it."
    ),
    "waiting_over": gettext_lazy("{brand}: the waiting list for {puja} on {starts_at} is closed."),
}
VALUES = ("puja", "starts_at", "wanted_at", "book_id", "until")


@dataclass(frozen=True)
class TextMessage:
    """One short message to one person. `id` is the same at every try."""

    id: str
    kind: str  # one of TEXTS
    phone: str  # E.164
    language: str
    text: str
    values: dict[str, str] = field(
        default_factory=dict
    )  # what stands in the text, for templates of a provider


class MessageNotSent(OSError):
    """A try that failed; there will be another one. Its text does not hold the phone."""


class MessageRefused(ValueError):
    """No try can succeed. Its text does not hold the phone."""


def message_sender() -> Callable[..., None] | None:
    """What MESSAGE_SENDER names: a function, or an object of the class. None when nothing is set."""
    if not settings.MESSAGE_SENDER:
        return None
    target = import_string(settings.MESSAGE_SENDER)
    send: Callable[..., None] = target() if isinstance(target, type) else target
    return send


def write_text(notification: Notification, phone: str) -> TextMessage:
    """In the language of the person. Raises Unwritable for facts that it cannot use."""
    language = supported_language(notification.language)
    with translation.override(language):
        facts = format_facts(notification.facts)
        values = {name: str(facts[name]) for name in VALUES if name in facts}
        try:
            text = str(TEXTS[notification.kind]).format(brand=brand().name, **values)
        except KeyError as error:
            raise Unwritable(f"{notification.kind} without {error}") from error
        if notification.facts.get("simulated"):
            text = f"{_('Simulation: no money has moved.')} {text}"
    return TextMessage(notification.message_id, notification.kind, phone, language, printable(text), values)


def send_text(message: TextMessage) -> None:
    """One try, outside any transaction. Raises MessageNotSent and MessageRefused."""
    send = message_sender()
    if send is None:
        raise MessageRefused("MESSAGE_SENDER is not set")
    call_sender(send, message, message.phone, "[phone]", MessageNotSent, MessageRefused)
