package processes

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
)

// yardstick is the library as it comes: for each group a raft-boltdb, which syncs for itself, and a transport with connections of its own.
type yardstick struct {
	number     int
	dir        string
	transports []*raft.NetworkTransport
	stores     []*raftboltdb.BoltStore
	groups     []*raft.Raft
}

func newYardstick(number, groups int, dir string) (member, error) {
	y := &yardstick{number: number, dir: dir}
	for range groups {
		t, err := raft.NewTCPTransport("127.0.0.1:0", nil, 3, 10*time.Second, io.Discard)
		if err != nil {
			return nil, err
		}
		y.transports = append(y.transports, t)
	}
	return y, nil
}

// listening gives one address for each group.
func (y *yardstick) listening() string {
	var all []string
	for _, t := range y.transports {
		all = append(all, string(t.LocalAddr()))
	}
	return strings.Join(all, ",")
}

func (y *yardstick) start(addresses []string) error {
	for g, transport := range y.transports {
		dir := filepath.Join(y.dir, strconv.Itoa(g))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		bolt, err := raftboltdb.New(raftboltdb.Options{
			Path:        filepath.Join(dir, "log.bolt"),
			BoltOptions: &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType},
		})
		if err != nil {
			return err
		}
		y.stores = append(y.stores, bolt)
		config := raft.DefaultConfig()
		config.LocalID = raft.ServerID(strconv.Itoa(y.number))
		config.HeartbeatTimeout, config.ElectionTimeout, config.LeaderLeaseTimeout = 2*time.Second, 2*time.Second, time.Second
		config.BatchApplyCh = true
		config.SnapshotInterval, config.SnapshotThreshold = time.Hour, 1<<40
		config.Logger = hclog.NewNullLogger()
		group, err := raft.NewRaft(config, nothing{}, bolt, bolt, raft.NewInmemSnapshotStore(), transport)
		if err != nil {
			return err
		}
		y.groups = append(y.groups, group)
		if y.number != 0 {
			continue
		}
		var members raft.Configuration
		for number, address := range addresses {
			members.Servers = append(members.Servers, raft.Server{
				ID: raft.ServerID(strconv.Itoa(number)), Address: raft.ServerAddress(strings.Split(address, ",")[g]),
			})
		}
		if err := group.BootstrapCluster(members).Error(); err != nil {
			return err
		}
	}
	return nil
}

func (y *yardstick) leads(group int) bool { return y.groups[group].State() == raft.Leader }

func (y *yardstick) knows(group int) bool {
	leader, _ := y.groups[group].LeaderWithID()
	return leader != ""
}

func (y *yardstick) propose(group int, command []byte) func() error {
	return y.groups[group].Apply(command, 0).Error
}

func (y *yardstick) close() error {
	var errs []error
	for g, group := range y.groups {
		errs = append(errs, group.Shutdown().Error(), y.transports[g].Close(), y.stores[g].Close())
	}
	return errors.Join(errs...)
}

// nothing is a state machine that does nothing.
type nothing struct{}

func (nothing) Apply(*raft.Log) any                  { return nil }
func (nothing) ApplyBatch(entries []*raft.Log) []any { return make([]any, len(entries)) }
func (nothing) Snapshot() (raft.FSMSnapshot, error)  { return nil, fmt.Errorf("no snapshots here") }
func (nothing) Restore(snapshot io.ReadCloser) error { return snapshot.Close() }
