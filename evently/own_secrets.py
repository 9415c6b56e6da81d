"""The secrets that the service makes for itself, at its first start on the embedded database.

Rule: they are in one file of the data directory, for its owner only, written whole or not at all;
a file that is there stays as it is.
"""

import os
import secrets
import tempfile
from pathlib import Path

# Of the variables of all settings, which the lines of the file are as well.
PREFIX = "EVENTLY_"
SECRETS_FILE = "secrets.env"


def own_secrets(data_dir: Path) -> dict[str, str]:
    """The secrets in `data_dir`, made now if there are none. Raises OSError."""
    path = data_dir / SECRETS_FILE
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        lines = [f"{PREFIX}{name.upper()}={text}" for name, text in new_secrets().items()]
        _write_once(path, "\n".join(lines) + "\n")
    return secrets_in(path)


def secrets_in(path: Path) -> dict[str, str]:
    """What a file of such secrets holds, by lower-case names of settings. Raises OSError."""
    pairs = (line.partition("=") for line in path.read_text(encoding="utf-8").splitlines() if line)
    return {name.removeprefix(PREFIX).lower(): text for name, _, text in pairs}


def new_secrets() -> dict[str, str]:
    """Secrets that nobody has seen, by lower-case names of settings."""
    return {
        "jwt_secret": secrets.token_urlsafe(48),
        "internal_api_keys": f"booking:{secrets.token_urlsafe(24)}",
    }


def _write_once(path: Path, text: str) -> None:
    """Write `path` whole or not at all, readable by its owner only; an existing file stays."""
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    unfinished = Path(name)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        # Or a crash of the machine could leave a name without its secrets.
        os.fsync(file.fileno())
    try:
        os.link(unfinished, path)
    except FileExistsError:
        pass
    finally:
        unfinished.unlink()
