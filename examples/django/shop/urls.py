"""The shop's addresses."""

from django.urls import path

from shop import views

urlpatterns = [
    path("orders", views.buy),
    path("orders/<str:order_id>", views.show),
    path("willcall", views.receive),
]
