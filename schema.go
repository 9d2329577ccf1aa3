package privyseal

import (
	_ "embed"
	"slices"
)

//go:generate go test -run ^TestSchemaIsUpToDate$ -update .

//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema (draft 2020-12) of the configuration, for
// editors: what keys there are, what they mean and what kind of value they take.
// [Load] checks more.
func Schema() []byte { return slices.Clone(schema) }
