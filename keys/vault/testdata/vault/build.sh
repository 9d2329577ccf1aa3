#!/bin/sh
# Builds HashiCorp Vault, in memory and with the transit engine alone:
#   build.sh DIRECTORY    writes DIRECTORY/vault
# Vault's release is not built from modules: it needs its own sdk as it stood that day,
# which was not published. Three calls are fitted to the published one.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1" && cd "$1"
version=$(sed -n 's#^require github.com/hashicorp/vault ##p' "$here/go.mod")
cp "$here/main.go" "$here/go.mod" .
source=$(go mod download -json "github.com/hashicorp/vault@$version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
rm -rf src && cp -r "$source" src && chmod -R u+w src
cd src
sed -i 's/restoredKeyName, err := b.lm.RestorePolicy/restoredKeyName, err := keyName, b.lm.RestorePolicy/' builtin/logical/transit/path_restore.go
sed -i 's/) activateDeduplication(ctx context.Context, req \*logical.Request) error/) activateDeduplication(ctx context.Context, req *logical.Request, _ string) error/' vault/identity_store_util.go
sed -i 's/ActivationFunc(ctx, nil)/ActivationFunc(ctx, nil, "")/' vault/logical_system_activation_flags.go
cd ..
go mod edit -replace github.com/hashicorp/vault=./src
go build -mod=mod -o unfinished .
mv unfinished vault
rm -rf src main.go go.mod go.sum
