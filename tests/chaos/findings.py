"""What a check can find, and what it is called in the line that compares runs.

Rule: a broken promise is a violation; what is promised to nobody is counted under its own name.
"""

from dataclasses import dataclass, field

# What is counted in the line that compares runs; everything else is `other`.
DOUBLE_SOLD, LOST, NEGATIVE, GAP = "double-sold", "lost", "negative", "version gaps"
OTHER, UNRESOLVED = "other", "unresolved"
LATE_READ = "reads behind for a moment"
LATE_TRY = "done by a try that came after a refusal of its key that is not final"


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken promise, or one thing that is not promised."""

    kind: str
    event_id: str
    what: str
    key: str | None = None

    def __str__(self) -> str:
        return f"{self.kind}: {self.what} (event {self.event_id})"


@dataclass
class Verdict:
    """What was found; `excused` is what happened and is not promised."""

    violations: list[Finding] = field(default_factory=list)
    excused: list[Finding] = field(default_factory=list)

    def count(self, kind: str) -> int:
        """How many violations of one kind there are."""
        return sum(violation.kind == kind for violation in self.violations)
