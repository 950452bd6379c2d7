// SPDX-License-Identifier: Apache-2.0

package resume

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/config/crd"
	"sengu.dev/sengu/internal/controller"
	"sengu.dev/sengu/internal/hub"
	"sengu.dev/sengu/internal/observe"
	"sengu.dev/sengu/provider"
)

// ChildArgument makes this binary the process that is killed: `… resume-child DIRECTORY URL`.
const ChildArgument = "resume-child"

// Child does what `sengu serve` does, with clusters that are at a URL. It prints a line when its hub is ready.
func Child(ctx context.Context, dir, url string, out io.Writer) error {
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 100
	h, err := hub.Start(ctx, hub.Config{DataDir: dir, CRDs: crd.FS, Log: logr.Discard()})
	if err != nil {
		return err
	}
	defer h.Close()
	fmt.Fprintln(out, "ready")
	return controller.Run(ctx, h.AdminConfig(), controller.Options{
		Clock: clock.RealClock{}, Log: logr.Discard(),
		Openers: map[string]observe.Opener{"simulated": func(_ context.Context, c *v1alpha1.Cluster, _ observe.SecretReader) (provider.Provider, error) {
			return &remote{url: url, key: c.Namespace + "/" + c.Name}, nil
		}},
	})
}
