"""Finds fields and parameters whose name is a slip of one that is known.

Rule: what is unknown is ignored, so that a client may send back what it was given, and more; but a
slip of the pen would be ignored without a word, and what the client meant would not happen. A name
is taken for a slip if the known one is missing and looks almost the same.
"""

from collections.abc import Collection, Iterable, Iterator, Set

# An answer that is sent back has some twenty fields that are not written; this bounds the work.
UNKNOWN_MAX = 64
# No known name is longer; neither is a slip of one.
NAME_MAX = 40
# In a short name one letter more or less is another word already.
SHORT_NAME_MAX = 5


def slips(
    given: Iterable[str], known: Collection[str], read_only: Set[str]
) -> Iterator[tuple[str, str]]:
    """Each name in `given` that is a slip of a missing one of `known`, with that one."""
    given = list(given)
    missing = [name for name in known if name not in given]
    unknown = [name for name in given if name not in known and name not in read_only]
    for name in unknown[:UNKNOWN_MAX]:
        meant = next((one for one in missing if is_slip(name, one)), None)
        if meant is not None:
            yield name, meant


def is_slip(name: str, meant: str) -> bool:
    """Whether `name` is `meant` but for its style, or for a letter or two."""
    if len(name) > NAME_MAX:
        return False
    name, meant = _plain(name), _plain(meant)
    errors_max = 1 if len(meant) <= SHORT_NAME_MAX else 2
    if abs(len(name) - len(meant)) > errors_max:
        return False
    return _distance(name, meant) <= errors_max


def _plain(name: str) -> str:
    """`name` in whatever style: `totalCapacity`, `total-capacity` and `total_capacity` alike."""
    return name.replace("_", "").replace("-", "").lower()


def _distance(one: str, other: str) -> int:
    """Letters to insert, delete, replace or swap (Damerau's distance, of adjacent letters)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(row[-1] + 1, before[j] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
