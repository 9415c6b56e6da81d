"""A file that a page is made of, answered as it is.

Rule: it is encoded once; its ETag spares sending it again, and `cache_control` asking for it.
"""

from routes.call import Call
from routes.contract.answers import etag_of
from routes.contract.raw import Raw
from routes.endpoint import Endpoint


def asset(path: str, body: bytes, content_type: str, cache_control: str) -> Endpoint:
    """The endpoint of one file; the API's document does not name it."""
    raw, etag = Raw(body, content_type), etag_of(body)

    async def answer(call: Call) -> Raw:
        """Answer the file."""
        call.headers["ETag"] = etag
        return raw

    return Endpoint(
        method="GET",
        path=path,
        handler=answer,
        tag="Documentation",
        summary="A file of the page",
        answer=content_type.partition(";")[0],
        cache_control=cache_control,
        extra={"documented": False},
    )
