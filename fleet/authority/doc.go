// Package authority says who belongs to the fleet: it makes join tokens, enrols the
// hosts that bring one, signs their short-lived certificates, and signs policies.
//
// Everything is in one folder only its owner can read: the key of the certificate
// authority, the key that signs bundles, and the register of tokens and hosts. A
// command and the controller may work on it at once: changes are made under a file
// lock and seen by the other at its next look. A host is revoked by taking it out
// of the register; no list of revoked certificates is needed, because only the
// controller asks.
package authority
