package enforcer

// Note adds a line to the journal about something that changed nothing in force:
// a bundle refused, for one.
func (e *Enforcer) Note(event, detail string) error {
	end, err := e.begin()
	if err != nil {
		return err
	}
	defer end()
	return e.record(event, e.confirmed, cutText(detail, 2000))
}
