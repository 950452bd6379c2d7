// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// groupAuthenticated is everybody with a certificate of the hub.
const groupAuthenticated = "system:authenticated"

var (
	readVerbs  = []string{"get", "list", "watch"}
	writeVerbs = []string{"create", "update", "patch", "delete", "deletecollection"}
	// operatorWrites are the kinds by which upgrades are run. Policies, strategies, calendars and waivers say
	// how they are run, which is the admins' part.
	operatorWrites = []string{"clusters", "upgraderuns", "clusterupgrades", "gates", "gates/status"}
)

// role is a cluster role and the group that has it.
type role struct {
	name  string
	group string
	rules []rbacv1.PolicyRule
}

// roles are the hub's roles over the API groups of its custom resources.
func roles(groups []string) []role {
	read := []rbacv1.PolicyRule{
		{APIGroups: []string{corev1.GroupName}, Resources: []string{"namespaces", "events"}, Verbs: readVerbs},
		{APIGroups: []string{"events.k8s.io"}, Resources: []string{"events"}, Verbs: readVerbs},
	}
	operate := read
	if len(groups) > 0 {
		read = append(read, rbacv1.PolicyRule{APIGroups: groups, Resources: []string{"*"}, Verbs: readVerbs})
		operate = append(slices.Clone(read), rbacv1.PolicyRule{APIGroups: groups, Resources: operatorWrites, Verbs: writeVerbs})
	}
	return []role{
		{name: "sengu-admin", group: GroupAdmins, rules: []rbacv1.PolicyRule{
			{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}},
			{NonResourceURLs: []string{"*"}, Verbs: []string{"*"}},
		}},
		{name: "sengu-operator", group: GroupOperators, rules: operate},
		{name: "sengu-viewer", group: GroupViewers, rules: read},
		{name: "sengu-discovery", group: groupAuthenticated, rules: []rbacv1.PolicyRule{
			{NonResourceURLs: []string{"/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", "/version", "/healthz", "/livez", "/readyz"}, Verbs: []string{"get"}},
			{APIGroups: []string{"authorization.k8s.io"}, Resources: []string{"selfsubjectaccessreviews", "selfsubjectrulesreviews"}, Verbs: []string{"create"}},
			{APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"selfsubjectreviews"}, Verbs: []string{"create"}},
		}},
	}
}

// installBasics makes sure of the default namespace, the roles and their bindings.
func installBasics(ctx context.Context, config *rest.Config, groups []string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: metav1.NamespaceDefault}}
	if _, err := client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("the default namespace cannot be made: %w", err)
	}
	for _, r := range roles(groups) {
		if err := applyRole(ctx, client, r); err != nil {
			return fmt.Errorf("the role %s cannot be stored: %w", r.name, err)
		}
	}
	return nil
}

// applyRole sets the role to what this release says, and leaves a binding that is there as people made it.
func applyRole(ctx context.Context, client kubernetes.Interface, r role) error {
	rbac := client.RbacV1()
	clusterRole := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: r.name}, Rules: r.rules}
	_, err := rbac.ClusterRoles().Create(ctx, clusterRole, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		_, err = rbac.ClusterRoles().Update(ctx, clusterRole, metav1.UpdateOptions{})
	}
	if err != nil {
		return err
	}
	_, err = rbac.ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: r.name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: r.group}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: r.name},
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
