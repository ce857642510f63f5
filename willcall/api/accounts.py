"""Accounts: look, pause, resume."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import ValidationError
from starlette.responses import JSONResponse

from willcall.api import schemas
from willcall.api.dependencies import ContextDep, NoParameters, override_requested
from willcall.api.openapi import BODY_PROBLEMS, request_body, responses
from willcall.api.problems import ProblemType, rejected
from willcall.api.request_body import json_body
from willcall.config import find_account
from willcall.orders.serialization import rfc3339
from willcall.orders.submission import field_errors_of
from willcall.providers.base import Account
from willcall.usecases.accounts import pause, resume
from willcall.usecases.context import Context
from willcall.views.accounts import account_document, view_account

router = APIRouter(prefix="/v1/accounts", tags=["accounts"])


async def _account(
    context: ContextDep,
    provider: Annotated[str, Path(examples=["tiqets"])],
    account: Annotated[str, Path(examples=["default"])],
) -> Account:
    return find_account(context.accounts, provider, account)


AccountDep = Annotated[Account, Depends(_account)]


@router.get("", summary="List accounts", responses=responses(ProblemType.REJECTED, ok_200=schemas.AccountPage))
def list_accounts(context: ContextDep, _: NoParameters) -> JSONResponse:
    """How each configured account is doing, and how many orders it has."""
    items = [_document(context, account) for _, account in sorted(context.accounts.items())]
    return JSONResponse({"items": items, "next_cursor": None})


@router.post(
    "/{provider}/{account}/pause",
    summary="Pause an account",
    responses=responses(
        ProblemType.NOT_FOUND,
        *BODY_PROBLEMS,
        ok_200=schemas.Account,
    ),
    openapi_extra=request_body(schemas.Pause, required=False),
)
def pause_account(
    context: ContextDep, _: NoParameters, account: AccountDep, payload: Annotated[Any, json_body(optional=True)]
) -> JSONResponse:
    """Nothing is sent to it, for `seconds` or until it is resumed; its orders wait, their deadlines go on.

    A pause that lasts longer already stays, and `until` says so; to shorten it, resume first.
    """
    try:
        wish = schemas.Pause.model_validate(payload)
    except ValidationError as error:
        raise rejected(field_errors_of(error)) from None
    pause(context, account, wish.seconds)
    return JSONResponse(_document(context, account))


@router.post(
    "/{provider}/{account}/resume",
    summary="Resume an account",
    responses=responses(
        ProblemType.NOT_FOUND,
        *BODY_PROBLEMS,
        ok_200=schemas.Resumed,
    ),
    openapi_extra=request_body(schemas.Override, required=False),
)
def resume_account(
    context: ContextDep, _: NoParameters, account: AccountDep, payload: Annotated[Any, json_body(optional=True)]
) -> JSONResponse:
    """A pause ends. One that is refused or down is tried with one order, and stays so until an answer.

    A provider's `Retry-After` stands until `until`, unless the body is `{"now": true}`: that asks in spite of it.
    """
    resumed = resume(context, account, override=override_requested(payload))
    return JSONResponse({"resumed": resumed.until is None, "until": rfc3339(resumed.until)})


def _document(context: Context, account: Account) -> dict[str, Any]:
    return account_document(view_account(context.stores, account, context.stores.accounts.now()))
