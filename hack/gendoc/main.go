// SPDX-License-Identifier: Apache-2.0

// Gendoc writes the reference pages of the command line, one for each command, from the commands themselves.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"sengu.dev/sengu/internal/cli"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gendoc FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "gendoc:", err)
		os.Exit(1)
	}
}

// write replaces the pages in a folder.
func write(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(folder, "*.md"))
	if err != nil {
		return err
	}
	for _, page := range old {
		if err := os.Remove(page); err != nil {
			return err
		}
	}
	root := cli.New(cli.Config{Streams: genericiooptions.NewTestIOStreamsDiscard()})
	root.InitDefaultHelpFlag()
	return writeTree(folder, root)
}

func writeTree(folder string, c *cobra.Command) error {
	if err := os.WriteFile(filepath.Join(folder, fileName(c)), []byte(page(c)), 0o644); err != nil {
		return err
	}
	for _, sub := range documented(c) {
		if err := writeTree(folder, sub); err != nil {
			return err
		}
	}
	return nil
}

func documented(c *cobra.Command) []*cobra.Command {
	var commands []*cobra.Command
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" {
			commands = append(commands, sub)
		}
	}
	return commands
}

func fileName(c *cobra.Command) string {
	return strings.ReplaceAll(c.CommandPath(), " ", "_") + ".md"
}

// page is the page of one command, in the order of its help.
func page(c *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<!-- Generated from the command line itself: run go generate ./internal/cli. -->\n# %s\n\n%s\n", c.CommandPath(), c.Short)
	if c.Long != "" && c.Long != c.Short {
		fmt.Fprintf(&b, "\n%s\n", c.Long)
	}
	if c.Runnable() && !c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n## Usage\n\n```\n%s\n```\n", c.UseLine())
	}
	if c.Example != "" {
		fmt.Fprintf(&b, "\n## Examples\n\n```\n%s\n```\n", dedent(c.Example))
	}
	if commands := documented(c); len(commands) > 0 {
		b.WriteString("\n## Commands\n\n")
		for _, sub := range commands {
			fmt.Fprintf(&b, "- [%s](%s): %s\n", sub.CommandPath(), fileName(sub), sub.Short)
		}
	}
	if flags := c.NonInheritedFlags(); flags.HasAvailableFlags() {
		fmt.Fprintf(&b, "\n## Options\n\n```\n%s```\n", flags.FlagUsages())
	}
	if flags := c.InheritedFlags(); flags.HasAvailableFlags() {
		fmt.Fprintf(&b, "\n## Global options\n\n```\n%s```\n", flags.FlagUsages())
	}
	if c.HasParent() {
		fmt.Fprintf(&b, "\nBack to [%s](%s).\n", c.Parent().CommandPath(), fileName(c.Parent()))
	}
	return b.String()
}

func dedent(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "  ")
	}
	return strings.Join(lines, "\n")
}
