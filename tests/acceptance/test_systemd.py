"""The systemd unit, as far as it can be held against something real without starting systemd."""

import re
import subprocess
import sys
from pathlib import Path

from evently import supervisor
from evently.embedded import postmaster
from evently.settings import load_settings
from tests.acceptance.service_process import ROOT
from tests.surroundings import program

UNIT = ROOT / "deploy" / "systemd" / "evently.service"
INSTALLED = "/opt/evently/bin/evently"
# Of 10; systemd calls 5 and more exposed.
EXPOSURE_MAX = 3.0


def unit() -> dict[str, str]:
    """Its options; of one that stands twice, the last."""
    text = UNIT.read_text(encoding="utf-8")
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


def analyze(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run systemd-analyze on the unit, with a program that is there."""
    copy = folder / UNIT.name
    evently = Path(sys.executable).with_name("evently")
    text = UNIT.read_text(encoding="utf-8")
    assert f"ExecStart={INSTALLED} serve\n" in text
    copy.write_text(text.replace(INSTALLED, str(evently)), encoding="utf-8")
    return subprocess.run(
        [program("systemd-analyze", "systemd"), *arguments, str(copy)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_systemd_has_nothing_to_say_against_it(tmp_path: Path) -> None:
    done = analyze(tmp_path, "verify")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_it_is_confined(tmp_path: Path) -> None:
    done = analyze(tmp_path, "security", "--offline=true", "--no-pager")
    (exposure,) = re.findall(r"Overall exposure level for \S+ ([0-9.]+)", done.stdout + done.stderr)
    assert float(exposure) <= EXPOSURE_MAX


def test_it_waits_for_all_that_a_stop_may_take() -> None:
    stop_s = supervisor.GRACE_S + postmaster.STOP_S + postmaster.QUIT_S
    assert float(unit()["TimeoutStopSec"]) > stop_s


def test_the_service_takes_its_settings() -> None:
    (line,) = re.findall(r"^Environment=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    environ = dict(pair.split("=", 1) for pair in line.split())
    assert load_settings(environ, serving=False).data_dir == Path("/var/lib/evently")
