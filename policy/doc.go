// Package policy is the noun "what is allowed": label-based rules grouped into
// policies, the set of policies in force, and the one meaning they have.
//
// Start with [Parse], which reads the documents, and [Evaluate], which is that
// single meaning; [NewEvaluator] answers the same question a million times a
// second. Simulation, the dashboard's explanations, every export and the
// compiled kernel ruleset must agree with Evaluate, and tests prove that they
// do.
//
// # The meaning
//
// A flow has two ends: the client's and the server's. An end is protected when
// it is a workload in the scope of at least one policy past draft. The flow is
// judged at each protected end, and must be allowed at both.
//
// At an end, the pool is the rules of all policies past draft whose scope
// selects the workload of that end. Inbound at the server is therefore decided
// by the policies that protect the server, and outbound at the client by those
// that protect the client: no policy can open or close the door of a workload
// outside its scope. A rule of the pool matches when one of its From matches the
// client, one of its To the server, and one of its services (or none is given)
// the service. The first line that applies decides:
//
//  1. an always-allowed exception for this direction, or, at the server's end,
//     a client in a break-glass network: allowed;
//  2. a matching override-deny rule: denied;
//  3. a matching allow rule: allowed;
//  4. a matching deny rule: denied;
//  5. otherwise the default: at the server's end denied; at the client's end
//     denied if a policy of the pool has egress "restrict", else allowed.
//
// Several policies may select one workload: their rules are pooled, so each can
// add to what is allowed and any override-deny among them wins. The order of
// policies and of rules has no meaning; among several matching rules of one
// action the verdict names the first by policy name, then rule name.
//
// Stages: the end is decided twice, by the policies in enforce alone and by those
// in monitor and enforce together. If the first denies, the flow is Blocked; else
// if the second denies, it is WouldBlock; else Allowed. A policy in monitor thus
// changes nothing but the log: it drops nothing, and it opens nothing that an
// enforced policy closes.
//
// The flow's outcome is the worse of its two ends (Blocked, WouldBlock, Allowed);
// when they are equal the verdict gives the server's reason. A flow neither end
// of which is protected is Untouched.
//
// # Peers
//
// A selector matches workloads only, by their effective labels: the workload
// must have every key the selector names, with one of the values listed and none
// of those excluded. The empty selector matches every workload; "any" matches
// everything. Prefixes and named networks match by address, workloads included;
// domains match the names an address is known by ("*.example.com" matches every
// name below example.com but not example.com). The network "internet" is built
// in, see [Internet].
//
// A rule with a process matches only where that process is known to be the
// serving unit (server's end) or the using unit (client's end).
package policy
