"""Distinguish a refusal by a gateway (CDN, firewall, proxy) from one by the provider behind it.

A gateway that mistakes our requests for an attack responds with 403 itself. That says nothing about our key or the
order.
"""

import json
import re

from willcall.http.charsets import decode_text
from willcall.http.messages import Response

#: Headers that a gateway sends only with a refusal or a challenge of its own.
#: https://developers.cloudflare.com/cloudflare-challenges/challenge-types/challenge-pages/detect-response/
#: https://docs.aws.amazon.com/waf/latest/developerguide/waf-captcha-and-challenge-how-it-works.html
_REFUSAL_HEADERS = re.compile(r"cf-mitigated|x-amzn-waf-.*|x-sucuri-block|x-dd-b|x-datadome.*|x-akamai-.*deny.*")
#: Headers that a gateway adds to whatever passes through it.
_GATEWAY_HEADERS = frozenset(
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
#: Names of gateways in `Server` and `Via`. Ordinary web servers, such as nginx, are not gateways.
_GATEWAY_NAMES = re.compile(
    r"cloudflare|cloudfront|akamai|awselb|awswaf|bigip|big-ip|imperva|incapsula|sucuri|fastly|varnish|squid|datadome|"
    r"google frontend|azure front door|azure application gateway|haproxy|envoy|kong|barracuda|fortiweb|ddos-guard",
    re.IGNORECASE,
)


def is_gateway_refusal(response: Response) -> bool:
    """Return whether a 403 is a gateway's.

    It is when a header says so, when the body is an HTML page, and when the response passed a gateway and the body is
    not the JSON in which a provider's API explains itself.
    """
    if any(_REFUSAL_HEADERS.fullmatch(name) for name in response.headers):
        return True
    if _is_json(response):
        return False
    return _is_markup(response) or _passed_a_gateway(response)


def _is_markup(response: Response) -> bool:
    """Return whether the body is HTML or XML, by its bytes or else by its label."""
    start = response.body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return start == b"<" or "html" in response.headers.get("content-type", "").lower()


def _passed_a_gateway(response: Response) -> bool:
    names = f"{response.headers.get('server', '')} {response.headers.get('via', '')}"
    return not _GATEWAY_HEADERS.isdisjoint(response.headers) or _GATEWAY_NAMES.search(names) is not None


def _is_json(response: Response) -> bool:
    try:
        return isinstance(json.loads(decode_text(response.body, response.headers.get("content-type", ""))), dict | list)
    except (ValueError, RecursionError):
        return False
