{{/* Made by `scripts/charts generate` from helm/values/: change it there. */}}
{{- define "order-service.defaults" -}}
{{`values:
  nameOverride: ''
  fullnameOverride: ''
  clusterDomain: cluster.local
  image:
    registry: ''
    repository: order-service
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
  consumer:
    enabled: false
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
  kafka:
    bootstrapServers: ''
    securityProtocol: ''
    saslMechanism: ''
    saslUsername: ''
    existingSecret: ''
    passwordKey: password
    caSecret: ''
    caKey: ca.crt
  service:
    type: ClusterIP
    annotations: {}
  ingress:
    enabled: false
    className: ''
    annotations: {}
    host: ''
    paths:
    - /api/orders
    tls:
      enabled: false
      secretName: ''
  httpRoute:
    enabled: false
    parentRefs: []
    hostnames: []
    paths:
    - /api/orders
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
    kafka: []
    webhooks:
    - ipBlock:
        cidr: 0.0.0.0/0
        except:
        - 10.0.0.0/8
        - 100.64.0.0/10
        - 127.0.0.0/8
        - 169.254.0.0/16
        - 172.16.0.0/12
        - 192.168.0.0/16
    - ipBlock:
        cidr: ::/0
        except:
        - fc00::/7
        - fe80::/10
    webhookPorts:
    - 443
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
    products:
      url: ''
    payments:
      url: ''
optional:
- autoscaling.cpu
- autoscaling.refusedPerSecond
- autoscaling.waitingSeconds
- books.resources.requests.cpu
- consumer.resources.requests.cpu
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
