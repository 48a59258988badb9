package nft

import "errors"

// ErrOwned says that another living program owns the table (see OpenOwner): only
// it can change it. Ask that program, or end it.
var ErrOwned = errors.New("the table belongs to another program")
