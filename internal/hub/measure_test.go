// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"

	"sengu.dev/sengu/internal/hub"
)

// BenchmarkHub measures one hub from its start on an empty directory to its end. Run it alone and once, since
// memory is the process's:
//
//	go test ./internal/hub -run ^$ -bench Hub -benchtime 1x
func BenchmarkHub(b *testing.B) {
	for b.Loop() {
		dir := b.TempDir()
		began := time.Now()
		h, err := hub.Start(b.Context(), hub.Config{DataDir: dir, CRDs: os.DirFS("testdata/crds")})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms-ready-empty")
		b.ReportMetric(rss(b), "MiB-ready")

		client, err := dynamic.NewForConfig(h.AdminConfig())
		if err != nil {
			b.Fatal(err)
		}
		const objects = 1000
		began = time.Now()
		for i := range objects {
			if _, err := client.Resource(widgets).Namespace("default").Create(b.Context(), widget(fmt.Sprintf("w-%d", i), 1), metav1.CreateOptions{}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(objects/time.Since(began).Seconds(), "creates/s")
		b.ReportMetric(rss(b), "MiB-1000-objects")

		for range 20 {
			w, err := client.Resource(widgets).Watch(b.Context(), metav1.ListOptions{})
			if err != nil {
				b.Fatal(err)
			}
			defer w.Stop()
		}
		began = time.Now()
		h.Close()
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms-close-20-watches")

		began = time.Now()
		h, err = hub.Start(b.Context(), hub.Config{DataDir: dir, CRDs: os.DirFS("testdata/crds")})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms-ready-again")
		h.Close()
	}
}

// rss is the process's resident memory in MiB; it is only known on Linux.
func rss(b *testing.B) float64 {
	b.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kb); n == 1 {
			return kb / 1024
		}
	}
	b.Fatal("no VmRSS in /proc/self/status")
	return 0
}
