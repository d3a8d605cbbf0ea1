{{/* Names, labels and addresses. */}}

{{/* A value as text. A whole number from a file is a float to Helm, which would be written 1.048576e+06. */}}
{{- define "service.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ printf "%.0f" . }}{{ else }}{{ toString . }}{{ end -}}
{{- end }}

{{/*
Values that are null, as Helm leaves them out, become the defaults: a section with nothing behind it, and in a release that
keeps its values (`--reuse-values`) what is newer than they are. First of all in each template.
*/}}
{{- define "service.filled" -}}
{{- $defaults := include (printf "%s.defaults" .Chart.Name) . | fromYaml -}}
{{- include "service.fill" (list .Values $defaults.values $defaults.optional "") -}}
{{- end }}

{{/* List of values, defaults, paths of those that may be nothing, the path so far. */}}
{{- define "service.fill" -}}
{{- $values := index . 0 }}{{ $optional := index . 2 }}{{ $before := index . 3 -}}
{{- range $name, $default := index . 1 -}}
{{- $path := printf "%s%s" $before $name -}}
{{- if kindIs "invalid" (index $values $name) -}}
{{- if not (has $path $optional) }}{{ $_ := set $values $name $default }}{{ end -}}
{{- else if kindIs "map" $default -}}
{{- include "service.fill" (list (index $values $name) $default $optional (printf "%s." $path)) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* What the service is, whatever the values say: a dict, from the chart's own `<chart>.facts`. */}}
{{- define "service.facts" -}}
{{ include (printf "%s.facts" .Chart.Name) . }}
{{- end }}

{{- define "service.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* `helm install payment-service ./helm/payment-service` is `payment-service`, and in a release `shop` it is `shop-payment-service`. */}}
{{- define "service.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "service.name" .) .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name (include "service.name" .) | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* What a peer of the same release is called, or of a release with the peer's own name: list of context, chart. */}}
{{- define "service.peer" -}}
{{- $ := index . 0 }}{{ $chart := index . 1 -}}
{{- if not ($.Values.global | default dict).shop -}}
{{ $chart }}
{{- else if contains $chart $.Release.Name -}}
{{ $.Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" $.Release.Name $chart | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* Never changes from version to version: a Deployment's selector cannot. List of context, component. */}}
{{- define "service.selector" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: {{ include "service.name" $ }}
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "service.labels" -}}
{{- $ := index . 0 -}}
{{ include "service.selector" . }}
app.kubernetes.io/part-of: shop
app.kubernetes.io/managed-by: {{ $.Release.Service }}
app.kubernetes.io/version: {{ include "service.version" $ | quote }}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "service.version" -}}
{{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | trimAll "-._" }}
{{- end }}

{{- define "service.image" -}}
{{- $image := .Values.image -}}
{{- $registry := $image.registry | default (.Values.global | default dict).imageRegistry -}}
{{- with $registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .Chart.AppVersion }}{{ end -}}
{{- end }}

{{- define "service.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "service.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end }}

{{- define "service.isSqlite" -}}
{{- if eq .Values.database.engine "sqlite" }}true{{ end -}}
{{- end }}

{{/* Empty where the autoscaler decides. */}}
{{- define "service.replicas" -}}
{{- if not (.Values.autoscaling).enabled -}}
{{- if kindIs "invalid" .Values.replicas -}}
{{- if kindIs "invalid" .Values.replicaCount -}}
{{ ternary 1 2 (eq .Values.database.engine "sqlite") }}
{{- else -}}
{{ .Values.replicaCount | int }}
{{- end -}}
{{- else -}}
{{ .Values.replicas | int }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The Secret with the API keys. */}}
{{- define "service.keysSecret" -}}
{{- if (.Values.auth).existingSecret -}}
{{ (.Values.auth).existingSecret }}
{{- else if ($.Values.global | default dict).keysSecret -}}
{{ tpl .Values.global.keysSecret . }}
{{- else -}}
{{ include "service.fullname" . }}-keys
{{- end -}}
{{- end }}

{{/* Whether that Secret has the keys of the peers, too: one that this chart makes has the client's alone. */}}
{{- define "service.hasPeerKeys" -}}
{{- if and (.Values.auth).enabled (or (.Values.auth).existingSecret ($.Values.global | default dict).keysSecret) }}true{{ end -}}
{{- end }}

{{/* A CPU quantity in thousandths. */}}
{{- define "service.millicpu" -}}
{{- $text := toString . -}}
{{- if hasSuffix "m" $text -}}{{ trimSuffix "m" $text | int }}{{- else -}}{{ mulf (float64 $text) 1000.0 | int }}{{- end -}}
{{- end }}

{{/* A memory quantity in MiB. */}}
{{- define "service.mebibytes" -}}
{{- $text := toString . -}}
{{- if hasSuffix "Gi" $text -}}{{ mulf (trimSuffix "Gi" $text | float64) 1024.0 | int }}
{{- else if hasSuffix "Mi" $text -}}{{ trimSuffix "Mi" $text | float64 | int }}
{{- else if hasSuffix "Ki" $text -}}{{ divf (trimSuffix "Ki" $text | float64) 1024.0 | int }}
{{- else if hasSuffix "G" $text -}}{{ mulf (trimSuffix "G" $text | float64) 953.67 | int }}
{{- else if hasSuffix "M" $text -}}{{ mulf (trimSuffix "M" $text | float64) 0.95367 | int }}
{{- else -}}{{ divf (float64 $text) 1048576.0 | int }}{{- end -}}
{{- end }}

{{/* Processes of a pod: one for each processor that it asks for. */}}
{{- define "service.processes" -}}
{{- if .Values.processes -}}
{{ .Values.processes | int }}
{{- else -}}
{{ divf (include "service.millicpu" .Values.resources.requests.cpu | float64) 1000.0 | ceil | int | max 1 }}
{{- end -}}
{{- end }}
