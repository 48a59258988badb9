package flow

import "time"

// Time is an instant in nanoseconds since the Unix epoch, UTC. Records hold it
// instead of time.Time because a flow table keeps millions of them; 0 means
// "not known".
type Time int64

// TimeOf converts t.
func TimeOf(t time.Time) Time { return Time(t.UnixNano()) }

// Std converts back to the standard library's type, in UTC.
func (t Time) Std() time.Time { return time.Unix(0, int64(t)).UTC() }

// Sub returns the duration t-u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Add returns t+d.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }
