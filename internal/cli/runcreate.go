// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/operation"
)

// runFlags describe one run.
type runFlags struct {
	file, to, strategy, selector, scope, nodeImage string
}

func (a *app) addRunFlags(c *cobra.Command, f *runFlags) {
	flags := c.Flags()
	flags.StringVarP(&f.file, "filename", "f", "", "File with one UpgradeRun, instead of NAME and flags. -: standard input.")
	flags.StringVar(&f.to, "to", "", "Target version: 1.37 is the newest patch that all clusters are offered, 1.37.2 is exact.")
	flags.StringVar(&f.strategy, "strategy", "", "Name of the UpgradeStrategy.")
	flags.StringVarP(&f.selector, "selector", "l", "", "Only clusters with these labels. Not set: every cluster of the fleet.")
	flags.StringVar(&f.scope, "scope", "", "What is upgraded: Full, ControlPlaneOnly or NodeImageOnly. Not set: Full.")
	flags.StringVar(&f.nodeImage, "node-image", "", "Image of new nodes: Latest, Consistent, Keep, or names of images. Not set: Latest.")
	complete(c, "scope", scopes()...)
	complete(c, "node-image", string(v1alpha1.NodeImageLatest), string(v1alpha1.NodeImageConsistent), string(v1alpha1.NodeImageKeep))
	strategies := func(c *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		return a.namesOf(c.Context(), &v1alpha1.UpgradeStrategyList{}, prefix), cobra.ShellCompDirectiveNoFileComp
	}
	if err := c.RegisterFlagCompletionFunc("strategy", strategies); err != nil {
		panic(err) // the flag is not there: a mistake in this package
	}
}

func scopes() []string {
	return []string{string(v1alpha1.UpgradeScopeFull), string(v1alpha1.UpgradeScopeControlPlaneOnly), string(v1alpha1.UpgradeScopeNodeImageOnly)}
}

// describes says that flags describe a run, besides its name.
func (f *runFlags) describes() bool {
	return f.file != "" || f.to != "" || f.strategy != "" || f.scope != ""
}

// describedRun makes the run that the flags describe.
func (a *app) describedRun(f *runFlags, name string) (*v1alpha1.UpgradeRun, error) {
	if f.file != "" {
		if name != "" || f.to != "" || f.strategy != "" {
			return nil, usage("--filename names everything: leave out NAME, --to and --strategy")
		}
		return a.runFromFile(f.file)
	}
	if f.strategy == "" {
		return nil, usage("--strategy is needed: see '%s strategy list'", a.name)
	}
	run := &v1alpha1.UpgradeRun{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.UpgradeRunSpec{
			Target:      v1alpha1.UpgradeTarget{Kubernetes: strings.TrimPrefix(f.to, "v")},
			StrategyRef: &v1alpha1.LocalObjectReference{Name: f.strategy},
		},
	}
	if f.selector != "" {
		selector, err := labelSelector(f.selector)
		if err != nil {
			return nil, err
		}
		run.Spec.ClusterSelector = selector
	}
	return run, f.target(&run.Spec.Target)
}

func (f *runFlags) target(t *v1alpha1.UpgradeTarget) error {
	if f.scope != "" {
		i := slices.IndexFunc(scopes(), func(s string) bool { return strings.EqualFold(s, f.scope) })
		if i < 0 {
			return usage("--scope is %q: say %s", f.scope, strings.Join(scopes(), ", "))
		}
		t.Scope = v1alpha1.UpgradeScope(scopes()[i])
	}
	nodeImageOnly := t.Scope == v1alpha1.UpgradeScopeNodeImageOnly
	switch {
	case t.Kubernetes == "" && !nodeImageOnly:
		return usage("--to is needed: the version to move to, like 1.37")
	case t.Kubernetes != "" && nodeImageOnly:
		return usage("--to does not go with --scope NodeImageOnly, which keeps every version")
	}
	switch image := v1alpha1.NodeImageSelection(f.nodeImage); image {
	case "":
	case v1alpha1.NodeImageLatest, v1alpha1.NodeImageConsistent, v1alpha1.NodeImageKeep:
		t.NodeImage = &v1alpha1.NodeImageTarget{Type: image}
	default:
		t.NodeImage = &v1alpha1.NodeImageTarget{Type: v1alpha1.NodeImageCustom, Custom: strings.Split(f.nodeImage, ",")}
	}
	return nil
}

func (a *app) runCreate() *cobra.Command {
	var (
		f       runFlags
		dry     dryRun
		watch   bool
		timeout time.Duration
	)
	c := &cobra.Command{
		Use:   "create NAME --to VERSION --strategy STRATEGY | -f FILE",
		Short: "Start the upgrade of clusters to a target",
		Long: `Create a run, which starts at once. The exact versions and the strategy are frozen when it starts: later edits
of the strategy do not matter to it. See what would happen with 'run plan' and the same flags.`,
		Example: `  # Everything to 1.37, staging first, watched live
  sengu run create to-1-37 --to 1.37 --strategy staging-first --watch

  # Only some clusters, to an exact version
  sengu run create to-1-37-2 --to 1.37.2 --strategy staging-first -l region=westeurope

  # New node images and nothing else
  sengu run create images --scope NodeImageOnly --strategy staging-first

  # Check it, and keep nothing
  sengu run create to-1-37 --to 1.37 --strategy staging-first --dry-run`,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	o := outputFlags(c, false)
	a.addRunFlags(c, &f)
	dry.addTo(c.Flags())
	c.Flags().BoolVarP(&watch, "watch", "w", false, "Follow the run after it was created, as 'run watch' does.")
	c.Flags().DurationVar(&timeout, "timeout", 0, "With --watch: give up following after this long. The run goes on. 0: never.")
	c.RunE = func(c *cobra.Command, words []string) error {
		if err := o.check(); err != nil {
			return err
		}
		if f.file == "" {
			if err := args("NAME")(c, words); err != nil {
				return err
			}
		}
		run, err := a.describedRun(&f, strings.Join(words, " "))
		if err != nil {
			return err
		}
		h, err := a.connect(c.Context())
		if err != nil {
			return err
		}
		if err := settle(run, h.namespace); err != nil {
			return err
		}
		if err := operation.CreateRun(c.Context(), h, run, bool(dry)); err != nil {
			return err
		}
		if !o.table() {
			if err := o.print(a.Streams.Out, run); err != nil {
				return err
			}
		} else {
			a.say("upgraderun.sengu.dev/%s created%s", run.Name, dry.note())
		}
		if watch && !bool(dry) {
			return a.watch(c.Context(), h, watching{run: run.Name, timeout: timeout})
		}
		return nil
	}
	return c
}
