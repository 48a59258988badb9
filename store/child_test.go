package store_test

// childMain runs this process as a test's own child, if it is one.
func childMain() bool { return false }
