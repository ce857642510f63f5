"""Tell a refusal by a gateway (CDN, firewall, proxy) from one by the provider behind it.

A gateway that finds us too fast or too strange answers 403 in the provider's place. That says nothing of our key and
nothing of the order.
"""

import json
import re

from willcall.http.charsets import decode_text
from willcall.http.messages import Response

#: Headers that a gateway sends only with a refusal or a challenge of its own.
#: https://developers.cloudflare.com/cloudflare-challenges/challenge-types/challenge-pages/detect-response/
#: https://docs.aws.amazon.com/waf/latest/developerguide/waf-captcha-and-challenge-how-it-works.html
_OWN_REFUSAL = re.compile(r"cf-mitigated|x-amzn-waf-.*|x-sucuri-block|x-dd-b|x-datadome.*|x-akamai-.*deny.*")
#: Headers that a gateway adds to whatever passes through it.
_IN_BETWEEN = frozenset(
    {
        "cf-ray",
        "x-amz-cf-id",
        "x-akamai-request-id",
        "x-azure-ref",
        "x-cache",
        "x-cdn",
        "x-iinfo",
        "x-served-by",
        "x-squid-error",
        "x-sucuri-id",
        "x-varnish",
    }
)
#: Names of gateways in `Server` and `Via`. That of an ordinary web server, such as nginx, tells nothing.
_NAMES = re.compile(
    r"cloudflare|cloudfront|akamai|awselb|awswaf|bigip|big-ip|imperva|incapsula|sucuri|fastly|varnish|squid|datadome|"
    r"google frontend|azure front door|azure application gateway|haproxy|envoy|kong|barracuda|fortiweb|ddos-guard",
    re.IGNORECASE,
)


def refused_by_gateway(answer: Response) -> bool:
    """Return whether a refusal is that of a gateway.

    It is where a header says so, where the body is a page for people, and where a gateway stands in between and the
    body is not the JSON in which a provider's API explains itself.
    """
    if any(_OWN_REFUSAL.fullmatch(name) for name in answer.headers):
        return True
    if _is_json(answer):
        return False
    return _is_markup(answer) or _passed_a_gateway(answer)


def _is_markup(answer: Response) -> bool:
    """The bytes decide. The label helps where they say nothing."""
    start = answer.body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return start == b"<" or "html" in answer.headers.get("content-type", "").lower()


def _passed_a_gateway(answer: Response) -> bool:
    names = f"{answer.headers.get('server', '')} {answer.headers.get('via', '')}"
    return not _IN_BETWEEN.isdisjoint(answer.headers) or _NAMES.search(names) is not None


def _is_json(answer: Response) -> bool:
    try:
        return isinstance(json.loads(decode_text(answer.body, answer.headers.get("content-type", ""))), dict | list)
    except (ValueError, RecursionError):
        return False
