//! A core's connections by place.

use super::conn::{Conn, ConnRef};

/// Places of connections; a place is used again with another generation.
#[derive(Default)]
pub struct ConnTable {
    places: Vec<Place>,
    free: Vec<u32>,
    len: usize,
}

struct Place {
    generation: u32,
    conn: Option<Box<Conn>>,
}

impl ConnTable {
    /// Number of connections, including those taken out.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts in the connection that `make` makes for the place it is told.
    pub fn insert(&mut self, make: impl FnOnce(ConnRef) -> Box<Conn>) -> ConnRef {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { generation: 0, conn: None });
            self.places.len() as u32 - 1
        });
        let place = &mut self.places[slot as usize];
        let at = ConnRef { slot, generation: place.generation };
        place.conn = Some(make(at));
        self.len += 1;
        at
    }

    /// The connection at a place, unless it has gone or is taken out.
    #[inline]
    pub fn get(&mut self, at: ConnRef) -> Option<&mut Conn> {
        let place = self.places.get_mut(at.slot as usize)?;
        if place.generation != at.generation {
            return None;
        }
        place.conn.as_deref_mut()
    }

    /// Takes a connection out to work on it beside the core; put it back with [`ConnTable::restore`].
    #[inline]
    pub fn take(&mut self, at: ConnRef) -> Option<Box<Conn>> {
        let place = self.places.get_mut(at.slot as usize)?;
        if place.generation != at.generation {
            return None;
        }
        place.conn.take()
    }

    /// Puts back a connection that was taken out.
    #[inline]
    pub fn restore(&mut self, conn: Box<Conn>) {
        let place = &mut self.places[conn.place.slot as usize];
        debug_assert!(place.conn.is_none() && place.generation == conn.place.generation);
        place.conn = Some(conn);
    }

    /// Gives up the place of a connection that was taken out for good.
    pub fn forget(&mut self, at: ConnRef) {
        let place = &mut self.places[at.slot as usize];
        debug_assert!(place.conn.is_none() && place.generation == at.generation);
        place.generation = place.generation.wrapping_add(1);
        self.free.push(at.slot);
        self.len -= 1;
    }

    /// All connections that are in.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Conn> {
        self.places.iter_mut().filter_map(|place| place.conn.as_deref_mut())
    }

    /// All connections that are in.
    pub fn iter(&self) -> impl Iterator<Item = &Conn> {
        self.places.iter().filter_map(|place| place.conn.as_deref())
    }
}
