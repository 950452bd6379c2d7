// SPDX-License-Identifier: Apache-2.0

package archtest

import (
	"os"
	"testing"
)

// TestArchitecture holds the rules against this module.
func TestArchitecture(t *testing.T) {
	module, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(module) < 10 {
		t.Fatalf("found %d Go files: this is not the module's root", len(module))
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, finding := range r.check(module) {
				t.Errorf("%s\n\t(%s)", finding, r.why)
			}
		})
	}
}
