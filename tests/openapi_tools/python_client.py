"""What a program does with the clients that openapi-python-client makes: python_client.py ORDERS PAYMENTS PRODUCTS."""

import json
import sys

import order_service_client
import payment_service_client
import product_stub_client
from order_service_client.api.orders import order_events, place_order
from order_service_client.models import PlaceOrderInRequest, Problem
from payment_service_client.api.payments import read_payment
from product_stub_client.api.products import get_product

ORDERS, PAYMENTS, PRODUCTS = sys.argv[1:]
orders = order_service_client.Client(base_url=ORDERS, raise_on_unexpected_status=True)
order = place_order.sync(client=orders, body=PlaceOrderInRequest(customer_name="Alice", product_ids=[1]))
trail = order_events.sync(client=orders, reference=str(order.id))
refused = place_order.sync(client=orders, body=PlaceOrderInRequest(customer_name="Bob", product_ids=[99]))
wrong = place_order.sync(client=orders, body=PlaceOrderInRequest(customer_name=" ", product_ids=[1]))
payment = read_payment.sync(client=payment_service_client.Client(base_url=PAYMENTS), order_id=str(order.id))
product = get_product.sync(client=product_stub_client.Client(base_url=PRODUCTS), product_id=1)
assert isinstance(wrong, Problem)
print(
    json.dumps(
        {
            "status": str(order.status),
            "first": trail.items[0].type_,
            "reason": refused.code,
            "wrong": wrong.code,
            "amount": payment.amount,
            "price": product.price,
        }
    )
)
