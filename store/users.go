package store

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// sensorTables are what a sensor may insert into, and nothing else.
var sensorTables = []string{"flows", "names", "violations", "sensor_health"}

var userName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// CreateSensorUser makes, or gives a new password to, a database user for a
// sensor on another machine: it can insert what it sees and read nothing. A
// cluster must share its access entities for the user to exist on every server.
func (s *Store) CreateSensorUser(ctx context.Context, name, password string) error {
	if !userName.MatchString(name) {
		return fmt.Errorf("create sensor user: %q is no name: letters, digits, '_', '.', '-', at most 64", name)
	}
	if len(password) < 12 {
		return errors.New("create sensor user: the password must have at least 12 characters")
	}
	user := identifier(name)
	statements := []string{
		"CREATE USER IF NOT EXISTS " + user + s.onCluster() + " IDENTIFIED WITH sha256_password BY " + quote(password),
		"ALTER USER " + user + s.onCluster() + " IDENTIFIED WITH sha256_password BY " + quote(password),
	}
	for _, grant := range SensorGrants(s.Database()) {
		statements = append(statements, strings.Replace(grant, "GRANT", "GRANT"+s.onCluster(), 1)+" TO "+user)
	}
	for _, text := range statements {
		err := s.conn.Exec(ctx, text)
		if ErrorCode(err) == noAccessStorage {
			err = fmt.Errorf("%w: the embedded library keeps no users; name a ClickHouse server with --clickhouse for sensors on other machines", ErrNoUsers)
		}
		if err != nil {
			return fmt.Errorf("create sensor user %s: %w", name, err)
		}
	}
	return nil
}

// ErrNoUsers: the database cannot be given users.
var ErrNoUsers = errors.New("database takes no users")

const noAccessStorage = 514 // ACCESS_STORAGE_FOR_INSERTION_NOT_FOUND

// SensorGrants are the rights of a sensor's user in a database, as GRANT
// statements without their TO.
func SensorGrants(database string) []string {
	var grants []string
	for _, table := range sensorTables {
		grants = append(grants, "GRANT INSERT ON "+identifier(database)+"."+table)
	}
	return grants
}

// DropSensorUser removes a sensor's user.
func (s *Store) DropSensorUser(ctx context.Context, name string) error {
	if err := s.conn.Exec(ctx, "DROP USER IF EXISTS "+identifier(name)+s.onCluster()); err != nil {
		return fmt.Errorf("drop sensor user %s: %w", name, err)
	}
	return nil
}
