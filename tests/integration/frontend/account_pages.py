"""The account pages, which both sites share: the calls each makes, in its order, and what a person sees of them."""

from typing import Any
from urllib.parse import quote

from tests.integration.frontend import shapes
from tests.integration.frontend.browser import Tab, first, reader
from tests.integration.frontend.shapes import fitting

register_error = reader("detail", "email", "phone", "password", "employee_registration_code")
code_error = reader("message", "detail")
reset_error = reader("detail", "message")
profile_error = reader("detail")


def register(tab: Tab, email: str, phone: str, password: str) -> None:
    """The phone goes as it was typed. The password is kept for the login after the code."""
    form = {"email": email, "phone": phone, "password": password, "password2": password, "role": "USER"}
    answer = tab.call("POST", "/auth/register/", form)
    if not answer.ok:
        tab.toasts.append(register_error(answer))
        return
    tab.storage["temp_password"] = password
    tab.wait(2)
    tab.location = f"/verify-otp?email={quote(email)}"


def enter_code(tab: Tab, email: str, code: str) -> None:
    """Then the page logs in by itself."""
    answer = tab.call("POST", "/auth/otp/verify/", {"email": email, "otp": code})
    if answer.status_code != 200:
        tab.toasts.append(code_error(answer))
    elif password := tab.storage.pop("temp_password", ""):
        log_in(tab, email, password)
    else:
        tab.location = "/login?verified=true"


def request_code(tab: Tab, email: str) -> None:
    """The button appears after a minute."""
    tab.wait(60)
    answer = tab.call("POST", "/auth/otp/request/", {"email": email, "via": "email"})
    if not answer.ok:
        tab.toasts.append(reader("message")(answer))


def log_in(tab: Tab, email: str, password: str) -> None:
    answer = tab.call("POST", "/auth/login/", {"email": email, "password": password})
    if answer.status_code in (400, 401):
        tab.toasts.append("Invalid email or password.")
        return
    status = answer.json()["account_status"]
    if status != "ACTIVE":
        tab.toasts.append(f"Your account is {status}.")
        return
    session = fitting(answer.json(), shapes.LOGIN)
    tab.storage.update(access=session["access"], refresh=session["refresh"])
    tab.location = "/user/dashboard"


def log_out(tab: Tab) -> None:
    tab.call("POST", "/auth/logout/", {"refresh": tab.storage["refresh"]})
    tab.storage.clear()
    tab.location = "/"


def forget_password(tab: Tab, email: str) -> None:
    answer = tab.call("POST", "/auth/password/reset/", {"email": email})
    if not answer.ok:
        tab.toasts.append(reset_error(answer))


def choose_password(tab: Tab, email: str, code: str, password: str) -> str:
    """The step at which the page stands then: "code", "password" or "login"."""
    body = {"email": email, "otp": code, "new_password": password}
    answer = tab.call("POST", "/auth/password/reset/confirm/", body)
    if answer.ok:
        tab.location = "/login?reset=success"
        return "login"
    told = answer.json().get("detail", "")
    tab.toasts.append(reset_error(answer))
    return "code" if any(word in told.lower() for word in ("invalid", "expired")) else "password"


def add_address(tab: Tab, **fields: Any) -> dict[str, Any] | None:
    body = {"country": "India", "address_line2": "", "is_default": False, **fields}
    answer = tab.call("POST", "/auth/addresses/", body)
    if answer.ok:
        return fitting(answer.json(), shapes.ADDRESS)
    tab.toasts.append(first(answer))
    return None


def addresses(tab: Tab) -> list[dict[str, Any]]:
    return fitting(tab.call("GET", "/auth/addresses/").json(), [shapes.ADDRESS])
