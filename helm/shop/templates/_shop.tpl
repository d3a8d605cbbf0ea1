{{/* List of context, component. */}}
{{- define "shop.labels" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: shop
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
app.kubernetes.io/part-of: shop
app.kubernetes.io/managed-by: {{ $.Release.Service }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "shop-%s" $.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "shop.checks" -}}
{{- $v := .Values -}}
{{- /* By itself: without any chart there is no library either. */ -}}
{{- if not (or $v.install.orderService $v.install.paymentService $v.install.productStub $v.install.notifyService) }}{{ fail "\n\nshop: install has nothing that is true: there would be nothing to install.\n" }}{{ end -}}
{{- include "service.filled" . -}}
{{- range .Subcharts }}{{ include "service.filled" . }}{{ end -}}
{{- if and $v.install.orderService (not $v.install.productStub) (not (dig "peers" "products" "url" "" (index $v "order-service"))) }}{{ include "service.refuse" (list . "install.productStub is false, and order-service.peers.products.url is empty: where is the product service?") }}{{ end -}}
{{- if and $v.install.orderService (not $v.install.paymentService) (not (dig "peers" "payments" "url" "" (index $v "order-service"))) }}{{ include "service.refuse" (list . "install.paymentService is false, and order-service.peers.payments.url is empty: where is the payment service?") }}{{ end -}}
{{- if and $v.install.paymentService (not $v.install.orderService) (not (dig "peers" "orders" "url" "" (index $v "payment-service"))) }}{{ include "service.refuse" (list . "install.orderService is false, and payment-service.peers.orders.url is empty: where is the order service?") }}{{ end -}}
{{- if gt (len .Release.Name) 24 }}{{ include "service.refuse" (list . (printf "the release is called %s, which is more than 24 characters: names would be cut off and collide, such as %s-payment-service." .Release.Name .Release.Name)) }}{{ end -}}
{{- range $chart := list "order-service" "payment-service" "product-stub" "notify-service" }}{{ range $value := list "nameOverride" "fullnameOverride" }}{{- if dig $chart $value "" $.Values.AsMap }}{{ include "service.refuse" (list $ (printf "%s.%s: in this chart the services find each other by their own names; another name is for the charts by themselves." $chart $value)) }}{{ end }}{{ end }}{{ end -}}
{{- if and $v.install.paymentService $v.install.orderService (eq (dig "payment-service" "config" "ORDER_NOTICES" "" .Values.AsMap | toString | lower) "false") (not (dig "order-service" "consumer" "enabled" false .Values.AsMap)) }}{{ include "service.refuse" (list . "payment-service.config.ORDER_NOTICES is false, and order-service.consumer.enabled is not true: the order service would never hear of a payment.") }}{{ end -}}
{{- range $value, $labels := dict "alerts.labels" $v.alerts.labels "dashboards.labels" $v.dashboards.labels }}{{ range $label, $_ := $labels -}}
{{- if hasKey (include "shop.labels" (list $ "any") | fromYaml) $label }}{{ include "service.refuse" (list $ (printf "%s.%s is set by the chart itself: choose another label." $value $label)) }}{{ end -}}
{{- end }}{{ end -}}
{{- $open := list -}}
{{- range $chart, $on := dict "order-service" $v.install.orderService "payment-service" $v.install.paymentService "product-stub" $v.install.productStub }}{{ if $on }}{{ $open = append $open (toString (dig "auth" "enabled" true (index $v $chart))) }}{{ end }}{{ end -}}
{{- if gt (len (uniq $open)) 1 }}{{ include "service.refuse" (list . "auth.enabled is true for some of the services and false for others: they would not show each other keys, or in vain.") }}{{ end -}}
{{- end }}

{{- define "shop.test" -}}
{{- $orders := index .Values "order-service" -}}
{{- $isOpen := not (dig "auth" "enabled" true $orders) -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-test-first-order
  labels: {{- include "shop.labels" (list . "test") | nindent 4 }}
data:
  first_order.py: {{ .Files.Get "files/first_order.py" | quote }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .Release.Name }}-test-first-order
  labels: {{- include "shop.labels" (list . "test") | nindent 4 }}
spec:
  podSelector:
    matchLabels: {app.kubernetes.io/name: shop, app.kubernetes.io/instance: {{ .Release.Name }}, app.kubernetes.io/component: test}
  policyTypes: [Ingress, Egress]
  ingress: []
  egress:
    - ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    - ports: [{port: 8000, protocol: TCP}, {port: 8001, protocol: TCP}, {port: 8002, protocol: TCP}]
      to:
        - podSelector:
            matchLabels: {app.kubernetes.io/instance: {{ .Release.Name }}, app.kubernetes.io/component: web}
---
apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-test-first-order
  labels: {{- include "shop.labels" (list . "test") | nindent 4 }}
  annotations:
    helm.sh/hook: test
    # Before each service looks at its books.
    helm.sh/hook-weight: "5"
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  restartPolicy: Never
  activeDeadlineSeconds: 300
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext: {{- include "service.podSecurity" . | nindent 4 }}
  volumes:
    - name: script
      configMap: {name: {{ .Release.Name }}-test-first-order}
    {{- if not $isOpen }}
    - name: keys
      secret:
        secretName: {{ tpl .Values.global.keysSecret . }}
        defaultMode: 0440
        items:
          - {key: client-at-order, path: orders}
          - {key: client-at-payment, path: payments}
          - {key: client-at-product, path: products}
    {{- end }}
  {{- with index .Subcharts "order-service" }}
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets: {{- range . }}
    - {name: {{ . }}}
    {{- end }}
  {{- end }}
  containers:
    - name: first-order
      image: {{ include "service.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      command:
        - python
        - /script/first_order.py
        - --orders=http://{{ include "service.fullname" . }}:8000
        - --payments=http://{{ include "service.fullname" (index $.Subcharts "payment-service") }}:8002
        - --products=http://{{ include "service.fullname" (index $.Subcharts "product-stub") }}:8001
        {{- if not $isOpen }}
        - --keys=/keys
        {{- end }}
  {{- end }}
      securityContext: {{- include "service.containerSecurity" . | nindent 8 }}
      resources:
        requests: {cpu: 50m, memory: 64Mi}
        limits: {memory: 128Mi}
      volumeMounts:
        - {name: script, mountPath: /script, readOnly: true}
        {{- if not $isOpen }}
        - {name: keys, mountPath: /keys, readOnly: true}
        {{- end }}
{{- end }}
