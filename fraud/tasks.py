"""Periodic work, called by the worker."""

from django.utils import timezone

from fraud import velocity


def prune_velocity() -> None:
    velocity.prune_velocity(timezone.now())
