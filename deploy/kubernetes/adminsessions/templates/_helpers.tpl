{{- define "adminsessions.fullname" -}}
{{- $name := printf "%s-adminsessions" .Release.Name -}}
{{- if contains "adminsessions" .Release.Name }}{{ $name = .Release.Name }}{{ end -}}
{{- /* A StatefulSet's name, a dash and a number are its pods' labels: 63 characters at most. */ -}}
{{- .Values.fullnameOverride | default $name | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{- define "adminsessions.selector" -}}
app.kubernetes.io/name: adminsessions
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "adminsessions.labels" -}}
{{ include "adminsessions.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "adminsessions.image" -}}
{{- with .Values.proxy.image -}}
{{- $_ := required "proxy.image.repository is required: build deploy/package/Dockerfile, push it, and name it here" .repository -}}
{{- $_ := required "proxy.image.tag is required, or proxy.image.digest" (.digest | default .tag) -}}
{{- include "adminsessions.reference" . -}}
{{- end -}}
{{- end }}

{{- /* An image, by its digest if there is one. */ -}}
{{- define "adminsessions.reference" -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag }}{{ end }}
{{- end }}

{{- /* The proxy's file. What would make it another one than its pod expects is refused. */ -}}
{{- define "adminsessions.config" -}}
{{- $config := deepCopy .Values.proxy.config -}}
{{- range $key := list "listen" "operators" -}}
{{- if hasKey $config $key }}{{ fail (printf "proxy.config.%s is the chart's and can't be set" $key) }}{{ end -}}
{{- end -}}
{{- if hasKey ($config.spool | default dict) "dir" }}{{ fail "proxy.config.spool.dir is the chart's and can't be set: the spool is on the pod's volume" }}{{ end -}}
{{- if not $config.upstreams }}{{ fail "proxy.config.upstreams is required: name the panel, as in [{url: http://panel:8000}], or set proxy.enabled: false" }}{{ end -}}
{{- $cookies := (($config.session | default dict).cookies) -}}
{{- range ($config.who | default list) }}{{ if hasKey . "lookup" }}{{ $cookies = list "lookup" }}{{ end }}{{ end -}}
{{- if and $cookies (gt (int .Values.proxy.replicas) 1) (not (($config.session | default dict).key_file)) -}}
{{- fail "proxy.config.session.key_file is required with more than one replica, or each gives a session a name of its own: a Secret of proxy.secrets with the same key for all" -}}
{{- end -}}
{{- $_ := set $config "listen" ":8080" -}}
{{- $_ := set $config "operators" ":9465" -}}
{{- toYaml $config -}}
{{- end }}

{{- /*
The groups of a file of rules, without those that are disabled, and overridden.
root, file, and name: the key that a rule's name stands under.
*/ -}}
{{- define "adminsessions.rules" -}}
{{- $rules := .root.Values.rules -}}
{{- $name := .name -}}
{{- $folder := .folder -}}
{{- $text := .root.Files.Get .file -}}
{{- $text = replace `service_name=~".+"` (printf `service_name=~"%s"` $rules.services) $text -}}
{{- $text = replace "adminsessions-loki" .root.Values.grafana.lokiUID $text -}}
{{- $groups := list -}}
{{- range $group := (fromYaml $text).groups -}}
{{- $kept := list -}}
{{- range $rule := $group.rules -}}
{{- $alert := get $rule $name -}}
{{- if not (get $rules.disabled $alert) -}}
{{- $kept = append $kept (mergeOverwrite $rule (deepCopy (get $rules.overrides $alert | default dict))) -}}
{{- end -}}
{{- end -}}
{{- if $kept -}}
{{- $_ := set $group "rules" $kept -}}
{{- if $folder }}{{ $_ := set $group "folder" $folder }}{{ end -}}
{{- $groups = append $groups $group -}}
{{- end -}}
{{- end -}}
{{- toYaml (dict "groups" $groups) -}}
{{- end }}
