"""A browser without JavaScript: it keeps cookies, sends the token of each form, and follows redirects of ours."""

import re
from typing import Any

from django.core import mail
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from booking.models import Package, Slot
from worker.jobs import run_due

TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
HOME = {
    "address-address_line1": "4 Ganga Path",
    "address-city": "Patna",
    "address-state": "Bihar",
    "address-postal_code": "800 001",
}
GUEST = {"name": "Meera Sinha", "email": "meera@example.com", "phone": "98765 43210"}


class Visitor:
    def __init__(self, **headers: Any) -> None:
        self.client = Client(enforce_csrf_checks=True, **headers)
        self.page: Any = None

    def get(self, path: str, data: Any = None, **headers: Any) -> Any:
        self.page = self.client.get(path, data, **headers)
        return self.page

    def post(self, path: str, data: dict[str, Any] | None = None, **headers: Any) -> Any:
        """With the token of the page that is shown."""
        found = TOKEN.search(self.text)
        token = {"csrfmiddlewaretoken": found[1]} if found else {}
        self.page = self.client.post(path, token | (data or {}), **headers)
        return self.page

    @property
    def text(self) -> str:
        return self.page.content.decode() if isinstance(self.page, HttpResponse) else ""

    def follow(self) -> Any:
        """Where the last answer leads."""
        assert self.page.status_code == 303, (self.page.status_code, self.text)
        return self.get(self.page.url.removeprefix("http://testserver"))

    def choose(self, package: Package, slot: Slot) -> dict[str, str]:
        """Opens the page of the details, as the link of a free time does. The fields that the form keeps."""
        start = timezone.localtime(slot.starts_at)
        choice = {"package": f"{package.pk}", "date": f"{start:%Y-%m-%d}", "time": f"{start:%H:%M}"}
        assert self.get("/book/", data=choice).status_code == 200
        return choice

    def begin(self, package: Package, slot: Slot, **fields: str) -> str:
        """As a guest up to the review. The address of that page."""
        choice = self.choose(package, slot)
        self.post("/book/", choice | GUEST | HOME | fields)
        path = self.page.url
        self.follow()
        return path

    def sign_in(self, email: str) -> None:
        self.get("/login/")
        self.post("/login/", {"email": email, "do": "code"})
        self.follow()
        self.post("/login/code/", {"code": sent_code(), "do": "check"})
        assert self.page.status_code == 303, self.text


def sent_code() -> str:
    """What the last mail tells, after the worker has sent what is due."""
    run_due(("code_requests", "registrations", "codes", "notifications"))
    return re.search(r"\b\d{6}\b", mail.outbox[-1].subject)[0]
