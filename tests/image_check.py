"""Runs what the Dockerfile says, one instruction after the other, where no container engine is.

Rule: the instructions are read from the Dockerfile, never repeated here. The image's folders stand
under a scratch folder; every command runs as a user without privileges, the service as another one
that may write nowhere but to its data and its temporary directory.

    make image-check        (as root; a minute or two, as pip downloads)

What it cannot show: the base image itself, `useradd`, and that the root file system is read-only.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.service_process import ROOT
from tests.surroundings import free_port

# Users that every Debian has, since initdb asks who it is: daemon and nobody.
BUILDER, RUNNER = 1, 65534
# Where the image has things of its own; all else is the base's.
FOLDERS = ("/src", "/wheels", "/opt/evently", "/var/lib/evently")
BUILD_S, START_S, STOP_S = 600.0, 60.0, 20.0
HEALTH_EVERY_S = 0.2


@dataclass
class Stage:
    """What the instructions since a FROM have set."""

    environ: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    start: dict[str, list[str]] = field(default_factory=dict)


def instructions() -> Iterator[tuple[str, str]]:
    """Each instruction's name and its text on one line."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            yield name, rest.strip()


class Image:
    """The image, as folders under `root`, with `python` for the base's interpreter."""

    def __init__(self, root: Path, python: str) -> None:
        self._root = root
        self._base = root / "base"
        self._base.mkdir()
        (self._base / "python").symlink_to(python)
        for folder in FOLDERS:
            self.place(folder).mkdir(parents=True)
        self.stage = Stage()

    def place(self, text: str) -> Path:
        """Where a path of the image stands here."""
        return self._root / text.lstrip("/")

    def moved(self, text: str) -> str:
        """A command with the image's paths as they stand here."""
        for folder in FOLDERS:
            text = re.sub(rf"(?<![\w/]){folder}\b", str(self.place(folder)), text)
        return text

    def environ(self) -> dict[str, str]:
        """What a command of the image is started with."""
        base = {"PATH": f"{self._base}:/usr/bin:/bin", "HOME": str(self.place("/var/lib/evently"))}
        given = {
            name: self.moved(text).replace("$PATH", base["PATH"])
            for name, text in self.stage.environ.items()
        }
        return {**base, **_package_index(), **given}

    def build(self) -> None:
        """Carry out every instruction."""
        for name, text in instructions():
            print(f"{name} {text}", flush=True)  # noqa: T201 - it is a program
            getattr(self, f"_{name.lower()}", lambda text: None)(text)

    def _from(self, text: str) -> None:
        self.stage = Stage()

    def _env(self, text: str) -> None:
        pairs = (pair.partition("=") for pair in text.split())
        self.stage.environ |= {name: value for name, _, value in pairs}

    def _workdir(self, text: str) -> None:
        self.stage.folder = text

    def _copy(self, text: str) -> None:
        *sources, target = text.split()
        if sources[0].startswith("--from"):
            # Both stages stand in the same folders.
            return
        for source in sources:
            here = self.place(self.stage.folder) / target / Path(source).name
            here = self.place(self.stage.folder) / target if (ROOT / source).is_dir() else here
            if (ROOT / source).is_dir():
                shutil.copytree(
                    ROOT / source, here, ignore=shutil.ignore_patterns("__pycache__", "*.py[co]")
                )
            else:
                shutil.copy(ROOT / source, here)
        _own(self.place(self.stage.folder), BUILDER)

    def _run(self, text: str) -> None:
        if "useradd" in text:
            _own(self.place("/var/lib/evently"), RUNNER, 0o750)
            return
        parts: list[str] = json.loads(text) if text.startswith("[") else ["/bin/sh", "-c", text]
        subprocess.run(
            [self.moved(part) for part in parts],
            cwd=self.place(self.stage.folder),
            env=self.environ() | {"HOME": str(self.place("/src"))},
            check=True,
            timeout=BUILD_S,
            user=BUILDER,
            group=BUILDER,
            extra_groups=[],
        )

    def _entrypoint(self, text: str) -> None:
        self.stage.start["entrypoint"] = json.loads(text)

    def _cmd(self, text: str) -> None:
        self.stage.start["cmd"] = json.loads(text)

    def _healthcheck(self, text: str) -> None:
        self.stage.start["health"] = json.loads(text.partition("CMD ")[2])

    def check(self) -> float:
        """Start it as its user, wait until it is healthy, end it; the seconds until healthy."""
        scratch = self._root / "tmp"
        scratch.mkdir()
        _own(scratch, RUNNER, 0o700)
        environ = self.environ() | {"EVENTLY_PORT": str(free_port()), "TMPDIR": str(scratch)}
        before = self._installed()
        started_s = time.monotonic()
        service = self._started(
            [*self.stage.start["entrypoint"], *self.stage.start["cmd"]], environ
        )
        try:
            while self._started(self.stage.start["health"], environ, quiet=True).wait() != 0:
                assert service.poll() is None, f"it ended with {service.returncode}"
                assert time.monotonic() - started_s < START_S, "it is not healthy"
                time.sleep(HEALTH_EVERY_S)
            healthy_s = time.monotonic() - started_s
            service.send_signal(signal.SIGTERM)
            assert service.wait(STOP_S) == 0, f"exit code {service.returncode}"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(service.pid, signal.SIGKILL)
        assert self._installed() == before, "it wrote where it is installed"
        return healthy_s

    def _started(
        self, command: list[str], environ: Mapping[str, str], *, quiet: bool = False
    ) -> "subprocess.Popen[bytes]":
        program = shutil.which(command[0], path=environ["PATH"])
        assert program is not None, f"{command[0]} is not installed"
        return subprocess.Popen(
            [program, *command[1:]],
            cwd=self.place(self.stage.folder),
            env=dict(environ),
            user=RUNNER,
            group=RUNNER,
            extra_groups=[],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            # Of one that says that it is not healthy yet, nobody wants to read why.
            stderr=subprocess.DEVNULL if quiet else None,
        )

    def _installed(self) -> dict[str, int]:
        there = self.place("/opt/evently").rglob("*")
        return {str(path): path.lstat().st_mtime_ns for path in there}


def _package_index() -> dict[str, str]:
    """How pip is told here where packages are; as in the image, nothing else of the environment."""
    return {name: text for name, text in os.environ.items() if name.startswith("PIP_")}


def _own(path: Path, user: int, mode: int = 0o755) -> None:
    path.chmod(mode)
    for each in (path, *path.rglob("*")):
        os.chown(each, user, user, follow_symlinks=False)


def main(python: str) -> None:
    """Build and check; end with 1 and the reason where something is wrong."""
    if os.geteuid() != 0:
        sys.exit("only root can be the two users that build and run the image")
    with tempfile.TemporaryDirectory(prefix="evently-image-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        image = Image(root, python)
        _own(image.place("/opt"), BUILDER)
        _own(image.place("/wheels"), BUILDER)
        image.build()
        healthy_s = image.check()
        size = sum(path.lstat().st_size for path in image.place("/opt/evently").rglob("*"))
    print(  # noqa: T201
        f"healthy after {healthy_s:.1f} s and cleanly stopped; "
        f"{size / 1e6:.0f} MB are installed over the base"
    )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "/usr/bin/python3")
