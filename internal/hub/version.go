// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"fmt"
	"runtime/debug"
	"strings"

	apimachineryversion "k8s.io/apimachinery/pkg/version"
	"k8s.io/component-base/compatibility"
)

// namedVersion is a version that /version can tell. Kubernetes expects its name from the linker and is
// "v0.0.0-master+$Format:%H$" without, which makes `kubectl version` fail; the name is in the build
// information as well.
type namedVersion struct {
	compatibility.EffectiveVersion
}

// Info returns what /version answers.
func (v namedVersion) Info() *apimachineryversion.Info {
	info := v.EffectiveVersion.Info()
	if info == nil || !strings.HasPrefix(info.GitVersion, "v0.0.0") {
		return info // a linker has said it
	}
	info.GitVersion, info.GitCommit, info.GitTreeState = kubernetesRelease(), "", ""
	if info.GitVersion == "" { // test binaries have no list of modules
		info.GitVersion = fmt.Sprintf("v%s.%s.0", info.Major, info.Minor)
	}
	return info
}

// kubernetesRelease is the release of Kubernetes in this binary, as v1.37.2; empty if that is not known.
func kubernetesRelease() string {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, module := range build.Deps {
		if module.Path == "k8s.io/kubernetes" {
			return module.Version
		}
	}
	return ""
}
