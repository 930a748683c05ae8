"""What one diagnosis says: the network to PhonePe, the clock, the worker, the webhook."""

from django.conf import settings

from diagnostics.enums import Verdict
from diagnostics.golive.site import Json, Result, Site, failed, from_check, not_run, passed


def connectivity(site: Site) -> Result:
    """Only PhonePe's answer decides: a mail server that is down is another point."""
    found = site.diagnosis
    if settings.PHONEPE_SIMULATION_MODE:
        return not_run("PhonePe is simulated: nothing outside was looked at", "Run this with simulation off.")
    if not any(each["ok"] for each in _layers(found, "contract")):
        return failed(found["summary"], found["next_action"])
    if shut := [each["endpoint"] for each in found["endpoints"] if not each["reachable"]]:
        return failed(f"not reached: {', '.join(shut)}", "Mend it, or take it out of the settings.")
    return passed("PhonePe has answered a question, and knows us")


def nothing_is_broken(site: Site) -> Result:
    """Any fault fails it: cache, disk, mail and broker have no point of their own."""
    found = site.diagnosis
    if not found["success"]:
        return failed(found["summary"], found["next_action"])
    return passed(found["summary"])


def tls(site: Site) -> Result:
    """Of PhonePe; our own certificate is checked with the callback URL."""
    tls_layers = _layers(site.diagnosis, "tls")
    broken = [each for each in tls_layers if each["ok"] is False]
    if broken:
        return failed(f"{broken[0]['target']}: {broken[0]['detail']}", site.diagnosis["next_action"])
    if not tls_layers:
        return not_run("no encrypted address was looked at", "Run this with simulation off.")
    return passed(f"{len(tls_layers)} certificates are trusted")


def clock(site: Site) -> Result:
    found = site.diagnosis
    verdicts = {found["verdict"], *(each["verdict"] for each in found.get("also", []))}
    if Verdict.CLOCK_SKEW in verdicts:
        return failed("this server's clock is wrong", "timedatectl set-ntp true")
    told = [each for each in found["checks"] if each["layer"] == "http" and each["ok"]]
    if not told:
        return not_run("nobody told us the time", "Run this with a way to PhonePe or to a control host.")
    return passed("it agrees with those who told us the time")


def database(site: Site) -> Result:
    return from_check(site.dependency("database"), "python manage.py migrate; see docs/troubleshooting.md")


def worker(site: Site) -> Result:
    return from_check(
        site.dependency("worker"), "Start `python manage.py work` and let systemd start it again."
    )


def callback(site: Site) -> Result:
    """As PhonePe calls it: wrong credentials refused, PhonePe's accepted, the body unchanged, in time."""
    return from_check(site.dependency("webhook"), "Try the address from outside: docs/troubleshooting.md")


def _layers(found: Json, name: str) -> list[Json]:
    """Of PhonePe's own addresses; control hosts do not count."""
    return [each for endpoint in found["endpoints"] for each in endpoint["ladder"] if each["layer"] == name]
