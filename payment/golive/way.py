"""What one diagnosis says: the way to PhonePe, the clock, the worker, PhonePe's way to us."""

from payment.diagnosis.words import Verdict
from payment.golive.site import Result, Site, by_hop, failed, not_run, passed


def connectivity(site: Site) -> Result:
    found = site.diagnosis
    shut = [each["endpoint"] for each in found["endpoints"] if not each["reachable"]]
    if found["verdict"] == Verdict.SIMULATED:
        return not_run("PhonePe is simulated: nothing outside was looked at", "Run this with simulation off.")
    if not found["success"]:
        return failed(found["summary"], found["next_action"])
    if shut:
        return failed(f"not reached: {', '.join(shut)}", "Mend it, or take it out of the settings.")
    return passed(found["summary"])


def tls(site: Site) -> Result:
    """Of the way to PhonePe; our own certificate is looked at with the callback URL."""
    rungs = [each for each in site.diagnosis["checks"] if each["layer"] == "tls"]
    broken = [each for each in rungs if each["ok"] is False]
    if broken:
        return failed(f"{broken[0]['target']}: {broken[0]['detail']}", site.diagnosis["next_action"])
    if not rungs:
        return not_run("no encrypted address was looked at", "Run this with simulation off.")
    return passed(f"{len(rungs)} certificates are trusted")


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
    return by_hop(site.hop("database"), "python manage.py migrate; see docs/troubleshooting.md")


def worker(site: Site) -> Result:
    return by_hop(site.hop("worker"), "Start `python manage.py work` and let systemd start it again.")


def callback(site: Site) -> Result:
    """As PhonePe calls: strangers refused, PhonePe known, the body unchanged, in time."""
    return by_hop(site.hop("webhook"), "Try the address from outside: docs/troubleshooting.md")
