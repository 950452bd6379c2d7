// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sengu.dev/sengu/internal/cli"
)

// TestWhatAServerTellsOfItself: by its flags and by the variables of OpenTelemetry.
func TestWhatAServerTellsOfItself(t *testing.T) {
	quiet := cli.Telemetry{LogFormat: "text", LogLevel: slog.LevelWarn}
	with := func(change func(*cli.Telemetry)) cli.Telemetry {
		c := quiet
		change(&c)
		return c
	}
	traces := func(url string) cli.Telemetry { return with(func(c *cli.Telemetry) { c.TracesEndpoint = url }) }
	tests := map[string]struct {
		line string
		env  map[string]string
		want cli.Telemetry
		no   string // part of the refusal
	}{
		"nothing":                           {line: "serve", want: quiet},
		"metrics":                           {line: "serve --metrics-address 127.0.0.1:9464", want: with(func(c *cli.Telemetry) { c.MetricsAddress = "127.0.0.1:9464" })},
		"metrics for everybody":             {line: "serve --metrics-address :9464", want: with(func(c *cli.Telemetry) { c.MetricsAddress = ":9464" })},
		"a port alone":                      {line: "serve --metrics-address 9464", no: `--metrics-address "9464" is no address: say a host and a port, like 127.0.0.1:9464`},
		"a log for machines":                {line: "serve --log-format json --log-level debug", want: with(func(c *cli.Telemetry) { c.LogFormat, c.LogLevel = "json", slog.LevelDebug })},
		"another format":                    {line: "serve --log-format xml", no: `log format "xml" is not known: say text or json`},
		"another level":                     {line: "serve --log-level loud", no: `log level "loud" is not known: say one of debug, info, warn, error`},
		"a collector":                       {line: "serve --otlp-endpoint http://127.0.0.1:4318", want: traces("http://127.0.0.1:4318/v1/traces")},
		"a collector below a path":          {line: "serve --otlp-endpoint https://collector.example/otlp/", want: traces("https://collector.example/otlp/v1/traces")},
		"a collector without a scheme":      {line: "serve --otlp-endpoint T0KEN:4318", no: "--otlp-endpoint is no URL of a collector"},
		"a collector of all signals":        {line: "serve", env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, want: traces("http://127.0.0.1:4318/v1/traces")},
		"a collector of traces":             {line: "serve", env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b/t"}, want: traces("http://b/t")},
		"the flag before the variables":     {line: "serve --otlp-endpoint http://c", env: map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b/t"}, want: traces("http://c/v1/traces")},
		"a variable that is no URL":         {line: "serve", env: map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "T0KEN"}, no: "$OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is no URL of a collector"},
		"the same for controllers of a hub": {line: "controller --log-format json", want: with(func(c *cli.Telemetry) { c.LogFormat = "json" })},
		"wrong use of controllers":          {line: "controller --log-format xml", no: `log format "xml" is not known`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSession(t)
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
			t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
			for key, value := range tc.env {
				t.Setenv(key, value)
			}
			var got cli.Telemetry
			s.config.Serve = func(_ context.Context, o cli.ServeOptions) error { got = o.Telemetry; return nil }
			s.config.Controller = func(_ context.Context, o cli.ControllerOptions) error { got = o.Telemetry; return nil }
			r := s.do(tc.line)
			if tc.no != "" {
				if r.code != 2 || !strings.Contains(r.errOut, tc.no) || strings.Contains(r.errOut, "T0KEN") {
					t.Errorf("exit code %d: %s", r.code, r.errOut)
				}
				return
			}
			if diff := cmp.Diff(tc.want, got); r.code != 0 || diff != "" {
				t.Errorf("exit code %d: %s (-want +got):\n%s", r.code, r.errOut, diff)
			}
		})
	}
}
