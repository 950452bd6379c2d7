// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/yaml"

	"sengu.dev/sengu/internal/buildinfo"
)

// shownDataDir stands for defaultDataDir in help, so that reference pages are the same for everyone.
const shownDataDir = "~/.local/share/sengu"

func (a *app) serveCommand() *cobra.Command {
	o := ServeOptions{Streams: a.Streams}
	var working bool
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run a hub with its controllers in this process",
		Long: `Run a hub with its controllers in this process: a Kubernetes API with its storage in one directory, on the
loopback address unless told otherwise. Ctrl-C ends it; the next start goes on where it was.`,
		Example: `  # A hub in the default data directory; other sengu commands find it by themselves
  sengu serve

  # A hub elsewhere
  sengu serve --data-dir /var/lib/sengu

  # A hub alone; the controllers run as processes of their own
  sengu serve --controllers=false`,
		Args: args(),
	}
	check := telemetryFlags(c, &o.Telemetry)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := check(); err != nil {
			return err
		}
		o.NoControllers = !working
		return ended(c, ofThisMachine(a.Serve(c.Context(), o)))
	}
	c.Flags().StringVar(&o.DataDir, "data-dir", defaultDataDir(), "Directory with everything that the hub stores. Not set: $XDG_DATA_HOME/sengu.")
	c.Flags().StringVar(&o.BindAddress, "bind-address", "127.0.0.1", "IP address to listen on.")
	c.Flags().IntVar(&o.Port, "port", 0, "Port to listen on. 0: that of the last start, else any that is free.")
	c.Flags().BoolVar(&working, "controllers", true, "Run the controllers, too. If false, 'sengu controller' has to do the work.")
	c.Flags().Lookup("data-dir").DefValue = shownDataDir
	return c
}

func (a *app) controllerCommand() *cobra.Command {
	o := ControllerOptions{Streams: a.Streams}
	c := &cobra.Command{
		Use:   "controller",
		Short: "Run the controllers against a hub that is served elsewhere",
		Long: `Run the controllers against a hub that is served elsewhere: any Kubernetes cluster with Sengu's kinds installed.
Inside a cluster without a kubeconfig, that cluster is the hub.

Two of these on one hub need --leader-election: one of them works, and another one takes over when it is gone. The one
that loses its lease ends with an error, so let something start it again.`,
		Example: `  # Against the cluster of a kubeconfig
  sengu controller --kubeconfig hub.kubeconfig

  # Two of them, one of which works
  sengu controller --kubeconfig hub.kubeconfig --leader-election`,
		Args: args(),
	}
	c.Flags().BoolVar(&o.LeaderElection, "leader-election", false, "Work only while holding a lease, so that several of these can run.")
	c.Flags().StringVar(&o.Namespace, "leader-election-namespace", "default", "Namespace of the lease.")
	c.Flags().DurationVar(&o.LeaseDuration, "leader-election-lease-duration", 15*time.Second, "How long the others wait after the leader's last word before one takes over.")
	c.Flags().DurationVar(&o.RenewDeadline, "leader-election-renew-deadline", 10*time.Second, "How long the leader tries to renew its lease before it gives up.")
	c.Flags().DurationVar(&o.RetryPeriod, "leader-election-retry-period", 2*time.Second, "Time between two tries to get or renew the lease.")
	check := telemetryFlags(c, &o.Telemetry)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := check(); err != nil {
			return err
		}
		if err := checkLease(o); err != nil {
			return err
		}
		config, err := a.hubConfig(c.Context())
		if err != nil {
			return err
		}
		o.Config = config
		return ended(c, a.Controller(c.Context(), o))
	}
	return c
}

// checkLease refuses durations with which two could lead at once, or nobody for long. A lease keeps whole seconds.
func checkLease(o ControllerOptions) error {
	switch {
	case o.RetryPeriod <= 0:
		return usage("--leader-election-retry-period %s has to be more than 0", o.RetryPeriod)
	case o.RenewDeadline < o.RetryPeriod*3/2:
		return usage("--leader-election-renew-deadline %s has to be at least half as long again as --leader-election-retry-period %s", o.RenewDeadline, o.RetryPeriod)
	case o.LeaseDuration <= o.RenewDeadline:
		return usage("--leader-election-lease-duration %s has to be longer than --leader-election-renew-deadline %s: a leader has to give up before another one takes over", o.LeaseDuration, o.RenewDeadline)
	case o.LeaseDuration%time.Second != 0:
		return usage("--leader-election-lease-duration %s has to be whole seconds", o.LeaseDuration)
	}
	return nil
}

// ofThisMachine says that an error is about this machine's files and ports: were it read as one of a connection, the
// person would be asked whether the hub runs that they are starting.
func ofThisMachine(err error) error {
	if err == nil {
		return nil
	}
	return &localError{err}
}

// ended makes Ctrl-C the normal end of what runs until then.
func ended(c *cobra.Command, err error) error {
	if c.Context().Err() != nil && (err == nil || errors.Is(err, c.Context().Err())) {
		return nil
	}
	return err
}

func (a *app) hubCommand() *cobra.Command {
	return a.group("hub", "Give access to a hub, or make one", "Give access to a hub of 'sengu serve', or make a cluster of your own one.", a.hubKubeconfig(), a.hubKinds())
}

func (a *app) hubKubeconfig() *cobra.Command {
	var u HubUser
	var out string
	c := &cobra.Command{
		Use:   "kubeconfig",
		Short: "Make a kubeconfig for a user of the hub",
		Long: `Make a kubeconfig for a user of the hub, with a new client certificate in it. It must be run where the hub's data
directory is. Groups give rights: sengu:admins may do everything, sengu:operators may run upgrades and read,
sengu:viewers may read, but no secrets. A user without a group has the rights that are bound to the name.`,
		Example: `  # For kubectl on this machine
  sengu hub kubeconfig > hub.kubeconfig

  # For an operator, for 30 days
  sengu hub kubeconfig --user ada --group sengu:operators --valid-for 720h --out ada.kubeconfig`,
		Args: args(),
		RunE: func(c *cobra.Command, _ []string) error {
			// Only who asks for nothing in particular becomes an admin: a name alone gives no rights.
			if !c.Flags().Changed("user") && !c.Flags().Changed("group") {
				u.Groups = []string{"sengu:admins"}
			}
			content, err := a.HubKubeconfig(u)
			if err != nil {
				return ofThisMachine(err)
			}
			if out == "" {
				_, err = a.Streams.Out.Write(content)
				return err
			}
			return writePrivate(out, content)
		},
	}
	c.Flags().StringVar(&u.DataDir, "data-dir", defaultDataDir(), "Directory of the hub. Not set: $XDG_DATA_HOME/sengu.")
	c.Flags().Lookup("data-dir").DefValue = shownDataDir
	c.Flags().StringVar(&u.Name, "user", "admin", "Name of the user, as it is recorded.")
	c.Flags().StringSliceVar(&u.Groups, "group", nil, "Groups that give the user its rights. May be repeated. Not set: none; without --user: sengu:admins.")
	c.Flags().DurationVar(&u.ValidFor, "valid-for", 365*24*time.Hour, "How long it is good for.")
	c.Flags().StringVar(&out, "out", "", "File to write it to, readable by you only. Not set: standard output.")
	complete(c, "group", "sengu:admins", "sengu:operators", "sengu:viewers")
	return c
}

// writePrivate writes a file that only its owner may read, also when it was there with other rights before.
func writePrivate(path string, content []byte) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return usage("%s cannot be replaced: %v", path, innermost(err))
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return usage("%s cannot be written: %v", path, innermost(err))
	}
	return nil
}

// versions are what 'version' prints.
type versions struct {
	// Client is this binary.
	Client buildinfo.Info `json:"client"`
	// Hub is the Kubernetes version of the hub; nil: it was not asked or there is none.
	Hub *version.Info `json:"hub,omitempty"`
}

func (a *app) versionCommand() *cobra.Command {
	var client bool
	var format string
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this binary and of the hub",
		Long:  "Print the version of this binary, and the Kubernetes version of the hub when there is one.",
		Example: `  # Both
  sengu version

  # This binary only, for scripts
  sengu version --client -o json`,
		Args: args(),
	}
	c.Flags().BoolVar(&client, "client", false, "This binary only; no hub is asked.")
	c.Flags().StringVarP(&format, "output", "o", "", "Output format. One of: json, yaml.")
	complete(c, "output", "json", "yaml")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if format != "" && format != "json" && format != "yaml" {
			return usage("output format %q is not known: say json or yaml", format)
		}
		v := versions{Client: a.Version}
		var problem error
		if !client {
			v.Hub, problem = a.hubVersion(c)
		}
		if err := a.printVersions(v, format); err != nil {
			return err
		}
		if _, none := errors.AsType[*noHubError](problem); none {
			if format == "" {
				a.say("hub: none found")
			}
			return nil
		}
		return problem
	}
	return c
}

func (a *app) hubVersion(c *cobra.Command) (*version.Info, error) {
	config, err := a.hubConfig(c.Context())
	if err != nil {
		return nil, err
	}
	if config.Timeout == 0 {
		config.Timeout = probeTimeout
	}
	d, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	return d.ServerVersion()
}

func (a *app) printVersions(v versions, format string) error {
	if format == "" {
		a.say("%s", v.Client)
		if v.Hub != nil {
			a.say("hub: Kubernetes %s", strings.TrimSpace(v.Hub.GitVersion))
		}
		return nil
	}
	content, err := json.MarshalIndent(v, "", "  ")
	if err == nil && format == "yaml" {
		content, err = yaml.JSONToYAML(content)
	} else {
		content = append(content, '\n')
	}
	if err != nil {
		return err
	}
	_, err = a.Streams.Out.Write(content)
	return err
}
