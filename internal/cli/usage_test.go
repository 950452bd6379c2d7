// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"sengu.dev/sengu/internal/cli"
	"sengu.dev/sengu/internal/hub"
	"sengu.dev/sengu/internal/hub/hubtest"
	"sengu.dev/sengu/internal/view/viewtest"
)

func TestEveryCommandIsExplained(t *testing.T) {
	var check func(*cobra.Command)
	check = func(c *cobra.Command) {
		if c.Name() == "completion" || c.Name() == "help" {
			return // cobra's own
		}
		if c.Short == "" || c.Long == "" {
			t.Errorf("%q has no Short or no Long", c.CommandPath())
		}
		if !c.HasSubCommands() && !strings.Contains(c.Example, "  sengu ") {
			t.Errorf("%q has no Example", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			check(sub)
		}
	}
	check(cli.New(cli.Config{Streams: genericiooptions.NewTestIOStreamsDiscard()}))
}

func TestWrongUseIsToldInOneSentence(t *testing.T) {
	s := newSession(t)
	tests := map[string]struct{ line, want string }{
		"a command with a typo":  {"run wach x", `unknown command "wach" for "sengu run": did you mean "watch"?`},
		"a group with a typo":    {"clutser list", `unknown command "clutser" for "sengu": did you mean "cluster"?`},
		"a command from nowhere": {"apply", `unknown command "apply" for "sengu"`},
		"a flag with a typo":     {"run list --selectr x", "unknown flag: --selectr: did you mean --selector?"},
		"a flag from nowhere":    {"run list --quux", "unknown flag: --quux"},
		"an unknown format":      {"run list -o table", `unable to match a printer suitable for the output format "table"`},
		"a duration of words":    {"run watch x --timeout soon", `invalid argument "soon" for "--timeout" flag`},
		"names and a selector":   {"run list a -l b=c", "names cannot be combined with --selector or --all-namespaces"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := s.do(tc.line)
			if r.code != 2 || !strings.HasPrefix(r.errOut, "error: "+tc.want) {
				t.Errorf("exit code %d and %q, want 2 and %q", r.code, r.errOut, tc.want)
			}
			if r.out != "" {
				t.Errorf("wrong use writes to the standard output: %s", r.out)
			}
		})
	}
}

func TestTheHubIsFound(t *testing.T) {
	s := newSession(t)
	good := os.Getenv("SENGU_KUBECONFIG")
	home := func(t *testing.T) string {
		data := t.TempDir()
		t.Setenv("SENGU_KUBECONFIG", "")
		t.Setenv("KUBECONFIG", "")
		t.Setenv("HOME", t.TempDir())
		t.Setenv("XDG_DATA_HOME", data)
		return filepath.Join(data, "sengu", "admin.kubeconfig")
	}
	copyTo := func(t *testing.T, path string) {
		content, err := os.ReadFile(good)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o700)
		}
		if err == nil {
			err = os.WriteFile(path, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	notAHub := write(t, "kubeconfig", kubeconfigFor(other.URL, ""))

	t.Run("by the flag", func(t *testing.T) {
		home(t)
		s.must("cluster list --kubeconfig " + good)
	})
	t.Run("by KUBECONFIG when it leads to one", func(t *testing.T) {
		home(t)
		t.Setenv("KUBECONFIG", good)
		s.must("cluster list")
	})
	t.Run("in the data directory when KUBECONFIG leads elsewhere", func(t *testing.T) {
		copyTo(t, home(t))
		t.Setenv("KUBECONFIG", notAHub)
		s.must("cluster list")
	})
	t.Run("in the data directory", func(t *testing.T) {
		copyTo(t, home(t))
		s.must("cluster list")
	})
	t.Run("nowhere", func(t *testing.T) {
		home(t)
		t.Setenv("KUBECONFIG", notAHub)
		r := s.do("cluster list")
		if want := "error: no hub was found: start one with 'sengu serve', or name its kubeconfig with --kubeconfig or $SENGU_KUBECONFIG\n"; r.code != 3 || r.errOut != want {
			t.Errorf("exit code %d and %q, want 3 and %q", r.code, r.errOut, want)
		}
		if r := s.do("version"); r.code != 0 || !strings.Contains(r.out, "hub: none found") {
			t.Errorf("the version without a hub: exit code %d, %s", r.code, r.out)
		}
	})
	t.Run("not in a file that is not there", func(t *testing.T) {
		home(t)
		t.Setenv("SENGU_KUBECONFIG", "/nowhere")
		if r := s.do("cluster list"); r.code != 2 || !strings.Contains(r.errOut, "$SENGU_KUBECONFIG names /nowhere, which cannot be read") {
			t.Errorf("exit code %d and %q", r.code, r.errOut)
		}
	})
}

func kubeconfigFor(server, token string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: x
clusters: [{name: x, cluster: {server: %q, insecure-skip-tls-verify: true}}]
users: [{name: x, user: {token: %q}}]
contexts: [{name: x, context: {cluster: x, user: x}}]
`, server, token)
}

func TestAHubThatCannotBeUsed(t *testing.T) {
	s := newSession(t)
	silent := httptest.NewServer(http.NotFoundHandler())
	silent.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	tests := map[string]struct{ server, token, want string }{
		"it does not answer": {silent.URL, "", "the hub at " + silent.URL + " does not answer (connection refused): is 'sengu serve' running?"},
		"it is no hub":       {other.URL, "", "does not serve sengu.dev: it is not a hub of Sengu"},
		"a wrong token":      {hubtest.Hub(t).URL(), "nonsense", "the hub does not accept these credentials"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("SENGU_KUBECONFIG", write(t, "kubeconfig", kubeconfigFor(tc.server, tc.token)))
			for _, line := range []string{"cluster list", "run describe x", "run pause x", "run watch x", "cluster add x --provider simulated --simulated-version 1.36.1"} {
				r := s.do(line)
				if r.code != 3 || !strings.Contains(r.errOut, tc.want) {
					t.Errorf("sengu %s: exit code %d and %q, want 3 and %q", line, r.code, r.errOut, tc.want)
				}
			}
		})
	}
}

func TestWhoMayNotIsToldWhoCanHelp(t *testing.T) {
	s := newSession(t)
	content, err := hubtest.Hub(t).Kubeconfig(hub.User{Name: "eve"})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SENGU_KUBECONFIG", write(t, "kubeconfig", string(content)))
	r := s.do("run list")
	if r.code != 1 || !strings.Contains(r.errOut, `User "eve" cannot list resource "upgraderuns"`) || !strings.Contains(r.errOut, "ask an admin of the hub") {
		t.Errorf("exit code %d and %q", r.code, r.errOut)
	}
}

func TestItWorksAsAPluginOfKubectl(t *testing.T) {
	s := newSession(t)
	s.config.Program = "/usr/local/bin/kubectl-sengu"
	out := s.must("run pause --help")
	for _, want := range []string{"  kubectl sengu run pause to-1-37\n", "Usage:\n  kubectl sengu run pause NAME"} {
		if !strings.Contains(out, want) {
			t.Errorf("the help has no %q:\n%s", want, out)
		}
	}
	if r := s.do("run pause"); !strings.Contains(r.errOut, `"kubectl sengu run pause" needs NAME`) {
		t.Errorf("the error is %q", r.errOut)
	}
}

func TestNamesAreCompleted(t *testing.T) {
	s := newSession(t)
	s.play(viewtest.Draining())
	s.strategy()
	s.must("cluster add rehearsal-1 --provider simulated --simulated-version 1.36.1")
	tests := map[string]struct {
		args []string
		want string
	}{
		"runs":                  {[]string{"run", "pause", ""}, "to-1-37\n"},
		"only those that begin": {[]string{"run", "pause", "x"}, ""},
		"one name only":         {[]string{"run", "pause", "to-1-37", ""}, ""},
		"clusters":              {[]string{"cluster", "describe", "re"}, "rehearsal-1\n"},
		"strategies of a flag":  {[]string{"run", "create", "x", "--strategy", ""}, "staging-first\n"},
		"kinds to skip":         {[]string{"run", "skip", "to-1-37", ""}, "cluster\ngroup\nstage\nsoak\ngate\n"},
		"gates to skip":         {[]string{"run", "skip", "to-1-37", "gate", ""}, "production/approve\n"},
		"groups to skip":        {[]string{"run", "skip", "to-1-37", "group", "prod"}, "production/asia\nproduction/europe\n"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := s.run(t.Context(), "", append([]string{"__complete"}, tc.args...)...)
			got, _, _ := strings.Cut(r.out, ":4")
			if got != tc.want {
				t.Errorf("completed with %q, want %q", r.out, tc.want)
			}
		})
	}
}

func TestTheVersionIsPrinted(t *testing.T) {
	s := newSession(t)
	if out, want := s.must("version --client"), "sengu v0.1.0 (commit abc of 2026-11-23, go1.26)\n"; out != want {
		t.Errorf("version --client is %q, want %q", out, want)
	}
	if out := s.must("version"); !strings.Contains(out, "\nhub: Kubernetes v1.") {
		t.Errorf("the version has no hub:\n%s", out)
	}
	if out := s.must("version -o json --client"); !strings.Contains(out, `"version": "v0.1.0"`) {
		t.Errorf("the version as JSON is:\n%s", out)
	}
}

func TestAKubeconfigFileIsPrivate(t *testing.T) {
	s := newSession(t)
	s.config.HubKubeconfig = func(u cli.HubUser) ([]byte, error) { return []byte(u.Name + strings.Join(u.Groups, "")), nil }
	path := write(t, "out", "old")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	s.must("hub kubeconfig --user ada --group sengu:viewers --out " + path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil || info.Mode().Perm() != 0o600 || string(content) != "adasengu:viewers" {
		t.Errorf("mode %v, content %q (%v)", info.Mode(), content, err)
	}
	if out, want := s.must("hub kubeconfig"), "adminsengu:admins"; out != want {
		t.Errorf("standard output is %q, want %q", out, want)
	}
	if out, want := s.must("hub kubeconfig --user bob"), "bob"; out != want {
		t.Errorf("a user without a group gets %q, want no group", out)
	}
}
