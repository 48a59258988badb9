package assemble

// Reconfigure takes over what of o can change while flows are in the table: Idle,
// Active, Linger, Unanswered, HoldFor, ScopeVLAN and ScopeVNI, and o.Learner's
// overrides; nil leaves those as they are. A flow whose address space changes begins
// anew.
func (t *Table) Reconfigure(o Options) {
	if o.Learner != nil {
		t.o.Learner.Override(o.Learner.Overrides())
	}
	o.Learner = t.o.Learner
	o = o.withDefaults()
	t.o.Idle, t.o.Active, t.o.Linger, t.o.Unanswered, t.o.HoldFor = o.Idle, o.Active, o.Linger, o.Unanswered, o.HoldFor
	t.o.ScopeVLAN, t.o.ScopeVNI = o.ScopeVLAN, o.ScopeVNI
}
