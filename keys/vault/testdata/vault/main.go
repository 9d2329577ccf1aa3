// Command vault is HashiCorp Vault in memory, with the transit engine and tokens
// alone: the server that the tests of keys/vault run against. Its first argument
// is the address it listens on.
package main

import (
	"fmt"
	"net/http"
	"os"

	hclog "github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/builtin/logical/transit"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

func main() {
	if err := serve(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(address string) error {
	log := hclog.New(&hclog.LoggerOptions{Output: os.Stderr})
	memory, err := inmem.NewInmem(nil, log)
	if err != nil {
		return err
	}
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical: memory, DisableMlock: true, Logger: log,
		LogicalBackends: map[string]logical.Factory{"transit": transit.Factory},
		BuiltinRegistry: registry{},
	})
	if err != nil {
		return err
	}
	return http.ListenAndServe(address, vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core, ListenerConfig: &configutil.Listener{}}))
}

// registry says that the transit engine is part of the program, and nothing else.
type registry struct{}

func (registry) Contains(name string, kind consts.PluginType) bool {
	return name == "transit" && kind == consts.PluginTypeSecrets
}

func (registry) Get(name string, kind consts.PluginType) (func() (any, error), bool) {
	return func() (any, error) { return transit.Factory, nil }, registry{}.Contains(name, kind)
}

func (registry) Keys(kind consts.PluginType) []string {
	if kind == consts.PluginTypeSecrets {
		return []string{"transit"}
	}
	return nil
}

func (registry) DeprecationStatus(name string, kind consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, registry{}.Contains(name, kind)
}

func (registry) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
