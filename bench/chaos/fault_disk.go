package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/freshet-mq/freshet/bench/chaos/disk"
	"github.com/freshet-mq/freshet/bench/cluster"
	"github.com/freshet-mq/freshet/client"
)

// repowerWithin is how long a disk may be busy behind the end of the last process on it.
const repowerWithin = 3 * time.Second

// cutPower cuts some disks' power, all at once and before the processes notice, and
// lets the nodes come back.
func (f *fault) cutPower(ctx context.Context, which []int) (bool, error) {
	release := f.rig.claim(which, true)
	defer release()
	var errs []error
	for _, i := range which {
		errs = append(errs, f.rig.disks[i].Cut())
	}
	for _, i := range which {
		_, err := f.kill(i)
		errs = append(errs, err)
	}
	for _, i := range which {
		errs = append(errs, f.repower(ctx, i))
	}
	pause(ctx, f.lasting/2)
	err := errors.Join(errs...)
	return err == nil, err
}

func (f *fault) repower(ctx context.Context, node int) error {
	ctx, cancel := context.WithTimeout(ctx, repowerWithin)
	defer cancel()
	for {
		err := f.rig.disks[node].Repower()
		if err == nil || !pause(ctx, superviseInterval) {
			return err
		}
	}
}

func powerOne(ctx context.Context, f *fault) (bool, error) { return f.cutPower(ctx, []int{f.target}) }

func powerAll(ctx context.Context, f *fault) (bool, error) {
	all := make([]int, nodes)
	for i := range all {
		all[i] = i
	}
	return f.cutPower(ctx, all)
}

// fillDisk leaves no byte on a disk, and frees it again.
func fillDisk(ctx context.Context, f *fault) (bool, error) {
	release := f.rig.claim([]int{f.target}, false)
	defer release()
	if err := f.rig.disks[f.target].Fill(); err != nil {
		return false, err
	}
	pause(ctx, f.lasting)
	return true, f.rig.disks[f.target].Free()
}

// freezeDisk has a disk not answer.
func freezeDisk(ctx context.Context, f *fault) (bool, error) {
	release := f.rig.claim([]int{f.target}, false)
	defer release()
	err := f.rig.disks[f.target].Freeze(ctx, f.lasting)
	return err == nil, err
}

// slowRateMin and slowRateMax are how many writes a second a slow disk does.
const (
	slowRateMin = 20
	slowRateMax = 120
)

// slowDisk has a disk take its time over each write.
func slowDisk(_ context.Context, f *fault) (bool, error) {
	release := f.rig.claim([]int{f.target}, false)
	defer release()
	writes, err := f.rig.disks[f.target].Slow(slowRateMin+f.random.IntN(slowRateMax-slowRateMin), f.lasting)
	return writes > 0, err
}

const (
	// failsBehind is how much of a disk that fails may still work, at most, and failsWithin how long a
	// node may take to find that out.
	failsBehind = 16 << 20
	failsWithin = 4 * time.Second
)

// failDisk has a disk answer with errors for a while. The node has to end by itself (R4), and to refuse while
// that lasts; then the disk is well, and has all that it has said to be synced.
func failDisk(ctx context.Context, f *fault) (bool, error) {
	own, d, n := &f.rig.nodes[f.target], f.rig.disks[f.target], f.rig.node(f.target)
	release := f.rig.claim([]int{f.target}, false)
	defer release()
	starts, refusals := n.Starts(), own.refusals.Load()
	if err := d.Fail(1<<20 + uint64(f.random.IntN(failsBehind))>>9<<9); err != nil { // whole sectors
		return false, err
	}
	ended := func() bool {
		return n.State() != cluster.Running || n.Starts() > starts || own.refusals.Load() > refusals
	}
	await(ctx, f.lasting+failsWithin, ended)
	effect := ended()
	pause(ctx, f.lasting/2) // it is started again, and refuses
	own.down.Store(true)
	_, err := f.kill(f.target)
	return effect, errors.Join(err, d.Fail(0), f.repower(ctx, f.target))
}

func rotWhileDown(ctx context.Context, f *fault) (bool, error) { return f.damage(ctx, disk.Flip) }

func truncateWhileDown(ctx context.Context, f *fault) (bool, error) {
	return f.damage(ctx, disk.Truncate)
}

// damage damages a file of a node while it is down. The node may start all the same, if
// what was damaged doesn't matter or can be mended; or it refuses, and then it gets an empty
// disk and is let in anew. One at a time, as for replace. (Putting the file back as it was
// is no way: who opens a store changes it before the damage is found.)
func (f *fault) damage(ctx context.Context, harm func(string, *rand.Rand) (disk.Damage, error)) (effect bool, err error) {
	f.rig.replacing.Lock()
	defer f.rig.replacing.Unlock()
	refused, err := f.damageOnce(ctx, harm)
	if err != nil {
		return false, err
	}
	if refused {
		f.letIn(ctx)
	}
	return true, nil
}

// damageOnce reports whether the node refused, and has an empty disk for that.
func (f *fault) damageOnce(ctx context.Context, harm func(string, *rand.Rand) (disk.Damage, error)) (refused bool, err error) {
	own, d := &f.rig.nodes[f.target], f.rig.disks[f.target]
	release := f.rig.claim([]int{f.target}, true)
	defer release()
	if _, err := f.kill(f.target); err != nil {
		return false, err
	}
	var done disk.Damage
	if err := d.Do(func() (err error) {
		done, err = harm(d.Path(), f.random)
		return err
	}); err != nil {
		return false, err
	}
	f.rig.told("  %s of %s", f.name, done.File)
	refusals := own.refusals.Load()
	own.down.Store(false) // the supervisor starts it
	await(ctx, f.lasting+2*time.Second, func() bool {
		return own.refusals.Load() > refusals || f.rig.node(f.target).State() == cluster.Running
	})
	if own.refusals.Load() == refusals {
		return false, nil
	}
	own.down.Store(true)
	if _, err := f.kill(f.target); err != nil {
		return true, err
	}
	return true, d.Wipe()
}

// replacedWithin is how long a node may take until it counts again.
const replacedWithin = 40 * time.Second

// replace takes a node's disk away, gives it an empty one, and has the cluster let it
// in. One at a time: two at once are a majority gone for good, against which nothing is
// promised.
func replace(ctx context.Context, f *fault) (effect bool, err error) {
	f.rig.replacing.Lock()
	defer f.rig.replacing.Unlock()
	if effect, err = f.down(ctx, []int{f.target}, f.rig.disks[f.target].Wipe); err != nil {
		return effect, err
	}
	f.letIn(ctx)
	return effect, nil
}

// letIn has the cluster let a node with an empty disk take part, and waits until it counts.
func (f *fault) letIn(ctx context.Context) {
	name := f.rig.node(f.target).Name()
	var last error
	await(ctx, replacedWithin, func() bool {
		bounded, cancel := context.WithTimeout(ctx, aimTimeout)
		defer cancel()
		_, last = f.admin.ReplaceNode(bounded, name)
		return last == nil
	})
	if last != nil {
		f.rig.troubles.add(name + " is not let in: " + last.Error())
		return
	}
	joined := false
	await(ctx, replacedWithin, func() bool {
		bounded, cancel := context.WithTimeout(ctx, aimTimeout)
		defer cancel()
		seen, err := f.admin.Cluster(bounded)
		joined = err == nil && slices.ContainsFunc(seen.Nodes, func(n client.Node) bool { return n.Name == name && n.Reached && !n.Waiting && !n.Joining })
		return joined
	})
	if !joined {
		f.rig.troubles.add(name + " was let in, and has not caught up")
	}
}
