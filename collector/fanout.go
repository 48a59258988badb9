package collector

import "os"

// fanoutGroup gives the nth interface of this process a group id of its own;
// groups are per network namespace, not per process.
func fanoutGroup(n uint16) uint16 { return uint16(os.Getpid())<<4 ^ n | 1<<15 }
