// Package scenarios holds the demonstration estates that internal/scenario
// generates traffic from. Each file is written by hand for this project;
// addresses are private or reserved for documentation (RFC 1918, RFC 4193, RFC
// 5737, RFC 2544) and names end in the reserved .example (RFC 2606).
package scenarios

import "embed"

// Files holds every scenario by file name.
//
//go:embed *.yaml
var Files embed.FS
