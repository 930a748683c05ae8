"""Our own shop in a browser: a paid booking on a telephone without scripts, by keyboard alone, and in Hindi."""

import re
from collections.abc import Callable
from contextlib import suppress

import pytest
import requests
from playwright.sync_api import Error, Locator, Page, expect

from tests.harness.installation import Installation
from tests.integration.browser.conftest import PATIENCE, SIZES
from tests.integration.browser.looks import assert_readable, largest_paint, loaded_bytes

pytestmark = [pytest.mark.browser, pytest.mark.sockets]

GUEST = {"id_name": "Meera Sinha", "id_phone": "98765 43210"}
HOME = {"line1": "4 Ganga Path", "city": "Patna", "postal_code": "800001", "state": "Bihar"}
FITS_AT_TWICE_THE_TEXT = """() => {
    document.documentElement.style.fontSize = "200%";
    const fits = document.documentElement.scrollWidth <= innerWidth;
    document.documentElement.style.fontSize = "";
    return fits;
}"""
TABS = 80  # before a key press has failed
ENGLISH_MONTHS = re.compile(
    r"\b(January|February|March|April|May|June|July|August|September|October|November|December|"
    r"Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b"
)


@pytest.fixture(scope="module")
def storefront(tmp_path_factory):
    mails = tmp_path_factory.mktemp("mails")
    settings = {
        "STOREFRONT": "True",
        "EMAIL_URL": f"file://{mails}",
        "FRONTEND_BASE_URL": "",
        "DONATION_PAGE": "True",
        "DONATION_PURPOSES": "Food for pilgrims=तीर्थयात्रियों का भोजन|The temple=मंदिर",
        "DONATION_80G": "Approved under section 80G: AAATX1234XF20214",
    }
    with Installation(**settings) as installation:
        server = installation.serve()
        installation.work()
        requests.get(server.url, timeout=30).raise_for_status()
        yield installation


@pytest.fixture
def phone(chromium):
    """`phone(locale=…)` is a page of 390 points in a fresh profile; it loads from nobody but us, without an error."""
    contexts, troubles = [], []

    def phone(locale: str = "en-IN", **how) -> Page:
        context = chromium.new_context(
            viewport=SIZES["phone"], locale=locale, timezone_id="Asia/Kolkata", **how
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
        page.on(
            "request", lambda asked: troubles.append(asked.url) if "//127.0.0.1" not in asked.url else None
        )
        return page

    yield phone
    for context in contexts:
        context.close()
    assert troubles == []


def fill_details(page: Page, email: str) -> None:
    for field, text in {**GUEST, "id_email": email}.items():
        page.locator(f"#{field}").fill(text)
    for field, text in HOME.items():
        page.locator(f"[name='address-{field.replace('line1', 'address_line1')}']").fill(text)


def follow(page: Page, link: Locator) -> None:
    """Presses it, and waits for the page that it leads to."""
    with page.expect_navigation():
        link.click()


def book(
    page: Page, shop: Installation, email: str, look: Callable[[Page], None], *, late: bool = False
) -> str:
    """From the catalogue to the status page; the number of the booking. `look` is called on every page. `late`: on the
    last free day of the month, or of the next one, which can still be moved."""
    page.goto(shop.url)
    look(page)
    follow(page, page.locator("h2 a", has_text=re.compile("Satyanarayan|सत्यनारायण")))
    look(page)
    follow(page, page.locator(".package .button").first)
    look(page)
    if late:
        follow(page, page.locator("a[rel=next]"))
        follow(page, page.locator(".calendar a").last)
    follow(page, page.locator(".times a:not(.full)").first)
    look(page)
    fill_details(page, email)
    follow(page, page.locator("form button[type=submit]").last)
    look(page)
    follow(page, page.locator("button[value=pay]"))
    follow(page, page.locator("button[value=success]"))
    expect(page.locator(".progress .done")).to_have_count(2)
    look(page)
    return re.search(r"BK-\w{8}", page.inner_text("main"))[0]


def test_a_booking_on_a_telephone_without_scripts(storefront, phone):
    page = phone(java_script_enabled=False)
    number = book(page, storefront, "noscript@example.com", lambda page: None)
    page.locator("a.button", has_text="See your booking").click()

    expect(page.locator("main")).to_contain_text(number)
    assert ("CONFIRMED", number) in storefront.query("SELECT status, book_id FROM booking_booking")


@pytest.mark.proof
def test_a_booking_in_hindi_without_an_english_month(storefront, phone):
    seen = []

    def look(page):
        text = page.inner_text("body")
        assert page.locator("html").get_attribute("lang") == "hi"
        assert not ENGLISH_MONTHS.search(text), ENGLISH_MONTHS.search(text)
        assert page.evaluate(FITS_AT_TWICE_THE_TEXT), page.url
        seen.append(page.url)

    page = phone(locale="hi-IN")
    book(page, storefront, "hindi@example.com", look)
    page.goto(f"{storefront.url}/bookings/")
    look(page)
    follow(page, page.locator("h2 a"))
    look(page)
    follow(page, page.locator("a.button").last)
    look(page)
    assert len(seen) == 9


@pytest.mark.proof
@pytest.mark.parametrize("size", SIZES)
def test_a_gift_without_scripts_in_hindi(storefront, phone, size, tmp_path):
    page = phone(locale="hi-IN", java_script_enabled=False)
    page.set_viewport_size(SIZES[size])
    page.goto(f"{storefront.url}/donate/")
    page.screenshot(path=tmp_path / "donate.png", full_page=True)
    page.locator("input[value=other]").check()
    page.locator("#id_other").fill("1,100")
    page.locator("#id_purpose").select_option(label="तीर्थयात्रियों का भोजन")
    page.locator("#id_name").fill("मीरा सिन्हा")
    page.locator("#id_email").fill(f"gift-{size}@example.com")
    page.locator("#id_pan").fill("abcpe1234f")
    page.locator("#id_address").fill("12 गंगा घाट, वाराणसी 221001")
    follow(page, page.locator("form[novalidate] button[type=submit]"))
    follow(page, page.locator("button[value=success]"))
    while page.locator("[data-waits]").count():
        page.wait_for_timeout(500)
    page.screenshot(path=tmp_path / "given.png", full_page=True)

    expect(page.locator("main")).to_contain_text("तीर्थयात्रियों का भोजन")
    expect(page.locator(".amount")).to_have_text("₹1,100.00")
    link = page.locator("a", has_text="PDF").get_attribute("href")
    while (answer := page.request.get(link)).status == 503:  # the worker draws it for the mail just now
        page.wait_for_timeout(500)
    assert answer.body().startswith(b"%PDF")
    assert ("GIFT", 110_000) in storefront.query("SELECT fulfilment, amount_paise FROM payment_payment")


def tab_to(page: Page, selector: str) -> None:
    """Presses Tab until the element has the focus, which must be seen."""
    for _ in range(TABS):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            outline = page.evaluate(
                "() => { const focused = document.activeElement.closest('.puja') ?? document.activeElement;"
                " return getComputedStyle(focused).outlineStyle; }"
            )
            assert outline != "none", selector
            return
    raise AssertionError(f"{selector} cannot be reached by Tab")


@pytest.mark.proof
def test_a_booking_by_keyboard_alone(storefront, phone):
    page = phone()
    page.goto(storefront.url)

    def press(selector: str) -> None:
        tab_to(page, selector)
        with page.expect_navigation():
            page.keyboard.press("Enter")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    press("h2 a")
    press(".package .button")
    press(".times a:not(.full)")
    texts = {**GUEST, "id_email": "keyboard@example.com"}
    for field in ("id_name", "id_email", "id_phone"):
        tab_to(page, f"#{field}")
        page.keyboard.type(texts[field])
    if page.locator("[name='address-city']").count():
        for field in ("address_line1", "city", "postal_code", "state"):
            tab_to(page, f"[name='address-{field}']")
            page.keyboard.type(HOME[field.removeprefix("address_")])
    press("button[type=submit]:not(.link)")
    press("button[value=pay]")
    press("button[value=success]")

    expect(page.locator(".progress .done")).to_have_count(2)


@pytest.mark.proof
def test_back_from_the_payment_page_after_a_refused_form_leads_to_the_review(storefront, phone):
    """Chromium keeps no page that answered a form: it asked whether to send the form again."""
    page = phone()
    context = page.context
    page = context.new_page()  # without the listeners: the refusal is an error in the console
    page.goto(f"{storefront.url}/pujas/8/")
    follow(page, page.locator(".package .button").first)
    follow(page, page.locator(".times a:not(.full)").first)
    for field, text in {**GUEST, "id_email": "back@example.com"}.items():
        page.locator(f"#{field}").fill(text)
    follow(page, page.locator("form button[type=submit]").last)
    page.locator("summary").click()
    page.locator("[name=promo_code]").fill("NOPE")
    follow(page, page.locator("button[value=promo]"))
    expect(page.locator("[name=promo_code]")).to_have_value("NOPE")
    follow(page, page.locator("button[value=pay]"))
    page.go_back()

    expect(page.locator("h1")).to_have_text("Review and pay")
    context.set_offline(True)
    page.locator("button[value=pay]").click()
    expect(page.get_by_role("alert")).to_contain_text("You are offline, and nothing was sent.")
    context.set_offline(False)
    expect(page.get_by_role("alert")).to_have_count(0)
    context.route(
        "**/review/**", lambda route: route.abort("internetdisconnected")
    )  # which no script can know
    with suppress(Error):
        follow(page, page.locator("button[value=pay]"))
    context.unroute("**/review/**")
    page.wait_for_url("chrome-error://**")
    page.go_back()

    expect(page.locator("h1")).to_have_text("Review and pay")
    # As on a machine without a network that runs the shop itself.
    page.evaluate("Object.defineProperty(navigator, 'onLine', { value: false })")
    follow(page, page.locator("button[value=pay]"))
    follow(page, page.locator("button[value=success]"))
    expect(page.locator(".progress .done")).to_have_count(2)


def test_a_booking_is_moved_and_cancelled_by_its_link_without_scripts(storefront, phone):
    page = phone(java_script_enabled=False)
    book(page, storefront, "moves@example.com", lambda page: None, late=True)
    page.goto(f"{storefront.url}/bookings/")
    follow(page, page.locator("h2 a"))
    follow(page, page.locator("main a.button").last)
    follow(page, page.locator(".times a:visible").last)
    follow(page, page.get_by_role("button", name="Yes, move my booking"))
    follow(page, page.get_by_role("link", name="Cancel this booking"))
    follow(page, page.get_by_role("link", name="No, keep it"))
    follow(page, page.get_by_role("link", name="Cancel this booking"))
    follow(page, page.get_by_role("button", name="Yes, cancel my booking"))

    expect(page.locator("main")).to_contain_text("This booking is cancelled.")
    expect(page.locator("main")).to_contain_text("back to you")


@pytest.mark.proof
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("locale", ["en-IN", "hi-IN"])
def test_every_page_is_readable(storefront, chromium, size, locale):
    """By the rules of axe; and nothing has to be scrolled sideways."""
    context = chromium.new_context(viewport=SIZES[size], locale=locale, timezone_id="Asia/Kolkata")
    page = context.new_page()
    number = book(page, storefront, f"axe-{size}-{locale}@example.com", assert_readable)
    for path in ("/bookings/", f"/bookings/{number}/", "/outbox/", "/waiting/", "/pay/a-link-cut-in-two/"):
        page.goto(storefront.url + path)
        assert_readable(page)
    page.goto(f"{storefront.url}/bookings/{number}/")
    follow(page, page.locator("a.button").last)
    assert_readable(page)
    for choice in (".times a", "a[href='?action=cancel']"):
        if page.locator(choice).count():
            follow(page, page.locator(choice).first)
            assert_readable(page)
            page.go_back()
    context.clear_cookies()
    for path in ("/login/", "/?q=nothing-like-this", "/bookings/BK-AAAAAAAA/", "/donate/"):
        page.goto(storefront.url + path)
        assert_readable(page)
    follow(page, page.locator("form[novalidate] button[type=submit]"))  # with a sentence at each field
    assert_readable(page)
    page.goto(f"{storefront.url}/login/")
    page.locator("#id_email").fill(f"axe-{size}-{locale}@example.com")
    follow(page, page.locator("button[value=code]"))
    assert_readable(page)
    context.close()


MOST_TIMES_BARE = (
    25  # of a page of one line, in the same browser, where the machine is too busy for seconds to count
)


@pytest.mark.proof
@pytest.mark.parametrize("locale", ["en-IN", "hi-IN"])
def test_the_first_page_paints_soon_on_a_slow_telephone(storefront, phone, locale):
    """The least of five, by turns with a page that has nothing on it."""
    requests.get(storefront.url, timeout=30, headers={"Accept-Language": locale}).raise_for_status()
    seconds: dict[str, list[float]] = {"/": [], "/bare": []}
    for _ in range(5):
        for path, measured in seconds.items():
            page = phone(locale=locale)
            page.route("**/bare", lambda route: route.fulfill(body="<h1>Bare</h1>", content_type="text/html"))
            measured.append(largest_paint(page, storefront.url + path))
            if path == "/":
                assert loaded_bytes(page) < 50_000
            page.context.close()
    assert min(seconds["/"]) < max(1.5, MOST_TIMES_BARE * min(seconds["/bare"]))


def test_a_person_signs_in_by_the_code_in_the_outbox(storefront, phone):
    page = phone()
    page.goto(f"{storefront.url}/bookings/")
    page.locator("#id_email").fill("devotee@example.com")
    page.locator("button[value=code]").click()
    mails = page.context.new_page()

    def code() -> str:
        mails.goto(f"{storefront.url}/outbox/")
        found = re.search(r"(\d{6}) is your code to sign in\s+devotee@", mails.inner_text("main"))
        return found[1] if found else ""

    for _ in range(50):
        if found := code():
            break
        mails.wait_for_timeout(200)
    page.locator("#id_code").fill(found)
    page.locator("button[value=check]").click()

    expect(page.locator("h1")).to_have_text("My bookings")
