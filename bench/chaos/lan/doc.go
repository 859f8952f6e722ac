// Package lan is a network of a few hosts inside this process, whose links can be cut,
// slowed down and made to lose packets, one direction at a time. `make chaos` puts the
// nodes of a cluster on one.
//
// # What it owns
//
// Network namespaces, one a host, each with a point-to-point interface (TUN) of
// which the other end is a descriptor here; and the switch between them, which reads
// packets at one and writes them to another, or doesn't. So the sockets, the packets and
// what TCP makes of their loss are the kernel's own, and what happens on the way is
// this package's, which needs no netem, no nftables and no bridge for it.
//
//	host 1 (namespace)          this process                 host 2 (namespace)
//	 10.77.0.1 ── tun ──packets──► pump ─► Link 1→2 ──┬──────► tun ── 10.77.0.2
//	                                        cut, loss  └ later ─┘
//	                                                   (delayed)
//
// It has IPv4 alone, and no way out: no address of a host is reached from outside
// this process and what it has started, and no host reaches anything but the others.
//
// # Invariants
//
//	L1  Nothing is left behind: the namespaces have no names and end with the last
//	    process in them, the interfaces with their descriptors, however this process
//	    ends.
//	L2  A cut link says nothing: packets on it vanish, as by an unplugged cable.
//	L3  What waits on slow links is bounded; beyond that, packets are lost, as in a
//	    router.
//
// It needs Linux, root and /dev/net/tun; New says what is missing otherwise.
//
// # Goroutines
//
// One pump a host, and one for what is delayed; Close joins them.
//
// # Where to start reading
//
// lan.go, link.go, and then host_linux.go.
package lan
