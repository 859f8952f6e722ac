package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/freshet-mq/freshet/bench/chaos/disk"
	"github.com/freshet-mq/freshet/bench/clients"
	"github.com/freshet-mq/freshet/bench/cluster"
	"github.com/freshet-mq/freshet/bench/trial"
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
	clients.Pause(ctx, f.Lasting/2)
	err := errors.Join(errs...)
	return err == nil, err
}

func (f *fault) repower(ctx context.Context, node int) error {
	ctx, cancel := context.WithTimeout(ctx, repowerWithin)
	defer cancel()
	for {
		err := f.rig.disks[node].Repower()
		if err == nil || !clients.Pause(ctx, superviseInterval) {
			return err
		}
	}
}

func powerOne(ctx context.Context, f *fault) (bool, error) { return f.cutPower(ctx, []int{f.Target}) }

func powerAll(ctx context.Context, f *fault) (bool, error) {
	all := make([]int, nodes)
	for i := range all {
		all[i] = i
	}
	return f.cutPower(ctx, all)
}

// fillDisk leaves no byte on a disk, and frees it again.
func fillDisk(ctx context.Context, f *fault) (bool, error) {
	release := f.rig.claim([]int{f.Target}, false)
	defer release()
	if err := f.rig.disks[f.Target].Fill(); err != nil {
		return false, err
	}
	clients.Pause(ctx, f.Lasting)
	// Another fault may have its power cut meanwhile, and nothing is freed then.
	ctx, cancel := context.WithTimeout(ctx, freedWithin)
	defer cancel()
	for {
		err := f.rig.disks[f.Target].Free()
		if err == nil || !clients.Pause(ctx, superviseInterval) {
			return true, err
		}
	}
}

// freedWithin is how long it may take to free a disk: as long as power may be cut.
const freedWithin = 15 * time.Second

// freezeDisk has a disk not answer.
func freezeDisk(ctx context.Context, f *fault) (bool, error) {
	release := f.rig.claim([]int{f.Target}, false)
	defer release()
	err := f.rig.disks[f.Target].Freeze(ctx, f.Lasting)
	return err == nil, err
}

// slowRateMin and slowRateMax are how many writes a second a slow disk does.
const (
	slowRateMin = 20
	slowRateMax = 120
)

// slowDisk has a disk take its time over each write.
func slowDisk(_ context.Context, f *fault) (bool, error) {
	release := f.rig.claim([]int{f.Target}, false)
	defer release()
	writes, err := f.rig.disks[f.Target].Slow(slowRateMin+f.Random.IntN(slowRateMax-slowRateMin), f.Lasting)
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
	own, d, n := &f.rig.nodes[f.Target], f.rig.disks[f.Target], f.rig.node(f.Target)
	release := f.rig.claim([]int{f.Target}, false)
	defer release()
	starts, refusals := n.Starts(), own.refusals.Load()
	if err := d.Fail(1<<20 + uint64(f.Random.IntN(failsBehind))>>9<<9); err != nil { // whole sectors
		return false, err
	}
	ended := func() bool {
		return n.State() != cluster.Running || n.Starts() > starts || own.refusals.Load() > refusals
	}
	effect := trial.Await(ctx, f.Lasting+failsWithin, awaitInterval, ended)
	clients.Pause(ctx, f.Lasting/2) // it is started again, and refuses
	own.down.Store(true)
	_, err := f.kill(f.Target)
	return effect, errors.Join(err, d.Fail(0), f.repower(ctx, f.Target))
}

// decidedWithin is how long a node may take to find out whether it can work with a damaged file, on a busy machine, and while others are away.
const decidedWithin = time.Minute

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
	own, d := &f.rig.nodes[f.Target], f.rig.disks[f.Target]
	release := f.rig.claim([]int{f.Target}, true)
	defer release()
	if _, err := f.kill(f.Target); err != nil {
		return false, err
	}
	var done disk.Damage
	if err := d.Do(func() (err error) {
		done, err = harm(d.Path(), f.Random)
		return err
	}); err != nil {
		return false, err
	}
	f.rig.told("  %s of %s", f.name, done.File)
	refusals := own.refusals.Load()
	own.down.Store(false) // the supervisor starts it
	trial.Await(ctx, f.Lasting+decidedWithin, awaitInterval, func() bool {
		return own.refusals.Load() > refusals || f.rig.node(f.Target).State() == cluster.Running
	})
	if own.refusals.Load() == refusals {
		return false, nil
	}
	own.down.Store(true)
	if _, err := f.kill(f.Target); err != nil {
		return true, err
	}
	return true, d.Wipe()
}

// replacedWithin is how long a node may take until it counts again.
const replacedWithin = 80 * time.Second

// replace takes a node's disk away, gives it an empty one, and has the cluster let it
// in. One at a time: two at once are a majority gone for good, against which nothing is
// promised.
func replace(ctx context.Context, f *fault) (effect bool, err error) {
	f.rig.replacing.Lock()
	defer f.rig.replacing.Unlock()
	if effect, err = f.down(ctx, []int{f.Target}, f.rig.disks[f.Target].Wipe); err != nil {
		return effect, err
	}
	f.letIn(ctx)
	return effect, nil
}

// letIn has the cluster let a node with an empty disk take part, and waits until it counts.
func (f *fault) letIn(ctx context.Context) {
	name := f.rig.node(f.Target).Name()
	bounded, cancel := context.WithTimeout(ctx, replacedWithin)
	defer cancel()
	if err := trial.LetIn(bounded, f.admin, name); err != nil && ctx.Err() == nil {
		f.rig.troubles.Addf("%s lost its disk, and doesn't count again: %v", name, err)
	}
}
