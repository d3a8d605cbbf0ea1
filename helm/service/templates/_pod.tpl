{{/* Pods: what all containers may not do, what they are told, and how each kind is watched. */}}

{{- define "service.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "service.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* List of context, kind of container, its resources, how it is told (config, inline). */}}
{{- define "service.container" -}}
{{- $ := index . 0 }}{{ $kind := index . 1 }}{{ $resources := index . 2 }}{{ $told := index . 3 -}}
{{- $facts := include "service.facts" $ | fromYaml -}}
image: {{ include "service.image" $ }}
imagePullPolicy: {{ $.Values.image.pullPolicy }}
securityContext: {{- include "service.containerSecurity" $ | nindent 2 }}
{{- if eq $told "config" }}
envFrom:
  - configMapRef: {name: {{ include "service.fullname" $ }}}
{{- else }}
env: {{- include "service.envList" $ | nindent 2 }}
  {{- if eq $kind "migrate" }}
  # A migration of a large table may take its time.
  - {name: DB_STATEMENT_TIMEOUT_S, value: "0"}
  {{- end }}
{{- end }}
{{- with $resources }}
resources: {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - {name: tmp-{{ $kind }}, mountPath: /tmp}
  - {name: secrets, mountPath: /run/secrets/service, readOnly: true}
  {{- if include "service.isSqlite" $ }}
  - {name: data, mountPath: /data}
  {{- end }}
{{- end }}

{{- define "service.web" -}}
{{- $facts := include "service.facts" . | fromYaml -}}
- name: web
  {{- include "service.container" (list . "web" .Values.resources "config") | nindent 2 }}
  ports:
    - {name: http, containerPort: {{ $facts.port }}}
    - {name: health, containerPort: 9000}
  startupProbe:
    httpGet: {path: /health/live, port: health}
    periodSeconds: 2
    timeoutSeconds: 2
    failureThreshold: 60
  livenessProbe:
    httpGet: {path: /health/live, port: health}
    periodSeconds: 10
    timeoutSeconds: 3
    failureThreshold: 3
  readinessProbe:
    httpGet: {path: /health, port: health}
    periodSeconds: 3
    timeoutSeconds: 3
    failureThreshold: 2
  lifecycle:
    # The others go on sending requests until they have heard that this pod ends.
    preStop:
      exec: {command: [sleep, "{{ .Values.shutdown.preStopSeconds }}"]}
{{- end }}

{{/* List of context, kind (worker, consumer), its command, its resources. */}}
{{- define "service.loop" -}}
{{- $ := index . 0 }}{{ $kind := index . 1 }}{{ $command := index . 2 }}{{ $resources := index . 3 -}}
{{- $facts := include "service.facts" $ | fromYaml -}}
- name: {{ $kind }}
  command: [python, {{ $facts.folder }}/manage.py, {{ $command }}, --heartbeat, /tmp/heartbeat, --metrics-port, "{{ eq $kind "worker" | ternary 9102 9103 }}"]
  {{- include "service.container" (list $ $kind $resources "config") | nindent 2 }}
  ports:
    - {name: {{ $kind }}, containerPort: {{ eq $kind "worker" | ternary 9102 9103 }}}
  # It has no port that its loop answers at: the loop writes, the probe reads.
  startupProbe:
    exec: {command: [python, -m, servicekit.runtime.heartbeat, /tmp/heartbeat]}
    periodSeconds: 5
    timeoutSeconds: 5
    failureThreshold: 24
  livenessProbe:
    exec: {command: [python, -m, servicekit.runtime.heartbeat, /tmp/heartbeat]}
    periodSeconds: 20
    timeoutSeconds: 5
    failureThreshold: 3
{{- end }}

{{/* Waits until the Job has migrated. */}}
{{- define "service.wait" -}}
{{- $facts := include "service.facts" . | fromYaml -}}
- name: wait
  command: [python, -m, servicekit.storage.waiting, {{ $facts.folder }}]
  {{- include "service.container" (list . "wait" .Values.migrations.resources "config") | nindent 2 }}
{{- end }}

{{/* Migrates, and makes keys of the secrets that are there. List of context, how it is told. */}}
{{- define "service.migrate" -}}
{{- $ := index . 0 -}}
{{- $facts := include "service.facts" $ | fromYaml -}}
- name: migrate
  command:
    - sh
    - -ec
    - |
      python {{ $facts.folder }}/manage.py migrate
      {{- range include "service.keysToMake" $ | fromYamlArray }}
      python {{ $facts.folder }}/manage.py keys create {{ .name }} --scope {{ .scopes }} --from-file /run/secrets/service/{{ .entry }} --if-missing
      {{- end }}
  {{- include "service.container" (list $ "migrate" $.Values.migrations.resources (index . 1)) | nindent 2 }}
{{- end }}

{{/* List of context, component, the kinds of containers in it, entries of keys that they need beside the peers'. */}}
{{- define "service.podSpec" -}}
{{- $ := index . 0 }}{{ $component := index . 1 }}{{ $kinds := index . 2 }}{{ $entries := index . 3 -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $.Values.image.pullSecrets }}
imagePullSecrets: {{- range . }}
  - {name: {{ . }}}
  {{- end }}
{{- end }}
securityContext: {{- include "service.podSecurity" $ | nindent 2 }}
{{- with $.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if and (has $component (list "test" "books")) (include "service.isSqlite" $) }}
# Beside the file.
affinity:
  podAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels: {{- include "service.selector" (list $ "web") | nindent 12 }}
{{- else }}{{ with $.Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}{{ end }}
{{- if has $component (list "web" "worker" "consumer") }}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "service.selector" (list $ $component) | nindent 8 }}
  {{- end }}
{{- end }}
volumes:
  {{- range $kinds }}
  - name: tmp-{{ . }}
    emptyDir: {sizeLimit: 64Mi}
  {{- end }}
  - name: secrets
    projected:
      defaultMode: 0440
      sources: {{- include "service.secretSources" (list $ $entries) | default "[]" | nindent 8 }}
  {{- if include "service.isSqlite" $ }}
  - name: data
    persistentVolumeClaim: {claimName: {{ $.Values.database.volume.existingClaim | default (include "service.fullname" $) }}}
  {{- end }}
{{- end }}

{{/* Labels and annotations of a pod: a change of what it is told starts it anew, one of a Secret does not. */}}
{{- define "service.podMeta" -}}
{{- $ := index . 0 -}}
labels:
  {{- include "service.labels" . | nindent 2 }}
  {{- with $.Values.podLabels }}{{ toYaml . | nindent 2 }}{{ end }}
annotations:
  checksum/config: {{ include "service.env" $ | sha256sum }}
  {{- with $.Values.podAnnotations }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end }}
