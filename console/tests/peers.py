"""The services of a test: where they are said to be."""

from typing import Final

ORDERS: Final = "http://orders.test"
PAYMENTS: Final = "http://payments.test"
PRODUCTS: Final = "http://products.test"
