"""What the order service refuses, and what happens to it inside."""

from servicekit.errors import Conflict, NotFound, Unavailable


class OrderNotFound(NotFound):
    code = "order_not_found"

    def __init__(self) -> None:
        super().__init__("Order not found")


class NotCancellable(Conflict):
    code = "order_not_cancellable"

    def __init__(self, *, status: str) -> None:
        super().__init__(f"Order is {status} and cannot be cancelled", status=status)


class OrderBusy(Conflict):
    code = "order_busy"

    def __init__(self) -> None:
        super().__init__("The order is being changed by other requests; try again")


class PaymentServiceUnavailable(Unavailable):
    code = "payment_service_unavailable"

    def __init__(self) -> None:
        super().__init__("Payment service unavailable")
