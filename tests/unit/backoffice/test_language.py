"""The desk in the language of the account: the whole page, for this reader, and nobody else."""

import re
from datetime import datetime
from urllib.parse import unquote

import pytest
from django.contrib import admin
from django.contrib.admin.utils import label_for_field
from django.urls import reverse
from django.utils import formats, timezone, translation

from accounts.models import Address, User
from backoffice.views import settlements
from booking.models import Booking, Checkout, Package, Priest, PujaCategory, PujaService
from payment.models import Refund
from payment.reconciliation.discrepancies import Fix, Kind
from payment.states import AttemptState, PaymentState, RefundState
from tests.harness import builders
from tests.harness.samples import sample
from tests.unit.backoffice import demo_pages
from tests.unit.backoffice.sold import book
from tests.unit.backoffice.words import WORD, latin_words

pytestmark = pytest.mark.django_db
DEVANAGARI = re.compile("[\u0900-\u097f]")


@pytest.fixture
def staff(client):
    person = builders.make_superuser()
    User.objects.filter(pk=person.pk).update(language="hi")
    person.refresh_from_db()
    client.force_login(person)
    return person


def test_staff_read_the_desk_in_the_language_of_their_account(client, staff, alice, package):
    booking = book(alice, package, timezone.now())

    case = client.get(f"/admin/desk/case/{booking.book_id}/").content.decode()

    assert '<html lang="hi"' in case
    assert "पुष्ट" in case  # the state of the booking, a label of its model
    assert "Confirmed" not in case
    assert "संदेश" in case  # a heading of the page


def test_the_tables_of_the_admin_are_in_that_language_too(client, staff):
    assert '<html lang="hi"' in client.get("/admin/payment/payment/").content.decode()


def test_a_label_of_each_state_that_staff_see_has_its_hindi():
    with translation.override("hi"):
        labels = [
            f"{state.label}"
            for kind in (Booking.Status, PaymentState, AttemptState, RefundState, User.AccountStatus)
            for state in kind
        ]
    assert [label for label in labels if not DEVANAGARI.search(label)] == []


def test_the_switch_changes_the_account_and_shows_the_same_page_again(client, staff):
    page = "http://testserver/admin/desk/slots/"
    answer = client.post("/admin/desk/language/", {"language": "en"}, headers={"Referer": page})

    assert (answer.status_code, answer["Location"]) == (302, page)
    assert User.objects.get(pk=staff.pk).language == "en"
    assert '<html lang="en' in client.get("/admin/desk/slots/").content.decode()


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "http://["]
)
def test_the_switch_leads_to_no_other_host(client, staff, target):
    answer = client.post("/admin/desk/language/", {"language": "en", "next": target})
    assert answer["Location"] == "/admin/"


def test_a_page_that_there_is_not_is_no_crash(client, staff):
    """A word alone could be the name of a URL."""
    answer = client.post("/admin/desk/language/", {"language": "en", "next": "nowhere"})
    assert (answer.status_code, answer["Location"]) == (302, "nowhere")


@pytest.mark.parametrize("language", ["", "xx", "hi-x"])
def test_a_language_that_we_do_not_write_is_refused(client, staff, language):
    assert client.post("/admin/desk/language/", {"language": language}).status_code == 400
    assert User.objects.get(pk=staff.pk).language == "hi"


def test_before_the_login_the_browser_says_the_language(client):
    page = client.get("/admin/login/", headers={"Accept-Language": "hi"}).content.decode()
    assert '<html lang="hi"' in page


def test_the_greeting_to_a_customer_is_in_their_language(client, staff, alice, package):
    book(alice, package, timezone.now())  # alice reads English
    page = client.get("/admin/").content.decode()
    (chat,) = re.findall(r"https://wa\.me/[^\"]+", page)
    assert unquote(chat).endswith(f"this is about your booking {Booking.objects.get().book_id}.")


def test_the_api_stays_english_for_staff_who_read_hindi(api, staff):
    answer = api(staff).get("/api/payments/payments/0/")
    assert answer.status_code in (401, 404)
    assert not DEVANAGARI.search(answer.content.decode())


def test_an_hour_after_noon_is_not_read_as_one_of_the_morning():
    with translation.override("hi"):
        assert formats.localize(datetime(2026, 11, 28, 13, 5)) == "28 नवंबर 2026, 13:05"


# What Hindi writes in Latin letters too, and the switch of the languages.
NAMES = {"PhonePe", "OkPuja", "WhatsApp", "Google", "Outlook", "Authenticator", "Aegis", "ics", "nobody"}
NAMES |= {"English", "en", "hi", "Ctrl", "esc"}
# What records call themselves, as the code and PhonePe do: no sentence for people.
CODES = {"attempt", "payment", "fulfilment", "refund", "number", "call", "simulation", "worker", "by", "user"}
CODES |= {"booked", "received", "offer", "token", "pay", "status", "OAuth", "Sha", "simulated"}


@pytest.mark.django_db(transaction=True)  # the demonstration pays at the simulated PhonePe
def test_staff_who_read_hindi_find_no_english_on_any_page(client, staff):
    """What people wrote stands as they wrote it, and what is English by nature is marked so.

    So do pujas in the tables behind the desk, and the codes of records. Every seventh page in `make test`.
    """
    demo_pages.seed()
    allowed = NAMES | {word for text in written_by_people() for word in WORD.findall(text)}
    catalogue = {word for text in titles() for word in WORD.findall(text)}
    wrong = []
    for name, address in sample([*demo_pages.addresses().items(), *tables()], 7):
        page = client.get(address)
        assert page.status_code == 200, (name, page.status_code)
        known = allowed | CODES | catalogue if "." in name else allowed
        found = latin_words(page.content.decode())
        wrong += [f"{name}: {word!r} in {text!r}" for word, text in found.items() if word not in known]
    assert not wrong, "\n".join(wrong)


def test_the_columns_of_each_table_have_their_hindi():
    """Those of `list_display`, of the form, and the names of the table; see backoffice/names.py."""
    abbreviations = {"ID", "SAC", "UTR", "PDF", "CGST (₹)", "SGST (₹)", "IGST (₹)"}
    with translation.override("hi"):
        names = {
            (model._meta.label, str(name))
            for model, table in admin.site._registry.items()
            for name in (
                model._meta.verbose_name,
                model._meta.verbose_name_plural,
                *(field.verbose_name for field in model._meta.fields if not field.primary_key),
                *(label_for_field(column, model, table) for column in table.get_list_display(None)),
            )
        }
    missing = [name for name in names if not DEVANAGARI.search(name[1]) and name[1] not in abbreviations]
    assert not missing, sorted(missing)


def test_what_stands_below_the_fields_of_each_table_has_its_hindi():
    """Also the labels and help of their forms; see HELP_TEXTS of backoffice/names.py."""
    with translation.override("hi"):
        texts = {
            (model._meta.label, str(text))
            for model, table in admin.site._registry.items()
            for text in (
                *(field.help_text for field in (*model._meta.fields, *model._meta.many_to_many)),
                *(field.help_text for field in table.form.declared_fields.values()),
                *(field.label for field in table.form.declared_fields.values()),
                *(name for name, _ in table.fieldsets or ()),
            )
            if text
        }
    assert not [text for text in texts if not DEVANAGARI.search(text[1])]


def test_the_states_and_choices_of_each_table_have_their_hindi():
    """As cells and filters show them; see backoffice/choice_names.py."""
    as_they_are = {"English", "V1", "V2", "V2 (OAuth)", "Sha", "Hmac", "Post"}
    with translation.override("hi"):
        labels = {
            (model._meta.label, field.name, str(label))
            for model in admin.site._registry
            for field in model._meta.fields
            for value, label in field.flatchoices
            if value and label
        }
    assert not [each for each in labels if not DEVANAGARI.search(each[2]) and each[2] not in as_they_are]


def test_what_differs_from_a_settlement_file_is_read_in_hindi():
    with translation.override("hi"):
        words = [translation.gettext(text) for text in (*Kind, *map(settlements._as_sentence, Fix))]
    assert not [text for text in words if not DEVANAGARI.search(text)]


def test_a_row_is_named_in_the_language_of_the_reader(alice, package):
    checkout = book(alice, package, timezone.now()).checkout
    with translation.override("hi"):
        names = [str(checkout), str(checkout.cart), str(package)]
    assert not [name for name in names if not DEVANAGARI.search(name)]
    assert str(checkout) == f"Checkout {checkout.pk} (Booked)"


def test_rights_are_named_in_the_language_of_the_reader(client, staff):
    page = client.get(reverse("admin:accounts_user_change", args=[staff.pk])).content.decode()
    assert "बुकिंग: देखना" in page
    assert "Can view" not in page


def tables():
    for model in admin.site._registry:
        options = model._meta
        yield options.label, reverse(f"admin:{options.app_label}_{options.model_name}_changelist")


def titles():
    for model, names in {PujaService: ("title",), PujaCategory: ("name",), Package: ("location",)}.items():
        for row in model.objects.values_list(*names):
            yield from row


def written_by_people():
    columns = {
        User: ("first_name", "last_name", "email"),
        Address: ("address_line1", "address_line2", "city", "state", "country"),
        Checkout: ("address_line1", "address_city", "address_state", "address_country", "devotee_names"),
        Priest: ("name",),
        Refund: ("reason",),
    }
    for model, names in columns.items():
        for row in model.objects.values_list(*names):
            yield from map(str, row)


def test_why_an_action_is_refused_is_read_in_hindi(client, staff, alice, package):
    number = book(alice, package, timezone.now()).checkout.payment.reference

    page = client.get(f"/admin/desk/case/{number}/stop/").content.decode()

    (refused,) = re.findall(r"<h2>[^<]*</h2><p>([^<]*)</p>\s*<div", page)
    assert DEVANAGARI.search(refused)
    assert latin_words(refused) == {}
