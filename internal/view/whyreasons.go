// SPDX-License-Identifier: Apache-2.0

package view

import (
	"maps"

	"sengu.dev/sengu/api/v1alpha1"
)

// Things to do that belong to several reasons.
var (
	describeCluster = Fix{"See all that is known of {cluster}", "sengu cluster describe {cluster}"}
	skipCluster     = Fix{"Or leave {cluster} out, for good", `sengu run skip {run} cluster {cluster} --reason "…"`}
	retryRun        = Fix{"Remove the cause, then retry what failed with the same target", "sengu run retry {run}"}
	offers          = Fix{"See what the clusters run and are offered", "sengu cluster list -o wide"}
	newRun          = Fix{"Create a run with another target", "sengu run create NAME --to VERSION --strategy {strategy}"}
	editCalendar    = Fix{"To go on before that, change {calendar}", "kubectl edit maintenancecalendar {calendar}"}
	nothingToDo     = Fix{"Nothing: it goes on by itself", ""}
)

// unknownReason is said of a reason of a later release.
var unknownReason = whyText{says: "{reason}: {message}", by: ByEvent, next: "something of it changes"}

// whyTexts has what is said of each reason that something can wait for, or has failed by.
var whyTexts = merge(ofClusters, ofRefusals, ofRuns, ofGates, ofEnds, ofCalendars, ofLimits, ofSteps, ofFailures, ofPods)

func merge(parts ...map[string]whyText) map[string]whyText {
	all := map[string]whyText{}
	for _, p := range parts {
		maps.Copy(all, p)
	}
	return all
}

var ofClusters = map[string]whyText{
	v1alpha1.ReasonProviderUnreachable: {
		says: "{cluster} waits for its provider: {message}", do: []Fix{describeCluster},
		by: ByEvent, next: "the provider answers",
	},
	v1alpha1.ReasonProviderRejected: {
		says: "The provider refuses what is asked for {cluster}: {message}",
		do:   []Fix{{"Correct the credentials, names or permissions of {cluster}", "kubectl edit cluster.sengu.dev {cluster}"}, skipCluster},
		by:   ByPerson, next: "the credentials, names or permissions are right",
	},
	v1alpha1.ReasonProviderUnknown: {
		says: "The controllers have no provider for {cluster}: {message}",
		do:   []Fix{{"Run a version of Sengu that has the provider", "sengu version"}, skipCluster},
		by:   ByPerson, next: "controllers run that have the provider",
	},
	v1alpha1.ReasonSecretMissing: {
		says: "A Secret that {cluster} refers to is missing: {message}",
		do:   []Fix{{"Create the Secret that the message names", "kubectl create secret generic NAME --from-file KEY=FILE"}},
		by:   ByPerson, next: "the Secret is there",
	},
	v1alpha1.ReasonMemberUnreachable: {
		says: "{cluster} cannot be reached: {message}", do: []Fix{describeCluster},
		by: ByEvent, next: "the cluster's API answers",
	},
	v1alpha1.ReasonWrongCluster: {
		says: "The credentials of {cluster} lead to another cluster than before: {message}",
		do:   []Fix{{"Correct its credentials; for another cluster, remove it and add it again", "sengu cluster remove {cluster}"}},
		by:   ByPerson, next: "the credentials lead to the cluster of before",
	},
	v1alpha1.ReasonClusterMissing: {
		says: "The provider knows no such cluster as {cluster}: {message}",
		do:   []Fix{{"Correct its names", "kubectl edit cluster.sengu.dev {cluster}"}, skipCluster},
		by:   ByPerson, next: "the provider knows it, or it is skipped",
	},
	v1alpha1.ReasonNodesNotReady: {
		says: "Nodes of {cluster} are missing: {message}",
		do:   []Fix{{"In {cluster}, find out why the nodes are not Ready", "kubectl get nodes"}},
		by:   ByEvent, next: "the nodes are Ready, which is watched", then: "the step fails",
	},
	v1alpha1.ReasonControlPlaneNotRunning: {
		says: "{cluster} waits for its control plane: {message}", do: []Fix{describeCluster},
		by: ByEvent, next: "the provider says that it runs",
	},
	v1alpha1.ReasonOperationRunning: {
		says: "The provider works on {cluster} with something that Sengu did not start: {message}",
		do:   []Fix{{"Let it end, or end it at the provider", ""}, describeCluster},
		by:   ByEvent, next: "that operation ends",
	},
	v1alpha1.ReasonUpgrading: {says: "Nothing is in the way: {cluster} is being upgraded", do: []Fix{nothingToDo}, by: ByEvent, next: "the step in hand ends", works: true},
	v1alpha1.ReasonIdle:      {says: "Nothing waits: no run works on {cluster}", by: ByPerson, next: "a run is created for it"},
}

var ofRefusals = map[string]whyText{
	v1alpha1.ReasonStrategyMissing: {
		says: "{run} has not started: {message}",
		do:   []Fix{{"Create the strategy", "kubectl apply -f STRATEGY.yaml"}, {"See which there are", "sengu strategy list"}},
		by:   ByPerson, next: "{strategy} exists",
	},
	v1alpha1.ReasonInvalidStrategy: {
		says: "{run} has not started, because its strategy cannot be used: {message}",
		do:   []Fix{{"Correct the strategy; a run that has its own is created anew", "kubectl edit upgradestrategy {strategy}"}},
		by:   ByPerson, next: "the strategy is right",
	},
	v1alpha1.ReasonNoClusters: {
		says: "{run} has not started, because it selects no cluster: {message}",
		do:   []Fix{{"See the labels of the clusters; add clusters, or create a run with another selector", "sengu cluster list -o wide"}},
		by:   ByPerson, next: "a cluster has the labels that it selects",
	},
	v1alpha1.ReasonClusterInNoGroup: {
		says: "{run} has not started: {message}",
		do:   []Fix{{"Give {cluster} a label that a group selects", "kubectl label cluster.sengu.dev {cluster} KEY=VALUE"}},
		by:   ByPerson, next: "every cluster of the run is in a group",
	},
	v1alpha1.ReasonClusterInTwoGroups: {
		says: "{run} has not started: {message}",
		do:   []Fix{{"Change the labels of {cluster}, or the selectors of the strategy", "kubectl label --overwrite cluster.sengu.dev {cluster} KEY=VALUE"}},
		by:   ByPerson, next: "every cluster of the run is in one group",
	},
	v1alpha1.ReasonUnknownVersion:      {says: "The target of {run} is not offered: {message}", do: []Fix{offers, newRun}, by: ByPerson, next: "the provider offers the version, or a run with another target is created"},
	v1alpha1.ReasonDowngrade:           {says: "The target of {run} is older than what runs: {message}", do: []Fix{offers, newRun}, by: ByPerson, next: "a run with another target is created"},
	v1alpha1.ReasonSkippedMinor:        {says: "No way of single minors leads to the target of {run}: {message}", do: []Fix{offers, newRun}, by: ByPerson, next: "the provider offers the versions between, or a run with another target is created"},
	v1alpha1.ReasonUnknownImage:        {says: "A node image of {run} is not offered: {message}", do: []Fix{offers, newRun}, by: ByPerson, next: "the image is offered, or a run with another image is created"},
	v1alpha1.ReasonSkewTooLarge:        {says: "Nodes and control plane are too far apart: {message}", do: []Fix{offers, {"Renew the old nodes first, at the provider", ""}}, by: ByPerson, next: "the nodes are near enough to the control plane"},
	v1alpha1.ReasonClusterNotDescribed: {says: "{cluster} is not known well enough yet: {message}", do: []Fix{describeCluster}, by: ByEvent, next: "the provider has described it"},
	v1alpha1.ReasonInvalidFleet: {
		says: "The settings of the fleet cannot be used: {message}", do: []Fix{{"Correct them", "kubectl edit fleet.sengu.dev fleet"}},
		by: ByPerson, next: "the settings are right",
	},
}

var ofRuns = map[string]whyText{
	v1alpha1.ReasonClusterNotReady: {says: "{cluster} cannot be upgraded now: {message}", do: []Fix{describeCluster, skipCluster}, by: ByEvent, next: "the cluster is reachable and healthy, which is watched"},
	v1alpha1.ReasonClusterBusy:     {says: "{cluster} is in other hands: {message}", do: []Fix{{"Let that end; see what it does", "sengu run list -o wide"}, skipCluster}, by: ByEvent, next: "what works on it is done"},
	v1alpha1.ReasonClusterMissingFromFleet: {
		says: "{cluster} is not in the fleet any more", do: []Fix{{"Add it again", "sengu cluster add {cluster} --provider PROVIDER"}, skipCluster},
		by: ByPerson, next: "the cluster is added again, or skipped",
	},
	v1alpha1.ReasonClustersInFlight: {says: "Nothing is in the way: {message}", do: []Fix{nothingToDo}, by: ByEvent, next: "a cluster in flight goes on", works: true},
	v1alpha1.ReasonPreviousStage:    {says: "{stage} has not begun: {message}", do: []Fix{nothingToDo}, by: ByEvent, next: "the stage before it is finished"},
	v1alpha1.ReasonSoaking: {
		says: "Nothing is in the way: {stage} soaks: {message}", do: []Fix{{"Nothing; or, if it cannot wait, do without the rest of the soak", `sengu run skip {run} soak {stage} --reason "…"`}},
		by: ByTime, next: "enough healthy time has been counted", works: true,
	},
	v1alpha1.ReasonSoakInterrupted: {
		says: "The soak of {stage} does not count: {message}", do: []Fix{{"Make the cluster healthy, or do without the rest of the soak", `sengu run skip {run} soak {stage} --reason "…"`}},
		by: ByEvent, next: "every upgraded cluster of the stage is healthy, which is watched",
	},
	v1alpha1.ReasonPausedByUser:     {says: "A person paused {run}", do: []Fix{{"Let it go on", "sengu run resume {run}"}}, by: ByPerson, next: "{run} is resumed"},
	v1alpha1.ReasonRunDeleted:       {says: "{run} is being deleted, and what is in flight goes to a safe point first", do: []Fix{nothingToDo}, by: ByEvent, next: "nothing is in flight"},
	v1alpha1.ReasonControllerBehind: {says: "{message}", do: []Fix{{"See that 'sengu serve', or 'sengu controller' against a hub of your own, runs, and what it logs", ""}}, by: ByEvent, next: "a controller looks at it"},
}

var ofEnds = map[string]whyText{
	v1alpha1.ReasonStoppedByUser:   {says: "A person stopped {run} for good", do: []Fix{{"Clusters stay as they are; a new run takes them further", "sengu run create NAME --to VERSION --strategy {strategy}"}}, by: ByNothing, next: "a stopped run stays stopped"},
	v1alpha1.ReasonSkippedByUser:   {says: "Nothing waits: a person skipped {cluster}", by: ByNothing, next: "a skip cannot be taken back"},
	v1alpha1.ReasonOnTarget:        {says: "Nothing waits: {message}", by: ByNothing, next: "it is done"},
	v1alpha1.ReasonAlreadyOnTarget: {says: "Nothing waits: {cluster} was on the target before", by: ByNothing, next: "it is done"},
	v1alpha1.ReasonAccepted:        {says: "Nothing is in the way: {run} is accepted", do: []Fix{nothingToDo}, by: ByEvent, next: "the first cluster starts", works: true},
}

var ofCalendars = map[string]whyText{
	v1alpha1.ReasonOutsideWindow:   {says: "No maintenance window is open: {message}", do: []Fix{nothingToDo, editCalendar}, by: ByTime, next: "the calendars that hold are open"},
	v1alpha1.ReasonFrozen:          {says: "A freeze forbids it: {message}", do: []Fix{nothingToDo, editCalendar}, by: ByTime, next: "the calendars that hold are open"},
	v1alpha1.ReasonWindowTooShort:  {says: "What is left of the window is too short for the next step: {message}", do: []Fix{nothingToDo, editCalendar}, by: ByTime, next: "the calendars that hold are open"},
	v1alpha1.ReasonNeverOpens:      {says: "The calendars that hold together never open: {message}", do: []Fix{{"Give them a time that they share and that is long enough", "kubectl edit maintenancecalendar {calendar}"}}, by: ByPerson, next: "a calendar is changed"},
	v1alpha1.ReasonCalendarMissing: {says: "A calendar is missing, and what is not known is not open: {message}", do: []Fix{{"Create it", "kubectl apply -f CALENDAR.yaml"}}, by: ByPerson, next: "the calendar exists"},
	v1alpha1.ReasonInvalidCalendar: {says: "A calendar cannot be read: {message}", do: []Fix{{"Correct it", "kubectl edit maintenancecalendar {calendar}"}}, by: ByPerson, next: "the calendar is right"},
}

var ofLimits = map[string]whyText{
	v1alpha1.ReasonConcurrencyReached:      {says: "As many clusters as the strategy allows are in flight: {message}", do: []Fix{nothingToDo}, by: ByEvent, next: "a cluster in flight is done"},
	v1alpha1.ReasonFleetConcurrencyReached: {says: "As many clusters as the fleet allows are in flight over all runs: {message}", do: []Fix{nothingToDo, {"Or raise maxConcurrency of the fleet", "kubectl edit fleet.sengu.dev fleet"}}, by: ByEvent, next: "a cluster in flight of any run is done"},
	v1alpha1.ReasonMutexHeld:               {says: "{cluster} shares a mutex with a cluster in flight: {message}", do: []Fix{nothingToDo}, by: ByEvent, next: "that cluster is done"},
	v1alpha1.ReasonCanariesFirst:           {says: "The canaries of {group} go first: {message}", do: []Fix{nothingToDo}, by: ByEvent, next: "the canaries are done"},
}

var ofSteps = map[string]whyText{
	v1alpha1.ReasonControlPlaneUpgrading: {says: "Nothing is in the way: in {cluster}, {message}", do: []Fix{nothingToDo}, by: ByEvent, next: "the provider is done with the control plane", works: true},
	v1alpha1.ReasonNodePoolUpgrading:     {says: "Nothing is in the way: in {cluster}, {message}", do: []Fix{nothingToDo}, by: ByEvent, next: "the provider is done with the pool", works: true},
	v1alpha1.ReasonNodesDraining:         {says: "Nothing is in the way: pods leave {node} of {cluster}", do: []Fix{nothingToDo}, by: ByEvent, next: "the last pod has left", works: true},
	v1alpha1.ReasonDrainBlocked:          {says: "A drain in {cluster} is blocked: {message}", do: []Fix{{"See which pods and budgets", "sengu run describe {run}"}}, by: ByEvent, next: "a pod may go, which is watched", then: "the time of the drain is over"},
	v1alpha1.ReasonNodeReplacing:         {says: "Nothing is in the way: in {cluster}, {message}", do: []Fix{nothingToDo}, by: ByEvent, next: "the provider is done with the node", works: true},
	v1alpha1.ReasonNodeNotReady: {
		says: "A new node of {cluster} is not Ready yet: {message}", do: []Fix{{"In {cluster}, find out what it waits for", "kubectl describe node {node}"}},
		by: ByEvent, next: "the node is Ready, which is watched", then: "its time is over and the step fails",
	},
	v1alpha1.ReasonNodeSoaking: {says: "Nothing is in the way: in {cluster}, {message}", do: []Fix{nothingToDo}, by: ByTime, next: "the node has been Ready long enough", works: true},
	v1alpha1.ReasonNodeLost:    {says: "A node in hand of {cluster} vanished or died: {message}", do: []Fix{{"In {cluster}, see which nodes there are", "kubectl get nodes"}, retryRun}, by: ByEvent, next: "the provider has replaced it"},
	v1alpha1.ReasonVerifying:   {says: "Nothing is in the way: the health of {cluster} is looked at: {message}", do: []Fix{nothingToDo}, by: ByEvent, next: "the cluster is healthy", then: "its time is over and the step fails", works: true},
	v1alpha1.ReasonNotHealthy: {
		says: "{cluster} is not healthy after a step: {message}", do: []Fix{describeCluster},
		by: ByEvent, next: "the cluster is healthy, which is watched", then: "its time is over and the step fails",
	},
	v1alpha1.ReasonOperationConflict: {says: "The provider is busy with something else on {cluster}: {message}", do: []Fix{{"Let it end, or end it at the provider", ""}, describeCluster}, by: ByTime, next: "it is asked for again"},
	v1alpha1.ReasonRetrying:          {says: "An answer of the provider of {cluster} was not usable: {message}", do: []Fix{nothingToDo}, by: ByTime, next: "it is asked for again"},
	v1alpha1.ReasonHeld:              {says: "{cluster} is held at a safe point", do: []Fix{{"If the run is paused, let it go on", "sengu run resume {run}"}}, by: ByEvent, next: "the run lets it go on"},
}

var ofFailures = map[string]whyText{
	v1alpha1.ReasonTooManyFailures:  {says: "{run} starts nothing new, because more clusters failed than allowed: {message}", do: []Fix{retryRun}, by: ByPerson, next: "{run} is retried, or what failed is skipped"},
	v1alpha1.ReasonClustersFailed:   {says: "{run} is done but for clusters that failed: {message}", do: []Fix{retryRun}, by: ByPerson, next: "{run} is retried, or what failed is skipped"},
	v1alpha1.ReasonCanaryFailed:     {says: "{run} starts nothing new, because a canary failed: {message}", do: []Fix{retryRun}, by: ByPerson, next: "{run} is retried, or what failed is skipped"},
	v1alpha1.ReasonSameCause:        {says: "{run} starts nothing new, because too many clusters failed by the same cause: {message}", do: []Fix{retryRun}, by: ByPerson, next: "{run} is retried, or what failed is skipped"},
	v1alpha1.ReasonClustersSetAside: {says: "{run} is not complete: {message}", do: []Fix{describeCluster, {"When they are available, try them again", "sengu run retry {run}"}, skipCluster}, by: ByPerson, next: "{run} is retried, or what was set aside is skipped"},
	v1alpha1.ReasonDrainTimeout: {
		says: "A node of {cluster} was not drained in its time: {message}",
		do:   []Fix{{"In {cluster}, let the pods that the message names go, or give its drainTimeout more", "kubectl edit cluster.sengu.dev {cluster}"}}, by: ByPerson, next: "{run} is retried",
	},
	v1alpha1.ReasonNodeReadyTimeout: {says: "A new node of {cluster} did not become Ready in its time: {message}", do: []Fix{{"In {cluster}, find out why new nodes are not Ready", "kubectl get nodes"}}, by: ByPerson, next: "{run} is retried"},
	v1alpha1.ReasonVerifyTimeout:    {says: "{cluster} did not become healthy in time: {message}", do: []Fix{describeCluster}, by: ByPerson, next: "{run} is retried"},
	v1alpha1.ReasonOperationFailed:  {says: "An operation of the provider failed on {cluster}: {message}", do: []Fix{describeCluster}, by: ByPerson, next: "{run} is retried"},
	v1alpha1.ReasonMethodNotSupported: {
		says: "This version of Sengu cannot upgrade {cluster} by that method: {message}", do: []Fix{skipCluster}, by: ByPerson, next: "it is skipped, or another version of Sengu retries it",
	},
	v1alpha1.ReasonCapabilityMissing:  {says: "The provider of {cluster} cannot do what is needed: {message}", do: []Fix{skipCluster}, by: ByPerson, next: "it is skipped"},
	v1alpha1.ReasonInvalidNodeRollout: {says: "The node rollout settings of {cluster} cannot be used: {message}", do: []Fix{{"Correct spec.nodeRollout", "kubectl edit cluster.sengu.dev {cluster}"}}, by: ByPerson, next: "the settings are right and {run} is retried"},
}

var ofPods = map[string]whyText{
	v1alpha1.ReasonBudgetExhausted: {
		says: "{budget} lets no pod leave {node} of {cluster}: {message}",
		do: []Fix{
			{"In {cluster}, see which pods of the budget are not healthy", "kubectl -n {namespace} describe pdb {object}"},
			{"Or give its workload one more replica; Sengu evicts in the moment in which the budget allows it", ""},
		},
		by: ByEvent, next: "{budget} allows an eviction, which is watched", then: "the time of the drain is over",
	},
	v1alpha1.ReasonBudgetNeverAllows: {
		says: "{budget} can never let a pod leave {node} of {cluster}, as it is written: {message}",
		do:   []Fix{{"In {cluster}, let the budget allow one disruption, or give its workload one more replica", "kubectl -n {namespace} edit pdb {object}"}},
		by:   ByPerson, next: "{budget} or the number of its pods is changed", then: "the time of the drain is over",
	},
	v1alpha1.ReasonBudgetNotObserved: {
		says: "{cluster} has not evaluated {budget} yet: {message}",
		do:   []Fix{{"In {cluster}, see that its controller manager works", "kubectl -n {namespace} get pdb {object} -o yaml"}},
		by:   ByEvent, next: "the cluster has evaluated {budget}", then: "the time of the drain is over",
	},
	v1alpha1.ReasonSeveralBudgets: {
		says: "{pod} on {node} of {cluster} is matched by several budgets, which the eviction API refuses",
		do:   []Fix{{"In {cluster}, change the selectors of the budgets so that one of them matches the pod", "kubectl -n {namespace} get pdb"}},
		by:   ByPerson, next: "one budget matches the pod", then: "the time of the drain is over",
	},
	v1alpha1.ReasonEvictionRefused: {
		says: "The API of {cluster} refuses to evict {pod} from {node}",
		do:   []Fix{{"In {cluster}, see what guards the pod, for example a webhook", "kubectl -n {namespace} describe pod {object}"}},
		by:   ByEvent, next: "the API grants the eviction; it is asked for again and again", then: "the time of the drain is over",
	},
	v1alpha1.ReasonTerminating: {
		says: "Nothing is in the way: {pod} on {node} of {cluster} ends within its grace period", do: []Fix{nothingToDo},
		by: ByEvent, next: "the pod has ended", then: "the time of the drain is over", works: true,
	},
	v1alpha1.ReasonStuckTerminating: {
		says: "{pod} on {node} of {cluster} should have ended by now",
		do:   []Fix{{"In {cluster}, look for finalizers of the pod, and whether its node lives", "kubectl -n {namespace} describe pod {object}"}},
		by:   ByPerson, next: "the pod has ended", then: "the time of the drain is over",
	},
}
