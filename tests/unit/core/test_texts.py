"""What people may write where others read it, and that every field of text has this rule or a reason."""

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import models
from drf_spectacular.generators import SchemaGenerator
from rest_framework import serializers

from booking.fields import HtmlField, ImageAddressField, LineField
from core.texts import name_or_email, one_line, plain_line, plain_text, safe_line, visible_line

RULES = [plain_line, plain_text, name_or_email, visible_line]
OURS = ("accounts", "booking", "notifications", "payment")

NAMES = [
    *("Smt. Rao", "Smt.Rao", "A.R. Rahman", "A.P.J. Abdul Kalam", "B.Sc.", "B.Com", "Dr.Ravi", "Md.Al Amin"),
    *("St.John", "O'Neil", "Jean-Luc", "S/o.Ram", "Ravi.Kr Singh", "Anna (Amma)", "José", "王小明"),
    *("श्री राम", "क्\u200dष", "कृष्\u200cण", "سید\u200cعلی", "தமிழ்"),
    *(
        "H.No.5",
        "Rd.No 5",
        "D.No.12-3/4",
        "Plot No.4, Opp.SBI/ATM",
        "Nr.St.Mary",
        "P.O. Box 5",
        "Vill.Rampur Dist.Gaya",
    ),
]
LURES = [
    *(
        "http://x",
        "HTTPS://evil.example",
        "hxxp://a",
        "www.evil",
        "evil.com",
        "Ram evil.xyz win",
        "evil.com/x",
    ),
    *(
        "x.co/a",
        "t.me/x",
        "evil.co.in",
        "evil．com",
        "evil。com",
        "evil\u2024com",
        "xn--80.xn--p1ai",
        "1.2.3.4/x",
    ),
    *("mailto:a", "write to a@b.com", "shop.evil.com:8080"),
]
HIDDEN = [
    *(
        "a\nb",
        "a\rb",
        "a\tb",
        "a\x00b",
        "a\x1b[2Jb",
        "a\x9bb",
        "a\u202eb",
        "a\u2066b",
        "a\u200fb",
        "a\u061cb",
    ),
    *(
        "a\u200bb",
        "\u200dRam",
        "Ram\u200d",
        "a\ufeffb",
        "a\u2028b",
        "a\u2029b",
        "a\u00adb",
        "\U000e0041x",
        "a\u3164b",
    ),
]


@pytest.mark.parametrize("name", NAMES)
def test_real_names_and_addresses_are_taken_as_they_are(name):
    plain_line(name)
    assert safe_line(name) == one_line(name) == name


@pytest.mark.parametrize("lure", LURES)
def test_an_address_of_the_web_is_refused_and_never_shown(lure):
    for rule in (plain_line, plain_text):
        with pytest.raises(ValidationError):
            rule(lure)
    assert "[…]" in safe_line(lure)
    plain_line(safe_line(lure))


@pytest.mark.parametrize("text", HIDDEN)
def test_what_nobody_sees_is_refused_and_never_shown(text):
    for rule in (plain_line, visible_line, name_or_email):
        with pytest.raises(ValidationError):
            rule(text)
    plain_line(safe_line(text))


def test_a_note_may_have_lines_and_nothing_else_that_is_hidden():
    plain_text("Travelling.\r\nSorry!")
    for hidden in HIDDEN[2:]:
        with pytest.raises(ValidationError):
            plain_text(hidden)


def test_a_guest_gives_a_name_or_one_mail_address():
    name_or_email("asha@example.com")
    name_or_email("Asha Devi")
    assert safe_line("asha@example.com") == "asha@example.com"
    with pytest.raises(ValidationError):
        name_or_email("asha@example.com wins evil.com/x")


# --- Every field -----------------------------------------------------------------------------------

OURSELVES = "written by this program, never by a person"
PHONEPE = "PhonePe's word, printed by `core.logging` and the admin only"
COPIED = "copied at checkout from a row that has the rule"
CLEANED = "cleaned on every way into the database"
CHECKED = "a rule of its own: code letters, telephone, language, digest"
NOT_READ = "compared and not shown"

MODEL_REASONS = {
    "accounts.User": {"password": NOT_READ, "phone": CHECKED},
    "accounts.Session": {
        **dict.fromkeys(("refresh_digest", "previous_digest", "user_hash", "network"), OURSELVES),
        "user_agent": "made one line when it is stored",
    },
    "accounts.PanCard": {"number": OURSELVES},
    "accounts.ApiKey": dict.fromkeys(("prefix", "digest"), OURSELVES),
    "payment.ServerEvent": {"event_id": OURSELVES},
    "payment.WebhookEndpoint": {
        **dict.fromkeys(("secret", "former_secret", "disabled_because"), OURSELVES),
        "url": CHECKED,
    },
    "accounts.Registration": {
        "password": NOT_READ,
        "nonce": OURSELVES,
        "network": OURSELVES,
        "phone": CHECKED,
    },
    "accounts.OneTimeCode": {"nonce": OURSELVES, "via": OURSELVES},
    "accounts.CodeRequest": {"email": NOT_READ, "via": CHECKED},
    "booking.PromoCode": {"code": CHECKED},
    "booking.Checkout": dict.fromkeys(
        (
            *("puja_title", "puja_image_url", "puja_description", "category_name", "package_location"),
            *(
                "package_description",
                "promo_code_text",
                "promo_description",
                "address_line1",
                "address_line2",
            ),
            *("puja_title_hi", "puja_description_hi", "category_name_hi"),
            *("package_location_hi", "package_description_hi"),
            *("address_city", "address_state", "address_postal_code", "address_country"),
        ),
        COPIED,
    ),
    "booking.PujaService": {"sac": CHECKED},
    "booking.CataloguePicture": {"digest": OURSELVES},
    "booking.SlotHold": {"network": OURSELVES},
    "booking.WaitingEntry": {"network": OURSELVES},
    "booking.CalendarFeed": {"digest": OURSELVES},
    "booking.Priest": {"feed_digest": OURSELVES, "phone": CHECKED},
    "booking.HoldNetwork": {"digest": OURSELVES},
    "booking.Booking": {"book_id": OURSELVES},
    "payment.Payment": {
        "frontend_url": OURSELVES,
        "reference": OURSELVES,
        "method": OURSELVES,
        "held_because": OURSELVES,
        "payer_mobile": CHECKED,
        "buyer_gstin": CHECKED,
    },
    "payment.Donation": {"pan": OURSELVES, "language": CHECKED},
    "payment.ClosureItem": {"detail": OURSELVES},
    "payment.Refund": {
        "merchant_refund_id": OURSELVES,
        **dict.fromkeys(("provider_refund_id", "utr", "code"), PHONEPE),
    },
}
# Whole models that no person writes.
NOBODY_WRITES = {
    "notifications.Notification": OURSELVES,
    "payment.PaymentAttempt": PHONEPE,
    "payment.WebhookEvent": PHONEPE,
    "payment.Dispute": PHONEPE,
    "payment.DisputeUpdate": PHONEPE,
    "payment.StateChange": OURSELVES,
    "payment.GatewayCall": OURSELVES,
    "payment.DiagnosisRun": OURSELVES,
    "payment.IdempotencyKey": OURSELVES,
    "payment.LedgerEntry": OURSELVES,
    "payment.Reconciliation": OURSELVES,
    "payment.WorkLease": OURSELVES,
    "payment.DrawnReceipt": OURSELVES,
    "payment.Receipt": OURSELVES,
    "payment.PayLink": CHECKED,
    "payment.SettlementFile": "the name of a file that staff have, shown to them",
    "payment.CreditNote": OURSELVES,
}


def has_rule(field) -> bool:
    return any(validator in RULES for validator in field.validators)


def is_number_or_code(field) -> bool:
    return isinstance(field, (serializers.DecimalField, serializers.RegexField))


def is_cleaned(serializer, name) -> bool:
    """By the column that it is written into."""
    columns = (
        {each.name: each for each in serializer.Meta.model._meta.fields}
        if hasattr(serializer, "Meta")
        else {}
    )
    return isinstance(columns.get(name), (HtmlField, LineField, ImageAddressField))


def unruled(model) -> set[str]:
    texts = [
        field
        for field in model._meta.concrete_fields
        if isinstance(field, (models.CharField, models.TextField))
    ]
    clean = (HtmlField, LineField, ImageAddressField)
    return {
        field.name for field in texts if not (field.choices or isinstance(field, clean) or has_rule(field))
    }


def test_every_column_of_text_has_the_rule_or_a_reason():
    found = {}
    for label in OURS:
        for model in apps.get_app_config(label).get_models():
            reasons = MODEL_REASONS.get(model._meta.label, {})
            left = unruled(model) - reasons.keys()
            if left and model._meta.label not in NOBODY_WRITES:
                found[model._meta.label] = left
    assert found == {}


# What a caller writes, and nobody else reads.
NOT_READ_BY_OTHERS = {
    "LoginRequest": {"email", "password", "second_factor"},
    "RefreshRequest": {"refresh"},
    "CodeRequestRequest": {"email", "via"},
    "CodeRequest": {"email", "otp"},
    "PasswordResetRequest": {"email", "otp", "new_password"},
    "PasswordChangeRequest": {"old_password", "new_password"},
    "RegistrationRequest": {"phone", "password", "password2", "role", "employee_registration_code"},
    "PatchedProfileChangeRequest": {"phone"},
    "PatchedPanCardChangeRequest": {"pan_number"},
    "ProcessCartRequestRequest": {"mobile", "gstin"},
    "PayCartRequestRequest": {"gstin"},
    "AppOrderRequestRequest": {"target_app", "callback_scheme", "gstin"},
    "SimulatePaymentRequestRequest": {"merchant_order_id"},
    **{
        key: {"promo_code"}
        for key in (
            *("CartChoiceRequest", "PatchedCartChoiceRequest", "PromoChoiceRequest"),
            "OpenPaymentRequestRequest",
        )
    },
}


def free_texts() -> dict[str, set[str]]:
    """By component of the API's description: properties of a request that are free text."""
    schema = SchemaGenerator().get_schema(public=True)
    bodies = {
        content["schema"].get("$ref", "").rpartition("/")[2]
        for path in schema["paths"].values()
        for operation in path.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
    }
    return {
        name: {
            key
            for key, about in schema["components"]["schemas"][name].get("properties", {}).items()
            if about.get("type") == "string" and not {"enum", "format", "readOnly"} & about.keys()
        }
        for name in bodies - {""}
    }


def serializer_classes(base=serializers.Serializer):
    for child in base.__subclasses__():
        yield child
        yield from serializer_classes(child)


def test_every_text_of_a_request_has_the_rule_or_a_reason():
    named = {each.__name__: each for each in serializer_classes()}
    found = {}
    for component, keys in free_texts().items():
        if read := keys - NOT_READ_BY_OTHERS.get(component, set()):
            name = component.removeprefix("Patched").removesuffix("Request")
            serializer = (named.get(name) or named[f"{name}Serializer"])()
            ruled = {
                key for key, field in serializer.fields.items() if has_rule(field) or is_number_or_code(field)
            }
            found[component] = {key for key in read - ruled if not is_cleaned(serializer, key)}
    assert len(found) > 5
    assert {component: left for component, left in found.items() if left} == {}


def test_the_api_refuses_a_lure_in_a_name_with_a_sentence(api, db):
    person = {
        "email": "asha@example.com",
        "password": "a-long-lotus-pond-47",
        "password2": "a-long-lotus-pond-47",
    }
    for lure in ("You have won\r\nhttps://evil.example", "claim at evil.com", "Asha\u202e"):
        answer = api().post("/api/auth/register/", person | {"first_name": lure})
        assert (answer.status_code, list(answer.json()["fields"])) == (400, ["first_name"])
    assert (
        api().post("/api/auth/register/", person | {"first_name": "A.R.", "last_name": "Rahman"}).status_code
        == 201
    )
