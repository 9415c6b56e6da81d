"""Text as it is stored, and as it is compared.

Rules:
1. Text is stored in Unicode's form NFC, so that one word is one sequence of characters however it
   was typed.
2. What compares regardless of case is folded here, on both sides. The database only compares the
   results, so its locale decides nothing.
3. Folding what is folded changes nothing.
"""

import unicodedata

# What keyboards, word processors and phones write for each other's apostrophe, hyphen and space.
_APOSTROPHES = (
    "\u2018\u2019\u201b\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u02c8\u2032\u00b4\u0060\ua78c\uff07"
)
_HYPHENS = (
    "\u058a\u05be\u1400\u1806\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u2e17\u2e1a\u2e3a"
    "\u2e3b\u2e40\ufe31\ufe32\ufe58\ufe63\uff0d"
)
_SPACES = (
    "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f"
    "\u3000"
)
_ALIKE = str.maketrans(
    dict.fromkeys(_APOSTROPHES, "'") | dict.fromkeys(_HYPHENS, "-") | dict.fromkeys(_SPACES, " ")
)


def normalized(text: str) -> str:
    """`text` in NFC (Unicode Standard Annex 15)."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def fold_case(text: str) -> str:
    """`text` without its case, by Unicode's full case folding: `ß` is `SS`, every sigma one."""
    if text.isascii():
        return text.lower()
    return normalized(normalized(text).casefold())


def fold(text: str) -> str:
    """`text` as filters, search and sorting see it.

    Beside the case, kinds of apostrophes, hyphens and spaces make no difference.
    """
    return fold_case(text).translate(_ALIKE)
