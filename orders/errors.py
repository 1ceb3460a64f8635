"""What can go wrong with an order, said so that the caller knows what to do next."""

from typing import ClassVar


class DomainError(Exception):
    """The request cannot be carried out.

    `code` is the stable name clients branch on; `retriable` says whether the same call may succeed later.
    The first line of a subclass's docstring is its message; `facts` are safe to log.
    """

    code: ClassVar[str] = "error"
    retriable: ClassVar[bool] = False

    def __init__(self, detail: str = "", **facts: object) -> None:
        self.detail = detail or (type(self).__doc__ or "").strip().splitlines()[0]
        self.facts = facts
        super().__init__(self.detail)


class InvalidTransition(DomainError):
    """The object is no longer in the state this change starts from."""

    code = "invalid_transition"


class OutOfStock(DomainError):
    """There is not enough stock for this order."""

    code = "out_of_stock"


class UnknownSku(DomainError):
    """No such item is sold here."""

    code = "unknown_sku"


class OrderNotCancellable(DomainError):
    """The order can no longer be cancelled."""

    code = "order_not_cancellable"


class OrderNotPayable(DomainError):
    """The order is not waiting for a payment."""

    code = "order_not_payable"
