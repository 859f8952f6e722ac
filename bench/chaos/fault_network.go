package chaos

import (
	"context"
	"time"

	"github.com/freshet-mq/freshet/bench/chaos/lan"
	"github.com/freshet-mq/freshet/bench/clients"
)

// shape gives links a shape for the fault's time. It had an effect if they lost or
// delayed a packet meanwhile.
func (f *fault) shape(ctx context.Context, links []*lan.Link, s lan.Shape) (effect bool, err error) {
	before := harm(links)
	for _, l := range links {
		l.Set(s)
	}
	clients.Pause(ctx, f.Lasting)
	for _, l := range links {
		l.Set(lan.Shape{})
	}
	return harm(links) > before, nil
}

// harm is how many packets links have lost or delayed.
func harm(links []*lan.Link) (packets uint64) {
	for _, l := range links {
		_, delayed, lost := l.Counts()
		packets += delayed + lost
	}
	return packets
}

// links are those from the target to the other nodes, back, or both; half of the time
// with the clients as another.
func (f *fault) links(out, in bool) []*lan.Link {
	others := f.Others(nodes)
	if f.Random.IntN(2) == 0 {
		others = append(others, clientHost)
	}
	var links []*lan.Link
	for _, o := range others {
		if out {
			links = append(links, f.rig.network.Link(f.Target, o))
		}
		if in {
			links = append(links, f.rig.network.Link(o, f.Target))
		}
	}
	return links
}

func cutOff(ctx context.Context, f *fault) (bool, error) {
	return f.shape(ctx, f.links(true, true), lan.Shape{Cut: true})
}

func cutOneWay(ctx context.Context, f *fault) (bool, error) {
	out := f.Random.IntN(2) == 0
	return f.shape(ctx, f.links(out, !out), lan.Shape{Cut: true})
}

// cutClients takes a node from the clients alone: the cluster is well.
func cutClients(ctx context.Context, f *fault) (bool, error) {
	n := f.rig.network
	return f.shape(ctx, []*lan.Link{n.Link(f.Target, clientHost), n.Link(clientHost, f.Target)}, lan.Shape{Cut: true})
}

// flap cuts and mends, again and again.
func flap(ctx context.Context, f *fault) (effect bool, err error) {
	links, until := f.links(true, true), time.Now().Add(f.Lasting+time.Second)
	for time.Now().Before(until) && ctx.Err() == nil {
		once := *f
		once.Lasting = 50*time.Millisecond + time.Duration(f.Random.Int64N(int64(600*time.Millisecond)))
		hit, err := once.shape(ctx, links, lan.Shape{Cut: true})
		if err != nil {
			return effect, err
		}
		effect = effect || hit
		clients.Pause(ctx, time.Duration(f.Random.Int64N(int64(400*time.Millisecond))))
	}
	return effect, nil
}

func delay(ctx context.Context, f *fault) (bool, error) {
	by := 10*time.Millisecond + time.Duration(f.Random.Int64N(int64(190*time.Millisecond)))
	return f.shape(ctx, f.links(true, f.Random.IntN(2) == 0), lan.Shape{Delay: by, Jitter: by / 2})
}

func lose(ctx context.Context, f *fault) (bool, error) {
	return f.shape(ctx, f.links(true, true), lan.Shape{Loss: 20 + f.Random.IntN(280)})
}
