// Command privyseal decides about requests on behalf of Envoy and signs for
// those it lets through; see package privyseal. It also makes and inspects
// keys, checks configurations, and asks a running service questions.
//
// Data goes to standard output, everything said about it to standard error.
// The exit status is an answer: 0 yes, 1 no, 2 the command was used wrongly,
// 3 somebody who had to be asked could not be reached. Nothing that was given
// as an argument is repeated in a message if it might be a secret.
package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
}

// run is the program: everything it touches outside itself are its parameters,
// files and the network.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string) int {
	root := rootCommand(environ)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return conclude(stderr, root.Execute())
}

func rootCommand(environ []string) *cobra.Command {
	root := group("privyseal", "An external-authorization service for Envoy that signs who is calling",
		initCommand(),
		serveCommand(environ),
		group("keys", "Make, convert, look at and rotate signing keys",
			keysGenerateCommand(), keysEncodeCommand(), keysInspectCommand(), keysJWKSCommand(),
			keysStatusCommand(environ), keysRotateCommand(environ), keysRevokeCommand(environ), keysImportCommand(environ)),
		group("config", "Check and show configurations",
			configValidateCommand(environ), configPrintCommand(environ), configSchemaCommand()),
		group("policy", "Test, explain and look through rules",
			policyTestCommand(environ), policyExplainCommand(environ), policyLintCommand(environ), policyRoutesCommand(environ)),
		group("token", "Look at identity assertions and other signed tokens",
			tokenDecodeCommand(), tokenVerifyCommand()),
		checkCommand(),
		healthCommand(),
		versionCommand(),
	)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(flagError)
	return root
}
