#!/bin/sh
# Starts the benchmark with the Node.js of the repository.
set -eu
cd "$(dirname "$0")/.."

[ "$(uname -s)" = Linux ] || { echo "The benchmark runs on Linux only: it is made of network namespaces." >&2; exit 69; }
[ "$(id -u)" = 0 ] || { echo "The benchmark needs root for network namespaces: run it as root, for example with sudo -E npm run bench." >&2; exit 77; }

. lab/use-node.sh
exec "$node" bench/run.ts "$@"
