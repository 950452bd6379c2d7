// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apiserver/pkg/admission"
	genericoptions "k8s.io/apiserver/pkg/server/options"

	"sengu.dev/sengu/api/v1alpha1"
)

// whoRunsPlugin is the admission plugin that writes into a run who created, changed and started it. In a cluster of
// one's own the MutatingAdmissionPolicy in config/policies does the same; here that would refuse every run for the
// first 5 s of each start, until the API server has read its own schema. The validating policy checks both.
const whoRunsPlugin = "SenguWhoRuns"

// whoRuns writes the annotations of runs from the user of the request, whatever the request says.
type whoRuns struct{ *admission.Handler }

// registerWhoRuns adds the plugin to those that see a request first.
func registerWhoRuns(o *genericoptions.AdmissionOptions) {
	o.Plugins.Register(whoRunsPlugin, func(io.Reader) (admission.Interface, error) {
		return whoRuns{admission.NewHandler(admission.Create, admission.Update)}, nil
	})
	o.RecommendedPluginOrder = append([]string{whoRunsPlugin}, o.RecommendedPluginOrder...)
}

var _ admission.MutationInterface = whoRuns{}

// Admit writes the annotations.
func (whoRuns) Admit(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	resource := a.GetResource()
	run, ok := a.GetObject().(*unstructured.Unstructured)
	if !ok || resource.Group != v1alpha1.GroupVersion.Group || resource.Resource != "upgraderuns" || a.GetSubresource() != "" {
		return nil
	}
	user := a.GetUserInfo().GetName()
	created, changed, started := user, user, user
	if old, ok := a.GetOldObject().(*unstructured.Unstructured); ok && a.GetOperation() == admission.Update {
		before := old.GetAnnotations()
		created, started = before[v1alpha1.AnnotationCreatedBy], before[v1alpha1.AnnotationStartedBy]
		if equality.Semantic.DeepEqual(old.Object["spec"], run.Object["spec"]) {
			changed = before[v1alpha1.AnnotationChangedBy]
		}
		if starts(old, run) {
			started = withName(started, user)
		}
	}
	annotations := run.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	for key, value := range map[string]string{
		v1alpha1.AnnotationCreatedBy: created, v1alpha1.AnnotationChangedBy: changed, v1alpha1.AnnotationStartedBy: started,
	} {
		if annotations[key] = value; value == "" { // a run of a time when nobody wrote it down
			delete(annotations, key)
		}
	}
	run.SetAnnotations(annotations)
	return nil
}

// starts says whether a change lets a run go on: it is resumed or retried.
func starts(old, run *unstructured.Unstructured) bool {
	before, _, _ := unstructured.NestedString(old.Object, "spec", "state")
	after, _, _ := unstructured.NestedString(run.Object, "spec", "state")
	held := before != "" && before != string(v1alpha1.RunStateRun)
	goesOn := after == "" || after == string(v1alpha1.RunStateRun)
	was, _, _ := unstructured.NestedInt64(old.Object, "spec", "attempt")
	is, _, _ := unstructured.NestedInt64(run.Object, "spec", "attempt")
	return held && goesOn || is > was
}

// withName adds a name to a list with one name a line, unless it is there.
func withName(names, name string) string {
	switch {
	case names == "":
		return name
	case strings.Contains("\n"+names+"\n", "\n"+name+"\n"):
		return names
	}
	return names + "\n" + name
}
