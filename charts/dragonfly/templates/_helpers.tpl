{{- define "dragonfly.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What differs from the service's image is of the same commit, and has the same tag. */}}
{{- define "dragonfly.image" -}}
{{- $image := .values.image | default .root.Values.image -}}
{{- $tag := .root.Values.image.tag | default (printf "v%s" .root.Chart.AppVersion) -}}
{{- $image.repository }}:{{ $tag }}{{ with $image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- define "dragonfly.selectorLabels" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end -}}

{{- define "dragonfly.labels" -}}
{{ include "dragonfly.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "dragonfly.serviceAccountName" -}}
{{ include "dragonfly.fullname" .root }}-{{ .role }}
{{- end -}}

{{/* No role talks to the Kubernetes API, so none gets a token for it. */}}
{{- define "dragonfly.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "dragonfly.serviceAccountName" . }}
  labels: {{- include "dragonfly.labels" . | nindent 4 }}
  {{- with .annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end -}}

{{/* What every pod has in common, under the restricted Pod Security Standard. */}}
{{- define "dragonfly.podSettings" -}}
serviceAccountName: {{ include "dragonfly.serviceAccountName" . }}
automountServiceAccountToken: false
# Kubernetes would describe a Service named dragonfly in DRAGONFLY_* variables, and the service refuses unknown ones.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  {{- if eq .role "backup" }}
  fsGroup: 10001
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: tmp
    emptyDir:
      sizeLimit: 64Mi
  {{- if has .role (list "api" "worker") }}
  {{- include "dragonfly.secretVolume" . | nindent 2 }}
  {{- else if eq .role "backup" }}
  - name: backups
    persistentVolumeClaim:
      claimName: {{ .values.claimName }}
  {{- end }}
{{- end -}}

{{- define "dragonfly.containerSettings" -}}
image: {{ include "dragonfly.image" . }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
resources: {{- toYaml .values.resources | nindent 2 }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- if has .role (list "api" "worker") }}
  - name: secrets
    mountPath: /run/secrets/dragonfly
    readOnly: true
  {{- else if eq .role "backup" }}
  - name: backups
    mountPath: /backups
  {{- end }}
{{- end -}}

{{/* During a rollout there is one pod more of each. */}}
{{- define "dragonfly.replicasMax" -}}
{{ add1 .replicas }}
{{- end -}}

{{/* ARC-10: as many connections as all pools together may open; a worker has one more, to listen. */}}
{{- define "dragonfly.connections" -}}
{{- $pool := .Values.config.DRAGONFLY_DATABASE_POOL_MAX | default "10" | int -}}
{{- add (mul (include "dragonfly.replicasMax" .Values.api) $pool) (mul (include "dragonfly.replicasMax" .Values.worker) (add1 $pool)) -}}
{{- end -}}

{{- define "dragonfly.secretName" -}}
{{ .values.secretName | default (printf "%s-%s" (include "dragonfly.fullname" .root) .role) }}
{{- end -}}

{{/*
SEC-1: the sensitive variables of a role, and of no other, as YAML. They win over the ConfigMap (K8S-5).
*/}}
{{- define "dragonfly.secretKeys" -}}
api:
  required: [DRAGONFLY_API_DATABASE_URL]
  optional: [DRAGONFLY_REDIS_URL, DRAGONFLY_METRICS_TOKEN]
worker:
  required: [DRAGONFLY_WORKER_DATABASE_URL, DRAGONFLY_WEBHOOK_SECRET]
  optional: [DRAGONFLY_WORKER_LISTEN_URL, DRAGONFLY_METRICS_TOKEN]
migrate:
  required: [DRAGONFLY_OWNER_DATABASE_URL]
  optional: []
backup:
  required: [DRAGONFLY_BACKUP_DATABASE_URL]
  optional: []
{{- end -}}

{{/* For what runs once. */}}
{{- define "dragonfly.secretVariables" -}}
{{- $secret := include "dragonfly.secretName" . -}}
{{- range $need, $names := index (include "dragonfly.secretKeys" . | fromYaml) .role }}
{{- range $names }}
- name: {{ . }}
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: {{ . }}
      optional: {{ eq $need "optional" }}
{{- end }}
{{- end }}
{{- end -}}

{{/* SEC-18: for what goes on running. The kubelet replaces the files when the Secret changes, and the service watches them. */}}
{{- define "dragonfly.secretFiles" -}}
{{- range $names := index (include "dragonfly.secretKeys" . | fromYaml) .role }}
{{- range $names }}
- name: {{ . }}_FILE
  value: /run/secrets/dragonfly/{{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "dragonfly.secretVolume" -}}
{{- $secret := include "dragonfly.secretName" . -}}
- name: secrets
  projected:
    defaultMode: 0444
    sources:
      {{- range $need, $names := index (include "dragonfly.secretKeys" . | fromYaml) .role }}
      {{- range $names }}
      - secret:
          name: {{ $secret }}
          optional: {{ eq $need "optional" }}
          items:
            - key: {{ . }}
              path: {{ . }}
      {{- end }}
      {{- end }}
{{- end -}}
