#!/bin/sh
# Regenerates wire/gen from wire/proto. Needs protoc (Debian: protobuf-compiler and libprotobuf-dev); the output is committed.
set -eu
cd "$(dirname "$0")"
rm -rf gen && mkdir gen
protoc -I proto --plugin=protoc-gen-es=../node_modules/.bin/protoc-gen-es --es_out=gen --es_opt=target=js+dts,import_extension=js proto/*.proto
