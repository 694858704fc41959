package cli

import "github.com/spf13/cobra"

func (a *app) serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "serve",
		Short:   "Run a server",
		Long:    "Serve runs one of the servers of holdfast until it is told to stop.",
		Example: "  holdfast serve as --config as.yaml",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.serveASCommand())
	return c
}
