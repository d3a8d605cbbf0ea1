{{/*
Combinations of values that a cluster would take and that could not work, or not safely: each refused with a sentence that
says what to do. What a single value may be, values.schema.json says. Context and a sentence: `service.refuse`.
*/}}
{{- define "service.refuse" -}}
{{- fail (printf "\n\n%s: %s\n" (index . 0).Chart.Name (index . 1)) -}}
{{- end }}

{{- define "service.checks" -}}
{{- $v := .Values -}}
{{- $facts := include "service.facts" . | fromYaml -}}
{{- $sqlite := include "service.isSqlite" . -}}

{{- $name := include "service.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) }}{{ include "service.refuse" (list . (printf "its objects would be called %s, and a Service's name is small letters, digits and dashes, with a letter first: give the release another name, or set fullnameOverride." $name)) }}{{ end -}}
{{- $keys := include "service.keysSecret" . -}}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$" $keys) }}{{ include "service.refuse" (list . (printf "global.keysSecret is %s, which is no name of a Secret: small letters, digits, dashes and dots." $keys)) }}{{ end -}}

{{- if and (not (kindIs "invalid" $v.replicas)) (not (kindIs "invalid" $v.replicaCount)) }}{{ include "service.refuse" (list . "replicas and replicaCount are the same value; replicaCount is the old name: leave it out.") }}{{ end -}}
{{- if and ($v.autoscaling).enabled (or (not (kindIs "invalid" $v.replicas)) (not (kindIs "invalid" $v.replicaCount))) }}{{ include "service.refuse" (list . "autoscaling.enabled and replicas contradict each other: leave replicas empty, the autoscaler decides.") }}{{ end -}}

{{- if $sqlite -}}
{{- if gt (include "service.replicas" . | default "1" | int) 1 }}{{ include "service.refuse" (list . "SQLite is a file of one pod, so there cannot be 2 replicas or more: set database.engine to postgresql or mysql, or replicas to 1.") }}{{ end -}}
{{- if ($v.autoscaling).enabled }}{{ include "service.refuse" (list . "SQLite is a file of one pod, which nothing can scale: set database.engine to postgresql or mysql, or autoscaling.enabled to false.") }}{{ end -}}
{{- if or $v.database.host $v.database.existingSecret }}{{ include "service.refuse" (list . "database.host and database.existingSecret are those of a database server, and database.engine is sqlite: set it to postgresql or mysql.") }}{{ end -}}
{{- else -}}
{{- if not $v.database.host }}{{ include "service.refuse" (list . (printf "database.host is empty: where is the %s server?" $v.database.engine)) }}{{ end -}}
{{- if not (regexMatch "^[A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?$" $v.database.host) }}{{ include "service.refuse" (list . (printf "database.host is %s, which is no host name: leave out the scheme, and give the port as database.port." $v.database.host)) }}{{ end -}}
{{- if not $v.database.existingSecret }}{{ include "service.refuse" (list . "database.existingSecret is empty: name the Secret that has the database's password (under database.passwordKey).") }}{{ end -}}
{{- if and (hasPrefix "verify" $v.database.sslmode) (not $v.database.caSecret) }}{{ include "service.refuse" (list . (printf "database.sslmode is %s, so database.caSecret must name the Secret with the certificates to trust (under database.caKey)." $v.database.sslmode)) }}{{ end -}}
{{- if and $v.database.caSecret (has $v.database.sslmode (list "disable" "allow" "prefer")) }}{{ include "service.refuse" (list . (printf "database.caSecret is set, but with database.sslmode %s no certificate is looked at." $v.database.sslmode)) }}{{ end -}}
{{- if $v.database.volume.existingClaim }}{{ include "service.refuse" (list . (printf "database.volume.existingClaim is SQLite's, and database.engine is %s." $v.database.engine)) }}{{ end -}}
{{- end -}}

{{- if eq (toString $v.image.tag) "latest" }}{{ include "service.refuse" (list . "image.tag is latest, which is another image each day: name a version, or image.digest.") }}{{ end -}}
{{- if and $v.image.tag $v.image.digest }}{{ include "service.refuse" (list . "image.tag and image.digest both say which image it is: give one of them.") }}{{ end -}}

{{- if ($v.autoscaling).enabled -}}
{{- if gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas) }}{{ include "service.refuse" (list . (printf "autoscaling.minReplicas (%v) is more than autoscaling.maxReplicas (%v)." $v.autoscaling.minReplicas $v.autoscaling.maxReplicas)) }}{{ end -}}
{{- if not (or $v.autoscaling.cpu $v.autoscaling.refusedPerSecond $v.autoscaling.waitingSeconds) }}{{ include "service.refuse" (list . "autoscaling has nothing to go by: set autoscaling.cpu, refusedPerSecond or waitingSeconds.") }}{{ end -}}
{{- if and $v.autoscaling.cpu (has (dig "requests" "cpu" "" ($v.resources | default dict) | toString) (list "" "0" "<nil>")) }}{{ include "service.refuse" (list . "autoscaling.cpu is a share of resources.requests.cpu, which is empty: set that, or autoscaling.cpu to null.") }}{{ end -}}
{{- end -}}
{{- $budget := $v.podDisruptionBudget -}}
{{- if $budget.enabled -}}
{{- if and (not (kindIs "invalid" $budget.minAvailable)) (not (kindIs "invalid" $budget.maxUnavailable)) }}{{ include "service.refuse" (list . "podDisruptionBudget.minAvailable and maxUnavailable exclude each other: give one of them.") }}{{ end -}}
{{- if has (toString $budget.maxUnavailable) (list "0" "0%") }}{{ include "service.refuse" (list . (printf "podDisruptionBudget.maxUnavailable is %v, so that no node could ever be drained: make it more, or leave it empty." $budget.maxUnavailable)) }}{{ end -}}
{{- if and (not (kindIs "invalid" $budget.minAvailable)) (not $facts.port) }}{{ include "service.refuse" (list . "podDisruptionBudget.minAvailable is for the pods that answer requests, and this service has none: use maxUnavailable.") }}{{ end -}}
{{- if and $facts.port (not (kindIs "invalid" $budget.minAvailable)) -}}
{{- $fewest := ternary $v.autoscaling.minReplicas (include "service.replicas" . | default "1" | int) $v.autoscaling.enabled | int -}}
{{- $kept := toString $budget.minAvailable -}}
{{- if hasSuffix "%" $kept }}{{ $kept = divf (mulf (trimSuffix "%" $kept | float64) $fewest) 100 | ceil }}{{ end -}}
{{- if and $fewest (ge (int $kept) $fewest) }}{{ include "service.refuse" (list . (printf "podDisruptionBudget.minAvailable is %v of %v replicas, so that no node could ever be drained: make it less, or use maxUnavailable." $budget.minAvailable $fewest)) }}{{ end -}}
{{- end -}}
{{- end -}}

{{- range $whose := list "clients" "monitoring" "database" "kafka" "webhooks" "gateway" }}{{ range $at, $peer := get $v.networkPolicy $whose | default list -}}
{{- $where := printf "networkPolicy.%s[%d]" $whose $at -}}
{{- if and $peer.ipBlock (or (hasKey $peer "podSelector") (hasKey $peer "namespaceSelector")) }}{{ include "service.refuse" (list $ (printf "%s has an ipBlock beside a selector, which no policy may: make them two peers." $where)) }}{{ end -}}
{{- range $except := (($peer.ipBlock).except | default list) -}}
{{- if ne (contains ":" $except) (contains ":" $peer.ipBlock.cidr) }}{{ include "service.refuse" (list $ (printf "%s excepts %s, which is no part of %s." $where $except $peer.ipBlock.cidr)) }}{{ end -}}
{{- if le (splitList "/" $except | last | int) (splitList "/" $peer.ipBlock.cidr | last | int) }}{{ include "service.refuse" (list $ (printf "%s excepts %s, which is no smaller than %s." $where $except $peer.ipBlock.cidr)) }}{{ end -}}
{{- if and (not (contains ":" $except)) (ne (include "service.network" (list $except $peer.ipBlock.cidr)) (include "service.network" (list $peer.ipBlock.cidr $peer.ipBlock.cidr))) }}{{ include "service.refuse" (list $ (printf "%s excepts %s, which is no part of %s." $where $except $peer.ipBlock.cidr)) }}{{ end -}}
{{- end -}}
{{- end }}{{ end -}}

{{- with get $v.config "ORDER_DEADLINE_S" }}{{ if not (regexMatch "^[0-9]+(\\.[0-9]+)?$" (include "service.text" .)) }}{{ include "service.refuse" (list $ (printf "config.ORDER_DEADLINE_S is %v, which is no number." .)) }}{{ end }}{{ end -}}
{{- with get $v.config "EMAIL_PORT" }}{{ if not (and (regexMatch "^[1-9][0-9]{0,4}$" (include "service.text" .)) (le (int .) 65535)) }}{{ include "service.refuse" (list $ (printf "config.EMAIL_PORT is %v, which is no port." .)) }}{{ end }}{{ end -}}
{{- $deadline := 30.0 -}}
{{- if $facts.deadline }}{{ $deadline = get $v.config "ORDER_DEADLINE_S" | default $facts.deadline | float64 }}{{ end -}}
{{- $needed := addf $deadline (float64 $v.shutdown.preStopSeconds) (float64 $v.shutdown.drainSeconds) -}}
{{- if le (float64 $v.shutdown.graceSeconds) $needed }}{{ include "service.refuse" (list . (printf "shutdown.graceSeconds is %v, and a pod needs more than %v s to end: preStopSeconds, drainSeconds and the %v s that a request may take." $v.shutdown.graceSeconds $needed $deadline)) }}{{ end -}}

{{- range $name, $part := dict "" $v "worker." $v.worker "consumer." $v.consumer "migrations." $v.migrations "books." $v.books }}{{ if $part }}
{{- $resources := $part.resources -}}
{{- if $resources }}{{ if and (dig "limits" "memory" "" $resources) (dig "requests" "memory" "" $resources) -}}
{{- if gt (include "service.mebibytes" $resources.requests.memory | int) (include "service.mebibytes" $resources.limits.memory | int) }}{{ include "service.refuse" (list $ (printf "%sresources.requests.memory (%v) is more than %sresources.limits.memory (%v)." $name $resources.requests.memory $name $resources.limits.memory)) }}{{ end -}}
{{- end }}{{ end -}}
{{- end }}{{ end -}}
{{- if $facts.port -}}
{{- $mebibytes := add 80 (mul (include "service.processes" . | int) (int $facts.mebibytesPerProcess)) -}}
{{- if lt (include "service.mebibytes" $v.resources.limits.memory | int) (int $mebibytes) }}{{ include "service.refuse" (list . (printf "resources.limits.memory is %v, and %s processes under load need %vMi: raise it, or set processes." $v.resources.limits.memory (include "service.processes" .) $mebibytes)) }}{{ end -}}
{{- end -}}

{{- if $facts.port -}}
{{- if and ($v.ingress).enabled ($v.httpRoute).enabled }}{{ include "service.refuse" (list . "ingress.enabled and httpRoute.enabled are two ways in: choose one.") }}{{ end -}}
{{- if ($v.ingress).enabled -}}
{{- if not $v.ingress.host }}{{ include "service.refuse" (list . "ingress.host is empty: by which name is the service reached?") }}{{ end -}}
{{- if and $v.ingress.tls.enabled (not $v.ingress.tls.secretName) }}{{ include "service.refuse" (list . "ingress.tls.enabled without ingress.tls.secretName: name the Secret with the certificate.") }}{{ end -}}
{{- if and (not $v.ingress.tls.enabled) $v.ingress.tls.secretName }}{{ include "service.refuse" (list . "ingress.tls.secretName is set, but ingress.tls.enabled is false: the certificate would not be used.") }}{{ end -}}
{{- end -}}
{{- if ($v.httpRoute).enabled -}}
{{- if not $v.httpRoute.parentRefs }}{{ include "service.refuse" (list . "httpRoute.parentRefs is empty: to which Gateway does the route belong?") }}{{ end -}}
{{- if not $v.httpRoute.hostnames }}{{ include "service.refuse" (list . "httpRoute.hostnames is empty: by which names is the service reached?") }}{{ end -}}
{{- end -}}
{{- if and (has (get $v.config "DEBUG" | toString | lower) (list "true" "1" "yes" "on")) (or ($v.ingress).enabled ($v.httpRoute).enabled (ne ($v.service).type "ClusterIP")) }}{{ include "service.refuse" (list . "config.DEBUG is on, and the service is reached from outside, where a page of an error would tell everybody how it works: leave it out.") }}{{ end -}}
{{- $hosts := concat (list (($v.ingress).host | default "")) (($v.httpRoute).hostnames | default list) -}}
{{- range $host := $hosts }}{{- if contains "*" $host }}{{ include "service.refuse" (list $ (printf "%v stands for many names, and the service asks each request for one of its own: name them." $host)) }}{{ end }}{{- if and $host (not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$" $host)) }}{{ include "service.refuse" (list $ (printf "%v is no host name: small letters, digits, dashes and dots; leave out the scheme, the port and the path." $host)) }}{{ end }}{{ end -}}
{{- if and (not ($v.auth).enabled) (not ($v.auth).acceptOpen) (or ($v.ingress).enabled ($v.httpRoute).enabled (ne ($v.service).type "ClusterIP")) }}{{ include "service.refuse" (list . "auth.enabled is false, and the service is reached from outside, where everybody could do everything: set it to true, or say auth.acceptOpen if something in front asks who it is.") }}{{ end -}}
{{- if and (not ($v.auth).enabled) ($v.auth).existingSecret }}{{ include "service.refuse" (list . "auth.existingSecret has keys, and auth.enabled is false: nobody would be asked for one.") }}{{ end -}}
{{- if and ($v.networkPolicy).enabled (not ($v.networkPolicy).clients) (ne ($v.service).type "ClusterIP") }}{{ include "service.refuse" (list . (printf "service.type is %s, and networkPolicy.clients lets nobody in from outside: name who may come, or set networkPolicy.enabled to false." $v.service.type)) }}{{ end -}}
{{- if and ($v.admin).enabled (not ($v.secretKey).existingSecret) }}{{ include "service.refuse" (list . "admin.enabled needs secretKey.existingSecret: without it each process signs sessions with a key of its own.") }}{{ end -}}
{{- end -}}

{{- if hasKey $v "kafka" -}}
{{- if and $v.kafka.saslMechanism (not (and $v.kafka.saslUsername $v.kafka.existingSecret)) }}{{ include "service.refuse" (list . "kafka.saslMechanism needs kafka.saslUsername, and kafka.existingSecret with the password.") }}{{ end -}}
{{- if and (hasPrefix "SASL" (toString $v.kafka.securityProtocol)) (not $v.kafka.saslMechanism) }}{{ include "service.refuse" (list . (printf "kafka.securityProtocol is %s, and kafka.saslMechanism is empty: by which one?" $v.kafka.securityProtocol)) }}{{ end -}}
{{- if and $v.kafka.saslMechanism $v.kafka.securityProtocol (not (hasPrefix "SASL" (toString $v.kafka.securityProtocol))) }}{{ include "service.refuse" (list . (printf "kafka.saslMechanism is set, but with kafka.securityProtocol %s nobody signs in." $v.kafka.securityProtocol)) }}{{ end -}}
{{- if and $v.kafka.existingSecret (not $v.kafka.bootstrapServers) }}{{ include "service.refuse" (list . "kafka.existingSecret is set, and kafka.bootstrapServers is empty: there is no Kafka to sign in at.") }}{{ end -}}
{{- if and $v.kafka.caSecret (not (has $v.kafka.securityProtocol (list "SSL" "SASL_SSL"))) }}{{ include "service.refuse" (list . "kafka.caSecret is set, but only with kafka.securityProtocol SSL or SASL_SSL is a certificate looked at.") }}{{ end -}}
{{- end -}}
{{- if and $facts.consumer ($v.consumer).enabled (not $v.kafka.bootstrapServers) }}{{ include "service.refuse" (list . "consumer.enabled needs kafka.bootstrapServers: there is nothing to consume from.") }}{{ end -}}
{{- if and $facts.consumer (not $facts.port) (not ($v.consumer).enabled) }}{{ include "service.refuse" (list . "consumer.enabled is false, and this service is nothing else.") }}{{ end -}}
{{- if and (eq $facts.folder "payment_service") $v.stripe.existingSecret (eq (get $v.config "TEST_PAYMENTS" | toString | lower) "on") ($v.ingress).enabled }}{{ include "service.refuse" (list . "config.TEST_PAYMENTS is on beside a key of Stripe's, and the service is reached from outside: orders could be paid without money.") }}{{ end -}}
{{- if and (eq $facts.folder "payment_service") (contains "stripe" (get $v.config "PAYMENT_GATEWAYS" | toString | lower)) (not $v.stripe.existingSecret) }}{{ include "service.refuse" (list . "config.PAYMENT_GATEWAYS names stripe, and stripe.existingSecret is empty: name the Secret that has its key.") }}{{ end -}}
{{- if and (eq $facts.folder "payment_service") (eq (get $v.config "ORDER_NOTICES" | toString | lower) "false") (not $v.kafka.bootstrapServers) }}{{ include "service.refuse" (list . "config.ORDER_NOTICES is false, and there is no Kafka: the order service would never hear of a payment.") }}{{ end -}}

{{- $own := include "service.env" (set (deepCopy (dict "Values" $v "Chart" (dict "Name" .Chart.Name "AppVersion" .Chart.AppVersion) "Release" .Release "Template" .Template)) "Values" (set (deepCopy $v) "config" dict)) | fromYaml -}}
{{- $elsewhere := dict "KAFKA_BOOTSTRAP_SERVERS" "kafka.bootstrapServers" "KAFKA_SECURITY_PROTOCOL" "kafka.securityProtocol" "KAFKA_SASL_MECHANISM" "kafka.saslMechanism" "KAFKA_SASL_USERNAME" "kafka.saslUsername" "KAFKA_SSL_CA_LOCATION" "kafka.caSecret" "DB_SSLMODE" "database.sslmode" "DB_SSLROOTCERT" "database.caSecret" "OTEL_EXPORTER_OTLP_ENDPOINT" "tracing.endpoint" -}}
{{- range $value, $labels := dict "podLabels" $v.podLabels "metrics.labels" $v.metrics.labels }}{{ range $label, $_ := $labels -}}
{{- if has $label (list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component") }}{{ include "service.refuse" (list $ (printf "%s.%s is what the pods are found by: choose another label." $value $label)) }}{{ end -}}
{{- if hasKey (include "service.labels" (list $ "any") | fromYaml) $label }}{{ include "service.refuse" (list $ (printf "%s.%s is set by the chart itself: choose another label." $value $label)) }}{{ end -}}
{{- end }}{{ end -}}
{{- if hasKey ($v.podAnnotations | default dict) "checksum/config" }}{{ include "service.refuse" (list . "podAnnotations.checksum/config is set by the chart itself.") }}{{ end -}}
{{- range $name, $value := $v.config -}}
{{- if and (hasKey $elsewhere $name) (not (hasKey $own $name)) }}{{ include "service.refuse" (list $ (printf "config.%s would go round what the chart checks: use the value %s." $name (get $elsewhere $name))) }}{{ end -}}
{{- if and (hasKey $own $name) (not (has $name (list "CSRF_TRUSTED_ORIGINS" "SECURE_COOKIES"))) }}{{ include "service.refuse" (list $ (printf "config.%s is set by the chart itself, from its own values." $name)) }}{{ end -}}
{{- if regexMatch "(PASSWORD|SECRET|_KEY$|API_KEY)" $name }}{{ include "service.refuse" (list $ (printf "config.%s would stand in a ConfigMap, which is no place for a secret: use the value with existingSecret." $name)) }}{{ end -}}
{{- end -}}
{{- end }}

{{/*
The network of an IPv4 address, as a number: list of what has it, and of what has the prefix. 10.1.2.3/32 in 10.0.0.0/8 is
10 times two to the 24th.
*/}}
{{- define "service.network" -}}
{{- $bytes := index . 0 | splitList "/" | first | splitList "." -}}
{{- $size := 1 }}{{ range until (sub 32 (index . 1 | splitList "/" | last | int) | int) }}{{ $size = mul $size 2 }}{{ end -}}
{{- $address := 0 }}{{ range $bytes }}{{ $address = add (mul $address 256) (int .) }}{{ end -}}
{{ div $address $size }}
{{- end }}

{{/* Old names of values: accepted for one minor version, with a note. */}}
{{- define "service.deprecations" -}}
{{- if not (kindIs "invalid" .Values.replicaCount) }}
NOTE: replicaCount is now called replicas; the old name is not read any more from 0.3.0 on.
{{- end }}
{{- end }}
