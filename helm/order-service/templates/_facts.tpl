{{- define "order-service.facts" -}}
folder: order_service
port: 8000
# Seconds that a request may take: ORDER_DEADLINE_S unless config says otherwise.
deadline: 17
mebibytesPerProcess: 150
consumer: consume_payments
peers:
  - {variable: PRODUCT_SERVICE, value: products, chart: product-stub, port: 8001, path: /api/products/, entry: order-at-product}
  - {variable: PAYMENT_SERVICE, value: payments, chart: payment-service, port: 8002, path: /api/payments/, entry: order-at-payment}
askedBy: [payment-service, product-stub]
keys:
  - {name: payment-service, entry: payment-at-order, scopes: "orders:read,orders:write"}
  - {name: product-stub, entry: product-at-order, scopes: "orders:read"}
client: {entry: client-at-order, scopes: "orders:read,orders:write,orders:cancel"}
firstSentence: "A first order:"
firstMethod: POST
firstPath: /api/orders/
firstBody: '{"customer_name": "Alice", "product_ids": [1, 2]}'
{{- end }}
