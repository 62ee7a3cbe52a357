{{- define "tagbid.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{/* The roles, in the order in which they need each other. */}}
{{- define "tagbid.roles" -}}
campaigns tags ledger bidder
{{- end -}}

{{- define "tagbid.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tagbid.labels" -}}
{{ include "tagbid.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* gRPC addresses of each pod of a role, as a TOML list: context, role, how many. */}}
{{- define "tagbid.nodes" -}}
{{- $context := index . 0 -}}{{- $role := index . 1 -}}
{{- $name := include "tagbid.name" $context -}}
[
{{- range $i := until (int (index . 2)) -}}
{{- if $i }}, {{ end -}}
"http://{{ $name }}-{{ $role }}-{{ $i }}.{{ $name }}-{{ $role }}-nodes.{{ $context.Release.Namespace }}.svc:8081"
{{- end -}}
]
{{- end -}}

{{/* Bidders that may exist. */}}
{{- define "tagbid.bidders" -}}
{{- $bidder := .Values.bidder -}}
{{- if $bidder.autoscaling.enabled }}{{ $bidder.autoscaling.maxReplicas }}{{ else }}{{ $bidder.replicas }}{{ end -}}
{{- end -}}
