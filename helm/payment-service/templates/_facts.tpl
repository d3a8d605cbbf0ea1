{{- define "payment-service.facts" -}}
folder: payment_service
port: 8002
mebibytesPerProcess: 150
peers:
  - {variable: ORDER_SERVICE, value: orders, chart: order-service, port: 8000, path: /api/orders/, entry: payment-at-order}
askedBy: [order-service]
keys:
  - {name: order-service, entry: order-at-payment, scopes: "payments:read,payments:charge,payments:refund"}
client: {entry: client-at-payment, scopes: "payments:read,payments:charge"}
firstSentence: "A first order is paid, by its number at the order service:"
firstMethod: POST
firstPath: /pay
firstBody: '{"order_id": 1, "amount": 50.00}'
{{- end }}
