"""Rules about what PhonePe, or somebody in its place, answers; and about all being well."""

from diagnostics.enums import Culprit, Finding, Verdict
from diagnostics.rules.rule import Rule, both, client_unknown_to_phonepe, fault, found, page_of_the_network

ANSWER = (
    Rule(
        "phonepe",
        Verdict.BAD_CREDENTIALS,
        Culprit.CREDENTIALS,
        fault(Verdict.BAD_CREDENTIALS),
        "PhonePe is reached, but does not accept our credentials.",
        "Copy the credentials again from PhonePe's dashboard, without spaces, and compare PHONEPE_ENV. "
        "PhonePe said: {reply}",
    ),
    Rule(
        "phonepe",
        Verdict.KEY_NOT_CONFIGURED,
        Culprit.CREDENTIALS,
        fault(Verdict.KEY_NOT_CONFIGURED),
        "PhonePe is reached, but has no salt key for our merchant.",
        "Use the client id and secret (PHONEPE_CLIENT_ID) if the account is a V2 one; else check that merchant id "
        "and PHONEPE_ENV belong together. PhonePe said: {reply}",
    ),
    Rule(
        "phonepe",
        Verdict.WRONG_ENVIRONMENT,
        Culprit.CREDENTIALS,
        client_unknown_to_phonepe,
        "PhonePe is reached, but does not know us in this environment.",
        "Use the credentials of PHONEPE_ENV: those of the sandbox and of production differ. PhonePe said: {reply}",
    ),
    Rule(
        "phonepe",
        Verdict.WRONG_BASE_URL,
        Culprit.CONFIGURATION,
        fault(Verdict.WRONG_BASE_URL),
        "PhonePe is reached, but not at the address where it takes payments.",
        "Leave PHONEPE_BASE_URL empty, or correct its path for PHONEPE_API_VERSION. PhonePe said: {reply}",
    ),
    Rule(
        "phonepe",
        Verdict.MISCONFIGURED,
        Culprit.CONFIGURATION,
        fault(Verdict.MISCONFIGURED),
        "PhonePe is reached, but refuses the way we ask.",
        "Compare PHONEPE_API_VERSION and the credentials with PhonePe's dashboard. PhonePe said: {reply}",
    ),
    Rule(
        "phonepe",
        Verdict.RATE_LIMITED,
        Culprit.PHONEPE,
        fault(Verdict.RATE_LIMITED),
        "PhonePe is reached, but takes no more questions from us for the moment.",
        "Wait a minute. If these are the shared test credentials, ask PhonePe for your own. PhonePe said: {reply}",
    ),
    Rule(
        "phonepe",
        Verdict.HTTP_BLOCKED,
        Culprit.HOSTING,
        page_of_the_network,
        "A page of the network of this server stands in the place of {name}: {found}.",
        "Ask the hosting provider to let this server through to {target} unchanged. What was met: {page}. "
        "The question was answered with: {reply}",
    ),
    Rule(
        "phonepe",
        Verdict.HTTP_BLOCKED,
        Culprit.CONFIGURATION,
        both(fault(Verdict.HTTP_BLOCKED), found(Finding.REDIRECT)),
        "{name} is reached, but sends us to another address, which a payment does not follow.",
        "Leave PHONEPE_BASE_URL empty, or name the final address ({target}). What was met: {page}",
    ),
    Rule(
        "phonepe",
        Verdict.HTTP_BLOCKED,
        Culprit.PHONEPE,
        both(fault(Verdict.HTTP_BLOCKED), lambda facts: facts.is_phonepe),
        "{name} is reached, and its own front door keeps us out with a page.",
        "Send PhonePe the message below: the certificate is PhonePe's own, so the page is as well. It does not like "
        "the address that we come from. What was met: {page}. The question was answered with: {reply}",
    ),
    Rule(
        "phonepe",
        None,
        Culprit.PHONEPE,
        lambda facts: facts.fault is not None and facts.is_phonepe,
        "{name} is reached, but does not answer properly.",
        "Wait and check again; payments under way are asked about by themselves. PhonePe said: {reply}",
    ),
    Rule(
        "phonepe",
        None,
        Culprit.CONFIGURATION,
        lambda facts: facts.fault is not None,
        "The address configured for PhonePe is reached, but what answers there is not PhonePe as we know it.",
        "Check what listens at {target}. It said: {reply}",
    ),
)

WELL = (
    Rule(
        "",
        Verdict.SIMULATED,
        Culprit.NONE,
        lambda facts: facts.is_simulated,
        "PhonePe is simulated: everything can be tried, no money moves.",
        "Nothing. To take real money, set the credentials and PHONEPE_SIMULATION_MODE=False.",
    ),
    Rule(
        "",
        Verdict.OK,
        Culprit.NONE,
        lambda facts: facts.other_way is not None,
        "PhonePe is reached and knows us, though only through the proxy: the direct way is shut.",
        "Nothing now: payments take the proxy. As the same host answers there, something in the network of this "
        "server shuts the direct way; ask the hosting provider. {spare}",
    ),
    Rule(
        "",
        Verdict.OK,
        Culprit.NONE,
        lambda facts: facts.spare is not None,
        "PhonePe is reached and knows us, though not by every configured address.",
        "Nothing now: payments take the others. {spare}",
    ),
    Rule(
        "",
        Verdict.OK,
        Culprit.NONE,
        lambda facts: True,
        "PhonePe is reached and knows us.",
        "Nothing.",
    ),
)
