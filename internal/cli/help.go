// SPDX-License-Identifier: Apache-2.0

package cli

// The order of kubectl's help: what it does, examples, commands, options, usage.
const helpTemplate = `{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}

{{end}}{{.UsageString}}`

const usageTemplate = `{{if .HasExample}}Examples:
{{.Example | trimTrailingWhitespaces}}

{{end}}{{if .HasAvailableSubCommands}}Available Commands:{{range .Commands}}{{if (or .IsAvailableCommand (eq .Name "help"))}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}

{{end}}{{if .HasAvailableLocalFlags}}Options:
{{.LocalNonPersistentFlags.FlagUsages | trimTrailingWhitespaces}}

{{end}}{{if .HasParent}}{{if .HasAvailableInheritedFlags}}Global Options:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}

{{end}}{{else}}Global Options:
{{.PersistentFlags.FlagUsages | trimTrailingWhitespaces}}

{{end}}Usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} [command]{{else}}{{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}

Use "{{.CommandPath}} [command] --help" for more information about a command.{{end}}
`
