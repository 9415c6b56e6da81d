"""The statements of `db/queries`, each in a file of its own."""

from importlib.resources import files

import pytest

from db.sql import load

NAMES = sorted(
    file.name.removesuffix(".sql")
    for file in files("db").joinpath("queries").iterdir()
    if file.name.endswith(".sql")
)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_holds_one_statement_and_says_what_it_does(name: str) -> None:
    text = load(name)
    assert text.startswith("-- "), "the first line says what it does and what no row means"
    code = "\n".join(line.partition("--")[0] for line in text.splitlines()).strip()
    assert code
    assert ";" not in code.removesuffix(";"), "one statement"


def test_a_name_without_a_file_is_refused() -> None:
    with pytest.raises(FileNotFoundError):
        load("no_such_statement")


def test_a_statement_is_read_once() -> None:
    assert load(NAMES[0]) is load(NAMES[0])
