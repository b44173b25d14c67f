# Sourced in the root of the repository: sets `node` to its Node.js 24, whichever Node.js and npm called, installing it where it is missing.

say() { printf '%s\n' "$*" >&2; }
is_node_24() { "$node" -e 'process.exit(process.versions.node.startsWith("24.") ? 0 : 1)' 2>/dev/null; }

node=node_modules/.bin/node
if ! [ -x "$node" ] || ! is_node_24; then
  say "Installing the npm packages of the repository, Node.js 24 among them (npm ci)."
  npm ci --ignore-scripts --no-audit --no-fund >&2
fi
is_node_24 || {
  say "node_modules/.bin/node is not Node.js 24: remove node_modules and run npm ci --ignore-scripts on an x86-64 machine."
  exit 69
}
