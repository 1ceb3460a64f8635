from django.urls import path

from payments.api import (
    deliveries,
    disputes,
    endpoints,
    events,
    interventions,
    refunds,
    reviews,
    views,
    webhook_events,
)

urlpatterns = [
    path("orders/<str:order_id>/checkout", views.Checkout.as_view(), name="checkout"),
    path("orders/<str:order_id>/cancel", views.Cancel.as_view(), name="cancel"),
    path("charges/<str:charge_id>/refunds", refunds.ChargeRefunds.as_view(), name="charge-refunds"),
    path("refunds", refunds.RefundList.as_view(), name="refunds"),
    path("refunds/<str:refund_id>", refunds.RefundDetail.as_view(), name="refund"),
    path("fraud/decisions/<str:decision_id>/review", reviews.Review.as_view(), name="review"),
    path("events", events.EventList.as_view(), name="events"),
    path("events/<str:event_id>", events.EventDetail.as_view(), name="event"),
    path("webhook-endpoints", endpoints.EndpointList.as_view(), name="webhook-endpoints"),
    path("webhook-endpoints/<str:endpoint_id>", endpoints.EndpointDetail.as_view(), name="webhook-endpoint"),
    path("webhook-endpoints/<str:endpoint_id>/rotate-secret", endpoints.RotateSecret.as_view(), name="rotate-secret"),
    path("webhook-endpoints/<str:endpoint_id>/test", deliveries.SendTest.as_view(), name="test-endpoint"),
    path("webhook-endpoints/<str:endpoint_id>/deliveries", deliveries.DeliveryList.as_view(), name="deliveries"),
    path(
        "webhook-endpoints/<str:endpoint_id>/deliveries/<str:delivery_id>",
        deliveries.DeliveryDetail.as_view(),
        name="delivery",
    ),
    path(
        "webhook-endpoints/<str:endpoint_id>/deliveries/<str:delivery_id>/resend",
        deliveries.Resend.as_view(),
        name="resend-delivery",
    ),
    path("charges", views.ChargeList.as_view(), name="charges"),
    path("charges/<str:charge_id>", views.ChargeDetail.as_view(), name="charge"),
    path("disputes", disputes.DisputeList.as_view(), name="disputes"),
    path("disputes/<str:dispute_id>", disputes.DisputeDetail.as_view(), name="dispute"),
    path("sagas", views.SagaList.as_view(), name="sagas"),
    path("sagas/<str:saga_id>", views.SagaDetail.as_view(), name="saga"),
    path("sagas/<str:saga_id>/interventions", interventions.SagaInterventions.as_view(), name="saga-interventions"),
    path("interventions", interventions.InterventionList.as_view(), name="interventions"),
    path("interventions/<str:intervention_id>", interventions.InterventionDetail.as_view(), name="intervention"),
    path("interventions/<str:intervention_id>/approve", interventions.Approve.as_view(), name="approve-intervention"),
    path("interventions/<str:intervention_id>/refuse", interventions.Refuse.as_view(), name="refuse-intervention"),
    path(
        "interventions/<str:intervention_id>/withdraw", interventions.Withdraw.as_view(), name="withdraw-intervention"
    ),
    path("webhook-events", webhook_events.WebhookEventList.as_view(), name="webhook-events"),
    path("webhook-events/<str:webhook_event_id>", webhook_events.WebhookEventDetail.as_view(), name="webhook-event"),
    path(
        "webhook-events/<str:webhook_event_id>/replay",
        webhook_events.ReplayWebhookEvent.as_view(),
        name="replay-webhook-event",
    ),
]
