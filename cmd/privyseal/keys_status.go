package main

import (
	"sync"
	"time"

	"github.com/spf13/cobra"
)

func keysStatusCommand(environ []string) *cobra.Command {
	c := &cobra.Command{
		Use:   "status [--admin URL]... [--config FILE]",
		Short: "Show what the keys do and when that changes, and whether replicas agree",
		Long: `Show what the signing keys do, until when, and what is safe when, as each
replica tells it at its admin listener; and whether the replicas are in service
and agree. Give --admin once for each replica. With --config, the store of that
configuration's keyring is read too, or alone if there is no --admin; nothing is
changed.

Times are UTC. With -o json they are RFC 3339, and the answer is an object of

  ok        whether nothing is wrong
  problems  what is wrong, as sentences
  replicas  of each: admin, reached, in_service, unfit (why it is not in
            service), error (why there is no answer), now (its clock), and the
            members of a status
  store     the status that a replica would have that starts now

A status has keys (kid, alg, state, published_at, activate_at, signing_since,
remove_at), ephemeral, jwks_digest, missing_publication, held_key, held_until,
and for a keyring store (ring, generation, complete_until, confirmed,
publish_until, clock_skew, rollbacks, errors, last_error). Durations are
nanoseconds. A time or text that is not there is left out.

The exit status is 0 if nothing is wrong, 1 if something is: a replica is out of
service or cannot keep the keyring, replicas disagree, a rotation is overdue. It
is 3 if a replica, or the store, cannot be reached.`,
		Example: `  privyseal keys status --admin http://10.0.0.1:9090 --admin http://10.0.0.2:9090
  privyseal keys status --config privyseal.yaml`,
		Args: arguments(0, 0),
	}
	admins := c.Flags().StringArray("admin", nil, "`URL` of an admin listener, or unix:///PATH; may be repeated (default http://127.0.0.1:9090)")
	config := c.Flags().String("config", "", "read the keyring of this configuration `file`")
	timeout := c.Flags().Duration("timeout", 3*time.Second, "how long to wait for each replica")
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if len(*admins) == 0 && *config == "" {
			*admins = []string{"http://127.0.0.1:9090"}
		}
		questions, err := adminQuestions(*admins)
		if err != nil {
			return err
		}
		r := &keysReport{now: time.Now()}
		if *config != "" {
			if err := r.readStore(c, *config, environ); err != nil {
				return err
			}
		}
		r.Replicas = make([]replica, len(questions))
		var all sync.WaitGroup
		for i, q := range questions {
			all.Go(func() { r.Replicas[i] = q.ask(c.Context(), *timeout) })
		}
		all.Wait()
		return r.conclude(c, *output)
	}
	return c
}
