package schemas

import _ "embed"

// OpenAPI describes every route of the HTTP API (OpenAPI 3.1).
//
//go:embed openapi.yaml
var OpenAPI []byte
