// SPDX-License-Identifier: Apache-2.0

package hubtest_test

import (
	"os"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"sengu.dev/sengu/internal/hub/hubtest"
)

func TestMain(m *testing.M) { hubtest.Main(m, os.DirFS("../testdata/crds")) }

func TestTestsShareAHubAndNotANamespace(t *testing.T) {
	first := hubtest.Hub(t)
	var name string
	t.Run("A test with a (strange) Name_", func(t *testing.T) {
		if hubtest.Hub(t) != first {
			t.Error("the second test has another hub")
		}
		name = hubtest.Namespace(t)
		if !strings.HasPrefix(name, "testtestsshareahubandnotanamespace-a-test-with-a-") {
			t.Errorf("namespace = %s, want the test's name in it", name)
		}
		if other := hubtest.Namespace(t); other == name {
			t.Errorf("two namespaces are both %s", name)
		}
	})
	client, err := kubernetes.NewForConfig(first.AdminConfig())
	if err != nil {
		t.Fatal(err)
	}
	namespace, err := client.CoreV1().Namespaces().Get(t.Context(), name, metav1.GetOptions{})
	if err == nil && namespace.DeletionTimestamp == nil {
		t.Errorf("the namespace %s stays after its test", name)
	}
}
