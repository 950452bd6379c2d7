// SPDX-License-Identifier: Apache-2.0

package archtest

// rule is one sentence of the architecture and the check that holds it.
type rule struct {
	name  string
	why   string
	check func(tree) []string // findings as "path:line: sentence"
}

// rules is the whole architecture as far as a machine can see it.
var rules = []rule{
	{
		name:  "every package has a place",
		why:   "a folder that no layer names has no rules; say in layers.go where it belongs",
		check: everyPackageHasAPlace,
	},
	{
		name:  "imports point downwards only",
		why:   "cmd → cli web controller hub → observe act operation providers/* → provider member → decide view preflight diagnose → api",
		check: importsPointDownwards,
	},
	{
		name:  "some packages have few importers",
		why:   "the lab, its wire protocol, the demo and the figures are not part of the product",
		check: fewImporters,
	},
	{
		name:  "some packages never meet",
		why:   "what a cloud does and what Sengu decides, and what people see and what acts, change for different reasons",
		check: neverMeet,
	},
	{
		name:  "test helpers stay in tests",
		why:   "a product that links its test helpers ships their behaviour",
		check: testHelpersStayInTests,
	},
	{
		name:  "deciders are pure",
		why:   "the controller, the plan, the forecast and the tests get the same decision only if nothing else is read",
		check: decidersArePure,
	},
	{
		name:  "time is an argument",
		why:   "a decision or a wait that reads the wall clock cannot be played in virtual time",
		check: timeIsAnArgument,
	},
	{
		name:  "packages are named by the domain",
		why:   "a name that could hold anything will",
		check: domainNames,
	},
	{
		name:  "files stay small",
		why:   "a file is what a reviewer reads in one go",
		check: filesStaySmall,
	},
	{
		name:  "main only wires",
		why:   "what stands in main is tested by no one",
		check: mainOnlyWires,
	},
	{
		name:  "exported names are documented",
		why:   "the comment is the contract: units, errors, who may call",
		check: exportedNamesAreDocumented,
	},
	{
		name:  "files carry the licence",
		why:   "a copied file must say what it may be used for",
		check: filesCarryTheLicence,
	},
}
