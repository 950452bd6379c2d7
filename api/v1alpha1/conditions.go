// SPDX-License-Identifier: Apache-2.0

package v1alpha1

//go:generate go run ../../hack/reasons conditions.go ../../docs/reference/reasons.md

// Condition types. Each is listed with the kinds that carry it.
const (
	// ConditionReachable on a Cluster: the provider and the member's API answer.
	ConditionReachable = "Reachable"
	// ConditionHealthy on a Cluster: the control plane runs and every node that should be Ready is.
	ConditionHealthy = "Healthy"
	// ConditionReady on a Cluster, UpgradeRun or MaintenanceCalendar: it can be used; the input is accepted.
	ConditionReady = "Ready"
	// ConditionBusy on a Cluster: the provider works on it, or a run does.
	ConditionBusy = "Busy"
	// ConditionProgressing on an UpgradeRun or ClusterUpgrade: it is on its way.
	ConditionProgressing = "Progressing"
	// ConditionSucceeded on an UpgradeRun or ClusterUpgrade: it reached its target.
	ConditionSucceeded = "Succeeded"
	// ConditionDrainBlocked on a ClusterUpgrade: a drain waits for a PodDisruptionBudget.
	ConditionDrainBlocked = "DrainBlocked"
	// ConditionNotificationsDelivered on a Fleet: the receivers of its notifications take what they are told.
	ConditionNotificationsDelivered = "NotificationsDelivered"
)

// Reasons of Clusters. The same word appears in conditions, events, metric labels and the CLI.
const (
	// ReasonAvailable: everything asked for answers.
	ReasonAvailable = "Available"
	// ReasonProviderUnreachable: the provider does not answer.
	ReasonProviderUnreachable = "ProviderUnreachable"
	// ReasonProviderRejected: the provider refused the request: credentials, names or permissions are wrong.
	ReasonProviderRejected = "ProviderRejected"
	// ReasonProviderUnknown: this process has no provider of that kind.
	ReasonProviderUnknown = "ProviderUnknown"
	// ReasonSecretMissing: a Secret or its key that is referred to does not exist.
	ReasonSecretMissing = "SecretMissing"
	// ReasonMemberUnreachable: the member's API does not answer.
	ReasonMemberUnreachable = "MemberUnreachable"
	// ReasonWrongCluster: the credentials lead to another cluster than before.
	ReasonWrongCluster = "WrongCluster"
	// ReasonClusterMissing: the provider knows no such cluster.
	ReasonClusterMissing = "ClusterMissing"
	// ReasonAllNodesReady: the control plane runs and every node is Ready.
	ReasonAllNodesReady = "AllNodesReady"
	// ReasonNodesNotReady: some nodes are not Ready.
	ReasonNodesNotReady = "NodesNotReady"
	// ReasonControlPlaneNotRunning: the control plane is not in a running state.
	ReasonControlPlaneNotRunning = "ControlPlaneNotRunning"
	// ReasonOperationRunning: an operation that this run did not start is under way.
	ReasonOperationRunning = "OperationRunning"
	// ReasonUpgrading: a run works on the cluster.
	ReasonUpgrading = "Upgrading"
	// ReasonIdle: nothing is under way.
	ReasonIdle = "Idle"
)

// Reasons of UpgradeRuns.
const (
	// ReasonAccepted: the input is accepted and frozen.
	ReasonAccepted = "Accepted"
	// ReasonStrategyMissing: the strategy that is referred to does not exist.
	ReasonStrategyMissing = "StrategyMissing"
	// ReasonInvalidStrategy: the strategy cannot be used, for example because of a wrong percentage.
	ReasonInvalidStrategy = "InvalidStrategy"
	// ReasonNoClusters: the run selects no cluster.
	ReasonNoClusters = "NoClusters"
	// ReasonClusterInNoGroup: a selected cluster belongs to no group of the strategy.
	ReasonClusterInNoGroup = "ClusterInNoGroup"
	// ReasonClusterInTwoGroups: a selected cluster belongs to more than one group of the strategy.
	ReasonClusterInTwoGroups = "ClusterInTwoGroups"
	// ReasonUnknownVersion: the target version is not offered to a cluster.
	ReasonUnknownVersion = "UnknownVersion"
	// ReasonDowngrade: the target is older than what a cluster runs.
	ReasonDowngrade = "Downgrade"
	// ReasonSkippedMinor: no path of single minors leads to the target.
	ReasonSkippedMinor = "SkippedMinor"
	// ReasonUnknownImage: a node image is not offered to a cluster.
	ReasonUnknownImage = "UnknownImage"
	// ReasonSkewTooLarge: nodes are too old for the next control plane, or newer than it.
	ReasonSkewTooLarge = "SkewTooLarge"
	// ReasonClusterNotDescribed: a cluster was not described by its provider yet.
	ReasonClusterNotDescribed = "ClusterNotDescribed"
	// ReasonClusterNotReady: a cluster cannot be upgraded now: unreachable or unhealthy.
	ReasonClusterNotReady = "ClusterNotReady"
	// ReasonClusterBusy: another run or an operation works on the cluster.
	ReasonClusterBusy = "ClusterBusy"
	// ReasonClusterMissingFromFleet: a cluster of the run was deleted from the fleet.
	ReasonClusterMissingFromFleet = "ClusterMissingFromFleet"
	// ReasonConcurrencyReached: as many clusters as allowed are in flight.
	ReasonConcurrencyReached = "ConcurrencyReached"
	// ReasonClustersInFlight: clusters are being upgraded.
	ReasonClustersInFlight = "ClustersInFlight"
	// ReasonPreviousStage: an earlier stage is not finished.
	ReasonPreviousStage = "PreviousStage"
	// ReasonSoaking: healthy time is counted.
	ReasonSoaking = "Soaking"
	// ReasonSoakInterrupted: a cluster of the stage is not healthy, so the soak does not count.
	ReasonSoakInterrupted = "SoakInterrupted"
	// ReasonGateClosed: a gate is closed.
	ReasonGateClosed = "GateClosed"
	// ReasonTooManyFailures: more clusters failed than allowed.
	ReasonTooManyFailures = "TooManyFailures"
	// ReasonClustersFailed: all is done, and some clusters failed within what was allowed.
	ReasonClustersFailed = "ClustersFailed"
	// ReasonPausedByUser: a person paused the run.
	ReasonPausedByUser = "PausedByUser"
	// ReasonStoppedByUser: a person stopped the run.
	ReasonStoppedByUser = "StoppedByUser"
	// ReasonSkippedByUser: a person skipped it.
	ReasonSkippedByUser = "SkippedByUser"
	// ReasonRunDeleted: the run is being deleted and goes to a safe point first.
	ReasonRunDeleted = "RunDeleted"
	// ReasonOnTarget: every cluster is on the target and healthy.
	ReasonOnTarget = "OnTarget"
	// ReasonAlreadyOnTarget: the cluster was on the target before, and nothing had to be changed.
	ReasonAlreadyOnTarget = "AlreadyOnTarget"
	// ReasonOutsideWindow: no maintenance window is open.
	ReasonOutsideWindow = "OutsideWindow"
	// ReasonFrozen: a freeze of a calendar forbids it.
	ReasonFrozen = "Frozen"
	// ReasonWindowTooShort: the next step usually takes longer than what is left of the window.
	ReasonWindowTooShort = "WindowTooShort"
	// ReasonNeverOpens: the calendars that hold together have no opening in which the next step fits.
	ReasonNeverOpens = "NeverOpens"
	// ReasonCalendarMissing: a calendar that is referred to does not exist.
	ReasonCalendarMissing = "CalendarMissing"
	// ReasonInvalidCalendar: a calendar cannot be read.
	ReasonInvalidCalendar = "InvalidCalendar"
	// ReasonFleetConcurrencyReached: as many clusters as the fleet allows are in flight over all runs.
	ReasonFleetConcurrencyReached = "FleetConcurrencyReached"
	// ReasonMutexHeld: a cluster with the same mutex is in flight.
	ReasonMutexHeld = "MutexHeld"
	// ReasonCanariesFirst: the canaries of the group are not done.
	ReasonCanariesFirst = "CanariesFirst"
	// ReasonCanaryFailed: a canary failed, so nothing else starts.
	ReasonCanaryFailed = "CanaryFailed"
	// ReasonSameCause: as many clusters as the strategy names have failed by the same cause.
	ReasonSameCause = "SameCause"
	// ReasonClustersSetAside: all is done but for clusters that were not available.
	ReasonClustersSetAside = "ClustersSetAside"
	// ReasonInvalidFleet: the settings of the fleet cannot be used.
	ReasonInvalidFleet = "InvalidFleet"
)

// Reasons of Gates.
const (
	// ReasonApprovalNeeded: people who may approve have not, or not enough of them.
	ReasonApprovalNeeded = "ApprovalNeeded"
	// ReasonApprovalExpired: the approval was not given in its time, and has to be given anew.
	ReasonApprovalExpired = "ApprovalExpired"
	// ReasonApprovalRefused: an approver refused.
	ReasonApprovalRefused = "ApprovalRefused"
	// ReasonApproved: enough people approved, and the clusters that come next were ready for it.
	ReasonApproved = "Approved"
	// ReasonNextClustersBlocked: it is approved, and opens when the clusters that come next are healthy and not Blocked.
	ReasonNextClustersBlocked = "NextClustersBlocked"
	// ReasonOpensWithSoak: all else is there, and the gate opens when the soak is over.
	ReasonOpensWithSoak = "OpensWithSoak"
	// ReasonScheduledLater: the scheduled start has not come.
	ReasonScheduledLater = "ScheduledLater"
	// ReasonScheduleReached: the scheduled start has come.
	ReasonScheduleReached = "ScheduleReached"
	// ReasonUnknownTimeZone: the time zone of a scheduled start is not known.
	ReasonUnknownTimeZone = "UnknownTimeZone"
	// ReasonVerificationMissing: there is no result of the verification.
	ReasonVerificationMissing = "VerificationMissing"
	// ReasonVerificationUnknown: the verification could not tell.
	ReasonVerificationUnknown = "VerificationUnknown"
	// ReasonVerificationFailed: the verification found that the clusters do not serve.
	ReasonVerificationFailed = "VerificationFailed"
	// ReasonVerificationPassed: the verification found that the clusters serve.
	ReasonVerificationPassed = "VerificationPassed"
)

// Reasons of ClusterUpgrades.
const (
	// ReasonControlPlaneUpgrading: the provider upgrades the control plane.
	ReasonControlPlaneUpgrading = "ControlPlaneUpgrading"
	// ReasonNodePoolUpgrading: the provider upgrades a node pool.
	ReasonNodePoolUpgrading = "NodePoolUpgrading"
	// ReasonNodesDraining: nodes are being drained.
	ReasonNodesDraining = "NodesDraining"
	// ReasonDrainBlocked: a budget lets no pod of the nodes in hand go.
	ReasonDrainBlocked = "DrainBlocked"
	// ReasonDrainTimeout: a node was not drained in its time.
	ReasonDrainTimeout = "DrainTimeout"
	// ReasonNodeReplacing: the provider replaces, adds or removes nodes.
	ReasonNodeReplacing = "NodeReplacing"
	// ReasonNodeNotReady: a new node is not Ready yet.
	ReasonNodeNotReady = "NodeNotReady"
	// ReasonNodeReadyTimeout: a new node did not become Ready in its time.
	ReasonNodeReadyTimeout = "NodeReadyTimeout"
	// ReasonNodeSoaking: a new node must stay Ready for a while.
	ReasonNodeSoaking = "NodeSoaking"
	// ReasonNodeLost: a node in hand vanished or died.
	ReasonNodeLost = "NodeLost"
	// ReasonVerifying: health is looked at after a step.
	ReasonVerifying = "Verifying"
	// ReasonNotHealthy: the cluster is not healthy after a step.
	ReasonNotHealthy = "NotHealthy"
	// ReasonVerifyTimeout: the cluster did not become healthy in time after a step.
	ReasonVerifyTimeout = "VerifyTimeout"
	// ReasonOperationFailed: the provider's operation failed.
	ReasonOperationFailed = "OperationFailed"
	// ReasonOperationConflict: the provider is busy with something else on this cluster.
	ReasonOperationConflict = "OperationConflict"
	// ReasonRetrying: an answer was not usable; it is asked again.
	ReasonRetrying = "Retrying"
	// ReasonHeld: held at a safe point.
	ReasonHeld = "Held"
	// ReasonMethodNotSupported: this version of Sengu cannot upgrade by that method.
	ReasonMethodNotSupported = "MethodNotSupported"
	// ReasonCapabilityMissing: the provider cannot do what a step needs.
	ReasonCapabilityMissing = "CapabilityMissing"
	// ReasonInvalidNodeRollout: the node rollout settings cannot be used.
	ReasonInvalidNodeRollout = "InvalidNodeRollout"
)

// Reasons of events that no condition has. Events have the words of phases and of the other reasons too, and
// StageRunning, StageSoaking, StageWaiting, StageSucceeded, StageFailed and StageSkipped for the phases of stages.
const (
	// ReasonGatePassed: a gate is open.
	ReasonGatePassed = "GatePassed"
	// ReasonGateRefused: a person or the evidence said no.
	ReasonGateRefused = "GateRefused"
	// ReasonGateSkipped: a person skipped a gate.
	ReasonGateSkipped = "GateSkipped"
	// ReasonSoakDone: there was enough healthy time, or a person skipped the rest.
	ReasonSoakDone = "SoakDone"
	// ReasonResumed: a paused run goes on.
	ReasonResumed = "Resumed"
	// ReasonRetried: what has failed is tried again.
	ReasonRetried = "Retried"
	// ReasonStepSucceeded: a step that changes the cluster is done.
	ReasonStepSucceeded = "StepSucceeded"
	// ReasonDrainMoves: a drain that was blocked moves again.
	ReasonDrainMoves = "DrainMoves"
	// ReasonNodeQuarantined: a node could not be drained in its time and is left cordoned.
	ReasonNodeQuarantined = "NodeQuarantined"
	// ReasonControlPlaneVersion: the control plane of a cluster has another version than before.
	ReasonControlPlaneVersion = "ControlPlaneVersion"
)

// Reasons of notifications of a Fleet.
const (
	// ReasonDelivered: no receiver has refused what it was told last.
	ReasonDelivered = "Delivered"
	// ReasonNoNotifications: the fleet tells nobody.
	ReasonNoNotifications = "NoNotifications"
	// ReasonInvalidReceiver: the URL, the signing key or the Authorization header in a Secret cannot be used.
	ReasonInvalidReceiver = "InvalidReceiver"
	// ReasonReceiverUnreachable: the receiver does not answer, or its certificate is not trusted.
	ReasonReceiverUnreachable = "ReceiverUnreachable"
	// ReasonReceiverRefused: the receiver refuses what it is told: the URL or the credentials are wrong.
	ReasonReceiverRefused = "ReceiverRefused"
	// ReasonReceiverBusy: the receiver asks to be told later.
	ReasonReceiverBusy = "ReceiverBusy"
	// ReasonDeliveryFailed: a message could not be made or sent for a reason that is a mistake in Sengu.
	ReasonDeliveryFailed = "DeliveryFailed"
	// ReasonReceiverFailed: the receiver has an error of its own.
	ReasonReceiverFailed = "ReceiverFailed"
)

// Reasons why a pod cannot be evicted now.
const (
	// ReasonBudgetExhausted: its PodDisruptionBudget allows no disruption now.
	ReasonBudgetExhausted = "BudgetExhausted"
	// ReasonBudgetNeverAllows: its PodDisruptionBudget can never allow a disruption as it is written.
	ReasonBudgetNeverAllows = "BudgetNeverAllows"
	// ReasonBudgetNotObserved: its PodDisruptionBudget was not evaluated yet by the cluster.
	ReasonBudgetNotObserved = "BudgetNotObserved"
	// ReasonSeveralBudgets: more than one PodDisruptionBudget matches it, which the eviction API refuses.
	ReasonSeveralBudgets = "SeveralBudgets"
	// ReasonEvictionRefused: the API refused the eviction for another reason.
	ReasonEvictionRefused = "EvictionRefused"
	// ReasonTerminating: it is ending within its grace period.
	ReasonTerminating = "Terminating"
	// ReasonStuckTerminating: it should have ended by now.
	ReasonStuckTerminating = "StuckTerminating"
)

// Reasons that only `sengu why` gives: nothing writes them, because whatever would write them is away.
const (
	// ReasonControllerBehind: the record is older than what was asked for, or than it promised to be.
	ReasonControllerBehind = "ControllerBehind"
)

// Labels and annotations that Sengu writes.
const (
	// LabelRun on a ClusterUpgrade or Gate: the name of its run.
	LabelRun = "sengu.dev/run"
	// LabelCluster on a ClusterUpgrade: the name of its cluster.
	LabelCluster = "sengu.dev/cluster"
	// AnnotationCreatedBy on an UpgradeRun: who created it. The hub writes it, and nobody can change it.
	AnnotationCreatedBy = "sengu.dev/created-by"
	// AnnotationChangedBy on an UpgradeRun: who changed its spec last. The hub writes it.
	AnnotationChangedBy = "sengu.dev/changed-by"
	// AnnotationStartedBy on an UpgradeRun: who created, resumed or retried it, one name a line. The hub writes it, and
	// an approval needs somebody else.
	AnnotationStartedBy = "sengu.dev/started-by"
	// AnnotationCordonedBy on a member's node: the UID of the ClusterUpgrade that cordoned it. Only nodes with
	// this mark are ever uncordoned.
	AnnotationCordonedBy = "sengu.dev/cordoned-by"
	// AnnotationQuarantined on a member's node: why it was left cordoned on purpose.
	AnnotationQuarantined = "sengu.dev/quarantined"
	// AnnotationTold on an UpgradeRun, ClusterUpgrade or Gate: which notifications were told of what.
	AnnotationTold = "sengu.dev/told"
	// AnnotationTraced on an UpgradeRun or ClusterUpgrade: which of its spans were exported.
	AnnotationTraced = "sengu.dev/traced"
	// AnnotationTestNotification on a Fleet: the name of a notification to test, a slash, and a word of one's own.
	AnnotationTestNotification = "sengu.dev/test-notification"
	// FinalizerSafePoint keeps a run or cluster upgrade until what is in flight is at a safe point.
	FinalizerSafePoint = "sengu.dev/safe-point"
)
