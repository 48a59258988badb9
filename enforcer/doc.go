// Package enforcer turns what is allowed (policy.Set) into what happens on a
// machine: a host that protects itself, or a gateway that many workloads sit
// behind. It plans a change, applies it as one transaction, keeps a way back that
// the kernel guarantees, and reports what the kernel did.
//
// nft compiles and applies; watch reads back what was logged and seen.
package enforcer
