#!/bin/sh
# Lays out what the images of the Dockerfile hold: image.sh FOLDER [VERSION].
# Run it in the root of the repository.
set -eu
image=$1
export CGO_ENABLED=0
mkdir -p "$image/privyseal/etc/ssl/certs" "$image/examples" "$image/volumes"
go build -trimpath -buildvcs=false -ldflags "-s -w -X privyseal.version=${2-}" -o "$image/privyseal/" ./cmd/privyseal
cp /etc/ssl/certs/ca-certificates.crt "$image/privyseal/etc/ssl/certs/" # to know identity providers by
mkdir -m 0700 "$image/volumes/keys" "$image/volumes/envoy"
cd examples
go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$image/examples/" ./cmd/idp ./cmd/whoami ./compose/prepare ./compose/probe
