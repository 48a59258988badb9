package authority

import "github.com/bulkhead/bulkhead/fleet"

// Enrolled lists the hosts of the register in a folder, by name, for programs that
// need no keys; nothing is made where there is none.
func Enrolled(dir string) ([]fleet.Enrolment, error) {
	r, err := (&book{dir: dir}).read()
	if err != nil {
		return nil, err
	}
	return r.Hosts, nil
}
