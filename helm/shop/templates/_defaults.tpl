{{/* Made by `scripts/charts generate` from helm/values/: change it there. */}}
{{- define "shop.defaults" -}}
{{`values:
  install:
    orderService: true
    paymentService: true
    productStub: true
    notifyService: false
  global:
    shop: true
    imageRegistry: ''
    keysSecret: '{{ .Release.Name }}-keys'
    otlpEndpoint: ''
  keys:
    create: true
  alerts:
    enabled: true
    labels: {}
    pages: ''
  dashboards:
    enabled: false
    labels:
      grafana_dashboard: '1'
  tests:
    enabled: true
  order-service: {}
  payment-service: {}
  product-stub: {}
  notify-service: {}
optional:
- dashboards.labels.grafana_dashboard
`}}
{{- end }}
