{{/* The names are fixed: the federation service knows the ServiceAccount by name. */}}
{{- define "landbridge.name" -}}landbridge-gateway{{- end }}

{{- define "landbridge.selector" -}}
app.kubernetes.io/name: {{ include "landbridge.name" . }}
{{- end }}

{{- define "landbridge.labels" -}}
{{ include "landbridge.selector" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: landbridge
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "landbridge.federation" -}}
https://landbridge-federation.{{ .Values.federation.namespace | default .Release.Namespace }}.svc:15012
{{- end }}
