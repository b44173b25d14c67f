{{/* The names are fixed: there is one agent on each node, and the federation service knows its ServiceAccount by name. */}}
{{- define "landbridge.name" -}}landbridge-agent{{- end }}

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

{{- define "landbridge.controlPlane" -}}
{{ ternary (printf "https://%s" .Values.istiod.address) (include "landbridge.federation" .) (ne .Values.istiod.address "") }}
{{- end }}

{{/* Of a name such as istiod.istio-system.svc; an address tells none. */}}
{{- define "landbridge.controlNamespace" -}}
{{- if eq .Values.istiod.address "" -}}
{{ .Values.federation.namespace | default .Release.Namespace }}
{{- else if regexMatch "^[^.]+[.][a-z0-9-]+[.]svc" .Values.istiod.address -}}
{{ index (splitList "." .Values.istiod.address) 1 }}
{{- else -}}
istio-system
{{- end }}
{{- end }}
