"""What a simulated provider has to say so that an order comes to a status, or needs attention."""

from __future__ import annotations

from typing import Any

#: The script of the simulator, by status.
STATUSES: dict[str, dict[str, Any]] = {
    "pending": {"ends": "never"},
    "partial": {"ends": "never", "partial_after": 0},
    "fulfilled": {"ends": "fulfilled"},
    "failed": {"ends": "failed"},
    "cancelled": {"ends": "cancelled"},
    "expired": {"ends": "never"},
}

#: The script of the simulator, by attention.
ATTENTIONS: dict[str, dict[str, Any]] = {
    "unauthorized": {"ends": "never", "answers": [{"do": "status", "status": 403, "times": None}]},
    "not_found": {"ends": "never", "answers": [{"do": "status", "status": 404, "times": None}]},
    "malformed": {"ends": "never", "answers": [{"do": "malformed", "times": None}]},
    "personalization": {"needs_personalization_until": 86_400},
}

#: The providers that can say so, where not all can.
ABLE = {
    "partial": frozenset({"tixstock", "paylogic"}),
    "failed": frozenset({"funtrips", "tiqets", "tixstock"}),
    "personalization": frozenset({"paylogic"}),
}


def script_for(wanted: str, scripts: dict[str, dict[str, Any]], provider: str) -> dict[str, Any]:
    """Return the script for a status or an attention. Raises ValueError if the provider has no word for it."""
    if wanted not in scripts:
        raise ValueError(f"{wanted!r} is none of {', '.join(scripts)}")
    able = ABLE.get(wanted, frozenset({provider}))
    if provider not in able:
        raise ValueError(f"{provider} never says {wanted!r}; of the simulated providers {', '.join(sorted(able))} do")
    return scripts[wanted]
