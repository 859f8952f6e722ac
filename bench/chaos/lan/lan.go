package lan

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// Network is some hosts and a link for each ordered pair of them.
type Network struct {
	hosts []*Host
	links [][]*Link // by sender and receiver
	later *later
	pumps sync.WaitGroup
}

// hostsMax: addresses are 10.77.0.1 and so on.
const hostsMax = 32

// New makes so many hosts, 1 to 32, who all reach each other. It returns why where that
// can't be had. Close undoes it.
func New(hosts int) (_ *Network, err error) {
	if hosts < 1 || hosts > hostsMax {
		return nil, fmt.Errorf("a network of %d hosts: 1 to %d are possible", hosts, hostsMax)
	}
	n := &Network{later: newLater()}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	for i := range hosts {
		h, err := newHost(netip.AddrFrom4([4]byte{10, 77, 0, byte(i + 1)}))
		if err != nil {
			return nil, fmt.Errorf("host %d of a network: %w", i+1, err)
		}
		n.hosts = append(n.hosts, h)
	}
	for range hosts {
		row := make([]*Link, hosts)
		for to := range row {
			row[to] = &Link{}
			row[to].Set(Shape{})
		}
		n.links = append(n.links, row)
	}
	n.pumps.Go(n.later.run)
	for i := range hosts {
		n.pumps.Go(func() { n.pump(i) })
	}
	return n, nil
}

// Host is the one of a number, from 0 on.
func (n *Network) Host(number int) *Host { return n.hosts[number] }

// Link is the direction from one host to another.
func (n *Network) Link(from, to int) *Link { return n.links[from][to] }

// Heal makes all links good.
func (n *Network) Heal() {
	for _, row := range n.links {
		for _, l := range row {
			l.Set(Shape{})
		}
	}
}

// Close ends the network. Processes that live there still have their host, and nobody
// to talk to.
func (n *Network) Close() error {
	var errs []error
	for _, h := range n.hosts {
		errs = append(errs, h.close())
	}
	n.later.close()
	n.pumps.Wait()
	return errors.Join(errs...)
}

// packetMax is what interfaces may send at once: large, since each packet is two
// system calls here.
const packetMax = 16 << 10

// pump takes what a host sends to where it belongs, until the host's end.
func (n *Network) pump(from int) {
	buffer := make([]byte, packetMax+64)
	for {
		size, err := n.hosts[from].interfaceEnd.Read(buffer)
		if err != nil {
			return // closed
		}
		packet := buffer[:size]
		// The destination of an IPv4 packet, RFC 791.
		if size < 20 || packet[0]>>4 != 4 || packet[16] != 10 || packet[17] != 77 || packet[18] != 0 {
			continue
		}
		to := int(packet[19]) - 1
		if to < 0 || to >= len(n.hosts) {
			continue
		}
		after, arrives := n.links[from][to].fate()
		switch {
		case !arrives:
		case after > 0:
			if !n.later.put(n.hosts[to], packet, after) {
				n.links[from][to].lost.Add(1) // L3
			}
		default:
			n.hosts[to].receive(packet)
		}
	}
}

// receive puts a packet into a host. What it has no room for is lost, as anywhere.
func (h *Host) receive(packet []byte) { _, _ = h.interfaceEnd.Write(packet) }

// Dial connects from the host, as net.Dialer does.
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var conn net.Conn
	err := h.Do(func() (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}
