"""Which of two lists may be the same things: a largest matching."""

from collections.abc import Callable, Sequence
from typing import TypeVar

L = TypeVar("L")
R = TypeVar("R")

#: Pairs that are compared at most; of longer lists as many as the shorter one has are taken for matched.
MAX_PAIRS = 250_000


def maximum_matching(left: Sequence[L], right: Sequence[R], may_be: Callable[[L, R], bool]) -> dict[int, int]:
    """Return a largest set of pairs (index in `right` -> index in `left`), each of which `may_be` the same.

    So `len(left) + len(right) - len(pairs)` is how many different things there are at least. Augmenting paths
    (Kuhn): an element that finds all its partners taken has one of their elements take another.
    """
    if len(left) * len(right) > MAX_PAIRS:
        return {index: index for index in range(min(len(left), len(right)))}
    partners = [[index for index, one in enumerate(left) if may_be(one, two)] for two in right]
    of_left: dict[int, int] = {}
    for index in range(len(right)):
        _augment(index, partners, of_left)
    return {two: one for one, two in of_left.items()}


def _augment(start: int, partners: Sequence[Sequence[int]], of_left: dict[int, int]) -> None:
    """Give `start` (of the right) a partner, along the shortest chain of elements that change theirs."""
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
            _turn(one, start, came_from, of_left)
            return


def _turn(free: int, start: int, came_from: dict[int, int], of_left: dict[int, int]) -> None:
    """Take the chain that ends at the `free` element of the left."""
    of_right = {two: one for one, two in of_left.items()}
    one = free
    while True:
        element = came_from[one]
        of_left[one] = element
        if element == start:
            return
        one = of_right[element]
