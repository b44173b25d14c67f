#!/bin/sh
# Runs the tests with the Node.js of the repository, whichever Node.js and npm called it.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

[ "$(uname -s)" = Linux ] || { say "The tests run on Linux only: they use network namespaces, cgroups and eBPF."; exit 69; }

node=node_modules/.bin/node
if ! [ -x "$node" ] || ! "$node" -e 'process.exit(process.versions.node.startsWith("24.") ? 0 : 1)' 2>/dev/null; then
  say "Installing the npm packages of the repository, Node.js 24 among them (npm ci)."
  npm ci --ignore-scripts --no-audit --no-fund >&2
fi
"$node" -e 'process.exit(process.versions.node.startsWith("24.") ? 0 : 1)' 2>/dev/null || {
  say "node_modules/.bin/node is not Node.js 24: remove node_modules and run npm ci --ignore-scripts on an x86-64 machine."
  exit 69
}
exec "$node" test/run.ts "$@"
