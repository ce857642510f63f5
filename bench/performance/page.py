"""`docs/performance.md`: the tables, how they were measured, how to read them."""

from bench.performance import plain, recovery, speed, waiting
from bench.performance.contestants import RATE
from bench.performance.results import Results
from bench.performance.tables import (
    latenesses,
    memories,
    provider,
    recoveries,
    speeds,
    submissions,
    summary,
)


def page(results: Results) -> str:
    """The whole page."""
    parts = [_head(results), _speed(results), _waiting(results), _lateness(results), _submission(results)]
    return "\n\n".join([*parts, _recovery(results)]) + "\n"


def _head(results: Results) -> str:
    versions = ", ".join(f"{name} {value}" for name, value in results.machine.items())
    settings = ", ".join(f"`{name}={value}`" for name, value in plain.SETTINGS.items())
    return f"""# Performance

`make bench` wrote this page, pictures included, in one run on one machine ({versions}).

{summary(results.speed, results.waiting, results.submission, results.recovery)}

**Read the ratios.** Times depend on the machine, and on what else runs on it; a ratio compares two who had the same
minutes. It is the median of the rounds' ratios, so it need not be the ratio of the two medians beside it.

Three contestants poll the same simulated Tiqets orders, which never have tickets. Each has a Redis of its own (append-only
file on) and a simulator of its own. The worker is pinned to one core; Redis, the simulator and the driver to another.

- **Willcall**: one `willcall worker`, the whole chain: claim with a token of the account's rate, ask, decide, settle with
  timeline, reschedule. The rate ({RATE["limit"]:,}/s) never holds anything up.
- **plain Celery** (`bench/performance/plain.py`): one GET with a `requests` session per thread that reads no environment, one HSET
  of a status, and `apply_async(countdown=...)` of itself. Threads as many as Willcall's, stock kombu, hiredis, {settings},
  `{" ".join(plain.WORKER)}`. It has no claim, no rate limit, no fence, no timeline, no index, no events.
- **bare loop**: threads that only GET, with the same sessions: what `requests` alone costs."""


def _speed(results: Results) -> str:
    scenarios = "\n\n".join(
        f"{provider(each).capitalize()}, {each.threads} threads:\n\n{speeds(each)}" for each in results.speed
    )
    return f"""## CPU per poll

![CPU per poll](img/performance-speed.svg)

{scenarios}

{speed.ORDERS:,} orders are due every second, more than one worker can ask for. The contestants take turns, {_windows(results)}:
while one works the others are stopped. The provider counts the polls, the operating system the CPU time of the worker's process,
all of its threads. With a provider far away the bare loop is held up by its number of threads rather than by its core, so look at
its CPU. Polls/s of one core are about 1,000 ms divided by the CPU per poll; the simulator, in Python as well, is on the other core
and may be what a fast contestant waits for."""


def _windows(results: Results) -> str:
    windows = next(iter(results.speed[0].windows.values()))
    return f"{len(windows)} windows of {windows[0].seconds:.0f} s each"


def _waiting(results: Results) -> str:
    return f"""## Memory per waiting order

![Memory per waiting order](img/performance-memory.svg)

{memories(results.waiting)}

What the worker's resident memory and Redis' `used_memory` grew by, divided by the number of orders, while no poll was due.
Willcall's orders had been polled once, so everything is counted: state, what was submitted, indexes, a line of timeline, the
waiting message. They were brought there by the product's own use cases, with the provider's answer ready in the same process
instead of over HTTP (`bench/performance/fill.py`). The baseline's worker had fetched all of its messages, which is what Celery does
with a countdown on Redis; its Redis holds the messages and a hash with one field per order."""


def _lateness(results: Results) -> str:
    return f"""## Lateness

![Lateness](img/performance-lateness.svg)

{latenesses(results.waiting)}

With those orders waiting, others are polled every second, so many that each contestant is at half of the polls/s measured above at a
provider {1_000 * waiting.LATENCY:.0f} ms away ({waiting.THREADS} threads). Lateness is from the moment a poll was due until it began; medians of
{waiting.WINDOWS} windows, the maximum of all. Celery waits in memory, which is punctual as long as the process lives; Willcall's
workers look into Redis every 20 ms, and that is most of its lateness."""


def _submission(results: Results) -> str:
    return f"""## Submission

![Submission](img/performance-submission.svg)

{submissions(results.submission)}

An order that is due in two hours, from one thread on one core. Willcall: checked, filed with its indexes, first message sent
(`submit`, `submit_many`). Plain Celery: one HSET and `apply_async(countdown=...)`; in batches a pipeline of HSETs and kombu's
`Producer.batch`."""


def _recovery(results: Results) -> str:
    load = recovery.LOAD
    patience = next(iter(results.recovery.values())).patience
    return f"""## After kill -9

![After kill -9](img/performance-recovery.svg)

{recoveries(results.recovery)}

{load.orders:,} orders are polled every {load.countdown:.0f} s by one worker, evenly, at a provider {1_000 * load.latency:.0f} ms away.
The worker is killed with SIGKILL and another one is started at once. Time counts from that start, the start-up of Python included, or
from the moment an order was due where that is later, until the provider sees a request for it; nobody waited longer than
{patience:.0f} s. *In flight* are the orders that were overdue at the kill: asked for at that moment, fetched by the worker, or
answered but not written yet. Willcall gives them up after the longest time that an attempt may take, and its sweep sends them
again. With plain Celery all messages were in the worker's memory and come back after `visibility_timeout`, by default an hour."""
