package main

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/freshet-mq/freshet/broker"
)

// partitionsMax is how many partitions a cluster may have.
const partitionsMax = 256

// peerList is all nodes of a cluster: n1=10.0.0.1:7601,n2=10.0.0.2:7601,...
type peerList []broker.Peer

// UnmarshalText reads it.
func (l *peerList) UnmarshalText(text []byte) error {
	*l = nil
	for part := range strings.SplitSeq(string(text), ",") {
		name, address, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return fmt.Errorf("wants NAME=HOST:PORT with commas between, got %q", part)
		}
		*l = append(*l, broker.Peer{Name: strings.TrimSpace(name), Address: strings.TrimSpace(address)})
	}
	return nil
}

// String is the list as it stands in a file.
func (l peerList) String() string {
	parts := make([]string, len(l))
	for i, p := range l {
		parts[i] = p.Name + "=" + p.Address
	}
	return strings.Join(parts, ",")
}

// address is where a node is reached by the others; empty when it isn't among them.
func (l peerList) address(node string) string {
	if i := slices.IndexFunc(l, func(p broker.Peer) bool { return p.Name == node }); i >= 0 {
		return l[i].Address
	}
	return ""
}

// peerListen is where the node listens for the others.
func (c *config) peerListen() string {
	if c.Listen.Peer != "" {
		return c.Listen.Peer
	}
	return c.Cluster.Peers.address(c.Node)
}

// checkPeers refuses nodes that can't be a cluster with this one.
func checkPeers(c *config, all []*setting) error {
	from := func(key string) string {
		return "from " + all[slices.IndexFunc(all, func(s *setting) bool { return s.key == key })].origin
	}
	peers := c.Cluster.Peers
	if len(peers) == 0 {
		for key, value := range map[string]string{"listen.peer": c.Listen.Peer, "advertise.peer": c.Advertise.Peer} {
			if value != "" {
				return usageFailure(key+" is set, and cluster.peers names no nodes", from(key), "name all nodes of the cluster in cluster.peers, this one too")
			}
		}
		return nil
	}
	if n := len(peers); n != 1 && n != 3 && n != 5 {
		return usageFailure(fmt.Sprintf("cluster.peers names %d nodes; a cluster has 1, 3 or 5", n), from("cluster.peers"))
	}
	for i, p := range peers {
		_, port, err := net.SplitHostPort(p.Address)
		switch {
		case !nameForm.MatchString(p.Name):
			return usageFailure(fmt.Sprintf("cluster.peers wants names of 1 to 128 of A-Z a-z 0-9 . _ -, a letter or digit first, got %q", p.Name), from("cluster.peers"))
		case err != nil || port == "" || port == "0":
			return usageFailure(fmt.Sprintf("cluster.peers wants HOST:PORT for %q, got %q", p.Name, p.Address), from("cluster.peers"))
		case slices.ContainsFunc(peers[:i], func(other broker.Peer) bool { return other.Name == p.Name || other.Address == p.Address }):
			return usageFailure(fmt.Sprintf("cluster.peers has %q or its address %s twice", p.Name, p.Address), from("cluster.peers"))
		}
	}
	own := peers.address(c.Node)
	apiHost, _, _ := net.SplitHostPort(c.Listen.API) // checkListens refuses what it isn't
	switch {
	case c.Advertise.API == "" && isAnywhere(apiHost) && len(peers) > 1:
		return usageFailure(fmt.Sprintf("advertise.api isn't set, and listen.api %q is no address that other machines can be told", c.Listen.API),
			from("listen.api"), "clients are sent to whichever node leads: say where they reach this one")
	case own == "":
		return usageFailure(fmt.Sprintf("cluster.peers doesn't name this node, %q", c.Node), from("cluster.peers"), "node is "+from("node"))
	case c.Advertise.Peer != "" && c.Advertise.Peer != own:
		return usageFailure(fmt.Sprintf("advertise.peer is %s, and cluster.peers says that %s is reached at %s", c.Advertise.Peer, c.Node, own), from("advertise.peer"))
	}
	return nil
}

// isAnywhere tells whether a host stands for all of a machine's addresses.
func isAnywhere(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}
