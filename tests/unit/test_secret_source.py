"""Where a secret comes from is said, and read from there, as the service reads it."""

from pathlib import Path

import pytest

from evently.settings import SettingsError, read_secret, secret_source

NAME = "internal_api_keys"
KEYS = "EVENTLY_INTERNAL_API_KEYS"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A service's own secrets, and nothing else."""
    (tmp_path / "secrets.env").write_text(
        f"EVENTLY_JWT_SECRET=x\n{KEYS}=booking:own\n", encoding="utf-8"
    )
    return {"EVENTLY_DATA_DIR": str(tmp_path)}


def test_the_services_own_secrets_come_last(environ: dict[str, str], tmp_path: Path) -> None:
    assert secret_source(NAME, environ) == tmp_path / "secrets.env"
    assert read_secret(NAME, environ) == "booking:own"


def test_a_file_that_is_named_comes_before_them(environ: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("booking:file\n", encoding="utf-8")
    environ[f"{KEYS}_FILE"] = str(path)
    assert (secret_source(NAME, environ), read_secret(NAME, environ)) == (path, "booking:file")


def test_the_variable_comes_first_unless_it_is_empty(environ: dict[str, str]) -> None:
    environ[KEYS] = " booking:variable "
    assert (secret_source(NAME, environ), read_secret(NAME, environ)) == (KEYS, "booking:variable")
    environ[KEYS] = " "
    assert read_secret(NAME, environ) == "booking:own"


def test_without_any_there_is_none(tmp_path: Path) -> None:
    assert read_secret(NAME, {"EVENTLY_DATA_DIR": str(tmp_path)}) is None
    assert read_secret(NAME, {f"{KEYS}_FILE": str(tmp_path / "none")}) is None


def test_a_file_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_bytes(b"booking:\xff")
    with pytest.raises(SettingsError, match=rf"{path} cannot be used \(it is not UTF-8\)"):
        read_secret(NAME, {f"{KEYS}_FILE": str(path)})
