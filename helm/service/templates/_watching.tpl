{{/* For Prometheus; left out where its operator's kinds are not there. */}}

{{- define "service.monitors" -}}
{{- $facts := include "service.facts" . | fromYaml -}}
{{- if and .Values.metrics.enabled (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1") }}
{{- if $facts.port }}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ include "service.fullname" . }}
  labels:
    {{- include "service.labels" (list . "web") | nindent 4 }}
    {{- with .Values.metrics.labels }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  selector:
    matchLabels: {{- include "service.selector" (list . "web") | nindent 6 }}
  endpoints:
    - {port: health, path: /metrics, interval: {{ .Values.metrics.interval }}}
{{- end }}
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: {{ include "service.fullname" . }}-workers
  labels:
    {{- include "service.labels" (list . "worker") | nindent 4 }}
    {{- with .Values.metrics.labels }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  selector:
    matchLabels:
      app.kubernetes.io/name: {{ include "service.name" . }}
      app.kubernetes.io/instance: {{ .Release.Name }}
  podMetricsEndpoints:
    {{- if $facts.port }}
    - {port: worker, interval: {{ .Values.metrics.interval }}}
    {{- end }}
    {{- if and $facts.consumer (.Values.consumer).enabled }}
    - {port: consumer, interval: {{ .Values.metrics.interval }}}
    {{- end }}
{{- end }}
{{- end }}
