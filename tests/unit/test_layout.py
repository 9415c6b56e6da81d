"""What setup.cfg ships is what is in the tree, and each dependency has its pinned version."""

import re
import tomllib
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("evently", "actors", "routes", "db")
# The client is a distribution of its own, which the service's wheel contains.
CLIENT = "evently_client"


@pytest.fixture
def setup_cfg() -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.read_string((ROOT / "setup.cfg").read_text(encoding="utf-8"))
    return parser


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _normal(requirement: str) -> str:
    return requirement.lower().replace("_", "-")


def test_setup_cfg_lists_every_package_on_disk(setup_cfg: ConfigParser) -> None:
    on_disk = {
        ".".join(file.parent.relative_to(ROOT).parts)
        for top in SHIPPED
        for file in (ROOT / top).rglob("__init__.py")
    }

    listed = _lines(setup_cfg["options"]["packages"])

    assert set(listed) == on_disk | {CLIENT}
    assert len(listed) == len(set(listed))


def test_the_client_is_shipped_whole_and_typed(setup_cfg: ConfigParser) -> None:
    (mapped,) = _lines(setup_cfg["options"]["package_dir"])
    name, _, folder = mapped.partition(" = ")
    assert name == CLIENT
    files = [file for file in (ROOT / folder).rglob("*") if "__pycache__" not in file.parts]
    assert {file.suffix for file in files} == {".py", ".typed"}
    assert _lines(setup_cfg["options.package_data"][CLIENT]) == ["py.typed"]
    own = tomllib.loads((ROOT / "clients/python/pyproject.toml").read_text(encoding="utf-8"))
    assert own["tool"]["setuptools"]["packages"] == [CLIENT]
    assert [re.split(r"\W", need)[0] for need in own["project"]["dependencies"]] == ["aiohttp"]


def test_every_module_is_in_a_package() -> None:
    outside = [
        str(file.relative_to(ROOT))
        for top in SHIPPED
        for file in (ROOT / top).rglob("*.py")
        if not (file.parent / "__init__.py").exists()
    ]

    assert outside == []


def test_every_sql_file_is_shipped(setup_cfg: ConfigParser) -> None:
    patterns = _lines(setup_cfg["options.package_data"]["db"])
    shipped = {file for pattern in patterns for file in (ROOT / "db").glob(pattern)}

    assert shipped == set((ROOT / "db").rglob("*.sql"))
    assert not [file for top in SHIPPED if top != "db" for file in (ROOT / top).rglob("*.sql")]


def test_every_dependency_is_the_version_that_constraints_pin(setup_cfg: ConfigParser) -> None:
    direct = _lines(setup_cfg["options"]["install_requires"])
    for extra in setup_cfg["options.extras_require"].values():
        direct += _lines(extra)
    pinned = _lines((ROOT / "constraints.txt").read_text(encoding="utf-8"))

    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9.]+", line) for line in direct)
    assert {_normal(line) for line in direct} <= {_normal(line) for line in pinned}
