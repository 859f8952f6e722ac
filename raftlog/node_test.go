package raftlog

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestThreeNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2, 1)
		c.start()
		began := time.Now()
		for group := range c.groups {
			t.Logf("group %d is led by %s after %v", group, c.leader(c.ctx, group).name, time.Since(began))
		}
		for i := range 200 {
			c.write(c.ctx, i%2, fmt.Sprint(i), 100)
		}
		c.settle(c.ctx)
		t.Logf("after %v", time.Since(began))
	})
}
