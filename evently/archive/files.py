"""The files of an archive: a folder for each, with compressed CSV and a manifest.

Rules

1. A folder is written completely under another name, read back, and then renamed: a partial one is
   never found under its name. What an interrupted run left is written anew.
2. A file is a row of gzip members, which gunzip reads as one: the first has the names of the
   columns, each other one what one COPY gave. So it is put back in pieces that fit into memory.
3. A folder says which database it is of.
"""

import csv
import gzip
import hashlib
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self
from uuid import UUID

import msgspec

from evently.embedded.backup import sync_folder

MANIFEST = "manifest.json"
UNFINISHED = ".unfinished"
LEDGER, HOLDS, CHANGES = "ledger.csv.gz", "holds.csv.gz", "changes.csv.gz"
# Raised when what a manifest says is to be read in another way.
FORM = 1
# gzip's own level: 3 would be a fifth larger, and 9 as small.
LEVEL = 6
# zlib's way to ask for a gzip header and its checksum.
GZIP = 31
BLOCK_BYTES = 1 << 20


class ArchiveError(Exception):
    """An archive cannot be written, or cannot be used; the message says what to do."""


class FileNote(msgspec.Struct, frozen=True):
    """One file: its rows but for the names of the columns, its size, and the SHA-256 of it."""

    rows: int
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What an archive holds.

    `database` is the id of the database's feed of changes, which a restored copy keeps. That feed
    begins at `feed_begins_at` once the changes are deleted.
    """

    form: int
    archive_id: UUID
    database: str
    month: str
    migration: int
    events: int
    feed_begins_at: int
    files: Mapping[str, FileNote]


class ArchiveFile:
    """A file that is being written: the names of its columns, and then what each COPY gives.

    Use it as a context manager.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._file = path.open("wb")
        self._sha256 = hashlib.sha256()
        self._bytes = self._rows = 0
        self._member = self._begin()
        self._put(self._member.compress(f"{','.join(columns)}\n".encode()))
        self.end(0)

    async def write(self, text: bytes) -> None:
        """Write some of what a COPY gives."""
        self._put(self._member.compress(text))

    def end(self, rows: int) -> None:
        """A COPY has given so many rows, and ended."""
        self._put(self._member.flush())
        self._member = self._begin()
        self._rows += rows

    def sync(self) -> FileNote:
        """Have it outlive a crash of the machine; what the manifest says of it."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return FileNote(self._rows, self._bytes, self._sha256.hexdigest())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def _begin(self) -> "zlib._Compress":
        return zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._sha256.update(data)
        self._bytes += len(data)


def begin_folder(to: Path, name: str) -> Path:
    """An empty folder to write the archive of that name into. Raises ArchiveError."""
    unfinished = to / f"{name}{UNFINISHED}"
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise ArchiveError(
            f"{unfinished} cannot be made ({error.strerror}): name a directory with --to that this "
            "user may write to"
        ) from error
    return unfinished


def end_folder(unfinished: Path, manifest: Manifest, read: Callable[[int], object]) -> Path:
    """Check what was written, and give the folder its name. Raises ArchiveError."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    with (unfinished / MANIFEST).open("wb") as file:
        file.write(text + b"\n")
        file.flush()
        os.fsync(file.fileno())
    sync_folder(unfinished)
    check_folder(unfinished, read)
    folder = unfinished.with_name(unfinished.name.removesuffix(UNFINISHED))
    unfinished.rename(folder)
    sync_folder(folder.parent)
    return folder


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an archive. Raises ArchiveError if it has none."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError as error:
        raise ArchiveError(f"{folder} is no archive: it has no {MANIFEST}") from error
    except (OSError, msgspec.DecodeError) as error:
        raise ArchiveError(f"{folder / MANIFEST} cannot be read: {error}") from error
    if manifest.form != FORM:
        raise ArchiveError(f"{folder} was written by another release, in the form {manifest.form}")
    return manifest


def archives_in(to: Path) -> Iterator[tuple[Path, Manifest]]:
    """The archives in a directory, which need not exist. Raises ArchiveError."""
    for path in sorted(to.glob(f"*/{MANIFEST}")):
        if not path.parent.name.endswith(UNFINISHED):
            yield path.parent, read_manifest(path.parent)


def check_folder(folder: Path, read: Callable[[int], object]) -> Manifest:
    """Read every file, and compare it with the manifest; `read` is told of the bytes.

    Raises ArchiveError.
    """
    manifest = read_manifest(folder)
    for name, note in manifest.files.items():
        path = folder / name
        try:
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            if sha256 != note.sha256:
                raise ArchiveError(f"{path} is damaged: its SHA-256 is {sha256}, not {note.sha256}")
            rows = _count_rows(path)
        except (OSError, EOFError, zlib.error, csv.Error) as error:
            raise ArchiveError(f"{path} cannot be read: {error}") from error
        if rows != note.rows:
            raise ArchiveError(f"{path} has {rows} rows, and its manifest says {note.rows}")
        read(note.bytes)
    return manifest


def size_of(manifest: Manifest) -> int:
    """The bytes of all files."""
    return sum(note.bytes for note in manifest.files.values())


def _count_rows(path: Path) -> int:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
        return sum(1 for _ in csv.reader(text)) - 1


def members(path: Path) -> Iterator[tuple[bytes, int]]:
    """What each member of a checked file holds, and how many bytes of the file it takes."""
    with path.open("rb") as file:
        block = file.read(BLOCK_BYTES)
        while block:
            reader, parts, size = zlib.decompressobj(wbits=GZIP), [], 0
            while not reader.eof:
                parts.append(reader.decompress(block))
                size += len(block) - len(reader.unused_data)
                block = reader.unused_data or file.read(BLOCK_BYTES)
            yield b"".join(parts), size


def columns_in(header: bytes) -> list[str]:
    """The names of the columns that the first member of a file holds."""
    return header.decode().strip().split(",")
