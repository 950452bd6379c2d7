// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/operation"
)

// Keys of the Secrets that 'cluster add' makes.
const (
	tokenKey      = "token"
	kubeconfigKey = "kubeconfig"
)

// maxSecretFile is more than any token or kubeconfig has; a larger file is a mistake.
const maxSecretFile = 512 << 10

// clusterFlags describe one cluster.
type clusterFlags struct {
	file, provider                      string
	labels                              []string
	kubeconfigFile, calendar            string
	maxSurge, maxUnavailable            string
	drainTimeout                        time.Duration
	dryRun                              dryRun
	labEndpoint, labCluster, labToken   string
	simulated                           v1alpha1.SimulatedProvider
	simulatedControlPlane, simulatedOne time.Duration
	aks                                 v1alpha1.AKSProvider
}

func (a *app) clusterAdd() *cobra.Command {
	var f clusterFlags
	c := &cobra.Command{
		Use:   "add NAME --provider PROVIDER | -f FILE",
		Short: "Add a cluster to the fleet",
		Long: `Add a cluster to the fleet. The tokens and kubeconfigs that are given as files become Secrets of the hub that
belong to the cluster. Adding a cluster changes nothing in it: it is described, and waits for a run.`,
		Example: `  # A cluster of the lab on this machine
  sengu cluster add staging-1 --provider local --lab-endpoint http://127.0.0.1:40123 --lab-cluster staging-1 \
    --lab-token-file lab.token --label env=staging

  # A cluster in memory, for rehearsals
  sengu cluster add rehearsal-1 --provider simulated --simulated-version 1.36.1 --simulated-nodes 20 -L env=staging

  # An AKS cluster
  sengu cluster add weu-prod-1 --provider aks --aks-subscription 00000000-0000-0000-0000-000000000000 \
    --aks-resource-group fleet --label env=production --label region=westeurope

  # Clusters and Secrets from a file
  sengu cluster add -f clusters.yaml`,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	o := outputFlags(c, false)
	addClusterFlags(c, &f)
	c.RunE = func(c *cobra.Command, words []string) error {
		if err := o.check(); err != nil {
			return err
		}
		additions, err := a.additions(&f, c.Flags(), words)
		if err != nil {
			return err
		}
		h, err := a.connect(c.Context())
		if err != nil {
			return err
		}
		for _, add := range additions {
			if err := add.settle(h.namespace); err != nil {
				return err
			}
			if err := operation.AddCluster(c.Context(), h, add.cluster, add.secrets, bool(f.dryRun)); err != nil {
				return err
			}
			if !o.table() {
				if err := o.print(a.Streams.Out, add.cluster); err != nil {
					return err
				}
				continue
			}
			a.say("cluster.sengu.dev/%s added%s", add.cluster.Name, f.dryRun.note())
		}
		return nil
	}
	return c
}

func addClusterFlags(c *cobra.Command, f *clusterFlags) {
	flags := c.Flags()
	flags.StringVarP(&f.file, "filename", "f", "", "File with Clusters and Secrets, instead of NAME and flags. -: standard input.")
	flags.StringVar(&f.provider, "provider", "", "What can change the cluster: aks, local or simulated.")
	flags.StringArrayVarP(&f.labels, "label", "L", nil, "Label as key=value, by which strategies choose. May be repeated.")
	flags.StringVar(&f.kubeconfigFile, "kubeconfig-file", "", "Kubeconfig of the cluster itself. Not set: the provider issues credentials.")
	flags.StringVar(&f.calendar, "calendar", "", "Name of the MaintenanceCalendar of the cluster.")
	flags.StringVar(&f.maxSurge, "max-surge", "", "How many nodes more than usual a pool may have, like 1 or 10%.")
	flags.StringVar(&f.maxUnavailable, "max-unavailable", "", "How many nodes of a pool may be missing, like 1 or 10%.")
	flags.DurationVar(&f.drainTimeout, "drain-timeout", 0, "How long one node may take to drain, like 30m.")
	f.dryRun.addTo(flags)
	flags.StringVar(&f.labEndpoint, "lab-endpoint", "", "local: address of the lab's management API.")
	flags.StringVar(&f.labCluster, "lab-cluster", "", "local: name of the cluster in the lab. Not set: NAME.")
	flags.StringVar(&f.labToken, "lab-token-file", "", "local: file with the lab's management token.")
	flags.StringVar(&f.simulated.Version, "simulated-version", "", "simulated: version it starts at, like 1.36.1.")
	flags.Int32Var(&f.simulated.Nodes, "simulated-nodes", 0, "simulated: number of nodes. Not set: 3.")
	flags.StringVar(&f.simulated.NodeStyle, "simulated-node-style", "", "simulated: who moves the nodes, Provider or Sengu.")
	flags.StringVar(&f.simulated.Region, "simulated-region", "", "simulated: region of the cluster.")
	flags.DurationVar(&f.simulatedControlPlane, "simulated-control-plane-duration", 0, "simulated: duration of a control-plane upgrade. Not set: 10m.")
	flags.DurationVar(&f.simulatedOne, "simulated-node-duration", 0, "simulated: duration of the upgrade of one node. Not set: 4m.")
	flags.StringVar(&f.aks.SubscriptionID, "aks-subscription", "", "aks: id of the subscription.")
	flags.StringVar(&f.aks.ResourceGroup, "aks-resource-group", "", "aks: resource group of the cluster.")
	flags.StringVar(&f.aks.Name, "aks-name", "", "aks: name of the managed cluster. Not set: NAME.")
	flags.StringVar(&f.aks.Endpoint, "aks-endpoint", "", "aks: address of Azure Resource Manager. Not set: the public cloud.")
	complete(c, "provider", "aks", "local", "simulated")
	complete(c, "simulated-node-style", "Provider", "Sengu")
}

// addition is a cluster with its Secrets.
type addition struct {
	cluster *v1alpha1.Cluster
	secrets []*corev1.Secret
}

func (a *addition) settle(namespace string) error {
	for _, s := range a.secrets {
		if err := settle(s, namespace); err != nil {
			return err
		}
	}
	return settle(a.cluster, namespace)
}

func (a *app) additions(f *clusterFlags, flags *pflag.FlagSet, words []string) ([]addition, error) {
	if f.file != "" {
		if len(words) > 0 || f.provider != "" {
			return nil, usage("--filename names everything: leave out NAME and --provider")
		}
		return a.additionsFromFile(f.file)
	}
	if len(words) != 1 {
		return nil, usage("'%s cluster add' needs NAME, or -f FILE", a.name)
	}
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: words[0]}}
	add := addition{cluster: cluster}
	if err := onlyOf(f.provider, flags); err != nil {
		return nil, err
	}
	if err := f.describe(cluster); err != nil {
		return nil, err
	}
	switch f.provider {
	case "local":
		token, err := a.secret(cluster, f.labToken, "lab-token", tokenKey)
		if err != nil {
			return nil, err
		}
		add.secrets = append(add.secrets, token)
		cluster.Spec.Provider.Local = &v1alpha1.LocalProvider{
			Endpoint: f.labEndpoint, Cluster: cmp.Or(f.labCluster, cluster.Name),
			TokenSecretRef: v1alpha1.SecretKeyReference{Name: token.Name, Key: tokenKey},
		}
	case "simulated":
		cluster.Spec.Provider.Simulated = &f.simulated
		f.simulated.ControlPlaneDuration = optionalDuration(f.simulatedControlPlane)
		f.simulated.NodeDuration = optionalDuration(f.simulatedOne)
	case "aks":
		f.aks.Name = cmp.Or(f.aks.Name, cluster.Name)
		cluster.Spec.Provider.AKS = &f.aks
	}
	if f.kubeconfigFile != "" {
		access, err := a.secret(cluster, f.kubeconfigFile, "kubeconfig", kubeconfigKey)
		if err != nil {
			return nil, err
		}
		add.secrets = append(add.secrets, access)
		cluster.Spec.Access.KubeconfigSecretRef = &v1alpha1.SecretKeyReference{Name: access.Name, Key: kubeconfigKey}
	}
	return []addition{add}, nil
}

// onlyOf refuses flags of another provider and asks for those that are missing.
func onlyOf(provider string, flags *pflag.FlagSet) error {
	needed := map[string][]string{
		"local":     {"lab-endpoint", "lab-token-file"},
		"simulated": {"simulated-version"},
		"aks":       {"aks-subscription", "aks-resource-group"},
	}
	prefixes := map[string]string{"local": "lab-", "simulated": "simulated-", "aks": "aks-"}
	if provider == "" {
		return usage("--provider is needed: aks, local or simulated")
	}
	if _, ok := needed[provider]; !ok {
		return usage("--provider is %q: say aks, local or simulated", provider)
	}
	for _, name := range needed[provider] {
		if !flags.Changed(name) {
			return usage("provider %s needs --%s", provider, name)
		}
	}
	var wrong string
	flags.Visit(func(f *pflag.Flag) {
		for other, prefix := range prefixes {
			if other != provider && strings.HasPrefix(f.Name, prefix) {
				wrong = f.Name
			}
		}
	})
	if wrong != "" {
		return usage("--%s does not go with --provider %s", wrong, provider)
	}
	return nil
}

// describe sets what does not depend on the provider.
func (f *clusterFlags) describe(cluster *v1alpha1.Cluster) error {
	for _, label := range f.labels {
		key, value, ok := strings.Cut(label, "=")
		if !ok || key == "" {
			return usage("--label %q is not of the form key=value", label)
		}
		if cluster.Labels == nil {
			cluster.Labels = map[string]string{}
		}
		cluster.Labels[key] = value
	}
	if f.calendar != "" {
		cluster.Spec.CalendarRef = &v1alpha1.LocalObjectReference{Name: f.calendar}
	}
	rollout := &cluster.Spec.NodeRollout.NodeRollout
	rollout.MaxSurge, rollout.MaxUnavailable = optionalLimit(f.maxSurge), optionalLimit(f.maxUnavailable)
	rollout.DrainTimeout = optionalDuration(f.drainTimeout)
	return nil
}

func optionalLimit(text string) *intstr.IntOrString {
	if text == "" {
		return nil
	}
	limit := intstr.Parse(text)
	return &limit
}

func optionalDuration(d time.Duration) *metav1.Duration {
	if d == 0 {
		return nil
	}
	return &metav1.Duration{Duration: d}
}

// secret makes a Secret from a file. What is in it is never printed.
func (a *app) secret(cluster *v1alpha1.Cluster, path, suffix, key string) (*corev1.Secret, error) {
	content, err := a.readFile(path)
	if err != nil {
		return nil, err
	}
	if key == tokenKey {
		content = []byte(strings.TrimSpace(string(content)))
	}
	if len(content) == 0 || len(content) > maxSecretFile {
		return nil, usage("%s has %d bytes, which cannot be right for a %s", path, len(content), key)
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: cluster.Name + "-" + suffix},
		Type:       corev1.SecretTypeOpaque,
		Data:       map[string][]byte{key: content},
	}, nil
}

// readFile reads a file, or the standard input for "-".
func (a *app) readFile(path string) ([]byte, error) {
	var content []byte
	var err error
	if path == "-" {
		content, err = io.ReadAll(a.Streams.In)
	} else {
		content, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, usage("%s cannot be read: %v", source(path), innermost(err))
	}
	return content, nil
}

// source is how a file is called in a message.
func source(path string) string {
	if path == "-" {
		return "the standard input"
	}
	return path
}
