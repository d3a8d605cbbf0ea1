{{- define "notify-service.facts" -}}
folder: notify_service
consumer: consume_events
{{- end }}
