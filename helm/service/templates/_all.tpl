{{/* Everything of a service; a chart's one template. */}}
{{- define "service.all" -}}
{{- include "service.filled" . -}}
{{- include "service.checks" . -}}
{{- $facts := include "service.facts" . | fromYaml -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "service.fullname" . }}
  labels: {{- include "service.labels" (list . "config") | nindent 4 }}
data: {{- include "service.env" . | nindent 2 }}
{{- if .Values.serviceAccount.create }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "service.serviceAccount" . }}
  labels: {{- include "service.labels" (list . "config") | nindent 4 }}
  {{- with .Values.serviceAccount.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}
{{- if and (.Values.auth).enabled (.Values.auth).client $facts.client (eq (include "service.keysSecret" .) (printf "%s-keys" (include "service.fullname" .))) }}
---
{{ include "service.madeKeys" (list . (printf "%s-keys" (include "service.fullname" .)) (list $facts.client.entry) (include "service.labels" (list . "config"))) }}
{{- end }}
{{- if and (include "service.isSqlite" .) (not .Values.database.volume.existingClaim) }}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ include "service.fullname" . }}
  labels: {{- include "service.labels" (list . "config") | nindent 4 }}
  annotations:
    # The orders outlive the release.
    helm.sh/resource-policy: keep
spec:
  accessModes: [ReadWriteOnce]
  {{- with .Values.database.volume.storageClassName }}
  storageClassName: {{ . }}
  {{- end }}
  resources: {requests: {storage: {{ .Values.database.volume.size }}}}
{{- end }}
{{- range list "service.service" "service.migration" "service.workloads" "service.books" "service.policies" "service.ingress" "service.httpRoute" "service.budgets" "service.autoscaler" "service.monitors" "service.test" }}
---
{{ include . $ }}
{{- end }}
{{- end }}

{{/*
A Secret with random keys, made once: what the cluster has is kept. `helm template` and tools that use it do not see the
cluster, and are to be given a Secret of their own. List of context, name, entries, labels.
*/}}
{{- define "service.madeKeys" -}}
{{- $ := index . 0 }}{{ $name := index . 1 -}}
{{- $there := (lookup "v1" "Secret" $.Release.Namespace $name).data | default dict -}}
apiVersion: v1
kind: Secret
metadata:
  name: {{ $name }}
  labels: {{- index . 3 | nindent 4 }}
  annotations:
    helm.sh/resource-policy: keep
type: Opaque
data:
  {{- range index . 2 }}
  # A beginning that may be shown, and the rest.
  {{ . }}: {{ get $there . | default (printf "%s.%s" (randAlphaNum 8) (randAlphaNum 40) | b64enc) }}
  {{- end }}
{{- end }}
