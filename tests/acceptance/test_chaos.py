"""A short chaos run: `make chaos` plays a minute of it, `make soak` an hour.

Its facts are strict. Its times are not, for the machine may be busy: what recovers slowly is seen
in the figures of a long run.
"""

import pytest

from tests.chaos import report
from tests.chaos.__main__ import play
from tests.chaos.director import Pace
from tests.chaos.played import PLAYED

SEED = 7
# The kinds that end at once; a restart of the service, or a pause, takes seconds of its own.
KINDS = (
    "worker killed",
    "backends terminated",
    "PostgreSQL killed",
    "row locked",
    "foreign writer",
    "cut before the statement",
    "cut after the statement",
    "connects refused",
)
PACE = Pace(seconds=5.0, faults_min=len(KINDS), calm_s=1.0, kinds=KINDS, plays_all=False)


def test_nothing_is_sold_twice_or_lost_whatever_fails(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        (outcome,) = play(SEED, PACE)
    violations = [found.what for found in outcome.verdict.violations]
    assert not violations, "\n".join(violations)
    # It was no walk in the park.
    assert set(outcome.faults) == set(KINDS), report.faults(outcome)
    assert outcome.counts["ok"] > 100
    assert outcome.counts["requests for many moves"] > 0
    assert outcome.counts["in doubt with a key"] > 0
    assert outcome.counts["resolved"] == outcome.counts["in doubt with a key"]
    assert outcome.counts["statements in doubt"] > 0
    for sort, names in PLAYED.items():
        assert sum(outcome.played[name] for name in names) > 0, sort
