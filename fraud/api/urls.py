from django.urls import path

from fraud.api.views import DecisionDetail, DecisionList, Evaluate

urlpatterns = [
    path("fraud/decisions", DecisionList.as_view(), name="decisions"),
    path("fraud/decisions/<str:decision_id>", DecisionDetail.as_view(), name="decision"),
    path("fraud/evaluate", Evaluate.as_view(), name="evaluate"),
]
