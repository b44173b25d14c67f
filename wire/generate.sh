#!/bin/sh
# Makes wire/gen, or the folder that is named, from wire/proto. Needs protoc; the output is committed.
set -eu
cd "$(dirname "$0")"
out=${1:-gen}
if ! command -v protoc >/dev/null; then
  echo 'wire/generate.sh: there is no protoc. Install it: apt-get install protobuf-compiler' >&2
  exit 1
fi
types=$(mktemp)
trap 'rm -f "$types"' EXIT
../node_modules/.bin/node well-known-types.ts >"$types"
rm -rf "$out" && mkdir "$out"
protoc -I proto --descriptor_set_in="$types" --plugin=protoc-gen-es=../node_modules/.bin/protoc-gen-es --es_out="$out" --es_opt=target=js+dts,import_extension=js proto/*.proto
