// SPDX-License-Identifier: Apache-2.0

package view

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// neverWaited are reasons that nothing waits for and nothing fails by: of conditions that say that all is well, of
// events, and of what becomes of notifications.
var neverWaited = []string{
	v1alpha1.ReasonAvailable, v1alpha1.ReasonAllNodesReady,
	v1alpha1.ReasonGatePassed, v1alpha1.ReasonGateRefused, v1alpha1.ReasonGateSkipped, v1alpha1.ReasonSoakDone, v1alpha1.ReasonResumed,
	v1alpha1.ReasonRetried, v1alpha1.ReasonStepSucceeded, v1alpha1.ReasonDrainMoves, v1alpha1.ReasonNodeQuarantined, v1alpha1.ReasonControlPlaneVersion,
	v1alpha1.ReasonDelivered, v1alpha1.ReasonNoNotifications, v1alpha1.ReasonInvalidReceiver, v1alpha1.ReasonReceiverUnreachable,
	v1alpha1.ReasonReceiverRefused, v1alpha1.ReasonReceiverBusy, v1alpha1.ReasonDeliveryFailed, v1alpha1.ReasonReceiverFailed,
}

// reasons are all that the API documents.
func reasons(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../api/v1alpha1/conditions.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && strings.HasPrefix(spec.Names[0].Name, "Reason") {
			word, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, word)
		}
		return true
	})
	return found
}

// TestEveryReasonIsExplained fails for a reason that was added to the API and is not told to people.
func TestEveryReasonIsExplained(t *testing.T) {
	all := reasons(t)
	if len(all) < 80 {
		t.Fatalf("only %d reasons were found in the API", len(all))
	}
	for _, reason := range all {
		text, covered := whyTexts[reason]
		switch excepted := slices.Contains(neverWaited, reason); {
		case excepted && covered:
			t.Errorf("reason %s is explained and excepted: take it out of neverWaited", reason)
		case !excepted && !covered:
			t.Errorf("reason %s has no text: say in whyreasons.go what it means, what a person can do, and what comes next", reason)
		case covered && (text.says == "" || text.by == "" || text.next == ""):
			t.Errorf("reason %s is explained without a headline, or without what comes next: %+v", reason, text)
		case covered && text.by == ByPerson && len(text.do) == 0 && reason != v1alpha1.ReasonIdle:
			t.Errorf("reason %s needs a person, and does not say what to do", reason)
		}
	}
}

// A name that nobody fills in must not be shown with its braces, and a command must be one that is typed as it stands.
func TestTextsOfReasonsAreFilledIn(t *testing.T) {
	filled := map[string]string{"namespace": "shop", "object": "cart"}
	for kind := range kinds {
		filled[kind] = "the-" + kind
	}
	for reason := range whyTexts {
		for what, names := range map[string]map[string]string{"nothing": {}, "all": filled} {
			w := newWhy(WhyObjects{}, time.Time{})
			w.names = names
			w.conclude(cause{reason, "it is so", new(metav1.Now())})
			texts := []string{w.e.Headline, w.e.NextChange.What, w.e.NextChange.Then}
			for _, f := range w.e.Fix {
				texts = append(texts, f.Do, f.Command)
				if f.Command != "" && !strings.HasPrefix(f.Command, "sengu ") && !strings.HasPrefix(f.Command, "kubectl ") {
					t.Errorf("reason %s: %q is not a command of ours", reason, f.Command)
				}
			}
			for _, text := range texts {
				if strings.ContainsAny(text, "{}") || strings.Contains(text, "  ") || strings.HasSuffix(text, ":") {
					t.Errorf("reason %s with %s known says %q", reason, what, text)
				}
			}
		}
	}
}

// Names come from members and clouds: what is meant to be typed must stay one word.
func TestANameCannotBecomeACommand(t *testing.T) {
	w := newWhy(WhyObjects{}, time.Time{})
	for name, want := range map[string]string{
		"cart":              "kubectl -n shop describe pdb cart",
		"cart; rm -rf ~":    "kubectl -n shop describe pdb 'cart; rm -rf ~'",
		"$(x)'`y`":          `kubectl -n shop describe pdb '$(x)'\''` + "`y`'",
		"a\nb\x1b[31m":      `kubectl -n shop describe pdb 'a b\x1b[31m'`,
		"":                  "kubectl -n shop describe pdb OBJECT",
		"trailing\u202eabc": `kubectl -n shop describe pdb 'trailing\u202eabc'`,
	} {
		w.names = map[string]string{"namespace": "shop", "object": name}
		if got := w.command("kubectl -n {namespace} describe pdb {object}"); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}
