// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/auditlog"
	"sengu.dev/sengu/internal/decide/audit"
)

// recorded is a session whose fleet has had three runs, each with a person's skip.
func recorded(t *testing.T) (*session, client.Client) {
	t.Helper()
	s := newSession(t)
	hub := s.client()
	log := auditlog.New(hub, hub, s.namespace, clock.RealClock{})
	for i := range 3 {
		run := &v1alpha1.UpgradeRun{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("run-%d", i), UID: types.UID(fmt.Sprintf("uid-%d", i)), Generation: 1,
				CreationTimestamp: metav1.NewTime(time.Date(2027, 3, 1+i, 9, 0, 0, 0, time.UTC)), Annotations: map[string]string{"sengu.dev/created-by": "ben"}},
			Spec: v1alpha1.UpgradeRunSpec{Target: v1alpha1.UpgradeTarget{Kubernetes: "1.37"}, Skip: []v1alpha1.Skip{
				{Kind: v1alpha1.SkipKindCluster, Cluster: "prod-7", Reason: "=HYPERLINK(\"x\")"},
			}},
		}
		if _, _, err := log.Record(t.Context(), audit.Look{Of: audit.Run{Name: run.Name, UID: string(run.UID)}, Run: run}, false); err != nil {
			t.Fatal(err)
		}
	}
	return s, hub
}

func (s *session) write(name, content string) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// wants fails the test unless a command ended with a code and said these things.
func (s *session) wants(line string, code int, out, errOut string) result {
	s.t.Helper()
	r := s.do(line)
	if r.code != code || !strings.Contains(r.out, out) || !strings.Contains(r.errOut, errOut) {
		s.t.Errorf("%s: code %d\n%s\n%s\nwant code %d with %q and %q", line, r.code, r.out, r.errOut, code, out, errOut)
	}
	return r
}

func TestTheRecordIsReadAndExported(t *testing.T) {
	s, _ := recorded(t)
	r := s.wants("audit list", 0, "2027-03-01T09:00:00Z   run-0   RunCreated   <none>   ben   <none>", "")
	if n := strings.Count(r.out, "\n"); n != 7 {
		t.Errorf("%d lines, want a header and six records:\n%s", n, r.out)
	}
	if r := s.wants("audit list --run run-1 -o wide", 0, "kind=Cluster", ""); strings.Contains(r.out, "run-0") {
		t.Errorf("other runs are listed too:\n%s", r.out)
	}
	s.wants("audit list --since -1h", 2, "", "--since -1h0m0s is in the future")
	s.wants("audit list --run no-such", 0, "", "No resources found.")
	s.wants("audit list -o json", 0, `"kind": "AuditEntry"`, "")

	jsonl := s.do("audit export").out
	if again := s.do("audit export -o jsonl").out; again != jsonl || strings.Count(jsonl, "\n") != 3 || strings.Contains(jsonl, "resourceVersion") {
		t.Errorf("an export is not the same each time, or holds what the hub adds:\n%s", jsonl)
	}
	s.wants("audit export -o csv", 0, `,prod-7,"'=HYPERLINK(""x"")",`, "")
	s.wants("audit export -o xml", 2, "", `--output "xml" is no format: say jsonl, json or csv`)
	for name, content := range map[string]string{"jsonl": jsonl, "json": s.do("audit export -o json").out} {
		s.wants("audit verify -f "+s.write(name, content), 0, "the record is whole: 3 entries with 6 records; entry 3 is the newest", "")
	}
	if r := s.run(t.Context(), jsonl, "audit", "verify", "-f", "-"); r.code != 0 {
		t.Errorf("from standard input: %+v", r)
	}
}

func TestABrokenRecordIsFound(t *testing.T) {
	s, hub := recorded(t)
	whole := s.do("audit export").out
	lines := strings.SplitAfter(whole, "\n")
	for name, tc := range map[string]struct {
		content string
		code    int
		out     string
		errOut  string
	}{
		"altered":         {strings.Replace(whole, "prod-7", "prod-8", 1), 1, "entry 1: it was altered", "the record of decisions is broken: findings: 1"},
		"a line is gone":  {lines[0] + lines[2], 1, "entry 3: entry 2 is missing before it", "broken"},
		"cut off":         {whole[:len(whole)-20], 2, "", "after 2 entries comes what is not JSON"},
		"something else":  {`{"kind":"Pod","spec":{}}`, 2, "", "after 0 entries comes something that is no AuditEntry"},
		"no JSON at all":  {"entry,time\n", 2, "", "comes what is not JSON"},
		"a number":        {"[1]", 2, "", "no AuditEntry"},
		"of two fleets":   {lines[0] + strings.Replace(lines[1], s.namespace, "other", 1), 2, "", `comes one of namespace "other"`},
		"empty":           {"", 0, "nothing is recorded", ""},
		"an escape in it": {strings.Replace(whole, `"name":"000000000002"`, `"name":"\u001b[2J"`, 1), 1, `it is named "\x1b[2J"`, "broken"},
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			s.wants("audit verify -f "+s.write("export", tc.content), tc.code, tc.out, tc.errOut)
		})
	}
	s.t = t
	s.wants("audit verify -f /no/such", 2, "", "/no/such cannot be read")

	earlier := s.write("earlier", whole)
	s.wants("audit verify --against "+earlier, 0, "the record is whole", "")
	s.wants("audit verify --against "+s.write("broken", lines[0]+lines[2]), 2, "", "the export to compare with is broken itself")
	newest := &v1alpha1.AuditEntry{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: audit.Name(3)}}
	if err := hub.Delete(t.Context(), newest); err != nil {
		t.Fatal(err)
	}
	s.wants("audit verify", 0, "the record is whole: 2 entries", "")
	s.wants("audit verify --against "+earlier, 1, "entry 3: entry 3 is in the export and not in the chain: the newest entries were taken away", "broken")
}

func TestTheRecordIsPruned(t *testing.T) {
	s, _ := recorded(t)
	s.wants("audit prune", 2, "", "say with --before-sequence or --older-than")
	s.wants("audit prune --older-than 1h", 0, "nothing is taken away", "")
	s.wants("audit prune --before-sequence 3 --dry-run", 0, "2 entries up to 2 would be taken away (dry run)", "")
	s.wants("audit verify", 0, "3 entries", "")
	earlier := s.write("earlier", s.do("audit export").out)
	s.wants("audit prune --before-sequence 3", 0, "2 entries up to 2 are taken away, and a checkpoint says so", "")
	s.wants("audit verify --against "+earlier, 0, "the record is whole: 2 entries with 2 records; entry 4 is the newest", "")
	s.wants("audit list", 0, "Checkpoint   <none>   ada   the entries up to 2 were taken away", "")
	s.wants("audit export -o csv", 0, "User,ada,Checkpoint", "")
}
