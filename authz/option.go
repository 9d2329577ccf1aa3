package authz

// OptionError is a mistake in an option struct. Path leads to the option in the
// operator's words, such as "rules[2].match.hosts[0]"; whoever composed the
// struct into a larger one prefixes it.
type OptionError struct {
	Path string
	Err  error
}

// Error names the option and the mistake.
func (e *OptionError) Error() string { return e.Path + ": " + e.Err.Error() }

// Unwrap returns the mistake.
func (e *OptionError) Unwrap() error { return e.Err }

// OptionPath returns Path; the configuration loader finds the line by it.
func (e *OptionError) OptionPath() string { return e.Path }
