"""The rules of a diagnosis that has found no fault: what is worth telling all the same."""

from diagnostics.enums import Verdict
from diagnostics.evidence import Evidence
from diagnostics.rule import Rule


def webhook_is_unsure(evidence: Evidence) -> bool:
    """We do not reach our own address, and no webhook has come lately that would prove that PhonePe does."""
    silence = evidence.dependencies.get("webhook_silence")
    return evidence.webhook_fault == "unsure" and not (silence and silence.ok)


WELL: tuple[Rule, ...] = (
    Rule(
        "",
        Verdict.SIMULATED,
        lambda evidence: evidence.is_simulated,
        "PhonePe is simulated: everything can be tried, no money moves.",
        "Nothing. To take real money, set the credentials and PHONEPE_SIMULATION_MODE=False.",
    ),
    Rule(
        "",
        Verdict.OK,
        lambda evidence: evidence.proxied_alternative is not None,
        "PhonePe is reached and knows us, though only through the proxy: the direct route is blocked.",
        "Nothing now: payments use the proxy. As the same host answers there, something in the network of this "
        "server blocks the direct route; ask the hosting provider. {degraded}",
    ),
    Rule(
        "",
        Verdict.OK,
        lambda evidence: evidence.degraded is not None,
        "PhonePe is reached and knows us, though not by every configured address.",
        "Nothing now: payments use the others. {degraded}",
    ),
    Rule(
        "",
        Verdict.OK,
        lambda evidence: evidence.slow_resolution is not None,
        "PhonePe is reached and knows us, though names are resolved slowly.",
        "Nothing stops payments; they wait for names.",
    ),
    Rule(
        "",
        Verdict.OK,
        webhook_is_unsure,
        "PhonePe is reached and knows us. Whether it reaches us cannot be seen from here.",
        "Try our webhook from another network, for example a phone: `{try_webhook}`. 401 is the good answer: our own "
        "server refuses a call without credentials. From here: {webhook}",
    ),
    Rule(
        "",
        Verdict.OK,
        lambda evidence: evidence.webhook_fault in {"chunked", "slash", "limit"},
        "PhonePe is reached and knows us.",
        "Nothing has to be done for PhonePe's webhooks. {webhook_target} {webhook}.",
    ),
    Rule(
        "",
        Verdict.OK,
        lambda evidence: evidence.webhook_fault == "local",
        "PhonePe is reached and knows us.",
        "Nothing, on a machine of developers: PhonePe cannot call {webhook_url}, so payments are found by status "
        "requests. Set PUBLIC_BASE_URL to the public https:// address before customers pay.",
    ),
    Rule(
        "",
        Verdict.OK,
        lambda _: True,
        "PhonePe is reached and knows us.",
        "Nothing.",
    ),
)
