package partition

// idle is a fan-out's member that nobody is attached to, and until when it is kept for its consumer.
type idle struct {
	until  Wall
	cursor *cursor
}

func idleLess(a, b idle) bool {
	if a.until != b.until {
		return a.until < b.until
	}
	return a.cursor.ordinal < b.cursor.ordinal
}

// used notes that a member is used: somebody attaches, takes, or was attached until now. Unused for as long as its subscription says, by wall
// time, it leaves with all that waits for it, since nobody else would ever free that. The effects say how much that was (P2).
func (m *Machine) used(c *cursor) {
	if c.subscription.Kind != KindFanout {
		return
	}
	m.unrest(c)
	c.used = m.wall
	m.changed(c)
	m.rest(c)
}

// rest begins to wait for a member's consumer, if none is there.
func (m *Machine) rest(c *cursor) {
	if expiry := c.subscription.MemberExpiry; expiry > 0 && c.subscription.Kind == KindFanout && len(c.sessions) == 0 && !c.leaving {
		c.idleUntil = c.used + expiry
		m.idle.ReplaceOrInsert(idle{c.idleUntil, c})
	}
}

func (m *Machine) unrest(c *cursor) {
	if c.idleUntil != 0 {
		m.idle.Delete(idle{c.idleUntil, c})
		c.idleUntil = 0
	}
}

// expireMembers has members leave that nobody has used for too long, a few an entry.
func (m *Machine) expireMembers(fx *Effects) {
	for range expireMembersMax {
		i, ok := m.idle.Min()
		if !ok || i.until > m.wall {
			return
		}
		c := i.cursor
		fx.Unused = append(fx.Unused, Unused{
			Cursor: c.id(), Unsettled: c.ready.GetCardinality() + c.held.GetCardinality() + c.later.GetCardinality() + uint64(c.dead.Len()),
			Unread: uint64(c.subscription.stream.next - c.looked()),
		})
		m.leave(c, fx)
	}
}
