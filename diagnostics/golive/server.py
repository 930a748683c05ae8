"""Checks of the running server over HTTP."""

import requests
from django.conf import settings
from django.urls import reverse

from diagnostics.golive.site import Result, Site, failed, json_object, not_run, passed
from payment.models import DiagnosisRun
from payment.services.frontends import configured_frontends

REQUESTS = 8  # enough to reach every process of a small server
# With one of these PhonePe does not learn from which domain its page was opened, and refuses the order.
HIDES_THE_DOMAIN = {"no-referrer", "same-origin"}
NONSENSE = {"amount": "nonsense"}


def health(site: Site) -> Result:
    for path in ("/healthz", "/readyz"):
        status = site.request("GET", path).status_code
        if status != 200:
            return failed(f"{path} answers {status}", "See the server's log.")
    return passed("the server answers, its database works and is migrated")


def builds(site: Site) -> Result:
    """Finds old code that still runs after a deployment."""
    builds = set()
    for _ in range(REQUESTS):
        site.session.close()  # a kept connection would reach the same process each time
        builds.add(str(json_object(site.request("GET", "/healthz")).get("build", "unknown")))
    if others := builds - {settings.BUILD}:
        return failed(
            f"the build here is {settings.BUILD}, servers run {', '.join(sorted(others))}",
            "Restart all servers.",
        )
    runs = DiagnosisRun.objects.filter(asked_by=DiagnosisRun.AskedBy.WORKER).exclude(finished_at=None)
    last = runs.order_by("-pk").first()
    worker = str(last.circumstances.get("build", {}).get("", "")) if last else ""
    if worker not in ("", settings.BUILD):
        return failed(
            f"the build here is {settings.BUILD}, the worker that made the last diagnosis runs {worker}",
            "Restart all workers; if that is done, wait for the next diagnosis of the worker.",
        )
    unknown_worker = "" if worker else "; no worker has reported its build"
    return passed(f"all servers run {settings.BUILD}{unknown_worker}")


def error_handling(site: Site) -> Result:
    missing = site.request("GET", "/api/there-is-no-such-route/")
    refused = site.request("POST", reverse("payment-process-cart"), json=NONSENSE)
    for answer, expected in ((missing, 404), (refused, 400)):
        if answer.status_code != expected or not _is_worded(answer):
            return failed(
                f"{answer.url} answers {answer.status_code} where {expected} with a message is expected",
                "Is something in front of the server answering in its place?",
            )
    return passed("errors have a message and a request id, and show no traceback")


def final_host(site: Site) -> Result:
    """PhonePe follows no redirect. Without credentials our own 401 is the right answer."""
    url = settings.PUBLIC_BASE_URL + reverse("webhook-phonepe")
    if not url.startswith("https://"):
        return failed(f"{url} is not https: PhonePe calls no such address", "Set PUBLIC_BASE_URL=https://…")
    answer = site.request("POST", url, data=b"{}", headers={"Content-Type": "application/json"})
    if 300 <= answer.status_code < 400:
        target = answer.headers.get("Location", "elsewhere")
        return failed(
            f"{url} sends PhonePe on to {target}", "Enter the final address, here and in the dashboard."
        )
    if answer.status_code != 401:
        return failed(
            f"{url} answers {answer.status_code} in the place of our 401",
            "Check what stands in front of this server.",
        )
    return passed(f"{url} is the final address, over a trusted certificate")


def referrer(site: Site) -> Result:
    pages = [*configured_frontends(), site.base_url + "/healthz"]
    for page in pages:
        policy = site.request("GET", page).headers.get("Referrer-Policy", "").lower()
        if policy in HIDES_THE_DOMAIN:
            return failed(f"{page} sends Referrer-Policy: {policy}", "Use strict-origin-when-cross-origin.")
    return passed(f"no policy of {', '.join(pages)} hides the domain from PhonePe")


def domain(site: Site) -> Result:
    domains = ", ".join(configured_frontends()) or settings.PUBLIC_BASE_URL
    if "domain" in site.acknowledged:
        return passed(f"a person has acknowledged {domains}")
    return not_run(
        f"no program can look up whether PhonePe has registered {domains}",
        "Compare it with the website in PhonePe's dashboard, then run this with --acknowledge-domain.",
    )


def _is_worded(answer: requests.Response) -> bool:
    body = json_object(answer)
    return (
        next(iter(body), "") == "error"
        and {"code", "request_id"} <= body.keys()
        and "Traceback" not in answer.text
    )
