"""What can go wrong with a review, said so that the caller knows what to do next."""

from orders.errors import DomainError


class ReviewClosed(DomainError):
    """The review is closed already; the first verdict stands."""

    code = "review_closed"


class ReviewClaimed(DomainError):
    """Somebody has claimed this review already."""

    code = "review_claimed"


class InvalidListEntry(DomainError):
    """The value is not one this kind of list can hold."""

    code = "invalid_list_entry"
