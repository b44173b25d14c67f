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
{{ dict "cluster" (dict "name" .Values.cluster.name "trustDomain" (.Values.cluster.trustDomain | default (printf "%s.landbridge" .Values.cluster.name)) "network" .Values.cluster.network "domain" .Values.cluster.domain "gateways" .Values.cluster.gateways "podRanges" (.Values.cluster.podRanges | default list) "serviceRanges" (.Values.cluster.serviceRanges | default list)) "join" (dict "tokenSecret" .Values.join.tokenSecret) "policies" (dict "rootNamespace" .Values.policies.rootNamespace) "peers" (dict "stalePolicy" .Values.peers.stalePolicy "staleAfterSeconds" (int .Values.peers.staleAfterSeconds) "dropAfterSeconds" (int .Values.peers.dropAfterSeconds)) "leaf" (dict "enabled" .Values.leaf.enabled "hubPort" (int .Values.leaf.hubPort)) "ca" (dict "source" .Values.ca.source "secret" .Values.ca.secret "directory" "/var/run/landbridge/ca" "signerName" .Values.ca.signerName "approves" .Values.ca.approves "rootsConfigMap" .Values.ca.rootsConfigMap "rootsKey" .Values.ca.rootsKey) "istio" (dict "shape" .Values.istio.shape) "logLevel" .Values.logLevel | toJson }}
{{- end }}

{{/* The federation service finds it by this name, and writes a Secret that is called so. */}}
{{- define "landbridge.leaf.name" -}}landbridge-leaf{{- end }}

{{- define "landbridge.leaf.labels" -}}
app.kubernetes.io/name: {{ include "landbridge.leaf.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: landbridge
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}
