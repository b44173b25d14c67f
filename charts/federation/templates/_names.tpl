{{/* The names are fixed: there is one federation service in a cluster, and agents and the command find it by name. */}}
{{- define "landbridge.name" -}}landbridge-federation{{- end }}

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

{{- define "landbridge.config" -}}
{{ dict "cluster" (dict "name" .Values.cluster.name "trustDomain" (.Values.cluster.trustDomain | default (printf "%s.landbridge" .Values.cluster.name)) "network" .Values.cluster.network "domain" .Values.cluster.domain) "policies" (dict "rootNamespace" .Values.policies.rootNamespace) "ca" (dict "source" .Values.ca.source "secret" .Values.ca.secret "directory" "/var/run/landbridge/ca") "logLevel" .Values.logLevel | toJson }}
{{- end }}
