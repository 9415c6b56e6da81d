"""Serves the console's files, and leads to them.

Theory of operation. The page names its files under a folder whose name is a digest of them all, and
they name each other relatively. So a file may be cached for ever, a new release has new names, and
nothing has to be built; comments and white space, a quarter of the scripts, stay here. URLs are
relative, so that the page works behind a proxy that adds a prefix.

Rule: the policy lets nothing run, load or be asked that is not this service's own.
"""

import re
from hashlib import blake2b
from importlib.resources import files

from routes.asset import asset
from routes.call import Call
from routes.contract.answers import Entry, etag_of
from routes.contract.raw import Raw
from routes.endpoint import Endpoint

TAG = "Documentation"
POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
# Asked for again at every visit, and answered with 304: it names the files of this release.
PAGE_CACHE = "no-cache"
ASSET_CACHE = "public, max-age=31536000, immutable"
SEE_OTHER = 303

_FOLDER = files("routes").joinpath("console", "static")
_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
PAGE = "index.html"
# Whole lines only: a comment of lines, or one behind `//`; and what a line begins with.
_COMMENT = re.compile(rb"^[ \t]*(?:/\*(?:(?!\*/).)*\*/|//[^\n]*)[ \t]*\n", re.MULTILINE | re.DOTALL)
# What a checker of types is told within a line.
_CAST = re.compile(rb"/\*\* @type [^*]*\*/ ?")
_INDENT = re.compile(rb"^[ \t\n]+", re.MULTILINE)
# Behind an opening bracket, a comma or a semicolon, and before a closing bracket, a line end means
# nothing.
_NEEDLESS = re.compile(rb"(?<=[,;({\[])\n|\n(?=[)}\]])")
# Signs that no text of the console has with a blank beside them, or on both sides, which a test
# checks.
_SPACED = re.compile(rb" ?(=>|[!=]==|&&|\|\||\?\?=?|[{=]) ?| ([?:<>*]|[<>]=) | (?=\})")


def lean(text: bytes) -> bytes:
    """A script or style sheet without comments, indentation and needless line ends."""
    bare = _CAST.sub(b"", _COMMENT.sub(b"", text))
    return _SPACED.sub(rb"\1\2", _NEEDLESS.sub(b"", _INDENT.sub(b"", bare)))


ASSETS = {
    file.name: lean(file.read_bytes())
    for file in sorted(_FOLDER.iterdir(), key=lambda file: file.name)
    if file.name != PAGE
}
DIGEST = blake2b(
    b"\0".join([*map(str.encode, ASSETS), *ASSETS.values()]), digest_size=8
).hexdigest()
_PAGE_BODY = _FOLDER.joinpath(PAGE).read_bytes().replace(b"{files}", f"console/{DIGEST}".encode())
_PAGE_RAW = Raw(_PAGE_BODY, "text/html; charset=utf-8")
_PAGE_ETAG = etag_of(_PAGE_BODY)


async def entry(call: Call) -> Entry | Raw:
    """Lead a browser to the console, and tell a program where the API's document is."""
    call.headers["Vary"] = "Accept"
    if "text/html" in call.sent.get("Accept", ""):
        call.headers["Location"] = "console"
        return Raw(b"", "", SEE_OTHER)
    is_open = call.services.admin_auth.registration.is_open
    return Entry(
        service="Evently Event Service",
        openapi="openapi.json",
        docs="docs",
        console="console",
        registration="open" if is_open else "closed",
    )


async def console_page(call: Call) -> Raw:
    """Answer the page."""
    call.headers["Content-Security-Policy"] = POLICY
    call.headers["Referrer-Policy"] = "no-referrer"
    call.headers["ETag"] = _PAGE_ETAG
    return _PAGE_RAW


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/",
        handler=entry,
        tag=TAG,
        summary="Where to begin",
        answer=Entry,
        description=(
            "Leads a browser, which accepts `text/html`, to the console; tells a program where this"
            " API is described, and whether anybody may register."
        ),
        redirects="A client that accepts `text/html` is led to the console",
    ),
    Endpoint(
        method="GET",
        path="/console",
        handler=console_page,
        tag=TAG,
        summary="The organisers' page",
        answer="text/html",
        description=(
            "A page for organisers, which uses this API as any program does: their events as they"
            " sell, venues and accounts."
        ),
        cache_control=PAGE_CACHE,
    ),
    *(
        asset(f"/console/{DIGEST}/{name}", body, _TYPES[name.rpartition(".")[2]], ASSET_CACHE)
        for name, body in ASSETS.items()
    ),
)
