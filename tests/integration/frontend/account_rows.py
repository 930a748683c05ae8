"""From the registration to the profile. Codes are read from the mail folder."""

from io import BytesIO

from PIL import Image

from tests.harness.databases import PASSWORD
from tests.integration.frontend import account_pages, shapes
from tests.integration.frontend.browser import first, reader
from tests.integration.frontend.people import HOME
from tests.integration.frontend.rows import Story, Table
from tests.integration.frontend.shapes import fitting

TODAY = ("today",)
row = Table()
NEW_PASSWORD = "Another-lotus-47!"
WRONG_CODE = "This code is invalid or has expired. Please request another one."


@row("/register", "POST auth/register/ with a phone in any spelling", "any 2xx; then /verify-otp")
def register(story: Story) -> None:
    account_pages.register(story.tab, story.email, "98765-43210 ", story.password)
    assert story.tab.toasts == []
    assert story.tab.location.startswith("/verify-otp?email=newcomer")


@row("/register", "POST auth/register/ with a guessable password", "`detail` → `email` → … `password`")
def weak_password(story: Story) -> None:
    told = story.new_toast(account_pages.register, "weak@example.com", "", "password")
    assert "password" in told.lower()


@row("/register", "POST auth/register/ with an address that has an account", "`detail` → `email`")
def register_twice(story: Story) -> None:
    told = story.new_toast(account_pages.register, story.email.upper(), "", story.password)
    assert told == "An account with this email already exists."


@row(
    "/login",
    "POST auth/login/ before the address is confirmed",
    "`access, refresh`, and `email_verified` false",
)
def log_in_before_the_code(story: Story) -> None:
    tab = story.visitor()
    account_pages.log_in(tab, story.email, story.password)
    assert (tab.toasts, tab.location) == ([], "/user/dashboard")


@row("/verify-otp", "POST auth/otp/verify/ with a wrong code", "`message` → `detail`")
def wrong_code(story: Story) -> None:
    wrong = f"{(int(story.code()) + 1) % 10**6:06}"
    assert story.new_toast(account_pages.enter_code, story.email, wrong) == WRONG_CODE


@row("/verify-otp", "POST auth/otp/request/", "any 2xx; the button comes back after 60 s")
def request_code(story: Story) -> None:
    before = len(story.tab.toasts)
    account_pages.request_code(story.tab, story.email)
    assert len(story.tab.toasts) == before


@row("/verify-otp", "POST auth/otp/verify/", "200, then the login by itself")
def right_code(story: Story) -> None:
    account_pages.enter_code(story.tab, story.email, story.code())
    assert story.tab.location == "/user/dashboard"
    assert {"access", "refresh"} <= story.tab.storage.keys()


@row("/login", "POST auth/login/", "`access, refresh, id, role, account_status, full_name` …")
def log_in(story: Story) -> None:
    tab = story.visitor()
    account_pages.log_in(tab, story.email, story.password)
    assert (tab.location, tab.toasts) == ("/user/dashboard", [])
    story.kept["other browser"] = tab


@row("/login", "POST auth/login/ with a wrong password", "400: 401 would reload the page and lose the text")
def wrong_password(story: Story) -> None:
    tab = story.visitor()
    account_pages.log_in(tab, story.email, "not-the-password")
    assert (tab.toasts, tab.location) == (["Invalid email or password."], "/")


@row(
    "/login", "POST auth/login/ of an account that staff have closed", "200: `account_status`, and no tokens"
)
def log_in_to_closed_account(story: Story) -> None:
    tab = story.visitor()
    last = "(SELECT max(id) FROM accounts_user WHERE role = 'USER')"
    ((closed,),) = story.shop.query(f"SELECT email FROM accounts_user WHERE id = {last}")  # noqa: S608
    for status in ("SUSPENDED", "ACTIVE"):
        story.shop.query(f"UPDATE accounts_user SET account_status = '{status}' WHERE email = '{closed}'")  # noqa: S608
        account_pages.log_in(tab, closed, PASSWORD)
    assert tab.toasts == ["Your account is SUSPENDED."]


@row("/forgot-password", "POST auth/password/reset/", "any 2xx, for every address")
def forget_password(story: Story) -> None:
    tab = story.visitor()
    account_pages.forget_password(tab, story.email)
    account_pages.forget_password(tab, "nobody@example.com")
    assert tab.toasts == []


@row(
    "/forgot-password",
    "POST auth/password/reset/confirm/ with a wrong code",
    "`detail` with *invalid* or *expired*: back to the code",
)
def wrong_reset_code(story: Story) -> None:
    tab = story.visitor()
    wrong = f"{(int(story.code('password')) + 1) % 10**6:06}"
    assert account_pages.choose_password(tab, story.email, wrong, NEW_PASSWORD) == "code"
    assert tab.toasts == [WRONG_CODE]


@row(
    "/forgot-password",
    "POST auth/password/reset/confirm/ with a guessable password",
    "`detail` without these words: the password is asked for again",
)
def weak_reset(story: Story) -> None:
    tab = story.visitor()
    assert account_pages.choose_password(tab, story.email, story.code("password"), "password") == "password"
    assert "password" in tab.toasts[0].lower()


@row("/forgot-password", "POST auth/password/reset/confirm/", "any 2xx; then /login?reset=success")
def choose_password(story: Story) -> None:
    tab = story.visitor()
    code = story.code("password")
    assert account_pages.choose_password(tab, story.email, code, NEW_PASSWORD) == "login"
    story.password = NEW_PASSWORD
    account_pages.log_in(story.tab, story.email, story.password)
    assert story.tab.location == "/user/dashboard"


@row("/checkout, /user/profile", "GET auth/addresses/", "a bare array")
def no_addresses(story: Story) -> None:
    assert account_pages.addresses(story.tab) == []


@row("/checkout, /user/profile", "POST auth/addresses/", "the created address")
def add_address(story: Story) -> None:
    story.kept["address"] = account_pages.add_address(story.tab, **HOME)
    assert [one["id"] for one in account_pages.addresses(story.tab)] == [story.kept["address"]["id"]]


@row("/checkout", "POST auth/addresses/ with a wrong PIN code", "400: the first value")
def wrong_pin_code(story: Story) -> None:
    told = story.new_toast(account_pages.add_address, **HOME | {"postal_code": "12"})
    assert told == "Give the PIN code as six digits."


@row("/checkout, /user/profile", "PATCH auth/addresses/{id}/", "the whole address")
def change_address(story: Story) -> None:
    path = f"/auth/addresses/{story.kept['address']['id']}/"
    seven = {"country": "India", "address_line2": "", **HOME, "city": "Gaya"}
    assert fitting(story.call("PATCH", path, seven).json(), shapes.ADDRESS)["city"] == "Gaya"


@row("/checkout, /user/profile", "DELETE auth/addresses/{id}/", "any 2xx")
def delete_address(story: Story) -> None:
    second = account_pages.add_address(story.tab, **HOME | {"is_default": False})
    story.call("DELETE", f"/auth/addresses/{second['id']}/", status=204)
    assert len(account_pages.addresses(story.tab)) == 1


@row("/user/profile", "GET auth/profile/", "`first_name, last_name, dob, profile_picture, created_at`", TODAY)
def profile(story: Story) -> None:
    fitting(story.get("/auth/profile/"), shapes.PROFILE)


@row("/user/profile", "PATCH auth/profile/", "the whole profile", TODAY)
def change_profile(story: Story) -> None:
    names = {"first_name": "Asha", "last_name": "Devi", "dob": "1990-02-28"}
    told = fitting(story.call("PATCH", "/auth/profile/", names).json(), shapes.PROFILE)
    assert told == told | names
    assert story.call("PATCH", "/auth/profile/", {**names, "dob": None}).json()["dob"] is None


@row("/user/profile", "PATCH auth/profile/ with a date of birth in the future", "only `detail`", TODAY)
def wrong_birthday(story: Story) -> None:
    answer = story.call("PATCH", "/auth/profile/", {"dob": "2999-01-01"}, status=400)
    assert reader("detail")(answer) == first(answer)


@row(
    "/user/profile",
    "PATCH auth/profile/picture/ as multipart",
    "any 2xx; the profile then has its URL",
    TODAY,
)
def picture(story: Story) -> None:
    content = BytesIO()
    Image.new("RGB", (64, 64), "orange").save(content, "PNG")
    files = {"profile_picture": ("me.png", content.getvalue(), "image/png")}
    assert story.tab.call("PATCH", "/auth/profile/picture/", files=files).ok
    assert fitting(story.get("/auth/profile/"), shapes.PROFILE)["profile_picture"]


@row("/user/profile", "PATCH auth/profile/picture/ with a text file", "`detail`", TODAY)
def no_picture(story: Story) -> None:
    files = {"profile_picture": ("me.png", b"<script>alert(1)</script>", "image/png")}
    answer = story.call("PATCH", "/auth/profile/picture/", files=files, status=400)
    assert reader("detail")(answer) == first(answer)


@row("/user/profile", "GET auth/pancard/ without a PAN", "404, silent", TODAY, "404: none yet")
def no_pan_card(story: Story) -> None:
    story.get("/auth/pancard/", status=404)


@row("/user/profile", "PATCH auth/pancard/", "the whole object; creates as well as changes", TODAY)
def pan_card(story: Story) -> None:
    for number in ("ABCPE1234F", "ABCPE1234G"):
        told = fitting(story.call("PATCH", "/auth/pancard/", {"pan_number": number}).json(), shapes.PAN_CARD)
        assert told["is_verified"] is False
    fitting(story.get("/auth/pancard/"), shapes.PAN_CARD)


@row("/user/profile", "PATCH auth/pancard/ with a wrong number", "`detail`", TODAY)
def wrong_pan_card(story: Story) -> None:
    answer = story.call("PATCH", "/auth/pancard/", {"pan_number": "12345"}, status=400)
    assert reader("detail")(answer) == first(answer)
