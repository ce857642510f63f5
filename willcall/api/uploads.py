"""Forms with files (`multipart/form-data`), received within the limits of all bodies."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from willcall.api.problems import ProblemError, ProblemType, rejected, unavailable
from willcall.api.request_body import BodyLimits, ReceivedBody, received_body
from willcall.orders.errors import FieldError
from willcall.usecases.complete import MAX_TICKETS, NewTickets, UploadedFile

log = structlog.get_logger(__name__)

#: Most bytes of one form, and seconds until it is complete.
MAX_FORM_BYTES, FORM_TIMEOUT = 64 * 1024 * 1024, 120.0
_MAX_FIELDS, _MAX_FIELD_BYTES = 2 * MAX_TICKETS + 10, 16 * 1024

#: The fields of a form that completes an order.
_NEW_TICKETS = {
    "type": "object",
    "properties": {
        "file": {
            "type": "array",
            "items": {"type": "string", "format": "binary"},
            "description": "Files of tickets: PDFs, images, wallet passes or archives of those.",
        },
        "code": {
            "type": "array",
            "items": {"type": "string", "maxLength": 4_096},
            "description": "Barcodes or other codes, one for each ticket.",
        },
        "url": {
            "type": "array",
            "items": {"type": "string", "format": "uri", "maxLength": 4_096},
            "description": "Addresses that the customer opens, one for each ticket.",
        },
        "note": {"type": "string", "maxLength": 500, "description": "For the order's timeline."},
    },
}
#: The `openapi_extra` of a route that completes an order.
NEW_TICKETS_BODY = {
    "requestBody": {
        "required": False,
        "content": {
            "multipart/form-data": {
                "schema": _NEW_TICKETS,
                "encoding": {"file": {"contentType": "application/octet-stream"}},
            }
        },
    }
}


@asynccontextmanager
async def upload_form(request: Request) -> AsyncIterator[FormData]:
    """Read a form with files, which are gone after the block. An empty body is an empty form. Raises ApiError."""
    body = await received_body(request, BodyLimits(MAX_FORM_BYTES, FORM_TIMEOUT))
    try:
        if not body.size:
            yield FormData()
            return
        media, options = parse_options_header(request.headers.get("content-type", ""))
        if media != b"multipart/form-data" or options.get(b"charset", b"utf-8").lower() != b"utf-8":
            raise ProblemError(ProblemType.UNSUPPORTED, "send the body as Content-Type: multipart/form-data, in UTF-8")
        form = await _parse(request, body)
        try:
            yield form
        finally:
            await form.close()
    finally:
        body.close()


def new_tickets(form: FormData) -> NewTickets:
    """Return the tickets in a form. Raises ApiError."""
    unknown = sorted({*form} - {"file", "code", "url", "note"})
    files = form.getlist("file")
    errors = [FieldError(name[:100], "is not recognized") for name in unknown]
    errors += [FieldError("file", "must be a file") for each in files if not isinstance(each, UploadFile)]
    texts = {name: form.getlist(name) for name in ("code", "url", "note")}
    for name, values in texts.items():
        if not all(isinstance(value, str) for value in values) or (name == "note" and len(values) > 1):
            errors.append(FieldError(name, "must be text, and given once" if name == "note" else "must be text"))
    if errors:
        raise rejected(errors)
    uploads = [UploadedFile(each.filename or "the file", each.file) for each in files if isinstance(each, UploadFile)]
    codes, urls, notes = ([str(value) for value in values] for values in texts.values())
    return NewTickets(uploads, codes, urls, "".join(notes))


def without_empty_fields(form: FormData, *others: str) -> FormData:
    """Return what a person gave in a browser's form, without its fields `others`.

    Browsers send empty text for a field that was left empty, and a file without a name for one that was not chosen.
    """

    def is_given(value: UploadFile | str) -> bool:
        return bool(value.filename or value.size) if isinstance(value, UploadFile) else value != ""

    return FormData([(name, value) for name, value in form.multi_items() if name not in others and is_given(value)])


class _StrictParser(MultiPartParser):
    """Accepts only forms that are complete and whose text is UTF-8: anything else could lose or change a ticket."""

    complete = False

    def on_end(self) -> None:
        self.complete = True

    def on_part_end(self) -> None:
        if self._current_part.file is None:
            try:
                self._current_part.data.decode("utf-8")
            except UnicodeDecodeError:
                raise MultiPartException("A field is not UTF-8.") from None
        super().on_part_end()

    async def parse(self) -> FormData:
        form = await super().parse()
        if not self.complete:
            await form.close()
            raise MultiPartException("Its end is missing.")
        return form


async def _parse(request: Request, body: ReceivedBody) -> FormData:
    parser = _StrictParser(
        request.headers, body.chunks(), max_files=MAX_TICKETS, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES
    )
    try:
        return await parser.parse()
    except MultiPartException as error:
        raise rejected([FieldError("body", f"is not a form that can be read: {error.message}")]) from None
    except OSError as error:
        log.warning("disk full", error=error)
        raise unavailable("The disk for large bodies") from error
