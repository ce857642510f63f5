"""An account's rate in the form that `lua/bucket.lua` expects."""

from willcall.orders.policy import Rate

#: This share of the rate is reserved for orders that an operator or a provider's callback brought forward.
EXPRESS_SHARE = 1 / 10
#: Requests that were sent evenly arrive unevenly. Some of the burst, at most so many seconds of it, is left unused, so
#: that what the provider receives stays within its burst too.
LONGEST_SLACK = 0.25
#: A burst of one leaves nothing unused. Its requests are sent further apart: by this share of their interval, at most
#: so many seconds.
SPACING, LONGEST_SPACING = 0.02, 0.01


def rate_arguments(rate: Rate) -> dict[str, float]:
    """Return the `rate` that scripts are given, in milliseconds; see `lua/bucket.lua`."""
    interval = rate.period / rate.limit * 1_000
    if rate.burst == 1:
        interval += min(interval * SPACING, LONGEST_SPACING * 1_000)
    depth = (rate.burst - 1) * interval
    sent = depth - min(depth / 4, LONGEST_SLACK * 1_000)
    booked = max(0.0, sent - LONGEST_SLACK * 1_000)
    return {
        "interval": interval,
        "express": interval / EXPRESS_SHARE,
        "sent": sent,
        "booked": booked,
        "shared": int(bool(rate.shared)),
    }
