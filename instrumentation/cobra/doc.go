// Package adminsessionscobra records what is done on the command line: each
// command of a [cobra.Command] that runs is an act of type CLI.
//
//	recorder, err := instrumentation.NewRecorder(instrumentation.WithLoggerProvider(exp.LoggerProvider()))
//	…
//	adminsessionscobra.Wrap(root, recorder, nil) // after the last AddCommand
//	err = root.ExecuteContext(ctx)
//
// "panelctl clients suspend 7731 --notify" is recorded as the act clients.suspend
// of clients 7731, with the attributes admin.flag.notify=true and
// admin.args=["7731"]. Flags that were given are recorded, those with a secret's
// name as REDACTED; a flag --reason, where a command has one, is the event's
// reason. An argument is a secret if the command's usage calls it one ("set-password
// NAME PASSWORD"), or, where the usage names no argument, if the command does. It is
// no place for one: every user of the machine can see it.
//
// In a command, instrumentation.SetResource, Changed and the others take
// cmd.Context(). What returns an error has failed; one that ends the process with
// os.Exit is not on record unless the act is strict. Nothing is recorded of a
// command whose flags or arguments cobra refuses, or that a PreRunE refuses: nothing
// was done. What runs before a command (PersistentPreRun, PreRun) is no part of its
// act.
//
// A command is a process of its own, so give its exporter a spool folder of its
// own, and shut it down before the process ends.
package adminsessionscobra
