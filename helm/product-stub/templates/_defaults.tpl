{{/* Made by `scripts/charts generate` from helm/values/: change it there. */}}
{{- define "product-stub.defaults" -}}
{{`values:
  nameOverride: ''
  fullnameOverride: ''
  clusterDomain: cluster.local
  image:
    registry: ''
    repository: product-stub
    tag: ''
    digest: ''
    pullPolicy: IfNotPresent
    pullSecrets: []
  resources:
    requests:
      cpu: 500m
      memory: 256Mi
    limits:
      memory: 384Mi
  worker:
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
  auth:
    enabled: true
    existingSecret: ''
    client: true
    acceptOpen: false
  secretKey:
    existingSecret: ''
    key: secret-key
  admin:
    enabled: false
  allowedHosts: []
  config: {}
  secrets: {}
  service:
    type: ClusterIP
    annotations: {}
  ingress:
    enabled: false
    className: ''
    annotations: {}
    host: ''
    paths:
    - /api/products
    tls:
      enabled: false
      secretName: ''
  httpRoute:
    enabled: false
    parentRefs: []
    hostnames: []
    paths:
    - /api/products
  shutdown:
    preStopSeconds: 5
    drainSeconds: 5
    graceSeconds: 60
  podDisruptionBudget:
    enabled: true
  autoscaling:
    enabled: false
    minReplicas: 2
    maxReplicas: 6
    cpu: 70
  networkPolicy:
    enabled: true
    clients: []
    monitoring:
    - namespaceSelector: {}
    database: []
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
  books:
    enabled: true
    schedule: 17 * * * *
    deadlineSeconds: 3000
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
  peers:
    orders:
      url: ''
optional:
- autoscaling.cpu
- autoscaling.refusedPerSecond
- autoscaling.waitingSeconds
- books.resources.requests.cpu
- database.port
- migrations.resources.requests.cpu
- podDisruptionBudget.maxUnavailable
- podDisruptionBudget.minAvailable
- processes
- replicaCount
- replicas
- resources.requests.cpu
- worker.resources.requests.cpu
`}}
{{- end }}
