package transport

import "slices"

// queue is the frames that wait to be written, fair between groups (start-time fair queueing, Goyal, Vin and Cheng 1996): a
// frame's turn is the turn of what is being written, or the end of its group's last frame, whichever is later. So a group
// that sends little is next, however much others have waiting, and the frames of one group keep their order.
type queue struct {
	frames []*frame // in the order of their turns
	now    uint64   // the turn of the last frame that was taken
	ends   map[GroupNumber]uint64
}

// put adds a frame of a group.
func (q *queue) put(f *frame, group GroupNumber) {
	if q.ends == nil {
		q.ends = map[GroupNumber]uint64{}
	}
	f.turn = max(q.now, q.ends[group])
	q.ends[group] = f.turn + uint64(f.size)
	at := len(q.frames)
	for at > 0 && q.frames[at-1].turn > f.turn {
		at--
	}
	q.frames = slices.Insert(q.frames, at, f)
}

// take moves the first frames to a list, at least one and as many as have so many bytes, and returns their size.
func (q *queue) take(to []*frame, bytesMax int) (frames []*frame, size int) {
	count := 0
	for _, f := range q.frames {
		if size > 0 && size+f.size > bytesMax {
			break
		}
		q.now = f.turn
		size += f.size
		count++
	}
	to = append(to, q.frames[:count]...)
	q.frames = slices.Delete(q.frames, 0, count)
	if len(q.frames) == 0 {
		// Nobody waits: all begin anew.
		q.now = 0
		clear(q.ends)
	}
	return to, size
}
