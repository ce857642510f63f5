"""A maximum matching of two lists: as many pairs as possible of elements that may be equal."""

from collections.abc import Callable, Sequence
from typing import TypeVar

L = TypeVar("L")
R = TypeVar("R")

#: Longer lists are not compared: as many elements as the shorter list has count as matched.
MAX_PAIRS = 250_000


def maximum_matching(left: Sequence[L], right: Sequence[R], may_equal: Callable[[L, R], bool]) -> dict[int, int]:
    """Return a largest set of pairs (index in `right` -> index in `left`) for which `may_equal` holds.

    So there are at least `len(left) + len(right) - len(pairs)` different elements. Kuhn's algorithm with
    augmenting paths: where all candidates of an element have partners, one of these moves to another candidate.

    Example: left `A` and `B`; right `1`, which may equal either, and `2`, which may equal `A` alone. `1` is paired with
    `A`. As `2` needs `A`, `1` moves to `B`. That makes two pairs, so at least two of the four elements are different.
    """
    if len(left) * len(right) > MAX_PAIRS:
        return {index: index for index in range(min(len(left), len(right)))}
    partners = [[index for index, one in enumerate(left) if may_equal(one, two)] for two in right]
    of_left: dict[int, int] = {}
    for index in range(len(right)):
        _augment(index, partners, of_left)
    return {two: one for one, two in of_left.items()}


def _augment(start: int, partners: Sequence[Sequence[int]], of_left: dict[int, int]) -> None:
    """Pair `start` (of the right) by the shortest chain of elements that change their partner."""
    came_from: dict[int, int] = {}
    queue = [start]
    for element in queue:
        for one in partners[element]:
            if one in came_from:
                continue
            came_from[one] = element
            if one in of_left:
                queue.append(of_left[one])
                continue
            _apply_chain(one, start, came_from, of_left)
            return


def _apply_chain(free: int, start: int, came_from: dict[int, int], of_left: dict[int, int]) -> None:
    """Apply the chain that ends at the `free` element of the left."""
    of_right = {two: one for one, two in of_left.items()}
    one = free
    while True:
        element = came_from[one]
        of_left[one] = element
        if element == start:
            return
        one = of_right[element]
