"""Each `code` of the API's errors: with which HTTP status it comes, and what it means to the program that called.

A new code is a line here: tests/unit/core/test_error_codes.py reads what the code of the product can answer, and finds
what is missing, over, or answered with another status. The OpenAPI description and docs/error-codes.md show this table.
`POST /api/payments/cart/` answers 400 where others answer 409, with the same code.
"""

from typing import NamedTuple


class ErrorCode(NamedTuple):
    statuses: tuple[int, ...]
    meaning: str


SUBJECTS: dict[str, dict[str, ErrorCode]] = {
    "Any request": {
        "validation": ErrorCode((400,), "Fields are wrong: `fields` names each with its sentences."),
        "parse_error": ErrorCode(
            (400,), "The body is no JSON, or of another kind than its Content-Type says."
        ),
        "bad_request": ErrorCode((400,), "The request cannot be read, or did not arrive whole."),
        "refused": ErrorCode((400,), "Not possible, for the reason in `error`."),
        "not_authenticated": ErrorCode((401,), "No login was sent, and this route wants one."),
        "authentication_failed": ErrorCode((401,), "The login that was sent cannot be read."),
        "token_not_valid": ErrorCode(
            (401,), "The token has expired or was ended: refresh it, or log in again."
        ),
        "permission_denied": ErrorCode((403,), "This person lacks the right."),
        "not_found": ErrorCode((404,), "Does not exist, or not for this person."),
        "method_not_allowed": ErrorCode((405,), "This route has no such method."),
        "not_acceptable": ErrorCode((406,), "Only JSON is answered."),
        "body_too_slow": ErrorCode((408,), "The body took too long to arrive: repeat the request."),
        "conflict": ErrorCode((409,), "Right request, wrong moment, for the reason in `error`."),
        "length_required": ErrorCode((411,), "A body needs a Content-Length."),
        "too_large": ErrorCode((413,), "The body is too large."),
        "unsupported_media_type": ErrorCode((415,), "This Content-Type is not read."),
        "throttled": ErrorCode((429,), "Too many requests: wait for Retry-After."),
        "internal_error": ErrorCode((500,), "A fault of ours: `request_id` finds it in our log."),
        "busy": ErrorCode((503,), "Too much at once. Nothing was done: repeat after Retry-After."),
        "database_down": ErrorCode((503,), "Our database does not answer. Nothing was done: repeat later."),
        "idempotency_key_invalid": ErrorCode(
            (400,), "The Idempotency-Key is too short, too long, or not printable ASCII."
        ),
        "idempotency_key_missing": ErrorCode((400,), "This route of servers wants an Idempotency-Key."),
        "idempotency_in_flight": ErrorCode(
            (409,), "The first request with this key is still being answered: repeat it."
        ),
        "idempotency_mismatch": ErrorCode((422,), "This key was used with another request: take a new key."),
    },
    "Accounts": {
        "invalid_credentials": ErrorCode((400,), "Unknown e-mail address, or wrong password."),
        "account_not_active": ErrorCode(
            (200,), "Right password, but the account is suspended or closed: no tokens."
        ),
        "email_not_confirmed": ErrorCode(
            (200, 409), "The code that was mailed has to be entered first (`POST /api/auth/otp/verify/`)."
        ),
        "account_closed": ErrorCode((409,), "This account was closed permanently."),
        "second_factor_needed": ErrorCode((400,), "Right password: send it again with `second_factor`."),
        "second_factor_wrong": ErrorCode((400,), "The second factor is wrong, or was used before."),
        "second_factor_missing": ErrorCode(
            (400,), "Staff need a second factor, and have none: set it up in the admin."
        ),
        "too_many_attempts": ErrorCode(
            (409, 429),
            "429: too many wrong secrets, wait for Retry-After. 409: the page could not be opened, wait 15 minutes.",
        ),
        "invalid_code": ErrorCode((400,), "The one-time code is wrong or too old."),
        "wrong_password": ErrorCode((400,), "The old password is wrong."),
        "password_changed": ErrorCode(
            (400,), "The password was changed by another request at the same moment."
        ),
        "too_many_addresses": ErrorCode((400,), "Delete an address before you add one."),
        "pan_unreadable": ErrorCode((503,), "A stored PAN cannot be decrypted: the operator lacks a key."),
        "api_key_invalid": ErrorCode((401,), "Unknown, expired or revoked API key."),
        "api_key_not_here": ErrorCode((401,), "API keys open `/api/server/` only."),
        "scope_missing": ErrorCode((403,), "The API key lacks the scope that `error` names."),
        "not_yourself": ErrorCode((400,), "Nobody closes their own account."),
        "only_superusers": ErrorCode((403,), "Accounts of staff are changed by superusers only."),
        "last_superuser": ErrorCode((409,), "The last superuser cannot be closed."),
        "role_refused": ErrorCode((409,), "The role of this account cannot be chosen here."),
        "not_over": ErrorCode(
            (409,),
            "The data of this person are still needed: a payment or booking of theirs is not finished.",
        ),
    },
    "Catalogue and times": {
        "not_offered": ErrorCode(
            (404, 409), "404: this is not sold here. 409: our account at PhonePe cannot do it."
        ),
        "category_in_use": ErrorCode((409,), "There are pujas in this category."),
        "no_such_time": ErrorCode((404,), "There is no such time for this puja."),
        "slot_full": ErrorCode((409,), "Booked out: choose another time."),
        "slot_gone": ErrorCode((409,), "This time cannot be booked any more: choose another one."),
        "start_passed": ErrorCode((409,), "This time has passed."),
        "start_too_near": ErrorCode((409,), "The puja begins too soon to pay for it now."),
        "hours_overlap": ErrorCode((409,), "The opening hours of one day overlap."),
        "series_too_long": ErrorCode((400,), "Too many times at once."),
        "calendar_unreadable": ErrorCode((400,), "The file is no calendar (.ics)."),
        "too_many": ErrorCode((400,), "More bookings than can be decided at once."),
        "time_free": ErrorCode((409,), "This time needs no waiting list: it is free."),
        "time_over": ErrorCode((409,), "This time has no waiting list: it cannot be booked any more."),
        "waiting_too_often": ErrorCode((409,), "This person waits for several times already."),
        "waiting_over": ErrorCode((409,), "The place is not kept for this person any more."),
    },
    "Cart and payment": {
        "cart_not_active": ErrorCode((409,), "The cart was paid or closed: fill a new one."),
        "cart_booked": ErrorCode((400,), "A cart that was booked cannot be deleted."),
        "payment_open": ErrorCode(
            (400,), "A payment of this cart is open: `wait_minutes` says for how long."
        ),
        "cart_converted": ErrorCode((409,), "Another payment has booked this cart."),
        "booked_meanwhile": ErrorCode((409,), "Another payment of the same person has booked the same time."),
        "price_changed": ErrorCode((409,), "The total is not `expected_total`: the answer has both."),
        "checkout_differs": ErrorCode(
            (409,), "The open payment is for another address: `address` says which."
        ),
        "address_missing": ErrorCode((400,), "A puja at home needs an address."),
        "too_many_open": ErrorCode((409,), "This person has too many payments open."),
        "too_many_holds": ErrorCode((409,), "Too many places are held from this network, or of this time."),
        "hold_cool_down": ErrorCode((409,), "Many payments of this person were left unpaid: wait."),
        "already_paid": ErrorCode((409,), "Paid already: read the payment, and open no other one."),
        "payment_under_way": ErrorCode(
            (409,), "The page is being opened, or can still be paid: read the payment in a moment."
        ),
        "open_elsewhere": ErrorCode(
            (409,), "The order is open in the app or on the web page until `expires_at`."
        ),
        "open_in_other_app": ErrorCode((409,), "The order is open in another UPI app until `expires_at`."),
        "payment_closed": ErrorCode((409,), "Ended unpaid: open a new payment."),
        "held_for_staff": ErrorCode((409,), "Staff decide about this payment: do not pay again."),
        "not_open": ErrorCode((409,), "The payment is decided: there is nothing to end."),
        "page_lost": ErrorCode((409,), "PhonePe's page of this order was lost: open the payment again."),
        "link_over": ErrorCode((409,), "The link to pay has ended."),
        "time_gone": ErrorCode((409,), "Trying again needs another time: `times` has the nearest."),
        "other_cart": ErrorCode((409,), "Trying again is over: another cart was filled."),
        "guest_checkout_off": ErrorCode((400,), "Guests cannot pay here: log in, and send `cart_id`."),
        "not_a_customer": ErrorCode((409,), "No server books for a member of the staff."),
        "offer_closed": ErrorCode((409,), "The offer has ended: the money is refunded."),
        "already_chosen": ErrorCode((409,), "A time was chosen from this offer before."),
        "receipt_busy": ErrorCode((503,), "The receipt is being drawn: repeat in a few seconds."),
    },
    "PhonePe": {
        "phonepe_unreachable": ErrorCode(
            (503,), "PhonePe did not get the request. Nothing was charged: try again."
        ),
        "phonepe_rejected": ErrorCode((502,), "PhonePe refused the request. Nothing was charged."),
        "outcome_unknown": ErrorCode(
            (504,), "Nobody knows yet what PhonePe did: read the payment, do not pay again."
        ),
        "payment_not_configured": ErrorCode((503,), "This installation has no credentials for it."),
        "merchant_id_missing": ErrorCode((503,), "Payment in the app lacks its merchant id."),
        "payments_disabled": ErrorCode((503,), "Payments are switched off for now."),
        "not_authentic": ErrorCode((401,), "The call to our webhook cannot be authenticated as PhonePe's."),
        "empty_body": ErrorCode((400,), "The call to our webhook has no body."),
        "diagnosis_running": ErrorCode((503,), "A diagnosis is being made: ask again in a few seconds."),
        "not_in_production": ErrorCode((409,), "A test payment is not made in production."),
        "not_simulated": ErrorCode((409,), "The payment has no page at the simulated PhonePe."),
        "order_ended": ErrorCode((409,), "The simulated order has ended."),
        "simulator_refused": ErrorCode((503,), "The simulated PhonePe refused."),
        "simulator_silent": ErrorCode((503,), "The simulated PhonePe does not answer."),
    },
    "Bookings and refunds": {
        "not_movable": ErrorCode((409,), "The booking cannot be moved."),
        "choose_first": ErrorCode(
            (409,), "A time has to be chosen first, from the offer in the last message."
        ),
        "moves_used_up": ErrorCode((409,), "Moved as often as a customer may."),
        "move_too_late": ErrorCode((409,), "Too near to its start to be moved by the customer."),
        "refund_requested": ErrorCode((409,), "A refund of this booking is under way."),
        "link_used": ErrorCode((409,), "The link was used: the newest message has a new one."),
        "notice_too_short": ErrorCode((409,), "Staff move nobody to so near a start without asking."),
        "not_confirmed": ErrorCode((409,), "The booking is not confirmed (any more)."),
        "not_confirmable": ErrorCode((409,), "A booking is confirmed by its payment, and this one is over."),
        "not_completable": ErrorCode(
            (409,), "Only a confirmed booking whose puja has begun can be completed."
        ),
        "not_assignable": ErrorCode((409,), "Only a confirmed booking to come gets a priest."),
        "priest_busy": ErrorCode((409,), "The priest performs another puja then."),
        "priest_away": ErrorCode((409,), "The priest is on leave, or works no more."),
        "too_late": ErrorCode((400,), "The puja has begun: it cannot be cancelled."),
        "not_paid": ErrorCode((409,), "Nothing was paid, so nothing is refunded."),
        "nothing_left": ErrorCode((409,), "All of the money was refunded, or will be."),
        "too_much": ErrorCode((400,), "More than is left of the money."),
        "too_little": ErrorCode((400,), "Each part must be at least one rupee."),
        "simulated_payment": ErrorCode((409,), "Simulated payments bring no money, so none is refunded."),
        "paid_by_hand": ErrorCode((409,), "Money that staff took by hand is not refunded through PhonePe."),
        "disputed": ErrorCode(
            (409,),
            "The buyer's bank disputes this payment: nothing is refunded until the disputed amount is known.",
        ),
        "same_person": ErrorCode((403,), "A second person must confirm it."),
        "not_on_hold": ErrorCode((409,), "It needs no approval (any more)."),
        "not_by_hand": ErrorCode((409,), "This refund does not wait for staff to pay it out."),
    },
    "The desk": {
        "not_held": ErrorCode((409,), "The payment does not wait for staff."),
        "changed_meanwhile": ErrorCode((409,), "The case has changed since it was shown. Nothing was done."),
        "on_its_way": ErrorCode((409,), "The message is being sent already."),
        "already_entered": ErrorCode((409,), "This bank reference was entered before."),
        "nothing_to_close": ErrorCode((409,), "No cash of this person is open."),
        "cash_changed": ErrorCode((409,), "The cash has changed since it was shown: count again."),
        "confirmed_already": ErrorCode((409,), "This dispute was confirmed before."),
        "not_understood": ErrorCode(
            (409,), "PhonePe's status of the dispute is unknown: staff enter what it means."
        ),
        "nothing_to_mend": ErrorCode((409,), "The difference is not there any more."),
        "reason_missing": ErrorCode((400,), "Say why."),
        "not_waiting": ErrorCode((409,), "The event does not wait for staff."),
    },
}
CODES = {code: error for codes in SUBJECTS.values() for code, error in codes.items()}


def markdown() -> str:
    """A table for each subject: of the OpenAPI description, and of docs/error-codes.md."""
    return "\n\n".join(
        f"**{subject}**\n\n| `code` | HTTP | meaning |\n|---|---|---|\n"
        + "\n".join(
            f"| `{code}` | {', '.join(map(str, error.statuses))} | {error.meaning} |"
            for code, error in codes.items()
        )
        for subject, codes in SUBJECTS.items()
    )
