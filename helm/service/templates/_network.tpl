{{/* Who reaches whom. */}}

{{- define "service.service" -}}
{{- $facts := include "service.facts" . | fromYaml -}}
{{- if $facts.port -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "service.fullname" . }}
  labels: {{- include "service.labels" (list . "web") | nindent 4 }}
  {{- with .Values.service.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ (.Values.service).type }}
  selector: {{- include "service.selector" (list . "web") | nindent 4 }}
  ports:
    - {name: http, port: {{ $facts.port }}, targetPort: http}
    - {name: health, port: 9000, targetPort: health}
{{- end }}
{{- end }}

{{- define "service.ingress" -}}
{{- if (.Values.ingress).enabled -}}
{{- $facts := include "service.facts" . | fromYaml -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ include "service.fullname" . }}
  labels: {{- include "service.labels" (list . "web") | nindent 4 }}
  {{- with .Values.ingress.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with .Values.ingress.className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- if .Values.ingress.tls.enabled }}
  tls:
    - hosts: [{{ .Values.ingress.host }}]
      secretName: {{ .Values.ingress.tls.secretName }}
  {{- end }}
  rules:
    - host: {{ .Values.ingress.host }}
      http:
        paths:
          {{- range .Values.ingress.paths }}
          - path: {{ quote . }}
            pathType: Prefix
            backend: {service: {name: {{ include "service.fullname" $ }}, port: {name: http}}}
          {{- end }}
{{- end }}
{{- end }}

{{- define "service.httpRoute" -}}
{{- if (.Values.httpRoute).enabled -}}
{{- $facts := include "service.facts" . | fromYaml -}}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: {{ include "service.fullname" . }}
  labels: {{- include "service.labels" (list . "web") | nindent 4 }}
spec:
  parentRefs: {{- toYaml .Values.httpRoute.parentRefs | nindent 4 }}
  hostnames: {{- toYaml .Values.httpRoute.hostnames | nindent 4 }}
  rules:
    - matches:
        {{- range .Values.httpRoute.paths }}
        - path: {type: PathPrefix, value: {{ quote . }}}
        {{- end }}
      backendRefs:
        - {name: {{ include "service.fullname" . }}, port: {{ $facts.port }}}
{{- end }}
{{- end }}

{{/* Ports and peers that a component may reach. List of context, component. */}}
{{- define "service.egress" -}}
{{- $ := index . 0 }}{{ $component := index . 1 -}}
{{- $facts := include "service.facts" $ | fromYaml -}}
{{- $v := $.Values -}}
# Names.
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- if ne $v.database.engine "sqlite" }}
# Its own database.
- ports: [{port: {{ $v.database.port | default (eq $v.database.engine "postgresql" | ternary 5432 3306) }}, protocol: TCP}]
  {{- with $v.networkPolicy.database }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- if has $component (list "web" "worker" "consumer") }}
{{- range $facts.peers }}
{{- $given := (index $v.peers .value).url }}
# {{ .chart }}
{{- if $given }}
{{- $url := urlParse $given }}
{{- $port := contains ":" $url.host | ternary (splitList ":" $url.host | last) (eq $url.scheme "https" | ternary "443" "80") }}
- ports: [{port: {{ $port }}, protocol: TCP}]
{{- else }}
- ports: [{port: {{ .port }}, protocol: TCP}]
  to:
    - podSelector:
        matchLabels: {app.kubernetes.io/name: {{ .chart }}, app.kubernetes.io/component: web}
{{- end }}
{{- end }}
{{- if hasKey $v "kafka" }}{{ if $v.kafka.bootstrapServers }}
# Kafka.
- ports:
    {{- range splitList "," $v.kafka.bootstrapServers }}
    - {port: {{ splitList ":" . | last }}, protocol: TCP}
    {{- end }}
  {{- with $v.networkPolicy.kafka }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}{{ end }}
{{- if hasKey $v "stripe" }}{{ if $v.stripe.existingSecret }}
# The payment gateway.
- ports: [{port: 443, protocol: TCP}]
  {{- with $v.networkPolicy.gateway }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}{{ end }}
{{- if or $v.config.EMAIL_HOST $v.config.EMAIL_PORT }}
# The mail server.
- ports: [{port: {{ $v.config.EMAIL_PORT | default 25 }}, protocol: TCP}]
{{- end }}
{{- if and (or (eq $component "worker") (include "service.isSqlite" $)) ($v.networkPolicy).webhooks }}
# Receivers of webhooks; the worker delivers.
- ports:
    {{- range $v.networkPolicy.webhookPorts }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  to: {{- toYaml $v.networkPolicy.webhooks | nindent 4 }}
{{- end }}
{{- with ($v.tracing.endpoint | default ($v.global | default dict).otlpEndpoint) }}
{{- $url := urlParse . }}
# Traces.
- ports: [{port: {{ contains ":" $url.host | ternary (splitList ":" $url.host | last) (eq $url.scheme "https" | ternary "443" "80") }}, protocol: TCP}]
{{- end }}
{{- end }}
{{- end }}

{{/* List of context, component. */}}
{{- define "service.policy" -}}
{{- $ := index . 0 }}{{ $component := index . 1 -}}
{{- $facts := include "service.facts" $ | fromYaml -}}
{{- $v := $.Values -}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "service.fullname" $ }}-{{ $component }}
  labels: {{- include "service.labels" (list $ $component) | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "service.selector" (list $ $component) | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- if and (eq $component "web") $facts.port }}
    - ports: [{port: {{ $facts.port }}, protocol: TCP}]
      from:
        {{- range $facts.askedBy }}
        - podSelector:
            matchLabels: {app.kubernetes.io/name: {{ . }}}
        {{- end }}
        - podSelector:
            matchLabels: {app.kubernetes.io/component: test, app.kubernetes.io/part-of: shop}
        {{- if $v.networkPolicy.clients }}
        {{- toYaml $v.networkPolicy.clients | nindent 8 }}
        {{- else if or ($v.ingress).enabled ($v.httpRoute).enabled }}
        # Whoever carries requests in from outside, wherever that runs.
        - namespaceSelector: {}
        {{- end }}
    {{- end }}
    {{- if and (has $component (list "web" "worker" "consumer")) $v.networkPolicy.monitoring }}
    # Prometheus.
    - ports:
        {{- if and (eq $component "web") $facts.port }}
        - {port: 9000, protocol: TCP}
        {{- end }}
        {{- if or (eq $component "worker") (and (eq $component "web") (include "service.isSqlite" $)) }}
        - {port: 9102, protocol: TCP}
        {{- end }}
        {{- if or (eq $component "consumer") (and (eq $component "web") (include "service.isSqlite" $)) }}
        - {port: 9103, protocol: TCP}
        {{- end }}
      from: {{- toYaml $v.networkPolicy.monitoring | nindent 8 }}
    {{- else if not (and (eq $component "web") $facts.port) }}
    []
    {{- end }}
  egress: {{- include "service.egress" . | nindent 4 }}
{{- end }}

{{- define "service.policies" -}}
{{- $facts := include "service.facts" . | fromYaml -}}
{{- if .Values.networkPolicy.enabled }}
{{- $single := include "service.isSqlite" . }}
{{- if $facts.port }}
{{ include "service.policy" (list . "web") }}
{{- if not $single }}
{{ include "service.policy" (list . "worker") }}
{{- end }}
{{- end }}
{{- if and $facts.consumer (.Values.consumer).enabled (not (and $single $facts.port)) }}
{{ include "service.policy" (list . "consumer") }}
{{- end }}
{{- if not $single }}
{{ include "service.policy" (list . "migrate") }}
{{- end }}
{{- if (.Values.books).enabled }}
{{ include "service.policy" (list . "books") }}
{{- end }}
{{- if and .Values.tests.enabled $facts.port }}
{{ include "service.policy" (list . "test") }}
{{- end }}
{{- end }}
{{- end }}
