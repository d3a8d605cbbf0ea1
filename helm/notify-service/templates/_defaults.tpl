{{/* Made by `scripts/charts generate` from helm/values/: change it there. */}}
{{- define "notify-service.defaults" -}}
{{`values:
  nameOverride: ''
  fullnameOverride: ''
  image:
    registry: ''
    repository: notify-service
    tag: ''
    digest: ''
    pullPolicy: IfNotPresent
    pullSecrets: []
  consumer:
    enabled: true
    replicas: 1
    resources:
      requests:
        cpu: 100m
        memory: 128Mi
      limits:
        memory: 256Mi
  database:
    engine: sqlite
    host: ''
    name: ''
    user: ''
    existingSecret: ''
    passwordKey: password
    sslmode: ''
    caSecret: ''
    caKey: ca.crt
    volume:
      size: 1Gi
      storageClassName: ''
      existingClaim: ''
  config: {}
  secrets: {}
  kafka:
    bootstrapServers: ''
    securityProtocol: ''
    saslMechanism: ''
    saslUsername: ''
    existingSecret: ''
    passwordKey: password
    caSecret: ''
    caKey: ca.crt
  shutdown:
    preStopSeconds: 5
    drainSeconds: 5
    graceSeconds: 60
  podDisruptionBudget:
    enabled: true
  networkPolicy:
    enabled: true
    monitoring:
    - namespaceSelector: {}
    database: []
    kafka: []
  metrics:
    enabled: true
    interval: 15s
    labels: {}
  tracing:
    endpoint: ''
    sampleRatio: 0.1
  migrations:
    deadlineSeconds: 900
    backoffLimit: 4
    resources:
      requests:
        cpu: 100m
        memory: 128Mi
      limits:
        memory: 256Mi
  tests:
    enabled: true
  serviceAccount:
    create: true
    name: ''
    annotations: {}
  podAnnotations: {}
  podLabels: {}
  nodeSelector: {}
  tolerations: []
  affinity: {}
  priorityClassName: ''
  mail:
    existingSecret: ''
    passwordKey: password
optional:
- consumer.resources.requests.cpu
- database.port
- migrations.resources.requests.cpu
- podDisruptionBudget.maxUnavailable
- podDisruptionBudget.minAvailable
`}}
{{- end }}
