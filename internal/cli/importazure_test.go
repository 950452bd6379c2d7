// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestWhatIsImportedIsAccepted: the hub takes every example as it is printed.
func TestWhatIsImportedIsAccepted(t *testing.T) {
	s := newSession(t)
	hub := s.client()
	decoder := serializer.NewCodecFactory(hub.Scheme(), serializer.EnableStrict).UniversalDeserializer()
	files, err := filepath.Glob("../importer/azurefleet/testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		r := s.must("import azure-fleet " + file + " --name unnamed")
		for text := range strings.SplitSeq(r, "\n---\n") {
			o, _, err := decoder.Decode([]byte(strings.TrimPrefix(text, "---\n")), nil, nil)
			if err != nil {
				t.Fatalf("%s: %v\n%s", file, err, text)
			}
			object := o.(client.Object)
			object.SetNamespace(s.namespace)
			if err := hub.Create(t.Context(), object); err != nil {
				t.Errorf("%s: the hub refuses %s: %v", file, object.GetName(), err)
			}
		}
	}
}

func TestWhatAnImportSays(t *testing.T) {
	s := newSession(t)
	const example = "../importer/azurefleet/testdata/run-az.json"
	s.wants("import azure-fleet "+example, 0, "state: Pause", "differs: run run-1: it is imported paused")
	s.wants("import azure-fleet -o json --group-label team "+example, 0, `"team": "group-a"`, "by the label team")
	s.wants("import azure-fleet", 2, "", "needs FILE")
	s.wants("import azure-fleet /no/such", 2, "", "/no/such cannot be read")
	s.wants("import azure-fleet -o xml "+example, 2, "", `--output "xml" is no format: say yaml or json`)
	escape := s.write("escape.json", `{"name":"x\u001b[2J","strategy":{"stages":[]}}`)
	if r := s.wants("import azure-fleet "+escape, 2, "", "cannot be imported: it has the name"); strings.Contains(r.errOut, "\x1b") || r.out != "" {
		t.Errorf("an escape reaches the terminal, or something is printed: %+v", r)
	}
	if r := s.run(t.Context(), `{"stages":[{"name":"a","groups":[{"name":"g"}]}]}`, "import", "azure-fleet", "-", "--name", "from-stages"); r.code != 0 || !strings.Contains(r.out, "name: from-stages") {
		t.Errorf("from standard input: %+v", r)
	}
}
