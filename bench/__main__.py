"""The command `python -m bench`: measures, prints a table, writes figures and plots."""

import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import click

from bench.failures import BenchFailed
from bench.machine import QUIET_LOAD, load_now, prepare
from bench.report import read, terminal, write
from bench.results import Results
from bench.run import Profile, Run
from bench.service import LOG
from evently.embedded import EmbeddedPostgresError
from evently.settings import WORKERS_MAX, default_workers, usable_cpus

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED, SCRATCH = ROOT / "docs" / "performance", ROOT / "build" / "bench"
FULL = Profile("full", seconds=2, rounds=3)
QUICK = Profile("quick", seconds=1, rounds=3, quick=True)

HELP = f"""Measure the service next to a bare HTTP server and the database alone.

Starts everything itself, on a temporary PostgreSQL that commits durably: bare aiohttp servers,
pgbench, and the service with all features on. Takes about ten minutes, with --quick about four;
prints one table and writes JSON, tables and plots.

The ratios hold on other machines, the absolute figures do not. Run nothing else meanwhile: before
the start, the load average should be under {QUIET_LOAD} for each processor.
"""


@click.command(help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--quick", is_flag=True, help="Measure only the rows that goals need, for a shorter time."
)
@click.option("--seconds", type=click.IntRange(1, 600), help="Seconds for each measurement.")
@click.option("--rounds", type=click.IntRange(1, 99), help="Number of rounds.")
@click.option(
    "--workers",
    type=click.IntRange(1, WORKERS_MAX),
    help="Worker processes, of the bare server and of the service.  [default: one fewer than "
    "processors, which is the service's own default beside a database]",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the figures.  [default: docs/performance, with --quick build/bench]",
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=SCRATCH.parent,
    help="Folder for the temporary database, on a real disk, and for the service's log, which "
    "stays.  [default: build]",
)
@click.option(
    "--again",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Measure nothing; create tables and plots from this results.json.",
)
def main(
    quick: bool,
    seconds: int | None,
    rounds: int | None,
    workers: int | None,
    output: Path | None,
    data_dir: Path,
    again: Path | None,
) -> None:
    """Measure, print and write."""
    # Otherwise the processes started here would be left running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    profile = QUICK if quick else FULL
    profile = Profile(profile.name, seconds or profile.seconds, rounds or profile.rounds, quick)
    output = output or (SCRATCH if quick else PUBLISHED)
    if again is not None:
        results = read(again)
    else:
        try:
            prepare()
            own_default = default_workers(usable_cpus(), embedded=True)
            results = _measured(profile, data_dir, workers or own_default)
        except (BenchFailed, EmbeddedPostgresError) as error:
            raise click.ClickException(str(error)) from error
    click.echo(terminal(results))
    for path in write(results, output):
        click.echo(f"wrote {path}", err=True)


def _measured(profile: Profile, data_dir: Path, workers: int) -> Results:
    load = load_now()
    if load > QUIET_LOAD:
        click.echo(
            f"other processes are busy: the load average is {load:.2f} for each processor", err=True
        )
    data_dir.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=data_dir))
    # PostgreSQL may run as its own user, which needs access to the folder.
    folder.chmod(0o711)
    started_s = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"{time.monotonic() - started_s:5.0f} s  {text}", err=True)

    try:
        return Run(profile, folder, workers, say).results()
    finally:
        # If a row has errors, the service's log says why.
        with suppress(FileNotFoundError):
            shutil.copy(folder / LOG, data_dir / f"bench-{LOG}")
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
