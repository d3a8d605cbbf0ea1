"""What the product stub refuses."""

from collections.abc import Sequence

from product_stub.catalog.lines import Line
from servicekit.errors import Conflict, NotFound, Unavailable, Unprocessable


class ProductNotFound(NotFound):
    """No such product, asked for by itself."""

    code = "product_not_found"

    def __init__(self, product_id: int | None = None) -> None:
        if product_id is None:
            super().__init__("Product not found")
        else:
            super().__init__(f"Product {product_id} not found", product_id=product_id)


class LineNotFound(NotFound):
    """A line names no product. `items` are the lines that do, in the order they were asked for."""

    code = "product_not_found"

    def __init__(self, product_id: int, *, found: Sequence[Line]) -> None:
        super().__init__(f"Product {product_id} not found", product_id=product_id, items=found)


class OutOfStock(Conflict):
    """A line asks for more than there is. `items` are the lines that name a product, this one among them."""

    code = "out_of_stock"

    def __init__(self, product_id: int, *, found: Sequence[Line]) -> None:
        super().__init__(f"Product {product_id} is out of stock", product_id=product_id, items=found)


class StockLimitReached(Conflict):
    code = "stock_limit_reached"

    def __init__(self, product_id: int, *, limit: int) -> None:
        super().__init__(f"Product {product_id} cannot have more than {limit} units", product_id=product_id)


class ReservationNotFound(NotFound):
    code = "reservation_not_found"

    def __init__(self) -> None:
        super().__init__("Reservation not found")


class ReservationReleased(Conflict):
    code = "reservation_released"

    def __init__(self) -> None:
        super().__init__("Reservation was released")


class ReservationConfirmed(Conflict):
    code = "reservation_confirmed"

    def __init__(self) -> None:
        super().__init__("Reservation is confirmed; its stock comes back only with ?return=true")


class OrderNeedsStock(Conflict):
    code = "order_needs_stock"

    def __init__(self) -> None:
        super().__init__("The order of this reservation needs its stock; cancel the order")


class OrderServiceUnavailable(Unavailable):
    code = "order_service_unavailable"

    def __init__(self) -> None:
        super().__init__("Order service unavailable")


class ReservationItemsDiffer(Unprocessable):
    code = "reservation_items_differ"

    def __init__(self) -> None:
        super().__init__("Reservation exists with other items")
