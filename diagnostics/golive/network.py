"""What one diagnosis says: the network to PhonePe, the clock, the worker, the webhook."""

from django.conf import settings

from diagnostics.enums import Verdict
from diagnostics.golive.site import Result, Site, failed, from_check, not_run, passed
from diagnostics.report import Layer, Report


def connectivity(site: Site) -> Result:
    """Only PhonePe's answer decides: a mail server that is down is another point."""
    report = site.diagnosis
    if settings.PHONEPE_SIMULATION_MODE:
        return not_run("PhonePe is simulated: nothing outside was checked", "Run this with simulation off.")
    if not any(layer.ok for layer in _layers(report, "contract")):
        return failed(report.summary, report.next_action)
    if unreachable := [each.endpoint for each in report.endpoints if not each.reachable]:
        return failed(f"not reached: {', '.join(unreachable)}", "Repair it, or remove it from the settings.")
    return passed("PhonePe has answered a status request and accepts our credentials")


def nothing_is_broken(site: Site) -> Result:
    """Any fault fails it: cache, disk, mail and broker have no point of their own."""
    report = site.diagnosis
    return passed(report.summary) if report.success else failed(report.summary, report.next_action)


def tls(site: Site) -> Result:
    """Of PhonePe; our own certificate is checked with the callback URL."""
    layers = _layers(site.diagnosis, "tls")
    broken = [layer for layer in layers if layer.ok is False]
    if broken:
        return failed(f"{broken[0].target}: {broken[0].detail}", site.diagnosis.next_action)
    if not layers:
        return not_run("no encrypted address was checked", "Run this with simulation off.")
    return passed(f"{len(layers)} certificates are trusted")


def clock(site: Site) -> Result:
    report = site.diagnosis
    if Verdict.CLOCK_SKEW in {report.verdict, *(fault.verdict for fault in report.also)}:
        return failed("this server's clock is wrong", "timedatectl set-ntp true")
    if not any(check.layer == "http" and check.ok for check in report.checks):
        return not_run("no host has sent us its time", "Run this where PhonePe or a control host is reached.")
    return passed("it agrees with the hosts that sent us their time")


def database(site: Site) -> Result:
    return from_check(site.dependency("database"), "python manage.py migrate; see docs/troubleshooting.md")


def worker(site: Site) -> Result:
    return from_check(
        site.dependency("worker"), "Start `python manage.py work` and let systemd start it again."
    )


def callback(site: Site) -> Result:
    """As PhonePe calls it: wrong credentials refused, PhonePe's accepted, the body unchanged, in time."""
    check = site.dependency("webhook")
    if check.ok:  # with a finding, a note about calls of others
        return passed(check.detail)
    return from_check(check, "Try the address from outside: docs/troubleshooting.md")


def _layers(report: Report, name: str) -> list[Layer]:
    """Of PhonePe's own addresses; control hosts do not count."""
    return [layer for endpoint in report.endpoints for layer in endpoint.ladder if layer.layer == name]
