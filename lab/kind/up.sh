#!/bin/sh
# Brings up two kind clusters whose pods reach each other, puts Landbridge's image on their nodes and does the rest with
# last-mile.sh. Needs Docker on Linux 6.1 or newer, kind 0.31 or newer, kubectl, helm and npm. Ends with a call between the clusters.
# kind delete clusters east west   removes everything but the folder named below.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
state=${LANDBRIDGE_KIND:-"$HOME/.cache/landbridge/kind"}
image=lab.local/landbridge:kind

for tool in docker kind kubectl helm npm; do command -v "$tool" >/dev/null || { echo "$tool is missing." >&2; exit 69; }; done
[ -x "$root/node_modules/.bin/node" ] || (cd "$root" && npm ci --ignore-scripts --no-audit --no-fund)
mkdir -p "$state"

docker build --file "$here/Dockerfile" --build-arg "IMAGE=$image" --output "$state" "$root"
for cluster in east west; do
  kind get clusters | grep -qx "$cluster" || kind create cluster --config "$here/$cluster.yaml" --kubeconfig "$state/$cluster.yaml"
  kind get kubeconfig --name "$cluster" >"$state/$cluster.yaml"
  kind load image-archive "$state/landbridge.tar" --name "$cluster"
  # A kind node has no bpf file system of its own.
  for node in $(kind get nodes --name "$cluster"); do
    docker exec "$node" sh -c 'grep -q " /sys/fs/bpf bpf " /proc/mounts || mount -t bpf bpf /sys/fs/bpf'
  done
done

# All nodes are on one network of Docker: each learns the way to the pods of the other cluster's nodes.
routes_to() {
  kubectl --kubeconfig "$state/$1.yaml" get nodes -o 'jsonpath={range .items[*]}{.spec.podCIDR} via {.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}'
}
for pair in 'east west' 'west east'; do
  for node in $(kind get nodes --name "${pair% *}"); do
    routes_to "${pair#* }" | while read -r route; do
      # shellcheck disable=SC2086 # a route is several words
      docker exec "$node" ip route replace $route </dev/null
    done
  done
done

hub=$(kubectl --kubeconfig "$state/east.yaml" get node east-control-plane -o 'jsonpath={.status.addresses[?(@.type=="InternalIP")].address}')
exec sh "$root/lab/last-mile.sh" --image "$image" --hub "$hub:4222" --keep "$state/hub" "east=$state/east.yaml" "west=$state/west.yaml"
