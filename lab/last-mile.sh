#!/bin/sh
# Installs Landbridge into clusters that exist, joins them, and has a pod of each further cluster call one of the first.
# Needs kubectl and helm, or KUBECTL and HELM that name them, and for the command `landbridge` Node.js 24 of this
# repository (npm ci), or LANDBRIDGE. May be run again: it changes only what differs.
set -eu

usage() {
  cat >&2 <<'USAGE'
usage: last-mile.sh --image REPOSITORY:TAG [OPTION]... FOUNDER=KUBECONFIG [NAME=KUBECONFIG]...

  --image REPOSITORY:TAG  Landbridge's image, which the nodes have or can pull
  --charts DIR            folder of the charts (default: charts/ of this repository)
  --authority FILE        authority-secret.yaml of a hub that runs already, as `landbridge hub init` made it
  --hub ADDRESS:PORT      instead: run the hub on the founder's node that has this address
  --hub-image IMAGE       image of nats-server, 2.14.3 or newer (default: nats:2.15.2-alpine)
  --keep DIR              where the hub's keys are kept (default: ./landbridge-hub)

  last-mile.sh coredns KUBECONFIG
                          only teach the DNS of a cluster the names below clusterset.local
USAGE
  exit 64
}

root=$(cd "$(dirname "$0")/.." && pwd)
charts=$root/charts image='' authority='' hub='' hub_image=nats:2.15.2-alpine keep=$PWD/landbridge-hub
namespace=landbridge-system demo=landbridge-demo
url=http://echo.$demo.svc.clusterset.local

say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }
name_of() { printf '%s' "${1%%=*}"; }
config_of() { printf '%s' "${1#*=}"; }
kubectl() { command ${KUBECTL:-kubectl} "$@"; }
helm() { command ${HELM:-helm} "$@"; }
landbridge() { command ${LANDBRIDGE:-"$root/node_modules/.bin/node" "$root/cli/main.ts"} "$@"; }

# apply: makes what standard input says, in the cluster that KUBECONFIG names.
apply() { kubectl apply --server-side --force-conflicts --field-manager=landbridge-last-mile -f - >/dev/null; }

# CoreDNS 1.12.2 and newer answers for ServiceImports by its plugin kubernetes. A server block of its own leaves the
# ones that are there as they are.
configure_coredns() {
  apply <<'YAML'
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: landbridge-coredns}
rules:
  - apiGroups: [multicluster.x-k8s.io]
    resources: [serviceimports]
    verbs: [list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: landbridge-coredns}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: landbridge-coredns}
subjects: [{kind: ServiceAccount, name: coredns, namespace: kube-system}]
YAML
  corefile=$(kubectl -n kube-system get configmap coredns -o 'jsonpath={.data.Corefile}') || fail 'There is no ConfigMap kube-system/coredns: configure the DNS of this cluster by hand.'
  case $corefile in
    *'multicluster clusterset.local'*) return ;;
    # K3s writes its ConfigMap anew when it starts; additions have a ConfigMap of their own.
    *'import /etc/coredns/custom/*.server'*) map=coredns-custom key=clusterset.server corefile='' ;;
    *) map=coredns key=Corefile ;;
  esac
  {
    printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: kube-system}\ndata:\n  %s: |\n' "$map" "$key"
    { if [ -n "$corefile" ]; then printf '%s\n' "$corefile"; fi; clusterset_block; } | sed 's/^/    /'
  } | apply
  kubectl -n kube-system rollout restart deployment coredns >/dev/null
  kubectl -n kube-system rollout status deployment coredns --timeout=180s >/dev/null
}

clusterset_block() {
  cat <<'COREFILE'
clusterset.local:53 {
    errors
    kubernetes clusterset.local {
        multicluster clusterset.local
        ttl 5
    }
    cache 5
    loadbalance
}
COREFILE
}

install_charts() { # NAME
  kubectl create namespace "$namespace" --dry-run=client -o yaml | apply
  kubectl label namespace "$namespace" --overwrite pod-security.kubernetes.io/enforce=privileged >/dev/null
  for chart in federation agent; do
    helm upgrade --install "landbridge-$chart" "$charts/$chart" --namespace "$namespace" \
      --set-string "cluster.name=$1" --set-string "image.repository=${image%:*}" --set-string "image.tag=${image##*:}" >/dev/null
    # It makes the ConfigMap that agents mount: one that starts before waits a minute for the kubelet to see it.
    [ "$chart" = agent ] || kubectl -n "$namespace" rollout status deployment landbridge-federation --timeout=300s
  done
}

wait_for_rollout() {
  kubectl -n "$namespace" rollout status deployment landbridge-federation --timeout=300s
  kubectl -n "$namespace" rollout status daemonset landbridge-agent --timeout=300s
}

# Runs nats-server on one node of the cluster that KUBECONFIG names; it keeps nothing that its members could not write again.
run_hub() {
  [ -f "$keep/authority-secret.yaml" ] || landbridge hub init --url "tls://$hub" --out "$keep"
  authority=$keep/authority-secret.yaml
  node=$(kubectl get nodes -o 'jsonpath={range .items[*]}{.metadata.name} {.status.addresses[*].address}{"\n"}{end}' | awk -v address="${hub%:*}" '{ for (i = 2; i <= NF; i++) if ($i == address) { print $1; exit } }')
  [ -n "$node" ] || fail "No node of the founder has the address ${hub%:*}."
  kubectl create namespace landbridge-hub --dry-run=client -o yaml | apply
  kubectl label namespace landbridge-hub --overwrite pod-security.kubernetes.io/enforce=privileged >/dev/null
  sed -e "s|$keep/jetstream|/data/jetstream|g" -e "s|$keep/accounts|/data/accounts|g" -e "s|$keep|/etc/landbridge-hub|g" "$keep/nats.conf" |
    kubectl -n landbridge-hub create secret generic landbridge-hub --from-file=nats.conf=/dev/stdin \
      --from-file=hub.pem="$keep/tls/hub.pem" --from-file=hub-key.pem="$keep/tls/hub-key.pem" --dry-run=client -o yaml | apply
  apply <<YAML
apiVersion: apps/v1
kind: Deployment
metadata: {name: landbridge-hub, namespace: landbridge-hub}
spec:
  strategy: {type: Recreate}
  minReadySeconds: 3 # one that ends at once, for its configuration, does not count
  selector: {matchLabels: {app: landbridge-hub}}
  template:
    metadata: {labels: {app: landbridge-hub}}
    spec:
      hostNetwork: true
      nodeName: $node
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, runAsUser: 65534, runAsGroup: 65534, fsGroup: 65534, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: nats-server
          image: $hub_image
          args: [-c, /etc/landbridge-hub/nats.conf]
          securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
          volumeMounts:
            - {name: files, mountPath: /etc/landbridge-hub, readOnly: true}
            - {name: data, mountPath: /data}
      volumes:
        - name: files
          secret:
            secretName: landbridge-hub
            items: [{key: nats.conf, path: nats.conf}, {key: hub.pem, path: tls/hub.pem}, {key: hub-key.pem, path: tls/hub-key.pem}]
        - name: data
          emptyDir: {}
YAML
  kubectl -n landbridge-hub rollout status deployment landbridge-hub --timeout=180s || { kubectl -n landbridge-hub logs deployment/landbridge-hub --tail=20 >&2; fail 'The hub does not start.'; }
}

is_connected() { landbridge status -o json 2>/dev/null | tr -d ' \n' | grep -q '"state":"connected"'; }

# retry SECONDS WHAT COMMAND...: until the command succeeds.
retry() {
  deadline=$(($(date +%s) + $1)) what=$2
  shift 2
  until "$@"; do
    [ "$(date +%s)" -lt "$deadline" ] || fail "Gave up waiting for $what."
    sleep 1
  done
}

deploy_demo() { # CLUSTER serve|idle
  case $2 in
    serve) program='require("http").createServer((q, r) => r.end(JSON.stringify({ cluster: process.env.CLUSTER, pod: process.env.HOSTNAME, caller: q.socket.remoteAddress }) + "\n")).listen(8080); process.on("SIGTERM", () => process.exit())' name=echo ;;
    idle) program='setInterval(() => {}, 1e9); process.on("SIGTERM", () => process.exit())' name=client ;;
  esac
  apply <<YAML
apiVersion: v1
kind: Namespace
metadata:
  name: $demo
  labels: {landbridge.dev/dataplane-mode: ambient}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: $name, namespace: $demo}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: $name, namespace: $demo}
spec:
  selector: {matchLabels: {app: $name}}
  template:
    metadata: {labels: {app: $name}}
    spec:
      serviceAccountName: $name
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 5
      securityContext: {runAsNonRoot: true, runAsUser: 65534, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: $name
          image: $image
          args: [-e, '$program']
          env: [{name: CLUSTER, value: $1}]
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
YAML
  [ "$name" = client ] || apply <<YAML
apiVersion: v1
kind: Service
metadata: {name: echo, namespace: $demo}
spec:
  selector: {app: echo}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: {name: echo, namespace: $demo}
YAML
  kubectl -n "$demo" rollout status deployment "$name" --timeout=180s
}

call() {
  answer=$(kubectl -n "$demo" exec deploy/client -- node -e "fetch('$url', { signal: AbortSignal.timeout(5000) }).then((r) => r.text()).then((t) => process.stdout.write(t), () => process.exit(1))" 2>/dev/null)
}

# An answer alone does not show how it came: the access log of the caller's agent does.
call_through_tunnel() {
  call && kubectl -n "$namespace" logs -l app.kubernetes.io/name=landbridge-agent --tail=500 | grep '"dst.service":"echo\.'"$demo" | grep '"direction":"outbound"' | grep -q '"tunnel":"hbone"'
}

if [ "${1:-}" = coredns ]; then
  [ $# -eq 2 ] || usage
  KUBECONFIG=$2
  export KUBECONFIG
  configure_coredns
  exit
fi
while [ $# -gt 0 ]; do
  case $1 in
    --image | --charts | --authority | --hub | --hub-image | --keep)
      [ $# -ge 2 ] || usage
      option=$(printf '%s' "${1#--}" | tr - _)
      eval "$option=\$2"
      shift 2
      ;;
    -*) usage ;;
    *) break ;;
  esac
done
[ $# -ge 1 ] && [ -n "$image" ] || usage
case ${image##*/} in *:*) ;; *) usage ;; esac
[ -n "$authority$hub" ] || usage
for cluster in "$@"; do case $cluster in ?*=?*) ;; *) usage ;; esac; done
case $keep in /*) ;; *) keep=$PWD/$keep ;; esac
export KUBECONFIG

for cluster in "$@"; do
  KUBECONFIG=$(config_of "$cluster")
  say "$(name_of "$cluster"): installing the charts"
  install_charts "$(name_of "$cluster")"
  configure_coredns
done

founder=$1
KUBECONFIG=$(config_of "$founder")
[ -n "$authority" ] || { say "$(name_of "$founder"): starting the hub at tls://$hub"; run_hub; }
kubectl apply --server-side --force-conflicts -n "$namespace" -f "$authority" >/dev/null
for cluster in "$@"; do
  KUBECONFIG=$(config_of "$cluster")
  wait_for_rollout
done

KUBECONFIG=$(config_of "$founder")
retry 120 'the founder to reach the hub' is_connected
deploy_demo "$(name_of "$founder")" serve
shift
for cluster in "$@"; do
  KUBECONFIG=$(config_of "$cluster")
  if ! kubectl -n "$namespace" get secret landbridge-hub-credentials >/dev/null 2>&1; then
    KUBECONFIG=$(config_of "$founder")
    token=$(landbridge token create "$(name_of "$cluster")")
    KUBECONFIG=$(config_of "$cluster")
    # By standard input: everyone can read the arguments of a process.
    printf '%s\n' "$token" | landbridge join -
    say "$(name_of "$cluster"): joined $(name_of "$founder")"
  fi
  retry 120 "$(name_of "$cluster") to reach the hub" is_connected
  deploy_demo "$(name_of "$cluster")" idle
  retry 180 "a pod in $(name_of "$cluster") to call $url through a tunnel" call_through_tunnel
  say "$(name_of "$cluster"): a pod called $url through a tunnel and got: $answer"
done
