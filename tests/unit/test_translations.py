"""Every sentence that is marked for translation has its Hindi, and nobody reads another language than their own."""

import ast
import gettext
import os
import re
import shutil
import subprocess
import sys
import threading

import pytest
from django.conf import settings
from django.test import Client, RequestFactory
from django.utils import translation

from booking.services.checkouts import PriceChanged
from core.errors import Refusal, Unavailable, handle_exception
from notifications.messages import Unwritable, write
from notifications.models import Notification
from notifications.receipt_pdf import render
from okpuja.build import PACKAGES
from payment.phonepe.response_codes import MEANINGS
from payment.serializers.sentences import BY_FULFILMENT, BY_STATE
from payment.services.attempts import TooManyAttempts
from payment.states import Fulfilment, PaymentState
from tests.harness import ROOT
from tests.harness.catalogue import PLACEHOLDER, read_catalogue, sentences_of_sources
from tests.unit.notifications.pdf_pages import Pages
from tests.unit.notifications.samples import FACTS, PAPER

DEVANAGARI = re.compile("[\u0900-\u097f]")
LANGUAGES = sorted(path.name for path in (ROOT / "locale").iterdir())
# The name of a language in that language, and how the country is spelled in addresses.
MAY_HOLD_DEVANAGARI = {
    "accounts/models.py",
    "accounts/migrations/0002_language_of_mails.py",
    "accounts/migrations/0011_registrations.py",
    "core/templates/core/base.html",  # the name of the language, for who reads it
    "okpuja/settings.py",
    # Rows of a demonstration, not sentences of ours.
    "booking/management/commands/seed_demo.py",
    "booking/services/demo.py",
    "payment/management/commands/seed_demo_day.py",
    "booking/migrations/0001_squashed_0032_orderings.py",
    "booking/migrations/0030_priests.py",
    "okpuja/api_examples.py",
}


def catalogue(language):
    return ROOT / "locale" / language / "LC_MESSAGES" / "django.po"


def in_hindi(text):
    with translation.override("hi"):
        return str(text)


def hindi_message(kind, **facts):
    return write(Notification(kind=kind, facts=FACTS[kind] | facts, language="hi"))


def test_every_language_of_customers_but_english_has_a_catalogue():
    assert sorted(code for code, _ in settings.LANGUAGES if not code.startswith("en")) == LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_translated(language):
    unfinished = [
        entry.text
        for entry in read_catalogue(catalogue(language))
        if entry.is_fuzzy or not all(entry.texts.values()) or len(entry.texts) != (2 if entry.plural else 1)
    ]
    assert unfinished == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_catalogue_has_the_sentences_of_the_code_and_no_others(language):
    """Else `make messages` has not been run."""
    listed = [entry.key for entry in read_catalogue(catalogue(language))]
    marked = sentences_of_sources()

    assert sorted(marked - set(listed)) == []
    assert sorted(set(listed) - marked) == []
    assert len(listed) == len(set(listed))


@pytest.mark.proof
@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("xgettext") is None, reason="NOT CHECKED: the gettext programs are not installed"
)
def test_gettext_itself_finds_the_same_sentences(tmp_path):
    for name in (*PACKAGES, "locale"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "fonts"))
    shutil.copy(ROOT / "manage.py", tmp_path)
    options = ["--locale=hi", "--extension=html,txt,py", "--no-obsolete", "--ignore=simulator/*"]
    done = subprocess.run(
        [sys.executable, "manage.py", "makemessages", *options],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "DOTENV_FILE": "",
            "SECRET_KEY": "only-for-this",
            "PHONEPE_SIMULATION_MODE": "True",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    ours = {entry.key for entry in read_catalogue(catalogue("hi"))}
    assert {entry.key for entry in read_catalogue(tmp_path / "locale/hi/LC_MESSAGES/django.po")} == ours


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_catalogue_says_what_the_readable_one_says(language):
    with catalogue(language).with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)

    for entry in read_catalogue(catalogue(language)):
        if entry.plural and entry.context:
            found = [compiled.npgettext(entry.context, entry.text, entry.plural, n) for n in (1, 2)]
        elif entry.plural:
            found = [compiled.ngettext(entry.text, entry.plural, n) for n in (1, 2)]
        elif entry.context:
            found = [compiled.pgettext(entry.context, entry.text)]
        else:
            found = [compiled.gettext(entry.text)]
        assert found == list(entry.texts.values()), entry.text
    size = len(compiled._catalog) - 1  # the header
    assert size == sum(len(entry.texts) for entry in read_catalogue(catalogue(language)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_fills_in_the_same_values(language):
    different = [
        entry.text
        for entry in read_catalogue(catalogue(language))
        for text in entry.texts.values()
        if set(PLACEHOLDER.findall(text)) != set(PLACEHOLDER.findall(entry.plural or entry.text))
    ]
    assert different == []


def test_the_hindi_of_a_sentence_names_the_same_thing():
    """The translation of a similar sentence (`fuzzy` of gettext) has the same values and says something else."""
    words = {"minute": "मिनट", "day": "दिन|दिवस", "payment": "भुगतान", "receipt": "रसीद"}
    words |= {"refund": "रिफ़|लौट|वापस", "ledger": "बही"}
    wrong = [
        (entry.text, text)
        for entry in read_catalogue(catalogue("hi"))
        for text in entry.texts.values()
        for english, hindi in words.items()
        if re.search(rf"\b{english}s?\b", PLACEHOLDER.sub("", entry.text.lower()))
        and not re.search(hindi, text)
    ]
    assert wrong == []


# Refusals that customers do not read.
ENGLISH_ONLY = {
    # programs with an API key read them
    "An API key opens /api/server/ only.",
    "Send an Idempotency-Key, so that a repeated request does nothing twice.",
    "This API key is unknown, expired or revoked.",
    "This mail address belongs to a member of the staff: no server books for them.",
    # for everybody at once, made without a language
    "Something went wrong on our side. Please try again.",
    "The request could not be read.",
    # `detail` of a gateway error; customers read the sentence of the response code
    "PhonePe cannot be reached at the moment. Nothing was charged. Please try again in a minute.",
    "PhonePe did not accept this request. Nothing was charged.",
    "PhonePe has not answered yet. We keep asking; please do not pay a second time.",
    "The payment page was lost. Please try again.",
    # for programs
    "This Idempotency-Key was used with another request.",
    "This call does not prove to come from PhonePe.",
    "This call has no body. Nothing was kept; please send it again.",
    "This is not done in production.",
    "The simulated PhonePe did not return its account.",
    "The simulated PhonePe does not answer.",
    "This payment has no page at the simulated PhonePe.",
    "The simulated order has ended already.",
    # for staff
    "This time is too near to move anybody to it without asking.",
    "This payment is not waiting for staff.",
    "This payment is decided: nobody waits for it.",
    "This payment has not been paid: there is nothing to send back.",
    "All of this payment has been sent back or promised already.",
    "This payment was simulated and simulation is off: no money came, and none can go back.",
    "The buyer's bank disputes this payment, and nobody knows yet how much of it. Nothing is sent back until "
    "the dispute says how much, or staff do: look under Disputes and Webhook events in the admin.",
    "A refund of this size must be approved by another person than the one who asked for it.",
    "This refund is not waiting for anybody.",
    "This refund is not waiting for a second person.",
    "This refund has been withdrawn already.",
    "What goes back and what stays must each be at least one rupee.",
    "This dispute has been confirmed already.",
    "A dispute is about at least one paisa, and at most about what came.",
    "The other disputes of this order leave less: correct them first.",
    "PhonePe's word for it is not known: look it up in the dashboard, and say whether it is lost or won.",
    "Say why it can be closed.",
    "This event is not waiting for staff.",
}


def refusal_classes(base=Refusal):
    return {base.__name__}.union(*map(refusal_classes, base.__subclasses__()))


def unmarked_refusals(path):
    """The plain sentences with which this module refuses something."""
    known = refusal_classes() - {"Unreadable"}  # another class of this name is for answers of PhonePe
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in known and node.args:
            said = node.args[0]
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "default_detail":
            said = node.value
        else:
            continue
        if isinstance(said, ast.Constant) and isinstance(said.value, str):
            yield said.value


def test_a_refusal_that_customers_read_is_marked_for_translation():
    """Mark a new one with gettext_lazy; or list it above, if only staff or programs get it."""
    apps = set(PACKAGES) - {"simulator"}
    paths = [path for app in apps for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts]
    unmarked = {sentence for path in paths for sentence in unmarked_refusals(path)}
    assert sorted(unmarked - ENGLISH_ONLY) == []


def test_no_sentence_stands_in_hindi_in_the_code():
    found = [
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in (".py", ".html", ".txt") and DEVANAGARI.search(path.read_text(encoding="utf-8"))
    ]
    assert set(found) <= MAY_HOLD_DEVANAGARI


# What people read when money is at stake. Changed by a translator on purpose only.
@pytest.mark.parametrize(
    ("sentence", "hindi"),
    [
        (BY_STATE[PaymentState.PENDING], "भुगतान की अभी पुष्टि नहीं हुई है। कृपया दोबारा भुगतान न करें।"),
        (BY_STATE[PaymentState.SUCCESS], "भुगतान की पुष्टि हो गई है।"),
        (BY_STATE[PaymentState.FAILED], "भुगतान विफल रहा। आपसे कोई राशि नहीं ली गई है।"),
        (
            BY_STATE[PaymentState.CANCELLED],
            "भुगतान पूरा नहीं हुआ। यदि आपके खाते से राशि कट गई है, तो हम उसे खोज लेंगे।",
        ),
        (BY_FULFILMENT[Fulfilment.DUE], "आपकी राशि मिल गई है। आपकी बुकिंग की पुष्टि की जा रही है।"),
        (
            BY_FULFILMENT[Fulfilment.OFFERED],
            "आपकी राशि मिल गई है, पर आपके चुने हुए समय के लिए देर हो गई। कृपया दूसरा समय चुनें।",
        ),
        (
            BY_FULFILMENT[Fulfilment.REFUND_DUE],
            "आपकी राशि मिल गई है, पर बुकिंग नहीं हो सकी। पूरी राशि लौटाई जाएगी।",
        ),
        (BY_FULFILMENT[Fulfilment.REFUNDED], "बुकिंग नहीं हो सकी। आपकी पूरी राशि लौटा दी गई है।"),
        (MEANINGS["ZM"].sentence, "UPI पिन गलत था। कृपया सही पिन के साथ फिर से प्रयास करें।"),
        (MEANINGS["Z9"].sentence, "खाते में पर्याप्त राशि नहीं है। कृपया दूसरे खाते से भुगतान करें।"),
        (
            MEANINGS["INTERNAL_SERVER_ERROR"].sentence,
            "अभी पता नहीं है कि भुगतान हुआ या नहीं। हम PhonePe से पूछ रहे हैं; कृपया दोबारा भुगतान न करें।",
        ),
        (
            MEANINGS["PAYMENT_PENDING"].sentence,
            "आपके बैंक से अभी अंतिम उत्तर नहीं आया है। कृपया प्रतीक्षा करें और दोबारा भुगतान न करें।",
        ),
        (
            TooManyAttempts.default_detail,
            "भुगतान का पेज नहीं खुल सका। और कोई राशि नहीं ली जाएगी; कृपया 15 मिनट बाद फिर से प्रयास करें।",
        ),
    ],
)
def test_what_people_are_told_about_their_money(sentence, hindi):
    assert in_hindi(sentence) == hindi


def test_a_hindi_message_has_its_facts_in_the_order_of_hindi():
    assert hindi_message("refund_started").subject == "आपकी ₹1,48,410.00 की वापसी शुरू हो गई है"
    failed = hindi_message("failed", simulated=False)
    assert "Satyanarayan Katha के लिए आपका ₹1,48,410.00 का भुगतान सफल नहीं हुआ। कुछ भी बुक नहीं हुआ है।" in failed.text
    assert "समय: शनिवार, 28 नवंबर 2026, सुबह 10:30। आपकी रसीद साथ में संलग्न है।" in hindi_message("booked").text


def test_a_refusal_with_amounts_has_them_in_both_languages():
    refusal = PriceChanged(10_000, 1_234_500)

    assert (
        str(refusal.detail)
        == "The price has changed: it is ₹12,345.00 now, not ₹100.00. Please look at it and pay again."
    )
    assert refusal.user_message("en") == str(refusal.detail)
    assert (
        refusal.user_message("hi")
        == "मूल्य बदल गया है: अब यह ₹12,345.00 है, ₹100.00 नहीं। कृपया देखकर फिर से भुगतान करें।"
    )


def refuse_in_hindi():
    request = RequestFactory().get("/", headers={"Accept-Language": "hi"})
    return handle_exception(Unavailable(), {"request": request}).data["user_message"]


def show_a_hindi_page():
    return Client(headers={"Accept-Language": "hi"}).get("/pay/made-up/").content.decode()


def fail_to_write_in_hindi():
    with pytest.raises(Unwritable) as failed:
        hindi_message("booked", book_id=None)
    return f"हिन्दी: {failed.value}"


@pytest.mark.parametrize(
    "write_in_hindi",
    [
        refuse_in_hindi,
        show_a_hindi_page,
        fail_to_write_in_hindi,
        lambda: hindi_message("booked").subject,
        lambda: "".join(Pages(render(PAPER, "hi")).texts()),
    ],
)
def test_the_language_of_one_reader_reaches_nobody_else(write_in_hindi):
    assert DEVANAGARI.search(write_in_hindi())
    assert str(BY_STATE[PaymentState.PENDING]).isascii()


def test_two_readers_at_once_each_read_their_own_language():
    """Threads of the worker and of the server write for different people at the same moment."""
    start, subjects = threading.Barrier(8), {}

    def write_often(number):
        language = "hi" if number % 2 else "en"
        start.wait()
        for _ in range(20):
            message = write(Notification(kind="booked", facts=FACTS["booked"], language=language))
            subjects.setdefault(language, set()).add(message.subject)

    threads = [threading.Thread(target=write_often, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert subjects == {
        "en": {"Booking BK-7KQ2MN4T confirmed: Satyanarayan Katha"},
        "hi": {"बुकिंग BK-7KQ2MN4T की पुष्टि हो गई: Satyanarayan Katha"},
    }
