{{- define "dragonfly.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "dragonfly.image" -}}
{{- $tag := .Values.image.tag | default (printf "v%s" .Chart.AppVersion) -}}
{{- .Values.image.repository }}:{{ $tag }}{{ with .Values.image.digest }}@{{ . }}{{ end -}}
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
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: tmp
    emptyDir:
      sizeLimit: 64Mi
  {{- if ne .role "migrate" }}
  {{- include "dragonfly.secretVolume" . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "dragonfly.containerSettings" -}}
image: {{ include "dragonfly.image" .root }}
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
  {{- if ne .role "migrate" }}
  - name: secrets
    mountPath: /run/secrets/dragonfly
    readOnly: true
  {{- end }}
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
  optional: [DRAGONFLY_REDIS_URL]
worker:
  required: [DRAGONFLY_WORKER_DATABASE_URL, DRAGONFLY_WEBHOOK_SECRET]
  optional: [DRAGONFLY_WORKER_LISTEN_URL]
migrate:
  required: [DRAGONFLY_OWNER_DATABASE_URL]
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
