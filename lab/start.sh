#!/bin/sh
# Starts the lab with the Node.js of the repository.
set -eu
cd "$(dirname "$0")/.."

[ "$(uname -s)" = Linux ] || { echo "The lab runs on Linux only: it is made of network namespaces, cgroups and eBPF." >&2; exit 69; }
[ "$(id -u)" = 0 ] || { echo "The lab needs root for namespaces, cgroups and eBPF: run it as root, for example with sudo -E npm run lab." >&2; exit 77; }

. lab/use-node.sh
exec "$node" lab/main.ts "$@"
