"""Text as it is stored and compared."""

import unicodedata

import pytest

from evently.domain.text import fold, fold_case, normalized

# The planes of letters: the later ones have ideographs alone, and those have no case.
EVERY_CHARACTER = [chr(n) for n in range(0x20000) if unicodedata.category(chr(n)) != "Cs"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ROME", "rome"),
        ("Straße", "STRASSE"),
        ("ΟΔΟΣ", "οδος"),
        ("οδος", "οδοσ"),
        ("Besan\u00e7on", "BESANC\u0327ON"),
        ("Émile", "e\u0301mile"),
        ("ﬁnale", "FINALE"),
    ],
)
def test_case_and_form_make_no_difference(one: str, other: str) -> None:
    assert fold_case(one) == fold_case(other)
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("L’Aquila", "L'Aquila"),
        ("Hawaiʻi", "Hawai'i"),
        ("Stratford‑upon–Avon", "Stratford-upon-Avon"),
        ("New\u00a0York", "New York"),
        ("New\u202fYork", "New York"),
    ],
)
def test_filters_know_no_kinds_of_apostrophe_hyphen_and_space(one: str, other: str) -> None:
    assert fold(one) == fold(other)
    assert fold_case(one) != fold_case(other), "an email means what it says"


@pytest.mark.parametrize(
    ("one", "other"), [("Koln", "Köln"), ("Iris", "ırıs"), ("York", "New York")]
)
def test_what_differs_in_more_than_case_stays_apart(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_folding_what_is_folded_changes_nothing() -> None:
    assert [c for c in EVERY_CHARACTER if fold(fold(c)) != fold(c)] == []
    assert [c for c in EVERY_CHARACTER if fold_case(fold_case(c)) != fold_case(c)] == []


def test_the_form_in_which_a_character_was_typed_makes_no_difference() -> None:
    typed = [(c, unicodedata.normalize("NFD", c)) for c in EVERY_CHARACTER]
    assert [c for c, as_typed in typed if normalized(as_typed) != normalized(c)] == []
    assert [c for c, as_typed in typed if fold(as_typed) != fold(c)] == []
