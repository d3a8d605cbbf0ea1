{{/* What the service is told: the ConfigMap's data, and the Jobs' environment. Secrets are files. */}}
{{- define "service.env" -}}
{{- $facts := include "service.facts" . | fromYaml -}}
{{- $v := .Values -}}
{{- $env := dict "LOG_JSON" "true" -}}
{{- if $facts.port -}}
{{- $name := include "service.fullname" . -}}
{{- $hosts := list "localhost" $name (printf "%s.%s" $name .Release.Namespace) (printf "%s.%s.svc" $name .Release.Namespace) (printf "%s.%s.svc.%s" $name .Release.Namespace $v.clusterDomain) -}}
{{- if ($v.ingress).enabled }}{{ $hosts = append $hosts $v.ingress.host }}{{ end -}}
{{- if ($v.httpRoute).enabled }}{{ $hosts = concat $hosts $v.httpRoute.hostnames }}{{ end -}}
{{- $_ := set $env "ALLOWED_HOSTS" (concat $hosts $v.allowedHosts | uniq | join ",") -}}
{{- $_ := set $env "API_AUTH" (ternary "on" "off" ($v.auth).enabled) -}}
{{- $_ := set $env "ADMIN" (toString ($v.admin).enabled) -}}
{{- with include "service.adminOrigins" . }}{{ $_ := set $env "CSRF_TRUSTED_ORIGINS" . }}{{ $_ := set $env "SECURE_COOKIES" "true" }}{{ end -}}
{{- $_ := set $env "SERVER_WORKERS" (include "service.processes" .) -}}
{{- $_ := set $env "DRAIN_S" (toString $v.shutdown.drainSeconds) -}}
{{- end -}}
{{- if eq $v.database.engine "sqlite" -}}
{{- $_ := set $env "DATA_DIR" "/data" -}}
{{- else -}}
{{- $_ := set $env "DB_ENGINE" (printf "django.db.backends.%s" $v.database.engine) -}}
{{- $_ := set $env "DB_HOST" $v.database.host -}}
{{- with $v.database.port }}{{ $_ := set $env "DB_PORT" (toString .) }}{{ end -}}
{{- $_ := set $env "DB_NAME" ($v.database.name | default $facts.folder) -}}
{{- $_ := set $env "DB_USER" ($v.database.user | default $facts.folder) -}}
{{- $_ := set $env "DB_PASSWORD_FILE" "/run/secrets/service/db-password" -}}
{{- with $v.database.sslmode }}{{ $_ := set $env "DB_SSLMODE" . }}{{ end -}}
{{- if $v.database.caSecret }}{{ $_ := set $env "DB_SSLROOTCERT" "/run/secrets/service/db-ca" }}{{ end -}}
{{- end -}}
{{- if ($v.secretKey).existingSecret }}{{ $_ := set $env "SECRET_KEY_FILE" "/run/secrets/service/secret-key" }}{{ end -}}
{{- range $facts.peers -}}
{{- $given := (index $v.peers .value).url -}}
{{- $_ := set $env (printf "%s_URL" .variable) ($given | default (printf "http://%s:%v%s" (include "service.peer" (list $ .chart)) .port .path)) -}}
{{- if include "service.hasPeerKeys" $ }}{{ $_ := set $env (printf "%s_KEY_FILE" .variable) (printf "/run/secrets/service/%s" .entry) }}{{ end -}}
{{- end -}}
{{- if hasKey $v "kafka" -}}
{{- with $v.kafka.bootstrapServers }}{{ $_ := set $env "KAFKA_BOOTSTRAP_SERVERS" . }}{{ end -}}
{{- with $v.kafka.securityProtocol }}{{ $_ := set $env "KAFKA_SECURITY_PROTOCOL" . }}{{ end -}}
{{- with $v.kafka.saslMechanism }}{{ $_ := set $env "KAFKA_SASL_MECHANISM" . }}{{ end -}}
{{- with $v.kafka.saslUsername }}{{ $_ := set $env "KAFKA_SASL_USERNAME" . }}{{ end -}}
{{- if $v.kafka.caSecret }}{{ $_ := set $env "KAFKA_SSL_CA_LOCATION" "/run/secrets/service/kafka-ca" }}{{ end -}}
{{- if $v.kafka.existingSecret }}{{ $_ := set $env "KAFKA_SASL_PASSWORD_FILE" "/run/secrets/service/kafka-password" }}{{ end -}}
{{- end -}}
{{- if hasKey $v "stripe" -}}
{{- if $v.stripe.existingSecret }}{{ $_ := set $env "STRIPE_API_KEY_FILE" "/run/secrets/service/stripe-key" }}{{ end -}}
{{- end -}}
{{- if hasKey $v "mail" -}}
{{- if $v.mail.existingSecret }}{{ $_ := set $env "EMAIL_HOST_PASSWORD_FILE" "/run/secrets/service/mail-password" }}{{ end -}}
{{- end -}}
{{- with ($v.tracing.endpoint | default ($v.global | default dict).otlpEndpoint) -}}
{{- $_ := set $env "OTEL_EXPORTER_OTLP_ENDPOINT" . -}}
{{- $_ := set $env "OTEL_TRACES_SAMPLER" "parentbased_traceidratio" -}}
{{- $_ := set $env "OTEL_TRACES_SAMPLER_ARG" (toString $v.tracing.sampleRatio) -}}
{{- $_ := set $env "OTEL_SERVICE_NAME" $facts.folder -}}
{{- end -}}
{{- range $name, $_ := $v.secrets }}{{ $_ := set $env (printf "%s_FILE" $name) (printf "/run/secrets/service/%s" $name) }}{{ end -}}
{{- range $name, $value := $v.config }}{{ $_ := set $env $name (include "service.text" $value) }}{{ end -}}
{{ toYaml $env }}
{{- end }}

{{/* Where browsers find the admin by https, if a way in from outside leads to it: its forms believe no other origin. */}}
{{- define "service.adminOrigins" -}}
{{- $v := .Values -}}
{{- $hosts := list -}}
{{- if ($v.admin).enabled -}}
{{- $leads := list "/" "/admin" "/admin/" -}}
{{- if and $v.ingress.enabled $v.ingress.tls.enabled }}{{ range $v.ingress.paths }}{{ if has . $leads }}{{ $hosts = append $hosts $v.ingress.host }}{{ end }}{{ end }}{{ end -}}
{{- if $v.httpRoute.enabled }}{{ range $v.httpRoute.paths }}{{ if has . $leads }}{{ $hosts = concat $hosts $v.httpRoute.hostnames }}{{ end }}{{ end }}{{ end -}}
{{- end -}}
{{- $origins := list }}{{ range $hosts | uniq }}{{ $origins = append $origins (printf "https://%s" .) }}{{ end -}}
{{ join "," $origins }}
{{- end }}

{{/* The same as a container's own list: a hook runs before the ConfigMap of its release is there. */}}
{{- define "service.envList" -}}
{{- range $name, $value := include "service.env" . | fromYaml }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* The files with secrets: list of context, and the entries of keys beside those of the peers. */}}
{{- define "service.secretSources" -}}
{{- $ := index . 0 }}{{ $more := index . 1 -}}
{{- $v := $.Values -}}
{{- $facts := include "service.facts" $ | fromYaml -}}
{{- if ne $v.database.engine "sqlite" }}
- secret:
    name: {{ $v.database.existingSecret }}
    items: [{key: {{ $v.database.passwordKey }}, path: db-password}]
{{- with $v.database.caSecret }}
- secret:
    name: {{ . }}
    items: [{key: {{ $v.database.caKey }}, path: db-ca}]
{{- end }}
{{- end }}
{{- with ($v.secretKey).existingSecret }}
- secret:
    name: {{ . }}
    items: [{key: {{ ($v.secretKey).key }}, path: secret-key}]
{{- end }}
{{- $entries := $more -}}
{{- if include "service.hasPeerKeys" $ }}{{ range $facts.peers }}{{ $entries = append $entries .entry }}{{ end }}{{ end -}}
{{- if and ($v.auth).enabled $entries }}
- secret:
    name: {{ include "service.keysSecret" $ }}
    items:
      {{- range $entries | uniq }}
      - {key: {{ . }}, path: {{ . }}}
      {{- end }}
{{- end }}
{{- if hasKey $v "kafka" }}{{ with $v.kafka.existingSecret }}
- secret:
    name: {{ . }}
    items: [{key: {{ $v.kafka.passwordKey }}, path: kafka-password}]
{{- end }}{{ with $v.kafka.caSecret }}
- secret:
    name: {{ . }}
    items: [{key: {{ $v.kafka.caKey }}, path: kafka-ca}]
{{- end }}{{ end }}
{{- if hasKey $v "stripe" }}{{ with $v.stripe.existingSecret }}
- secret:
    name: {{ . }}
    items: [{key: {{ $v.stripe.key }}, path: stripe-key}]
{{- end }}{{ end }}
{{- if hasKey $v "mail" }}{{ with $v.mail.existingSecret }}
- secret:
    name: {{ . }}
    items: [{key: {{ $v.mail.passwordKey }}, path: mail-password}]
{{- end }}{{ end }}
{{- range $name, $where := $v.secrets }}
- secret:
    name: {{ $where.existingSecret }}
    items: [{key: {{ $where.key }}, path: {{ $name }}}]
{{- end }}
{{- end }}

{{/* What the migration makes keys of: of the peers that ask this service, and of the client. */}}
{{- define "service.keysToMake" -}}
{{- $facts := include "service.facts" . | fromYaml -}}
{{- if (.Values.auth).enabled -}}
{{- if include "service.hasPeerKeys" . }}{{ range $facts.keys }}
- {name: {{ .name }}, entry: {{ .entry }}, scopes: {{ .scopes | quote }}}
{{- end }}{{ end }}
{{- if and (.Values.auth).client $facts.client }}
- {name: client, entry: {{ $facts.client.entry }}, scopes: {{ $facts.client.scopes | quote }}}
{{- end }}
{{- end -}}
{{- end }}
