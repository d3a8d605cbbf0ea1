{{/* Deployments and Jobs. On SQLite everything of a service is in one pod: one file, one machine. */}}

{{- define "service.strategy" -}}
{{- if include "service.isSqlite" . }}
strategy: {type: Recreate}
{{- else }}
strategy:
  type: RollingUpdate
  rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
{{- end }}
{{- end }}

{{/* List of context, component, replicas (empty: the autoscaler's), grace in seconds, init containers, containers, kinds, entries. */}}
{{- define "service.deployment" -}}
{{- $ := index . 0 }}{{ $component := index . 1 }}{{ $replicas := index . 2 -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "service.fullname" $ }}{{ if ne $component "web" }}-{{ $component }}{{ end }}
  labels: {{- include "service.labels" (list $ $component) | nindent 4 }}
spec:
  {{- if ne (toString $replicas) "" }}
  replicas: {{ $replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  {{- include "service.strategy" $ | nindent 2 }}
  selector:
    matchLabels: {{- include "service.selector" (list $ $component) | nindent 6 }}
  template:
    metadata: {{- include "service.podMeta" (list $ $component) | nindent 6 }}
    spec:
      serviceAccountName: {{ include "service.serviceAccount" $ }}
      terminationGracePeriodSeconds: {{ index . 3 }}
      {{- include "service.podSpec" (list $ $component (index . 6) (index . 7)) | nindent 6 }}
      initContainers: {{- index . 4 | nindent 8 }}
      containers: {{- index . 5 | nindent 8 }}
{{- end }}

{{- define "service.workloads" -}}
{{- $facts := include "service.facts" . | fromYaml -}}
{{- $grace := .Values.shutdown.graceSeconds -}}
{{- $consumes := and $facts.consumer (.Values.consumer).enabled -}}
{{- $web := "" }}{{ $worker := "" }}{{ $consumer := "" -}}
{{- if $facts.port }}{{ $web = include "service.web" . }}{{ $worker = include "service.loop" (list . "worker" "worker" (.Values.worker).resources) }}{{ end -}}
{{- if $consumes }}{{ $consumer = include "service.loop" (list . "consumer" $facts.consumer (.Values.consumer).resources) }}{{ end -}}
{{- if include "service.isSqlite" . -}}
{{- $entries := list }}{{ range include "service.keysToMake" . | fromYamlArray }}{{ $entries = append $entries .entry }}{{ end -}}
{{- $kinds := list "migrate" -}}
{{- if $facts.port }}{{ $kinds = concat $kinds (list "web" "worker") }}{{ end -}}
{{- if $consumes }}{{ $kinds = append $kinds "consumer" }}{{ end -}}
{{- $all := list $web $worker $consumer | compact | join "\n" -}}
{{- $component := ternary "web" "consumer" (not (not $facts.port)) -}}
{{- include "service.deployment" (list . $component 1 $grace (include "service.migrate" (list . "config")) $all $kinds $entries) }}
{{- else -}}
{{- $wait := include "service.wait" . -}}
{{- if $facts.port -}}
{{- include "service.deployment" (list . "web" (include "service.replicas" .) $grace $wait $web (list "wait" "web") list) }}
---
{{ include "service.deployment" (list . "worker" (.Values.worker).replicas 60 $wait $worker (list "wait" "worker") list) }}
{{- end }}
{{- if $consumes }}
---
{{ include "service.deployment" (list . "consumer" (.Values.consumer).replicas 60 $wait $consumer (list "wait" "consumer") list) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The migration. At the first install an ordinary Job, beside pods that wait for it: a pre-install hook would run before the
ServiceAccount is there, and a post-install hook would wait for pods that wait for it. On an upgrade a hook before anything
else changes; when it fails nothing is changed, and its pod stays, with its log, until the next try.
*/}}
{{- define "service.migration" -}}
{{- if not (include "service.isSqlite" .) }}
{{- $entries := list }}{{ range include "service.keysToMake" . | fromYamlArray }}{{ $entries = append $entries .entry }}{{ end -}}
apiVersion: batch/v1
kind: Job
metadata:
  {{- if .Release.IsUpgrade }}
  name: {{ include "service.fullname" . }}-upgrade
  {{- else }}
  # A Job cannot be changed: another image or other settings are another one.
  name: {{ include "service.fullname" . }}-migrate-{{ printf "%s %s" (include "service.image" .) (include "service.env" .) | sha256sum | trunc 8 }}
  {{- end }}
  labels: {{- include "service.labels" (list . "migrate") | nindent 4 }}
  {{- if .Release.IsUpgrade }}
  annotations:
    helm.sh/hook: pre-upgrade
    helm.sh/hook-weight: "0"
    helm.sh/hook-delete-policy: before-hook-creation
  {{- end }}
spec:
  backoffLimit: {{ .Values.migrations.backoffLimit }}
  activeDeadlineSeconds: {{ int .Values.migrations.deadlineSeconds }}
  template:
    metadata: {{- include "service.podMeta" (list . "migrate") | nindent 6 }}
    spec:
      restartPolicy: Never
      serviceAccountName: {{ .Release.IsUpgrade | ternary "default" (include "service.serviceAccount" .) }}
      {{- include "service.podSpec" (list . "migrate" (list "migrate") $entries) | nindent 6 }}
      containers: {{- include "service.migrate" (list . "inline") | nindent 8 }}
{{- end }}
{{- end }}

{{/*
Whether the books hold, once an hour, for the alert on what is found. Violations are a Job that failed, with what was found in
its log; an empty database has proven nothing, and is no failure.
*/}}
{{- define "service.books" -}}
{{- if (.Values.books).enabled }}
{{- $facts := include "service.facts" . | fromYaml -}}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {{ include "service.fullname" . }}-books
  labels: {{- include "service.labels" (list . "books") | nindent 4 }}
spec:
  schedule: {{ .Values.books.schedule | quote }}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 600
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 3
  jobTemplate:
    metadata:
      labels: {{- include "service.labels" (list . "books") | nindent 8 }}
    spec:
      backoffLimit: 0
      activeDeadlineSeconds: {{ int .Values.books.deadlineSeconds }}
      template:
        metadata: {{- include "service.podMeta" (list . "books") | nindent 10 }}
        spec:
          restartPolicy: Never
          serviceAccountName: {{ include "service.serviceAccount" . }}
          {{- include "service.podSpec" (list . "books" (list "books") list) | nindent 10 }}
          containers:
            - name: books
              command: [sh, -c, "python {{ $facts.folder }}/manage.py check_invariants --record || [ $? = 2 ]"]
              {{- include "service.container" (list . "books" .Values.books.resources "config") | nindent 14 }}
{{- end }}
{{- end }}

{{/* `helm test`: whether the books of this service hold. An empty one has proven nothing, and is no failure. */}}
{{- define "service.test" -}}
{{- if .Values.tests.enabled }}
{{- $facts := include "service.facts" . | fromYaml -}}
{{- if $facts.port -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "service.fullname" . }}-test-invariants
  labels: {{- include "service.labels" (list . "test") | nindent 4 }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-weight: "10"
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  restartPolicy: Never
  activeDeadlineSeconds: 600
  serviceAccountName: {{ include "service.serviceAccount" . }}
  {{- include "service.podSpec" (list . "test" (list "test") list) | nindent 2 }}
  containers:
    - name: test
      command: [sh, -c, "python {{ $facts.folder }}/manage.py check_invariants || [ $? = 2 ]"]
      {{- include "service.container" (list . "test" .Values.migrations.resources "config") | nindent 6 }}
{{- end }}
{{- end }}
{{- end }}
