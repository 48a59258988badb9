// Package change is a change of policy as people plan it, take it and look back on
// it: from which policies to which, what it does to recorded traffic, in which
// order its parts are taken, and every step so far with who, when and why.
//
// It is a noun: plain data and pure functions over policies and simulations. The
// enforcer takes the steps; documents of kind "change" keep them.
package change
