package schemas

import _ "embed"

// Policy is the JSON Schema (draft 2020-12) of one document of a policy file, for
// editors and for CI.
//
//go:embed policy.schema.json
var Policy []byte
