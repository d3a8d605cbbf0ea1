{{/* How many, and how few at once. */}}

{{- define "service.budgets" -}}
{{- if and .Values.podDisruptionBudget.enabled (not (include "service.isSqlite" .)) }}
{{- $facts := include "service.facts" . | fromYaml -}}
{{- $components := list }}
{{- if $facts.port }}{{ $components = list "web" "worker" }}{{ end -}}
{{- if and $facts.consumer (.Values.consumer).enabled }}{{ $components = append $components "consumer" }}{{ end -}}
{{- range $components }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "service.fullname" $ }}-{{ . }}
  labels: {{- include "service.labels" (list $ .) | nindent 4 }}
spec:
  {{- if and (eq . "web") (not (kindIs "invalid" $.Values.podDisruptionBudget.minAvailable)) }}
  minAvailable: {{ $.Values.podDisruptionBudget.minAvailable }}
  {{- else }}
  maxUnavailable: {{ $.Values.podDisruptionBudget.maxUnavailable | default 1 }}
  {{- end }}
  {{- if semverCompare ">=1.27-0" $.Capabilities.KubeVersion.Version }}
  # One that is not ready keeps no node from being drained.
  unhealthyPodEvictionPolicy: AlwaysAllow
  {{- end }}
  selector:
    matchLabels: {{- include "service.selector" (list $ .) | nindent 6 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "service.autoscaler" -}}
{{- if (.Values.autoscaling).enabled -}}
{{- $scaling := .Values.autoscaling -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "service.fullname" . }}
  labels: {{- include "service.labels" (list . "web") | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "service.fullname" . }}}
  minReplicas: {{ int $scaling.minReplicas }}
  maxReplicas: {{ int $scaling.maxReplicas }}
  metrics:
    {{- with $scaling.cpu }}
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: {{ . }}}}
    {{- end }}
    {{- with $scaling.refusedPerSecond }}
    # Requests that got 503 overloaded.
    - type: Pods
      pods: {metric: {name: requests_refused_per_second}, target: {type: AverageValue, averageValue: {{ . | quote }}}}
    {{- end }}
    {{- with $scaling.waitingSeconds }}
    # How long requests waited for a slot, on the average.
    - type: Pods
      pods: {metric: {name: request_wait_seconds_average}, target: {type: AverageValue, averageValue: {{ . | quote }}}}
    {{- end }}
  behavior:
    scaleDown: {stabilizationWindowSeconds: 300}
{{- end }}
{{- end }}
