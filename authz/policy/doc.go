// Package policy compiles the rules of a configuration and judges by them.
//
// Start with [Rule], whose field comments are the manual of `rules:`; then
// [Compile], which returns a [Policy] or every mistake at once.
//
//	name: orders
//	match: {hosts: [orders.example.com], paths: [/v1/**], methods: [GET, POST]}
//	audience: orders
//	authenticate: [corp]
//	deny:  [{groups: [suspended], detail: your account is suspended}]
//	allow: [{groups: [staff]}, {emails: ["*@partner.example"]}]
//
// # Which rule
//
// The first rule, in file order, whose match fits owns the request, and no
// later rule is asked. No rule denies with [authz.NoRule]. A rule that holds
// rules owns what it fits: if none of them fits, that is a denial too, and the
// rules after it are not asked.
//
// A path glob is compared with the canonical path of a request, which is
// percent-decoded; write globs decoded. The query is never compared.
//
//	/v1/orders   this path, and not /v1/orders/
//	/v1/*        one segment, possibly empty: /v1/ and /v1/a, not /v1/a/b
//	/v1/*.json   '*' stands for any bytes within a segment, also none
//	/v1/**       everything inside /v1/: /v1/ and /v1/a/b, not /v1 itself
//	/**/health   any number of segments, also none: /health, /a/b/health
//	/**          every path
//
// As in .gitignore, a final "**" is what lies inside a directory and not the
// directory: write [/v1, /v1/**] for both. Globs distinguish case. A path that
// programs read differently is denied with [authz.AmbiguousPath] wherever a
// rule for the host reads paths at all, because the application's reading could
// be the one that an earlier rule protects.
//
// A gRPC method (grpc) is a POST to /package.Service/Method whose content type
// says gRPC or gRPC-Web. The client chooses the content type, and applications
// may answer the same path in other protocols: what does not say it is gRPC goes
// on to the rules below, so let none of them be more generous with the path.
//
// A network (networks) is a range of the client's address as Envoy reports it,
// which is the address before Envoy or, by x-forwarded-for, what proxies in front
// are trusted to say. IPv4 addresses in IPv6 notation are IPv4 addresses. A client
// whose address is unknown is in no network, so that a rule with networks does not
// fit it: what such a rule admits only inside, rules below must not admit outside.
//
// A host is a name or an IP literal in brackets or dotted form; "*.example.com"
// is one or more labels below example.com, and not example.com; "*" is any.
//
// # Who may
//
// A rule's deny clauses are asked first, then its allow clauses; no clause that
// holds is [authz.NotAllowed]. Clauses are alternatives; within a clause every
// key must hold; within a key one value is enough. A key that is present with
// an empty list holds for nobody, so a list that a generator left empty never
// admits all.
//
// Words belong to the source that said them. A clause names the sources it is
// about (from), or its rule admits one source only: a group, a subject or an
// e-mail address of one source never satisfies a clause meant for another.
//
// In groups, emails and subjects '*' stands for any bytes within a segment,
// segments being what '/' separates. Groups and subjects distinguish case;
// e-mail addresses and domains do not, in ASCII. An address counts only if its
// source says that it is verified, or is configured as trusted for e-mail, and
// if it holds exactly one '@'.
//
// Groups that a source could not list completely are unknown: the first clause
// reached that reads them denies with [authz.GroupsUnknown].
//
// # Conditions
//
// A clause may hold a condition (when) in CEL, the Common Expression Language;
// it is asked if all other keys of the clause hold.
//
//	request   method scheme host path raw_path query client time
//	          headers["x-a"] context_extensions["a"] metadata["namespace"]
//	identity  source issuer subject session name acr amr auth_time
//	          email email_verified groups claims
//
// path is canonical, as globs see it; a rule whose expression reads path,
// raw_path or query reads the path. scheme is the client's word; metadata is
// that of the filter which wrote it; client is an address, as in
// cidr("10.0.0.0/8").containsIP(request.client). headers, context_extensions and
// metadata are read by names that are written out, headers in lower case. A
// header that is repeated, or holds a comma behind which Envoy may have joined a
// repeated one, is there and cannot be read.
//
// email is in lower case: in allow clauses an address that is verified or whose
// source is trusted for e-mail, which is what email_verified tells; in deny
// clauses whatever the source says.
//
// What is absent is not empty: reading it fails, and so does reading what is not
// known. has(identity.acr), "x-a" in request.headers and
// identity.claims.?level.orValue(0) ask first; has() is also true of what was
// said and cannot be relied on, such as groups that are not all known. As in CEL
// everywhere, false && failure is false, and true || failure is true.
//
// A condition that fails denies, in allow and deny clauses alike, with
// [authz.PolicyError]; no later clause is asked. The cause in the record says
// where and why, and quotes no value.
//
// Beside CEL's own functions and macros there are those of its extensions for
// sets, addresses, optional values and texts; not those that make a text longer
// than what they read (replace, join, format). Patterns are RE2 and are written
// out, time zones are "UTC" or an offset.
//
// Claims of a rule are expressions of the same kind, made for callers who are
// allowed, who are seen as allow clauses see them; in report mode also for those
// whom no allow clause admits.
//
// # Trying a rule
//
// A rule in report mode records what its allow clauses refuse (WouldDeny in
// [authz.Record]) and lets it through with the assertion that an allowed request
// has. It waives nothing else: who is not known is asked to authenticate, deny
// clauses deny, and so do groups that are unknown and clauses that cannot be
// evaluated, since what they would have said is not known.
//
// # Testing rules
//
// [Cases] are tests in a file: who asks for what, and what becomes of it. They are
// decided by a [Rehearsal], which is the compiled policy and the authorizer of a
// service with identities in place of credentials; [Policy.Explain] tells why.
// [Lint] names rules that no request reaches and rules that admit more than is
// commonly meant; [Routes] is the table of what a policy decides.
//
// # Invariants and bounds
//
//   - A [Policy] is immutable and safe for concurrent use. Match allocates only
//     for a denial.
//   - Rules are found through an index: ten thousand cost hardly more than ten, except
//     rules that the same hosts and paths fit and that differ in methods or
//     networks only, which are asked one after the other.
//   - Comparing one glob costs at most the product of its length and the path's;
//     searching all of them at most the product of the path's segments and the
//     states of the globs that begin like it.
//   - At most 20000 rules, nested at most 8 deep; at most 10000 values in a
//     list; globs and values of at most 1024 bytes; 32 claim headers in all.
//   - An expression has at most 4096 bytes, 64 levels, 2 macros with a variable
//     within one another and 500 instructions in a pattern. One that could cost more
//     than 1e9 units is refused when rules are loaded; what may cost more than
//     100000 is counted while it is evaluated and fails there; loops end with the
//     time of the request. A path, query or header of more than 8192 bytes cannot
//     be read.
//   - Every rule that signs has an audience that no client chooses, and, if the
//     issuer depends on the host, matches literal hosts only.
package policy
