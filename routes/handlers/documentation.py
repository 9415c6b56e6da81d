"""Shows the API to people and programs: its OpenAPI document, and Swagger UI in front of it.

Rule: everything the page needs comes from this service; it asks no other host, and its policy
lets nothing run that is not one of the files listed here.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from routes.asset import asset
from routes.call import Call
from routes.contract.answers import etag_of
from routes.contract.raw import Raw
from routes.endpoint import Endpoint

TAG = "Documentation"
DOCUMENT_CACHE = "public, max-age=60"
# They change when the service is installed anew; until then the ETag spares sending them again.
ASSET_CACHE = "public, max-age=3600"

# Swagger UI draws its icons from data: URLs.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

# URLs are relative, so that the page works behind a proxy that adds a prefix.
PAGE = b"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Evently Event Service API</title>
<link rel="icon" type="image/png" sizes="32x32" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="stylesheet" href="docs/index.css">
</head>
<body>
<nav><a href="console">Console</a> for organisers</nav>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript; <a href="openapi.json">the document itself</a> does not.
</noscript>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/init.js"></script>
</body>
</html>
"""

# No validator badge: it would send the document's address to a third party's host.
INIT = b"""\
"use strict";
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  validatorUrl: null,
});
"""

# The files of the package that may be asked for, with their types.
PACKAGE_FILES: Mapping[str, str] = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "index.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}


async def openapi_document(call: Call) -> Raw:
    """Answer the OpenAPI document."""
    body = call.services.openapi()
    call.headers["ETag"] = etag_of(body)
    return Raw(body)


async def docs_page(call: Call) -> Raw:
    """Answer the page that shows it."""
    call.headers["Content-Security-Policy"] = PAGE_POLICY
    call.headers["Referrer-Policy"] = "no-referrer"
    call.headers["ETag"] = _PAGE_ETAG
    return _PAGE_RAW


_PAGE_RAW = Raw(PAGE, "text/html; charset=utf-8")
_PAGE_ETAG = etag_of(PAGE)


def _package_file(name: str) -> bytes:
    """A file of swagger-ui-py; the package is found and not imported, for it brings a framework."""
    spec = find_spec("swagger_ui")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("swagger-ui-py is not installed")
    return (Path(spec.submodule_search_locations[0]) / "static" / name).read_bytes()


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/openapi.json",
        handler=openapi_document,
        tag=TAG,
        summary="This document",
        description=(
            "The OpenAPI 3.1 description of this API, made from the declarations that "
            "requests are routed and checked by."
        ),
        answer="application/json",
        cache_control=DOCUMENT_CACHE,
    ),
    Endpoint(
        method="GET",
        path="/docs",
        handler=docs_page,
        tag=TAG,
        summary="A page that shows this document",
        description="Swagger UI, served without any resource of another host.",
        answer="text/html",
        cache_control=DOCUMENT_CACHE,
    ),
    asset("/docs/init.js", INIT, "text/javascript; charset=utf-8", ASSET_CACHE),
    *(
        asset(f"/docs/{name}", _package_file(name), kind, ASSET_CACHE)
        for name, kind in PACKAGE_FILES.items()
    ),
)
