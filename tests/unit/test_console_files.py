"""The console's files as they are served: small, complete, and by nobody else."""

import re

import pytest

from routes.console import pages
from routes.endpoint import Endpoint

# What the page may weigh, unpacked.
SCRIPT_BYTES_MAX = 60 * 1024
SCRIPTS = {name: body.decode() for name, body in pages.ASSETS.items() if name.endswith(".js")}


def endpoint(path: str) -> Endpoint:
    return next(one for one in pages.ENDPOINTS if one.path == path)


def test_the_scripts_are_small() -> None:
    assert sum(map(len, map(str.encode, SCRIPTS.values()))) <= SCRIPT_BYTES_MAX


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_imports_what_is_served_beside_it(name: str) -> None:
    imported = re.findall(r'\bimport\b[^;"]*from ?"([^"]+)";', SCRIPTS[name])
    assert len(imported) == len(re.findall(r"\bimport\b", SCRIPTS[name]))
    assert all(one.startswith("./") for one in imported)
    assert {one.removeprefix("./") for one in imported} <= SCRIPTS.keys()


@pytest.mark.parametrize("name", pages.ASSETS)
def test_a_file_is_kept_for_ever_under_a_name_of_its_content(name: str) -> None:
    found = endpoint(f"/console/{pages.DIGEST}/{name}")
    assert found.cache_control == "public, max-age=31536000, immutable"


async def test_the_page_names_its_files_and_its_policy() -> None:
    page = pages._PAGE_BODY.decode()
    for name in ("app.js", "console.css", "icon.svg"):
        assert f'"console/{pages.DIGEST}/{name}"' in page
    assert "default-src 'self'" in pages.POLICY
    assert "unsafe" not in pages.POLICY
    # Nothing in it runs, and nothing is styled in place.
    assert re.findall(r"<script[^>]*>", page) == [
        f'<script type="module" src="console/{pages.DIGEST}/app.js">'
    ]
    assert not re.search(r"\sstyle=|\son\w+=|https?://", page)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_text_is_served_as_it_was_written(name: str) -> None:
    source = pages._FOLDER.joinpath(name).read_bytes()
    assert texts(SCRIPTS[name]) == texts(pages._COMMENT.sub(b"", source).decode())


def texts(script: str) -> list[str]:
    """What stands in quotes and in templates, between their values."""
    found: list[str] = []
    # How many braces are open in the code of each template's value, and outside of all.
    braces = [0]
    tokens = re.compile(r"""("(?:[^"\\\n]|\\.)*")|[`{}]""")
    at = 0
    while token := tokens.search(script, at):
        at = token.end()
        if token[1]:
            found.append(token[1])
        elif token[0] == "{":
            braces[-1] += 1
        elif token[0] == "}" and braces[-1]:
            braces[-1] -= 1
        else:
            # A template begins, or goes on behind a value.
            if token[0] == "}":
                braces.pop()
            rest = re.compile(r"((?:[^`$\\]|\\.|\$(?!\{))*)(`|\$\{)").match(script, at)
            assert rest is not None
            found.append(rest[1])
            at = rest.end()
            if rest[2] == "${":
                braces.append(0)
    assert braces == [0]
    return found


def test_no_file_names_another_host() -> None:
    hosts = {
        host
        for name, body in pages.ASSETS.items()
        for host in re.findall(rb"https?://[^/\"')]+", body)
        if name != "icon.svg"
    }
    assert hosts == {b"http://www.w3.org"}


def test_comments_and_white_space_stay_here_and_nothing_else_does() -> None:
    text = b"""
/**
 * @param {any} a
 */
export function f(a) {
  // A word.
  const b = /** @type {any} */ (a), u = "http://x", c = a / 2 /* c */ / 3;
  return [
    b, c,
  ];
}
"""
    assert pages.lean(text) == (
        b'export function f(a){const b=(a), u="http://x", c=a / 2 /* c */ / 3;return [b, c,];}\n'
    )
