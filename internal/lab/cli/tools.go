// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sengu.dev/sengu/internal/buildinfo"
	"sengu.dev/sengu/internal/lab/component"
	"sengu.dev/sengu/internal/lab/release"
	"sengu.dev/sengu/internal/labapi"
)

func newInject(o *options) *cobra.Command {
	var fault labapi.Fault
	var operation, output string
	var list, clearAll bool
	command := &cobra.Command{
		Use:   "inject CLUSTER [FAULT]",
		Short: "Let a cluster suffer a fault",
		Long:  "Let a cluster suffer a fault, in addition to those that it is still to suffer. Without a fault, show what is left.",
		Example: "  sengu-lab inject --list\n" +
			"  sengu-lab inject canary-1 node-never-ready --pool user --times 1\n" +
			"  sengu-lab inject canary-1 api-cut --seconds 20\n" +
			"  sengu-lab inject canary-1 operation-fails --operation Upgrade --code QuotaExceeded --message \"No cores left.\" --times 1\n" +
			"  sengu-lab inject canary-1\n" +
			"  sengu-lab inject canary-1 --clear",
		Args:              arguments(0, 2),
		ValidArgsFunction: o.completeFaults,
		RunE: func(command *cobra.Command, given []string) error {
			if err := checkOutput(output, "json", "yaml"); err != nil {
				return err
			}
			fault.Operation = labapi.OperationKind(operation)
			switch {
			case list && len(given) == 0:
				return listFaults(o, output)
			case list || len(given) == 0 || clearAll && len(given) > 1:
				return misused("name a cluster and a fault, or use --list or CLUSTER --clear")
			case clearAll:
				return clearFaults(command, o, given[0])
			case len(given) == 1 && fault != labapi.Fault{}:
				return misused("name the fault after the cluster: see sengu-lab inject --list")
			case len(given) == 1:
				return showFaults(command, o, given[0], output)
			}
			fault.Kind = labapi.FaultKind(given[1])
			return inject(command, o, given[0], fault)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&list, "list", false, "explain all faults")
	flags.BoolVar(&clearAll, "clear", false, "end all faults of the cluster")
	flags.StringVar(&fault.Pool, "pool", "", "only this node pool")
	flags.StringVar(&fault.Node, "node", "", "only this node")
	flags.StringVar(&operation, "operation", "", "only this kind of operation: Upgrade, AddNode, ReplaceNode or RemoveNode")
	flags.IntVar(&fault.Times, "times", 0, "how often it happens, 0 for until it is cleared")
	flags.Float64Var(&fault.Seconds, "seconds", 0, "how long it lasts, for faults that last")
	flags.StringVar(&fault.Code, "code", "", "code of the failed operation, or the HTTP status of api-errors")
	flags.StringVar(&fault.Message, "message", "", "message of the failed operation")
	addOutput(command, &output, "json", "yaml")
	var kinds []string
	for _, kind := range labapi.OperationKinds() {
		kinds = append(kinds, string(kind))
	}
	completeFlag(command, "operation", cobra.FixedCompletions(kinds, cobra.ShellCompDirectiveNoFileComp))
	return command
}

func (o *options) completeFaults(command *cobra.Command, given []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(given) != 1 {
		return o.completeClusters(command, given, typed)
	}
	var names []string
	for _, help := range labapi.FaultKinds() {
		names = append(names, string(help.Kind)+"\t"+help.Help)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func listFaults(o *options, output string) error {
	if output != "" {
		return write(o, output, labapi.FaultKinds())
	}
	table := tabwriter.NewWriter(o.Out, 0, 0, 3, ' ', 0)
	defer table.Flush()
	for _, help := range labapi.FaultKinds() {
		fmt.Fprintf(table, "%s\t%s\n", help.Kind, help.Help)
	}
	return nil
}

func clearFaults(command *cobra.Command, o *options, cluster string) error {
	client, err := o.client()
	if err != nil {
		return err
	}
	if err := client.ClearFaults(command.Context(), cluster); err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "%s suffers no fault any more\n", cluster)
	return nil
}

func showFaults(command *cobra.Command, o *options, cluster, output string) error {
	client, err := o.client()
	if err != nil {
		return err
	}
	left, err := client.Faults(command.Context(), cluster)
	if err != nil {
		return err
	}
	if len(left) == 0 && output == "" {
		fmt.Fprintf(o.Out, "%s is to suffer no fault\n", cluster)
		return nil
	}
	return write(o, cmp.Or(output, "yaml"), left)
}

func inject(command *cobra.Command, o *options, cluster string, fault labapi.Fault) error {
	client, err := o.client()
	if err != nil {
		return err
	}
	if err := client.AddFault(command.Context(), cluster, fault); err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "%s is to suffer %s\n", cluster, fault.Kind)
	return nil
}

func newBuild(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "build VERSION",
		Short: "Build a genuine older release of Kubernetes for all labs of this user",
		Long: "Build the control plane of a Kubernetes release from its Go modules and keep it in the user's cache. Fleet files may\n" +
			"then name exactly that version. It takes about 7 minutes on 2 cores, once.",
		Example:           "  sengu-lab build 1.36.3",
		Args:              arguments(1, 1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(command *cobra.Command, given []string) error {
			version := strings.TrimPrefix(given[0], "v")
			if _, err := release.ParseVersion(version); err != nil {
				return &usageError{err}
			}
			cache, err := release.CacheDir()
			if err != nil {
				return err
			}
			binary, err := release.Builder{Cache: cache, Progress: o.Out}.Build(command.Context(), version)
			if err != nil {
				return err
			}
			fmt.Fprintf(o.Out, "Kubernetes %s is in %s\n", version, filepath.Dir(binary))
			return nil
		},
	}
}

func newKubectl(o *options) *cobra.Command {
	return &cobra.Command{
		Use:                "kubectl [--dir DIR] --cluster CLUSTER ...",
		Short:              "Run kubectl on a cluster of the lab",
		Example:            "  sengu-lab kubectl --cluster canary-1 get pods -A",
		DisableFlagParsing: true,
		ValidArgsFunction: func(command *cobra.Command, given []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(given) == 0 || given[len(given)-1] != "--cluster" {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return o.completeClusters(command, nil, typed)
		},
		RunE: func(command *cobra.Command, given []string) error {
			if len(given) == 0 || given[0] == "--help" || given[0] == "-h" {
				return command.Help()
			}
			cluster := flagOf(&given, "--cluster")
			// Flags are not parsed here, so one before "kubectl" comes along too.
			for dir := flagOf(&given, "--dir"); dir != ""; dir = flagOf(&given, "--dir") {
				o.dir = dir
			}
			if cluster == "" {
				return misused("name the cluster with --cluster")
			}
			content, err := kubeconfig(command.Context(), o, []string{cluster})
			if err != nil {
				return err
			}
			// In the lab's directory, so that down removes it.
			path := filepath.Join(o.dir, "clusters", cluster, "kubectl.kubeconfig")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				return fmt.Errorf("write the kubeconfig for kubectl: %w", err)
			}
			if code := component.Kubectl(append([]string{"--kubeconfig", path}, given...)); code != 0 {
				return &exitError{code}
			}
			return nil
		},
	}
}

// flagOf takes a flag with its value out of the arguments, which else belong to kubectl, up to a "--".
func flagOf(given *[]string, flag string) string {
	for i, argument := range *given {
		if argument == "--" {
			break
		}
		if value, ok := strings.CutPrefix(argument, flag+"="); ok {
			*given = slices.Delete(slices.Clone(*given), i, i+1)
			return value
		}
		if argument == flag && i+1 < len(*given) {
			value := (*given)[i+1]
			*given = slices.Delete(slices.Clone(*given), i, i+2)
			return value
		}
	}
	return ""
}

// offered is one line of `sengu-lab version`.
type offered struct {
	// Version of Kubernetes.
	Version string `json:"version"`
	// Genuine versions run their own release's binaries.
	Genuine bool `json:"genuine"`
	// EmulatedBy is the version whose binaries play this one.
	EmulatedBy string `json:"emulatedBy,omitempty"`
	// SupportEnds is the day after which the minor gets no more patches.
	SupportEnds time.Time `json:"supportEnds,omitzero"`
}

func newVersion(o *options) *cobra.Command {
	var output string
	command := &cobra.Command{
		Use: "version", Short: "Print the version of Sengu and the versions of Kubernetes that the lab runs",
		Example: "  sengu-lab version\n  sengu-lab version -o json", Args: arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			if err := checkOutput(output, "json", "yaml"); err != nil {
				return err
			}
			cache, err := release.CacheDir()
			if err != nil {
				return err
			}
			var all []offered
			for _, r := range release.Catalog(cache) {
				next := offered{Version: r.Version, Genuine: r.Emulate == "", SupportEnds: r.SupportEnds()}
				if r.Emulate != "" {
					next.EmulatedBy = release.Newest
				}
				all = append(all, next)
			}
			if output != "" {
				return write(o, output, map[string]any{"version": buildinfo.Get().Version, "kubernetes": all})
			}
			fmt.Fprintf(o.Out, "sengu-lab %s\n", buildinfo.Get().Version)
			for _, next := range all {
				how := "genuine, built by sengu-lab build"
				if next.EmulatedBy != "" {
					how = "emulated by " + next.EmulatedBy
				} else if next.Version == release.Newest {
					how = "of this program"
				}
				fmt.Fprintf(o.Out, "Kubernetes %s: %s\n", next.Version, how)
			}
			return nil
		},
	}
	addOutput(command, &output, "json", "yaml")
	return command
}

func indented(value any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(value)
	return buffer.Bytes(), err
}
