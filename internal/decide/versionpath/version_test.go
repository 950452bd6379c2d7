// SPDX-License-Identifier: Apache-2.0

package versionpath

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sengu.dev/sengu/api/v1alpha1"
)

func TestParse(t *testing.T) {
	tests := map[string]struct {
		text    string
		want    Version
		wantErr bool
	}{
		"exact":                    {text: "1.37.2", want: Version{Major: 1, Minor: 37, Patch: 2}},
		"with a leading v":         {text: "v1.37.2", want: Version{Major: 1, Minor: 37, Patch: 2}},
		"preview":                  {text: "1.38.0-rc.1", want: Version{Major: 1, Minor: 38, Suffix: "rc.1"}},
		"vendor's build":           {text: "1.33.5-gke.1080000", want: Version{Major: 1, Minor: 33, Patch: 5, Suffix: "gke.1080000"}},
		"build metadata":           {text: "1.37.2+k3s1", want: Version{Major: 1, Minor: 37, Patch: 2}},
		"only a minor":             {text: "1.37", wantErr: true},
		"nothing":                  {text: "", wantErr: true},
		"a sign":                   {text: "1.-37.2", wantErr: true},
		"leading zero":             {text: "1.037.2", wantErr: true},
		"a number beyond all":      {text: "1.37.99999999999999999999", wantErr: true},
		"space":                    {text: "1.37.2 ", wantErr: true},
		"empty suffix":             {text: "1.37.2-", wantErr: true},
		"suffix with a gap":        {text: "1.37.2-rc..1", wantErr: true},
		"something else than text": {text: "1.37.2-\x00", wantErr: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(tc.text)
			if (err != nil) != tc.wantErr {
				t.Fatalf("error %v, want one: %t", err, tc.wantErr)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			if e, ok := errors.AsType[*Error](err); tc.wantErr && (!ok || e.Reason != v1alpha1.ReasonUnknownVersion) {
				t.Errorf("error %#v, want reason UnknownVersion", err)
			}
		})
	}
}

func TestOrder(t *testing.T) {
	want := []string{
		"nonsense", "1.9.12", "1.36.10", "1.37.0-alpha.2", "1.37.0-alpha.10", "1.37.0-beta.0", "1.37.0-rc.1", "1.37.0",
		"1.37.0-gke.90", "1.37.0-gke.1000", "1.37.0-gke.99999999999999999998", "1.37.0-gke.99999999999999999999", "1.37.1", "2.0.0",
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, Compare)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := Minor("v1.37.2-rc.1"); got != "1.37" {
		t.Errorf("minor %q, want 1.37", got)
	}
	if got := Minor("1.37"); got != "" {
		t.Errorf("minor of no exact version %q, want none", got)
	}
}

// FuzzParse: what is read is written as it was read, and orders with itself as equal.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"1.37.2", "v1.38.0-rc.1", "1.33.5-gke.1080000", "1.37.2+k3s1", "1..2", "-", "1.37.2-0.00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(v.String())
		if err != nil || again != v {
			t.Errorf("%q was read as %+v, written as %q, and then read as %+v (%v)", text, v, v.String(), again, err)
		}
		if plain, _, _ := strings.Cut(strings.TrimPrefix(text, "v"), "+"); plain != v.String() {
			t.Errorf("%q was written as %q", text, v.String())
		}
		if v.Compare(again) != 0 {
			t.Errorf("%q is not equal to what it was written as", text)
		}
	})
}

// drawVersion draws a version, now and then a preview or a vendor's build.
func drawVersion(t *rapid.T) Version {
	return Version{
		Major: 1, Minor: rapid.IntRange(28, 38).Draw(t, "minor"), Patch: rapid.IntRange(0, 4).Draw(t, "patch"),
		Suffix: rapid.SampledFrom([]string{"", "", "", "alpha.1", "rc.0", "gke.7"}).Draw(t, "suffix"),
	}
}

func TestCompareIsAnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawVersion(t), drawVersion(t), drawVersion(t)
		if a.Compare(b) != -b.Compare(a) {
			t.Errorf("%s and %s disagree on who is newer", a, b)
		}
		if a.Compare(b) <= 0 && b.Compare(c) <= 0 && a.Compare(c) > 0 {
			t.Errorf("%s ≤ %s ≤ %s and not %s ≤ %s", a, b, c, a, c)
		}
		if (a.Compare(b) == 0) != (a == b) {
			t.Errorf("%s and %s are equal only by name", a, b)
		}
	})
}
