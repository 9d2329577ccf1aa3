// Package store keeps the document of a shared, self-rotating keyring on an
// engine the operator already runs. [Open] takes its address; the rest of the
// contract is [keys.Store] and [keys.Watcher].
//
//	s, err := store.Open("dir:/var/lib/privyseal", store.Options{})
//
// Start with a directory if the replicas share a volume or there is only one of
// them, with a Secret in Kubernetes, with Redis where sessions are there already.
//
// # Invariants
//
// A document is replaced as a whole or not at all, and only if its revision is
// the expected one; that holds across processes and machines. A store that
// cannot be reached, is not set up or holds something else is an error, never an
// empty store: a keyring is only created where the engine itself says that there
// is none. A Swap changes the revision, unless it writes to a directory or Secret
// the very bytes that are there. After an error which is not [keys.ErrConflict] a
// Swap may have been done; load the document to see. Errors name the place and
// the next step, and show no password, token or document.
//
// # Trust and bounds
//
// Whoever can write a store can take keys away from all replicas, and whoever
// can read it has what is in it; it is the keyring's task to seal private keys.
// A document has at most 256 KiB. Requests to a server are given up after 15
// seconds, or 30 with the waits an API server asks for, earlier if the context
// ends. A Go program cannot interrupt a system call on a network file system
// that hangs: mount such a volume with a timeout.
//
// # Directory: dir:PATH
//
// The document is the file keyring.json, replaced by a rename that survives a
// power failure. Writers lock keyring.lock (flock), which must stay where it is;
// readers touch it to learn the time. The file system needs rename and lock:
// ext4, XFS, tmpfs, NFS version 4 and CephFS have them; object storage mounted as
// files does not.
//
// The directory is made by the operator and must exist. Name one inside the
// volume rather than the place where it is mounted, so that a volume which is
// not mounted is noticed. Neither the directory nor the document may have any
// permission for others (mode 0007). The group is left to the operator, because
// Kubernetes gives volumes to one (fsGroup). Files are created with mode 0600:
// all replicas run as one user. Symbolic links in the directory are not followed.
//
// The revision is the SHA-256 of the document, so equal documents have equal
// revisions. The time is that of the file system: on a network file system the
// server's, which all replicas share. Reading takes no write permission, but then
// there is no time; nor is there one on systems other than Linux.
//
// # Redis and Valkey: redis://USER:PASSWORD@HOST:PORT/0?key=NAME
//
// rediss:// is the same over TLS; ca_file= names the authority, by default the
// system's are trusted. Special characters of the password are written %XX.
// The key is a hash of document and revision. The time is the server's.
//
// Use a primary without cluster slots, with appendonly yes and a
// maxmemory-policy that evicts no key without an expiry (noeviction or
// volatile-...). Replication of Redis is asynchronous: a failover can bring back
// an older document. The user needs no more than this, and +select for a database
// other than 0:
//
//	ACL SETUSER privyseal on >PASSWORD resetchannels ~privyseal:keyring +eval +hmget +hset +time
//
// # Kubernetes: kubernetes://NAMESPACE/SECRET
//
// The document is the data key keyring.json of a Secret, which is created if it
// is missing; everything else in it stays as it is. In a pod nothing else is
// needed: the server is in KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT,
// token and authority are the service account's. Elsewhere they are given as
// server=https://HOST:PORT, token_file= and ca_file= (by default the system's
// authorities). Both files are read again every minute, and the token at once
// when it is refused. No proxy is used and no redirect followed. The revision is
// the resourceVersion, the time the Date of the answer, in seconds.
//
// The service account needs this Role, without the second rule where the Secret
// is created by the operator:
//
//	rules:
//	- {apiGroups: [""], resources: [secrets], resourceNames: [SECRET], verbs: [get, watch, update]}
//	- {apiGroups: [""], resources: [secrets], verbs: [create]}
package store
