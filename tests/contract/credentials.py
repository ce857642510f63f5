"""Credentials of every kind that an account can have, for the suite that runs over all adapters."""

from typing import Any

#: Per provider the tables that stand in a config; a second one where the provider has two kinds.
TABLES: dict[str, list[dict[str, Any]]] = {
    "funtrips": [
        {
            "base_url": "https://api.funtrips.example/live",
            "token_url": "https://auth.funtrips.example/oauth/token",
            "client_id": "box-office",
            "client_secret": "s3cret-of-the-client",
            "scope": "funtrips/fulfillment.read",
        },
        {"base_url": "https://api.funtrips.example/live", "public_bearer": "s3cret-public-bearer"},
    ],
    "tiqets": [{"api_key": "s3cret-api-key", "webhook_token": "s3cret-token-of-tiqets"}],
    "tixstock": [{"bearer_token": "s3cret-bearer-token", "webhook_token": "s3cret-token-of-tixstock"}],
    "voordemensen": [{"client_name": "demo"}],
    "paylogic": [
        {"username": "app", "password": "s3cret-password"},
        {"cognito_token": "s3cret-cognito-token"},
        {"bearer": "s3cret-json-web-token"},
    ],
}

#: A reference of each form that the provider knows, per table above.
REFERENCES: dict[str, list[list[str]]] = {
    "funtrips": [["chk_01", "user:customer-7"], ["chk_01", "me"]],
    "tiqets": [["1111111"]],
    "tixstock": [["234234324"]],
    "voordemensen": [["XgFca-QmBxG-9WhAj-Osszb"]],
    "paylogic": [
        [
            "87a2195h3gd162fb35c5a3dbd7bapo1l",
            "ticket:90842034646f49c99882eb99a13fa2e9",
            "code:8663092874786@5b3e9744999d4d0ca56b4c5ca1f4dc49",
        ],
        ["mine", "87a2195h3gd162fb35c5a3dbd7bapo1l", "ticket:90842034646f49c99882eb99a13fa2e9"],
        ["87a2195h3gd162fb35c5a3dbd7bapo1l", "ticket:90842034646f49c99882eb99a13fa2e9"],
    ],
}
