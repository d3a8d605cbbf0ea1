{{- define "product-stub.facts" -}}
folder: product_stub
port: 8001
mebibytesPerProcess: 150
peers:
  - {variable: ORDER_SERVICE, value: orders, chart: order-service, port: 8000, path: /api/orders/, entry: product-at-order}
askedBy: [order-service]
keys:
  - {name: order-service, entry: order-at-product, scopes: "products:read,reservations"}
client: {entry: client-at-product, scopes: "products:read"}
firstSentence: "What a first order can be made of:"
firstMethod: GET
firstPath: /api/products/
{{- end }}
