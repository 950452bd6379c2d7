// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"

	"github.com/spf13/pflag"
)

// dryRun lets the hub check something and keep nothing. Alone it is enough, and it is also written as kubectl's users
// write it: --dry-run=server.
type dryRun bool

func (d *dryRun) addTo(flags *pflag.FlagSet) {
	flags.Var(d, "dry-run", "Let the hub check it and keep nothing. Alone it means server; none: do it.")
	flags.Lookup("dry-run").NoOptDefVal = "server"
}

// String is the value as it is written.
func (d *dryRun) String() string {
	if *d {
		return "server"
	}
	return "none"
}

// Set reads a value. The client cannot check anything by itself, and must not pretend to.
func (d *dryRun) Set(value string) error {
	switch value {
	case "server", "true":
		*d = true
	case "none", "false":
		*d = false
	default:
		return errors.New("say server or none")
	}
	return nil
}

// Type is shown in the help.
func (d *dryRun) Type() string { return "string" }

// note is added to what was said to be done.
func (d *dryRun) note() string {
	if *d {
		return " (dry run)"
	}
	return ""
}
