// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"sengu.dev/sengu/internal/view"
)

// output prints objects the way -o asks for.
type output struct {
	flags *genericclioptions.PrintFlags
}

// outputFlags adds -o to a command that prints objects; table says whether it has a wide form as well.
func outputFlags(c *cobra.Command, table bool) *output {
	o := &output{flags: genericclioptions.NewPrintFlags("").WithTypeSetter(scheme)}
	formats := o.flags.AllowedFormats()
	if table {
		formats = append(formats, "wide")
	}
	o.flags.JSONYamlPrintFlags.AddFlags(c)
	o.flags.TemplatePrinterFlags.AddFlags(c)
	o.flags.NamePrintFlags.AddFlags(c)
	c.Flags().StringVarP(o.flags.OutputFormat, "output", "o", "", "Output format. One of: "+strings.Join(formats, ", ")+".")
	o.flags.OutputFlagSpecified = func() bool { return c.Flags().Changed("output") }
	complete(c, "output", slices.DeleteFunc(formats, func(f string) bool { return strings.Contains(f, "template") || strings.Contains(f, "file") })...)
	return o
}

// table says that no format of objects was asked for.
func (o *output) table() bool {
	template := o.flags.TemplatePrinterFlags.TemplateArgument
	return (*o.flags.OutputFormat == "" || *o.flags.OutputFormat == "wide") && (template == nil || *template == "")
}

func (o *output) wide() bool { return *o.flags.OutputFormat == "wide" }

// check refuses an unknown format before anything is done.
func (o *output) check() error {
	if o.table() {
		return nil
	}
	_, err := o.flags.ToPrinter()
	return err
}

// print writes objects in the format that was asked for.
func (o *output) print(w io.Writer, object runtime.Object) error {
	p, err := o.flags.ToPrinter()
	if err != nil {
		return err
	}
	if !meta.IsListType(object) {
		return p.PrintObj(object, w)
	}
	// A reader of the output must be able to tell what each item is; typed lists leave that out.
	if err := meta.EachListItem(object, setKind); err != nil {
		return err
	}
	if *o.flags.OutputFormat == "name" {
		return meta.EachListItem(object, func(item runtime.Object) error { return p.PrintObj(item, w) })
	}
	return p.PrintObj(object, w)
}

func setKind(object runtime.Object) error {
	kind, err := apiutil.GVKForObject(object, scheme)
	if err != nil {
		return err
	}
	object.GetObjectKind().SetGroupVersionKind(kind)
	return nil
}

// list prints a list as a table, or in the format that was asked for.
func (a *app) list(o *output, objects runtime.Object, rows view.Table) error {
	if !o.table() {
		return o.print(a.Streams.Out, objects)
	}
	if len(rows.Rows) == 0 {
		fmt.Fprintln(a.Streams.ErrOut, "No resources found.")
		return nil
	}
	_, err := io.WriteString(a.Streams.Out, rows.Format(o.wide()))
	return err
}

// say prints one line.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.Streams.Out, format+"\n", args...)
}

// terminal returns the file descriptor of a stream that is a terminal.
func terminal(stream any) (fd int, ok bool) {
	file, ok := stream.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0, false
	}
	return int(file.Fd()), true
}

// complete offers fixed words for a flag.
func complete(c *cobra.Command, flag string, words ...string) {
	slices.Sort(words)
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is not there: a mistake in this package
	}
}
