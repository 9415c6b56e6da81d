"""What a run came to, in one line that can be compared with another's; and the evidence.

Rule: the line names everything that is not promised as well, and a broken promise leaves behind
all that explains it.
"""

import statistics
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.chaos.director import Outcome
from tests.chaos.findings import DOUBLE_SOLD, GAP, LOST, NEGATIVE, OTHER, UNRESOLVED
from tests.chaos.history import End
from tests.chaos.ledger import EventLedger
from tests.chaos.played import PLAYED
from tests.chaos.stage import Stage

BROKEN = (DOUBLE_SOLD, LOST, NEGATIVE, GAP, UNRESOLVED, OTHER)


def line(outcome: Outcome) -> str:
    """One run in one line."""
    counts, verdict = outcome.counts, outcome.verdict
    operations = sum(counts[kind] for kind in ("moves", "reads", "changes", "holds"))
    recoveries = [s for times in outcome.recoveries_s.values() for s in times]
    broken = ", ".join(f"{verdict.count(kind)} {kind}" for kind in BROKEN)
    kinds = Counter(finding.kind for finding in verdict.excused)
    excused = ", ".join(f"{times} {kind}" for kind, times in sorted(kinds.items()))
    return (
        f"seed {outcome.seed}: {outcome.faults.total()} faults of {len(outcome.faults)} kinds in "
        f"{outcome.seconds:.1f} s; "
        f"{operations} ops, {counts[End.OK.value]} ok, "
        f"{counts[End.FAILED.value]} fail, {counts[End.NOTHING_DONE.value]} nothing done, "
        f"{counts[End.CLOSED.value]} not on sale, "
        f"{counts['in doubt']} in doubt, of {counts['in doubt with a key']} with a key "
        f"{counts['resolved']} resolved, {counts['replayed']} replayed, "
        f"{counts['statements in doubt']} statements in doubt; "
        f"{broken}; "
        f"not promised: {excused or 'nothing'}; "
        f"recovery p50 {statistics.median(recoveries):.2f} s, max {max(recoveries):.2f} s, "
        f"calm after {outcome.calm_after_s:.2f} s; slowest answer {outcome.slowest_s:.2f} s"
    )


def played(outcome: Outcome) -> str:
    """How often each thing was played, a line for each sort."""
    return "\n".join(
        f"  {sort}: " + ", ".join(f"{outcome.played[name]} {name}" for name in names)
        for sort, names in PLAYED.items()
    )


def recoveries(outcome: Outcome) -> str:
    """Each kind's recoveries, the slowest kind first."""
    slowest = sorted(outcome.recoveries_s.items(), key=lambda item: -max(item[1]))
    return "\n".join(
        f"  {max(times):6.2f} s at most of {len(times)}: {name}" for name, times in slowest
    )


def faults(outcome: Outcome) -> str:
    """How often each kind struck."""
    return ", ".join(f"{times} {name}" for name, times in sorted(outcome.faults.items()))


def keep_evidence(stage: Stage, outcome: Outcome, ledgers: Mapping[str, EventLedger]) -> Path:
    """A folder with the logs, the faults, and all about the events and keys concerned."""
    violations = [*outcome.verdict.violations, *outcome.verdict.excused]
    concerned = {violation.event_id for violation in violations}
    keys = {violation.key for violation in violations}
    rows = [row for event_id in concerned & ledgers.keys() for row in ledgers[event_id].rows]
    moves = [move for move in stage.history.moves if move.key in keys]
    purchases = [one for one in stage.history.purchases if one.event_id in concerned]
    changes = [change for change in stage.history.changes if change.event_id in concerned]
    texts = {
        "service.process.log": stage.service.process.log(),
        "postgres.log": stage.server.log_path.read_text(encoding="utf-8", errors="replace"),
        "violations.txt": "\n".join(map(str, violations)),
        "faults.txt": "\n".join(outcome.struck),
        "ledger.txt": "\n".join(map(str, rows)),
        "moves.txt": "\n".join(map(str, moves)),
        "holds.txt": "\n".join(map(str, purchases)),
        "changes.txt": "\n".join(map(str, changes)),
        "epoch.txt": f"{stage.history.epoch_s} + a time in moves.txt = the wall clock\n",
    }
    folder = Path(tempfile.mkdtemp(prefix=f"evently-chaos-{outcome.seed}-"))
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder
