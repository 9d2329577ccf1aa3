package idp

import "slices"

// Persona is one of the people the provider knows.
type Persona struct {
	ID     string // sub, and the name to ask for
	Name   string
	Email  string // taken as verified
	Groups []string
}

// Personas returns the people of the demo: one who may do everything, one who
// may do most things, and one who may do nothing.
func Personas() []Persona {
	return []Persona{
		{ID: "alice", Name: "Alice Archer", Email: "alice@corp.example", Groups: []string{"staff", "admins"}},
		{ID: "bob", Name: "Bob Baker", Email: "bob@corp.example", Groups: []string{"staff"}},
		{ID: "mallory", Name: "Mallory Mole", Email: "mallory@corp.example", Groups: []string{}},
	}
}

func find(personas []Persona, id string) (Persona, bool) {
	i := slices.IndexFunc(personas, func(p Persona) bool { return p.ID == id })
	if i < 0 {
		return Persona{}, false
	}
	return personas[i], true
}

// claims are those that identify a person beyond sub.
func (p Persona) claims() map[string]any {
	return map[string]any{"name": p.Name, "email": p.Email, "email_verified": true, "groups": p.Groups}
}
