// SPDX-License-Identifier: Apache-2.0

package release

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestNewestIsWhatIsLinked: the catalogue must not promise another version than the one that go.mod brings.
func TestNewestIsWhatIsLinked(t *testing.T) {
	content, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(content), "k8s.io/kubernetes v"+Newest+"\n") {
		t.Errorf("go.mod does not require k8s.io/kubernetes v%s", Newest)
	}
}

func TestCatalog(t *testing.T) {
	cache := t.TempDir()
	for _, folder := range []string{"1.36.3", "1.36.0", "1.35.9", ".1.36.4-123", "notes"} {
		if err := os.Mkdir(filepath.Join(cache, folder), 0o755); err != nil {
			t.Fatal(err)
		}
		if folder == "1.35.9" {
			continue // a folder without a program was not finished
		}
		if err := os.WriteFile(filepath.Join(cache, folder, binaryName), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	type line struct {
		Version, Emulate string
		Genuine          bool
	}
	var got []line
	for _, r := range Catalog(cache) {
		got = append(got, line{r.Version, r.Emulate, r.Genuine()})
		if r.SupportEnds().IsZero() {
			t.Errorf("the end of support of %s is not known", r.Version)
		}
	}
	want := []line{
		{"1.34.0", "1.34", false}, {"1.35.0", "1.35", false}, {"1.36.0", "", true}, {"1.36.1", "1.36", false},
		{"1.36.3", "", true}, {Newest, "", false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the catalogue (-want +got):\n%s", diff)
	}
}

func TestFind(t *testing.T) {
	catalog := Catalog(t.TempDir())
	for asked, want := range map[string]string{"1.36": "1.36.0", "1.36.1": "1.36.1", "1.37": Newest, "1.3": "", "1.36.9": "", "": ""} {
		got, ok := Find(catalog, asked)
		if got.Version != want || ok != (want != "") {
			t.Errorf("%q is %q, want %q", asked, got.Version, want)
		}
	}
}

func TestCompareCountsAndDoesNotSpell(t *testing.T) {
	if Compare("1.9.10", "1.10.9") >= 0 || Compare("1.36.2", "1.36.10") >= 0 || Compare("1.36.2", "1.36.2") != 0 {
		t.Error("versions are compared as text")
	}
}

func TestModuleFile(t *testing.T) {
	released := `module k8s.io/kubernetes

go 1.25.0

godebug default=go1.25

require (
	github.com/spf13/cobra v1.10.0
	k8s.io/api v0.0.0
	k8s.io/component-base v0.0.0 // indirect
	k8s.io/klog/v2 v2.130.1
)

replace (
	k8s.io/api => ./staging/src/k8s.io/api
)
`
	want := `module kubernetes

go 1.25.0

require (
	k8s.io/kubernetes v1.36.3
	k8s.io/api v0.36.3
	k8s.io/component-base v0.36.3
)
`
	if diff := cmp.Diff(want, string(moduleFile([]byte(released), Version{1, 36, 3}))); diff != "" {
		t.Errorf("the module (-want +got):\n%s", diff)
	}
}

func TestBuildRefusesWhatItCannotBuild(t *testing.T) {
	b := Builder{Cache: t.TempDir(), Progress: io.Discard}
	for _, version := range []string{"1.36", "newest", Newest, "1.38.0"} {
		if _, err := b.Build(context.Background(), version); err == nil {
			t.Errorf("%s was built", version)
		}
	}
	if _, err := b.Build(context.Background(), "1.38.0"); err == nil || !strings.Contains(err.Error(), "newer than "+Newest) {
		t.Errorf("a newer release: %v, want that it is newer than what sengu-lab holds", err)
	}
	if left, err := os.ReadDir(b.Cache); err != nil || len(left) != 0 {
		t.Errorf("the refusals left %v, %v in the cache", left, err)
	}
}
