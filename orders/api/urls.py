from django.urls import path

from orders.api import views

urlpatterns = [
    path("orders", views.OrderList.as_view(), name="orders"),
    path("orders/<str:order_id>", views.OrderDetail.as_view(), name="order"),
]
