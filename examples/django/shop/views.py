"""The shop submits orders to Willcall and receives their events."""

import json

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from shop.models import Order, handle
from willcall_client import Client, UnavailableError, WebhookVerificationError
from willcall_client.webhooks import verify

willcall = Client(settings.WILLCALL_URL, settings.WILLCALL_KEY)


@csrf_exempt
@require_POST
def buy(request: HttpRequest) -> HttpResponse:
    purchase = json.loads(request.body)
    Order.objects.get_or_create(pk=purchase["id"])  # first, for an event may arrive before the response
    try:
        order = willcall.submit(
            "tiqets",
            purchase["reference"],
            id=purchase["id"],
            quantity=purchase["quantity"],
            callback_url=f"{settings.SHOP_URL}/willcall",
        )
    except UnavailableError:
        return JsonResponse({"error": "try again: the same order is accepted once"}, status=503)
    return JsonResponse({"id": order.id, "status": order.status}, status=201)


@require_GET
def show(_: HttpRequest, order_id: str) -> HttpResponse:
    order = get_object_or_404(Order, pk=order_id)
    return JsonResponse({"id": order.id, "status": order.status, "tickets": order.tickets})


@csrf_exempt
@require_POST
def receive(request: HttpRequest) -> HttpResponse:
    try:
        event = verify(request.body, request.headers, settings.WEBHOOK_SECRET)
    except WebhookVerificationError:
        return HttpResponse(status=401)
    handle(event)
    return HttpResponse(status=204)
