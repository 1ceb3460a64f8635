"""The reference for webhooks: the plainest Django that verifies with Stripe's library and keeps each event once.

No middleware, no log, no metrics: whatever Paydesk does beside that costs it alone. `python -m benchmarks.plain_intake`
makes its table; gunicorn serves its `application`.
"""

import os

import django
import environ  # type: ignore[import-untyped]
import stripe
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection, models
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

SECRET = os.environ["STRIPE_WEBHOOK_SECRETS"]
if not settings.configured:
    settings.configure(
        SECRET_KEY=os.environ["SECRET_KEY"],
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        DATABASES={"default": {**environ.Env.db_url_config(os.environ["DATABASE_URL"]), "CONN_MAX_AGE": 60}},
        USE_TZ=True,
    )
    django.setup()


class Event(models.Model):
    event_id = models.CharField(max_length=255, unique=True)
    kind = models.CharField(max_length=100)
    body = models.TextField()
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "plain"

    def __str__(self) -> str:
        return self.event_id


def intake(request: HttpRequest) -> HttpResponse:
    try:
        event = stripe.Webhook.construct_event(request.body, request.headers.get("Stripe-Signature", ""), SECRET)
    except (ValueError, stripe.SignatureVerificationError):
        return HttpResponse(status=400)
    Event._default_manager.get_or_create(
        event_id=event.id, defaults={"kind": event.type, "body": request.body.decode()}
    )
    return JsonResponse({"received": True})


urlpatterns = [path("v1/webhooks/stripe", intake)]
application = get_wsgi_application()

if __name__ == "__main__":
    with connection.schema_editor() as editor:
        editor.create_model(Event)
    print("{}")
