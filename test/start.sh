#!/bin/sh
# Runs the tests with the Node.js of the repository.
set -eu
cd "$(dirname "$0")/.."

[ "$(uname -s)" = Linux ] || { echo "The tests run on Linux only: they use network namespaces, cgroups and eBPF." >&2; exit 69; }

. lab/use-node.sh
exec "$node" test/run.ts "$@"
