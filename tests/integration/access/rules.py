"""Who may do what, as rules that are written down here and read from nowhere else.

A rule of rights is a list of alternatives, each a set of rights that is enough. Rights add up, so two accounts prove a
rule: one that holds an alternative and nothing else may, and one that holds all rights of the installation but one of
each alternative may not. What that one may not, nobody may with fewer rights: with none, or with a single other one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from django.contrib import admin
from django.db.models import Model


@dataclass(frozen=True)
class Needs:
    """One of the alternatives. Without any, not even a superuser may."""

    alternatives: tuple[frozenset[str], ...] = ()
    superuser: bool = True

    def enough(self) -> Iterator[frozenset[str]]:
        yield from self.alternatives

    def not_enough(self) -> Iterator[frozenset[str]]:
        """The rights to take away, so that no alternative is left."""
        yield from {frozenset(taken) for taken in product(*self.alternatives)}


def right(*alternatives: str) -> Needs:
    """Any of these. "a + b" needs both."""
    return Needs(tuple(frozenset(each.split(" + ")) for each in alternatives))


SUPERUSER = Needs()
NOBODY = Needs(superuser=False)

# --- The admin ----------------------------------------------------------------------------------------------------

# Rows that staff add, change and delete by forms. All others are moved by services only: they are looked at.
BY_FORM = {
    "booking.pujacategory",
    "booking.pujaservice",
    "booking.package",
    "booking.slot",
    "booking.promocode",
    "simulator.merchant",
    "simulator.fault",
}
USERS = "accounts.user"

# Page of a model: of `{app}.{model}`, by the last part of its URL.
ACTIONS = {
    "accounts.apikey revoke": right("accounts.change_apikey"),
    "accounts.apikey rotate": right("accounts.add_apikey"),
    "accounts.session end_now": right("accounts.change_session"),
    "booking.booking mark_completed": right("booking.change_booking"),
    "booking.slot close_and_move": right("booking.change_slot"),
    "booking.slot close_and_refund": right(
        "booking.change_slot"
    ),  # without change_refund it only requests: test_approval
    "notifications.notification send_once_more": right("notifications.change_notification"),
    **{
        f"payment.payment {name}": right("payment.change_payment")
        for name in ("accept", "send_back", "stop_waiting")
    },
    "payment.webhookevent close": right("payment.change_webhookevent"),
    "payment.refund approve": right("payment.change_refund"),
    "payment.refund withdraw": right("payment.change_refund"),
    "payment.offer close": right("payment.change_offer"),
    **{
        f"payment.dispute {name}": right("payment.change_dispute")
        for name in ("confirm", "enter_amount", "mark_lost", "mark_won")
    },
    **{
        f"payment.webhookendpoint {name}": right("payment.change_webhookendpoint")
        for name in ("send_test", "rotate", "switch_off", "switch_on")
    },
    "payment.serverevent replay": right("payment.change_serverevent"),
    "payment.webhookdelivery replay": right("payment.change_webhookdelivery"),
    "payment.worklease try_again": right("payment.change_worklease"),
}
# Everybody who may open the admin.
SITE_PAGES = {
    *("index", "search", "password_change", "password_change_done", "jsi18n", "logout"),
    *("login",),  # everybody
    *("autocomplete", "view_on_site"),  # ask the admin of the model: refused without its right
    *("app_list", None),  # lists what may be seen; the rest is 404
}


def label(model: type[Model]) -> str:
    return f"{model._meta.app_label}.{model._meta.model_name}"


def model_rules(model: type[Model]) -> dict[str, Needs]:
    """`page method` of every page that each model has."""
    app, name = label(model).split(".")
    look = right(f"{app}.view_{name}", f"{app}.change_{name}")
    add, change, delete = (right(f"{app}.{verb}_{name}") for verb in ("add", "change", "delete"))
    if label(model) == USERS:
        add = right("accounts.add_user + accounts.change_user")
    elif label(model) not in BY_FORM:
        add = change = delete = NOBODY
    return {
        "changelist get": look,
        "history get": look,
        "change get": look,
        "change post": change,
        "add get": add,
        "add post": add,
        "delete get": delete,
        "delete post": delete,
        **EXTRA.get(label(model), {}),
    }


EXTRA = {
    "payment.webhookendpoint": {
        **{f"add {method}": right("payment.add_webhookendpoint") for method in ("get", "post")},
        "change post": right("payment.change_webhookendpoint"),
    },
    "accounts.apikey": {f"add {method}": right("accounts.add_apikey") for method in ("get", "post")},
    USERS: {"password_change get": SUPERUSER, "password_change post": SUPERUSER},
    "payment.creditnote": {"pdf get": right("payment.view_creditnote", "payment.change_creditnote")},
    "payment.receipt": {"pdf get": right("payment.view_receipt", "payment.change_receipt")},
}
# Accounts of staff, by whatever the rule of a customer's account says.
OF_STAFF = {"change post": SUPERUSER, "delete get": SUPERUSER, "delete post": SUPERUSER}


def action_rule(model: type[Model], action: str) -> Needs | None:
    if action == "delete_selected":
        return model_rules(model)["delete post"]
    return ACTIONS.get(f"{label(model)} {action}")


def models() -> list[type[Model]]:
    return list(admin.site._registry)


# --- The other routes ---------------------------------------------------------------------------------------------

PUBLIC, LOGIN, OWNER, SIGNED = "public", "any account", "owner", "signed link"
# A token of the API opens no page, and a login to the admin neither: what a session of the pages opens is tried in
# tests/unit/storefront.
PAGES, DEMO = (
    "a session of the shop's pages, else a redirect to its login",
    "a person at this machine, in simulation",
)
CONTROL, BY_POST = "OPS_TOKEN, or a program on this machine", "OPS_TOKEN in a form"
SIGNATURE = "PhonePe's signature"
OPS_TOKEN = "OPS_TOKEN, whoever is logged in"


@dataclass(frozen=True)
class OwnerOr:
    """To all others it does not exist."""

    right: str


@dataclass(frozen=True)
class Scoped:
    """An API key with this scope. No login opens it, not even a superuser's."""

    scope: str


PAYMENT = "api/payments/payments/{pk}/"
SERVER = "api/server/"
CART = "api/cart/carts/{pk}/"
RULES: dict[str, str | Needs | OwnerOr] = {
    "api/auth/register/ post": PUBLIC,
    "api/auth/login/ post": PUBLIC,
    "api/auth/refresh/ post": PUBLIC,
    "api/auth/logout/ post": PUBLIC,
    "api/auth/otp/request/ post": PUBLIC,
    "api/auth/otp/verify/ post": PUBLIC,
    "api/auth/password/reset/ post": PUBLIC,
    "api/auth/password/reset/confirm/ post": PUBLIC,
    "api/auth/logout/everywhere/ post": LOGIN,
    "api/auth/password/change/ post": LOGIN,
    "api/auth/profile/ get": LOGIN,
    "api/auth/profile/ patch": LOGIN,
    "api/auth/profile/picture/ patch": LOGIN,
    "api/auth/pancard/ get": LOGIN,
    "api/auth/pancard/ patch": LOGIN,
    "api/auth/uploads/{token}/ get": SIGNED,
    "api/auth/addresses/ get": LOGIN,
    "api/auth/addresses/ post": LOGIN,
    **{f"api/auth/addresses/{{pk}}/ {method}": OWNER for method in ("get", "put", "patch", "delete")},
    "api/puja/categories/ get": PUBLIC,
    "api/puja/services/ get": PUBLIC,
    "api/puja/services/{pk}/ get": PUBLIC,
    "api/puja/services/{pk}/slots/ get": PUBLIC,
    "api/puja/pictures/{digest}/ get": PUBLIC,
    "api/puja/slots/{pk}/close/ post": right("booking.change_slot"),
    "api/puja/packages/ get": PUBLIC,
    "api/puja/packages/{pk}/ get": PUBLIC,
    "api/puja/public/services/ get": PUBLIC,
    "api/puja/public/services/{pk}/ get": PUBLIC,
    "api/puja/public/services/{pk}/slots/ get": PUBLIC,
    "api/puja/public/puja/packages/ get": PUBLIC,
    "api/puja/public/puja/packages/{pk}/ get": PUBLIC,
    # Not sold: empty answers.
    "api/astrology/services/ get": PUBLIC,
    "api/astrology/bookings/ get": LOGIN,
    "api/astrology/bookings/book-with-payment/ post": PUBLIC,
    "api/user/astrology/bookings/ get": LOGIN,
    "api/astrology/admin/bookings/ get": right("booking.view_booking"),
    "api/astrology/admin/dashboard/ get": right("booking.view_booking"),
    "api/admin/astrology/bookings/ get": right("booking.view_booking"),
    "api/accounts/admin/employees/ get": right("booking.view_priest"),
    "api/booking/admin/bookings/employees/ get": right("booking.view_priest"),
    "api/misc/events/ get": PUBLIC,
    "api/misc/admin/events/ get": right("booking.view_pujaservice"),
    "api/blog/posts/ get": right("booking.view_pujaservice"),
    "api/blog/posts/{slug}/comments/ get": right("booking.view_pujaservice"),
    "api/blog/categories/ get": right("booking.view_pujaservice"),
    "api/blog/tags/ get": right("booking.view_pujaservice"),
    "api/cart/carts/ get": LOGIN,
    "api/cart/carts/ post": LOGIN,
    "api/cart/carts/active/ get": LOGIN,
    "api/cart/carts/clear_converted/ post": LOGIN,
    **{f"{CART} {method}": OWNER for method in ("get", "put", "patch", "delete")},
    f"{CART}apply_promo/ post": OWNER,
    f"{CART}remove_promo/ post": OWNER,
    f"{CART}deletion_status/ get": OWNER,
    f"{CART}cleanup_old_payments/ post": OWNER,
    "api/promo/user/promos/ get": LOGIN,
    "api/promo/user/promos/history/ get": LOGIN,
    "api/promo/promos/validate/ get": LOGIN,
    **{
        f"api/promo/admin/promos/{path} get": right("booking.view_promocode")
        for path in ("", "stats/", "export/")
    },
    **{
        f"api/promo/admin/promos/{path} post": right("booking.add_promocode") for path in ("", "bulk-create/")
    },
    "api/promo/admin/promos/send-email/ post": right("booking.change_promocode"),
    **{
        f"api/promo/admin/promos/{{pk}}/ {method}": right("booking.change_promocode")
        for method in ("patch", "delete")
    },
    **{
        f"api/puja/{rows}/{path}": right(f"booking.{verb}_{model}")
        for rows, model in (
            ("categories", "pujaservice"),
            ("services", "pujaservice"),
            ("packages", "package"),
        )
        for path, verb in (("create/ post", "add"), ("{pk}/ patch", "change"), ("{pk}/ delete", "change"))
    },
    "api/auth/users/ get": right("accounts.view_user"),
    **{f"api/auth/users/{{pk}}/ {method}": right("accounts.change_user") for method in ("patch", "delete")},
    **{
        f"api/booking/admin/{path}/ get": right("booking.view_booking")
        for path in ("bookings", "dashboard", "reports")
    },
    "api/booking/admin/bookings/{pk}/status/ patch": right("booking.change_booking"),
    "api/booking/admin/bookings/{pk}/reschedule/ post": right("booking.change_booking"),
    **{
        f"api/booking/admin/bookings/{{pk}}/assign/ {method}": right("booking.add_assignment")
        for method in ("patch", "post")
    },
    "api/booking/bookings/ get": LOGIN,
    "api/booking/bookings/latest/ get": LOGIN,
    "api/booking/bookings/{pk}/ get": OWNER,
    "api/booking/bookings/by-id/{ref}/ get": OWNER,
    "api/booking/bookings/by-cart/{cart_id}/ get": OWNER,
    "api/booking/bookings/{pk}/status/ post": OWNER,
    "api/booking/bookings/{pk}/changes/ get": OWNER,
    "api/booking/bookings/{pk}/move/ post": OWNER,
    "api/booking/bookings/{pk}/calendar/ get": OWNER,
    "api/payments/paying/ get": PUBLIC,
    "api/payments/paying/ post": LOGIN,
    "api/payments/payments/{pk}/try-again/ post": OWNER,
    "api/booking/waiting/ get": LOGIN,
    "api/booking/waiting/ post": LOGIN,
    "api/booking/waiting/{pk}/ delete": OWNER,
    "api/booking/waiting/{pk}/accept/ post": OWNER,
    "api/booking/calendar-feed/ get": LOGIN,
    "api/booking/calendar-feed/ post": LOGIN,
    "api/booking/calendar-feed/ delete": LOGIN,
    "api/booking/changes/{token}/ get": SIGNED,
    "api/booking/changes/{token}/cancel/ post": SIGNED,
    "api/booking/changes/{token}/move/ post": SIGNED,
    "booking/{token}/ get": SIGNED,
    "booking/{token}/ post": SIGNED,
    "calendar/{token}/ get": SIGNED,
    "calendar/priest/{token}/ get": SIGNED,  # a secret address, not a signature
    "calendar/feed/{token}/ get": SIGNED,  # a secret address, not a signature
    "api/payments/cart/ post": LOGIN,  # of others' carts: test_frontend_2026
    "api/payments/cart/status/{cart_id}/ get": OWNER,
    "api/payments/status/{merchant_order_id}/ get": OWNER,
    "api/payments/verify-and-complete/ post": LOGIN,  # of others' carts: test_frontend_2026
    "api/payments/payments/NaN/retry-webhook/ post": LOGIN,
    "api/payments/payments/ get": LOGIN,
    "api/payments/payments/process-cart/ post": PUBLIC,  # a cart in it needs a login: test_payments
    "api/payments/payments/app-order/ post": LOGIN,  # others' carts: test_app_order
    "api/payments/payments/simulate-payment-success/ get": right("payment.change_payment"),
    "api/payments/payments/simulate-payment-success/ post": PUBLIC,  # others' payments: test_payments
    "api/payments/payments/debug-connectivity/ get": PUBLIC,  # short; in full for staff: test_diagnosis
    "api/payments/payments/debug-connectivity/ post": right("payment.add_diagnosisrun"),
    "api/payments/payments/debug-connectivity/door/ post": PUBLIC,  # to those who know OPS_TOKEN
    f"{PAYMENT} get": OWNER,
    f"{PAYMENT}status/ get": OWNER,
    f"{PAYMENT}check-booking/ get": OWNER,
    f"{PAYMENT}timeline/ get": OwnerOr("payment.view_payment"),
    f"{PAYMENT}refund/ post": right("payment.change_refund"),
    f"{PAYMENT}refunds/ get": OwnerOr("payment.view_refund"),
    f"{PAYMENT}resolve/ post": right("payment.change_payment"),
    "api/payments/offers/{token}/ get": SIGNED,
    "api/payments/offers/{token}/ post": SIGNED,
    f"{PAYMENT}receipt/ get": OwnerOr("payment.view_receipt"),
    "api/payments/refunds/{pk}/approve/ post": right("payment.change_refund"),
    "api/payments/refunds/{pk}/withdraw/ post": right("payment.change_refund"),
    **{
        f"{PAYMENT}{action}/ post": OWNER
        for action in (
            *("check-and-create-booking", "create-booking", "retry-webhook", "check-and-process"),
            *("simulate", "simulate-success"),
        )
    },
    f"{SERVER}payments/ get": Scoped("bookings:read"),
    f"{SERVER}payments/ post": Scoped("bookings:write"),
    f"{SERVER}payments/{{pk}}/ get": Scoped("bookings:read"),
    f"{SERVER}payments/{{pk}}/refunds/ post": Scoped("refunds:write"),
    f"{SERVER}payments/{{pk}}/simulate/ post": Scoped("bookings:write"),
    f"{SERVER}bookings/ get": Scoped("bookings:read"),
    f"{SERVER}bookings/{{book_id}}/ get": Scoped("bookings:read"),
    f"{SERVER}bookings/{{book_id}}/cancel/ post": Scoped("bookings:write"),
    f"{SERVER}bookings/{{book_id}}/move/ post": Scoped("bookings:write"),
    f"{SERVER}webhook-endpoints/ get": Scoped("webhooks:read"),
    f"{SERVER}events/ get": Scoped("webhooks:read"),
    f"{SERVER}events/{{event_id}}/ get": Scoped("webhooks:read"),
    "api/payments/webhook/phonepe/ post": SIGNATURE,  # proves itself by PhonePe's signature: test_webhooks
    "api/payments/return/{token}/ get": SIGNED,
    "api/payments/return/{token}/ post": SIGNED,
    "offer/{token}/ get": SIGNED,
    "offer/{token}/ post": SIGNED,
    "pay/link/{token}/ get": SIGNED,
    "pay/link/{token}/ post": SIGNED,
    "pay/{token}/ get": SIGNED,
    "pay/{token}/ post": SIGNED,
    "pay/{token}/receipt/ get": SIGNED,
    "{root} get": PUBLIC,
    "pujas/{pk}/ get": PUBLIC,
    "pujas/{pk}/times/ get": PUBLIC,
    "book/ get": PUBLIC,
    "book/ post": PUBLIC,
    "review/{cart_id}/ get": PAGES,
    "review/{cart_id}/ post": PAGES,
    "login/ get": PUBLIC,
    "login/ post": PUBLIC,
    "login/code/ get": PUBLIC,
    "login/code/ post": PUBLIC,
    "logout/ post": PUBLIC,
    "bookings/ get": PAGES,
    "bookings/ post": PAGES,
    "donate/ get": PUBLIC,
    "donate/ post": PUBLIC,
    "waiting/ get": PAGES,
    "waiting/ post": PAGES,
    "bookings/{book_id}/ get": PAGES,
    "bookings/{book_id}/receipt/ get": PAGES,
    "language/{code}/ get": PUBLIC,
    "outbox/ get": DEMO,
    "brand/colours.css get": PUBLIC,
    "brand/logo get": PUBLIC,
    "api/schema/ get": PUBLIC,
    "api/docs/ get": PUBLIC,
    "healthz get": PUBLIC,
    "metrics get": OPS_TOKEN,
    "readyz get": PUBLIC,
}
SIMULATOR = {
    "simulator/ get": CONTROL,
    "simulator/sign-in/ get": BY_POST,
    "simulator/sign-in get": BY_POST,
    "simulator/apis/{rest} get": PUBLIC,  # what a merchant signs: tests/integration/simulator
    "simulator/control/openapi.json/ get": CONTROL,
    "simulator/control/openapi.json get": CONTROL,
    "simulator/control/{rest} get": CONTROL,
    "simulator/transact/{token}/ get": SIGNED,
    "simulator/transact/{token} get": SIGNED,
}
# Bodies that would be carried out, for those who may not.
BODIES = {
    "admin/bookings/{pk}/status/": {"status": "REJECTED", "rejection_reason": "not theirs"},
    "auth/users/{pk}/": {"account_status": "SUSPENDED"},
    "close/": {"then": "refund", "reason": "closed"},
    "refund/": {"reason": "a gesture"},
    "resolve/": {"action": "book"},
    "debug-connectivity/": {"test_payment": True},
    "bookings/{pk}/status/": {"status": "CANCELLED", "cancellation_reason": "not mine"},
    "simulate/": {"outcome": "success"},
    "refunds/": {"reason": "a gesture"},
    "cancel/": {"reason": "not mine"},
    "addresses/{pk}/": {"city": "Elsewhere", "is_default": True},
    "apply_promo/": {"promo_code": "ANY"},
    "carts/{pk}/": {"selected_date": "2030-01-01"},
}
