from django.urls import path

from payments.api import reviews, views

urlpatterns = [
    path("orders/<str:order_id>/checkout", views.Checkout.as_view(), name="checkout"),
    path("fraud/decisions/<str:decision_id>/review", reviews.Review.as_view(), name="review"),
    path("charges", views.ChargeList.as_view(), name="charges"),
    path("charges/<str:charge_id>", views.ChargeDetail.as_view(), name="charge"),
    path("sagas", views.SagaList.as_view(), name="sagas"),
    path("sagas/<str:saga_id>", views.SagaDetail.as_view(), name="saga"),
]
