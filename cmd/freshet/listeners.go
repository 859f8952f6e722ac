package main

import (
	"context"
	"errors"
	"net"
)

// listeners are where a node is reached; nil where it isn't.
type listeners struct {
	api, peer, admin net.Listener
}

// listen opens the listeners of a configuration.
func (c *config) listen(ctx context.Context) (opened listeners, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, opened.close())
		}
	}()
	if opened.api, err = listenOn(ctx, c.Listen.API); err != nil {
		return opened, err
	}
	if len(c.Cluster.Peers) > 1 {
		if opened.peer, err = listenOn(ctx, c.peerListen()); err != nil {
			return opened, err
		}
	}
	if c.Listen.Admin == adminOff {
		return opened, nil
	}
	opened.admin, err = listenOn(ctx, c.Listen.Admin)
	return opened, err
}

func (l *listeners) close() error {
	var errs []error
	for _, one := range []net.Listener{l.api, l.peer, l.admin} {
		if one != nil {
			errs = append(errs, one.Close())
		}
	}
	return errors.Join(errs...)
}
