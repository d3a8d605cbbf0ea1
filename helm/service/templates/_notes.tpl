{{- define "service.notes" -}}
{{- include "service.filled" . -}}
{{- $facts := include "service.facts" . | fromYaml -}}
{{- $name := include "service.fullname" . -}}
{{ .Chart.Name }} {{ include "service.version" . }} is being installed as {{ $name }} in the namespace {{ .Release.Namespace }}.

  kubectl --namespace {{ .Release.Namespace }} rollout status deployment/{{ $name }}{{ if not $facts.port }}{{ if not (include "service.isSqlite" .) }}-consumer{{ end }}{{ end }}
{{- if $facts.port }}
{{- if and (.Values.auth).enabled (.Values.auth).client $facts.client }}
  KEY=$(kubectl --namespace {{ .Release.Namespace }} get secret {{ include "service.keysSecret" . }} --output 'jsonpath={.data.{{ $facts.client.entry }}}' | base64 --decode)
{{- end }}
{{- if (.Values.ingress).enabled }}
  URL={{ .Values.ingress.tls.enabled | ternary "https" "http" }}://{{ .Values.ingress.host }}
{{- else if (.Values.httpRoute).enabled }}
  URL=https://{{ first .Values.httpRoute.hostnames }}
{{- else }}
  kubectl --namespace {{ .Release.Namespace }} port-forward service/{{ $name }} {{ $facts.port }}:{{ $facts.port }} &
  URL=http://localhost:{{ $facts.port }}
{{- end }}

{{ $facts.firstSentence }}

  curl -X {{ $facts.firstMethod }} "$URL{{ $facts.firstPath }}"{{ if (.Values.auth).enabled }} -H "Authorization: Bearer $KEY"{{ end }}{{ with $facts.firstBody }} -H "Content-Type: application/json" -d '{{ . }}'{{ end }}

Is everything right?

  helm --namespace {{ .Release.Namespace }} test {{ .Release.Name }} --logs
{{- end }}
{{- if and (.Values.auth).enabled $facts.peers (not (include "service.hasPeerKeys" .)) }}

NOTE: the peers of this service have no keys here, nor it at them: name a Secret with all of them in auth.existingSecret
(docs/kubernetes.md), or install all services with helm/shop.
{{- end }}
{{- if and .Values.metrics.enabled (not (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) }}

NOTE: the cluster does not know monitoring.coreos.com/v1, so there are no ServiceMonitors and no alerts.
{{- end }}
{{- include "service.deprecations" . }}
{{- end }}
