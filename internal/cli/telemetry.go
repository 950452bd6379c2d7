// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// Telemetry says what the controllers tell of themselves, and where.
type Telemetry struct {
	// MetricsAddress to serve Prometheus metrics at; empty: none.
	MetricsAddress string
	// TracesEndpoint is the full URL to export traces to; empty: none.
	TracesEndpoint string
	// LogFormat is text or json.
	LogFormat string
	// LogLevel of what is logged at least.
	LogLevel slog.Level
}

// The words of --log-format, and of --log-level in their order.
var (
	logFormats = []string{"text", "json"}
	logLevels  = []string{"debug", "info", "warn", "error"}
)

// Environment variables by which OpenTelemetry names the endpoint of a collector.
const (
	otlpTraces = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	otlpAll    = "OTEL_EXPORTER_OTLP_ENDPOINT"
)

// telemetryFlags adds the flags, and returns what checks them and fills in the rest.
func telemetryFlags(c *cobra.Command, t *Telemetry) (check func() error) {
	f := c.Flags()
	var endpoint, level string
	f.StringVar(&t.MetricsAddress, "metrics-address", "", "Address to serve Prometheus metrics at, in clear text and to everybody who reaches it, like 127.0.0.1:9464. Not set: none.")
	f.StringVar(&endpoint, "otlp-endpoint", "", "URL of a collector that takes traces by OTLP over HTTP, like http://127.0.0.1:4318. Not set: $"+otlpAll+", else none.")
	f.StringVar(&t.LogFormat, "log-format", "text", "Format of the log. One of: "+strings.Join(logFormats, ", ")+".")
	f.StringVar(&level, "log-level", "warn", "What is logged at least. One of: "+strings.Join(logLevels, ", ")+". At info, each change of a run is a line.")
	complete(c, "log-format", slices.Clone(logFormats)...)
	complete(c, "log-level", slices.Clone(logLevels)...)
	return func() error {
		if !slices.Contains(logFormats, t.LogFormat) {
			return usage("log format %q is not known: say %s", t.LogFormat, strings.Join(logFormats, " or "))
		}
		if !slices.Contains(logLevels, level) || t.LogLevel.UnmarshalText([]byte(level)) != nil {
			return usage("log level %q is not known: say one of %s", level, strings.Join(logLevels, ", "))
		}
		if t.MetricsAddress != "" {
			if _, _, err := net.SplitHostPort(t.MetricsAddress); err != nil {
				return usage("--metrics-address %q is no address: say a host and a port, like 127.0.0.1:9464", t.MetricsAddress)
			}
		}
		var err error
		t.TracesEndpoint, err = tracesEndpoint(endpoint)
		return err
	}
}

// tracesEndpoint is where traces go, by the rules of OpenTelemetry: the general endpoint is one for all signals, and that
// of traces is used as it is. No URL is in an error: it may carry a token.
func tracesEndpoint(flag string) (string, error) {
	from, base := "--otlp-endpoint", flag
	if base == "" {
		if own := os.Getenv(otlpTraces); own != "" {
			return own, wrongEndpoint("$"+otlpTraces, own)
		}
		from, base = "$"+otlpAll, os.Getenv(otlpAll)
	}
	if base == "" {
		return "", nil
	}
	if err := wrongEndpoint(from, base); err != nil {
		return "", err
	}
	return url.JoinPath(base, "v1", "traces")
}

func wrongEndpoint(from, value string) error {
	u, err := url.Parse(value)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usage("%s is no URL of a collector: it must begin with http:// or https:// and name a host", from)
	}
	return nil
}
