"""Downloads of documents."""

from collections.abc import Iterator
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Header, Path
from starlette.responses import Response, StreamingResponse

from willcall.api.dependencies import ContextDep, NoParameters, OrderIdDep
from willcall.api.openapi import responses
from willcall.api.problems import ProblemType
from willcall.orders.file_types import FILE_TYPES
from willcall.stores.documents import Document, UnknownDocumentError
from willcall.usecases.context import Context
from willcall.usecases.orders import get_order

router = APIRouter(prefix="/v1/orders", tags=["orders"])

_CHUNK = 256 * 1024

_NOT_MODIFIED = 304


@router.get(
    "/{order_id}/documents/{document_id}",
    summary="Download a document",
    responses={
        **responses(ProblemType.NOT_FOUND, ProblemType.REJECTED),
        200: {
            "content": {name: {"schema": {"type": "string", "format": "binary"}} for name in FILE_TYPES},
            "description": (
                "The file as the provider sent it, with the `content_type` of its ticket. "
                "Its `ETag` is the SHA-256 of its content."
            ),
        },
        _NOT_MODIFIED: {"description": "Not modified: the `If-None-Match` header has its `ETag`."},
    },
)
def download_document(
    context: ContextDep,
    _: NoParameters,
    order_id: OrderIdDep,
    document_id: Annotated[str, Path(description="The `document` of one of the order's tickets.")],
    if_none_match: Annotated[str, Header(description="The `ETag` of an earlier response.")] = "",
) -> Response:
    """Return the file, if it belongs to this order."""
    return document_response(context, order_id, document_id, if_none_match)


def document_response(context: Context, order_id: str, document_id: str, if_none_match: str) -> Response:
    """Return a document, or 304 if the client has it. Raises UnknownOrderError, UnknownDocumentError."""
    order = get_order(context, order_id)
    document = context.documents.get(document_id)
    if document is None or document.owner != order.id:
        raise UnknownDocumentError("the order has no such document")
    headers = _headers(document)
    if headers["ETag"] in [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]:
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    headers["Content-Length"] = str(document.size)
    file = context.documents.open(document.id)
    return StreamingResponse(_chunks(file), headers=headers, media_type=document.content_type)


def _headers(document: Document) -> dict[str, str]:
    return {
        "Content-Disposition": f'attachment; filename="{document.file_name}"',
        "ETag": f'"{document.sha256}"',
        "Cache-Control": "private, no-cache",
        # The file is untrusted: browsers must not guess its type or run it.
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    }


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk
