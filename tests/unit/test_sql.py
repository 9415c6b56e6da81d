"""The statements of `db/queries`, each in a file of its own."""

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import pytest

from db.sql import load
from db.statements import Statement

QUERIES = files("db").joinpath("queries")


def _sql_files(folder: Traversable) -> dict[str, str]:
    return {
        file.name.removesuffix(".sql"): file.read_text(encoding="utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    }


FILES, PARTS = _sql_files(QUERIES), _sql_files(QUERIES.joinpath("parts"))
NAMES = sorted(FILES)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_holds_one_statement_and_says_what_it_does(name: str) -> None:
    text = load(Statement(name))
    assert text.startswith("-- "), "the first line says what it does and what no row means"
    code = "\n".join(line.partition("--")[0] for line in text.splitlines()).strip()
    assert code
    assert ";" not in code.removesuffix(";"), "one statement"


def test_every_file_has_a_name_and_every_name_a_file() -> None:
    assert sorted(Statement) == NAMES


SOURCES = "".join(
    file.read_text() for part in ("db", "routes") for file in Path(part).rglob("*.py")
)
# What a consumer of the change stream runs, as the document for them says.
FOR_CONSUMERS = {Statement.PAGE_SEARCH_DOCUMENTS}


@pytest.mark.parametrize("statement", Statement)
def test_every_statement_is_run_by_some_module(statement: Statement) -> None:
    if statement in FOR_CONSUMERS:
        assert f"{statement}.sql" in Path("docs/cdc.md").read_text()
    else:
        assert re.search(rf"Statement\.{statement.name}\b", SOURCES)


def test_no_placeholder_is_left_in_a_statement() -> None:
    assert not [name for name in NAMES if "{" in load(Statement(name))]


@pytest.mark.parametrize("name", PARTS)
def test_a_part_says_what_it_is_and_several_statements_share_it(name: str) -> None:
    assert PARTS[name].startswith("-- ")
    assert sum(f"{{{name}}}" in text for text in FILES.values()) > 1


def test_the_comment_of_a_part_stays_in_its_file() -> None:
    statement = load(Statement.LOAD_ON_SALE)
    assert "min(lower(tstzrange(start_datetime, end_datetime)))" in statement
    assert not [text for text in PARTS.values() if text.splitlines()[0] in statement]


def test_a_statement_is_read_once() -> None:
    assert load(Statement.LOAD_EVENTS) is load(Statement.LOAD_EVENTS)
