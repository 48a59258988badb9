//go:build !linux

// Package netlab is test support for Linux; elsewhere it is empty.
package netlab
