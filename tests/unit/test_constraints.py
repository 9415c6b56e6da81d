"""An install is repeatable: whatever comes along is pinned, and nothing else is."""

import re
import subprocess
import sys
from configparser import ConfigParser
from importlib.metadata import requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def direct() -> list[Requirement]:
    parser = ConfigParser(interpolation=None)
    parser.read_string((ROOT / "setup.cfg").read_text(encoding="utf-8"))
    extras = parser["options.extras_require"]
    lines = "\n".join([parser["options"]["install_requires"], *extras.values()])
    return [Requirement(line) for line in lines.split()]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): pinned for name, pinned in pairs}


def test_constraints_pin_all_that_an_install_needs_and_nothing_else() -> None:
    pinned = pins()
    seen: set[str] = set()
    waiting = direct()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in seen:
            continue
        seen.add(name)
        assert name in pinned, f"{name} is missing in constraints.txt"
        assert version(name) == pinned[name]
        needed = (Requirement(line) for line in requires(name) or ())
        extras = requirement.extras or {""}
        waiting += [r for r in needed if _wanted(r, extras)]
    assert set(pinned) == seen


def test_what_is_pinned_can_be_audited() -> None:
    """Up to the question itself, for which `make audit` needs a network."""
    audit = re.search(r"pip-audit (.+) --vulnerability-service", (ROOT / "Makefile").read_text())
    assert audit is not None
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", *audit[1].split(), "--dry-run"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"would have audited {len(pins())} packages" in done.stderr


def _wanted(requirement: Requirement, extras: set[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras)
