//! The collection types: what a key can hold beside a string.

/// A collection. The keyspace needs three things of it: its type, the name of its encoding, and its size.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// A list of byte strings.
    List(Vec<Vec<u8>>),
}

impl Object {
    /// Redis's number of the type: 1 list, 2 set, 3 sorted set, 4 hash, 6 stream.
    #[inline]
    pub fn type_code(&self) -> u8 {
        match self {
            Object::List(_) => 1,
        }
    }

    /// The name that OBJECT ENCODING gives.
    pub fn encoding_name(&self) -> &'static str {
        match self {
            Object::List(_) => "quicklist",
        }
    }

    /// Bytes held on the heap beyond the `Object` itself.
    ///
    /// Called before and after every change ([`crate::keyspace::Db::object_mut`]): takes constant time in the variants
    /// that can grow large, and depends on nothing that changes behind a shared borrow, or the keyspace's count of bytes
    /// would go astray.
    pub fn memory(&self) -> usize {
        match self {
            Object::List(items) => {
                items.capacity() * size_of::<Vec<u8>>() + items.iter().map(Vec::capacity).sum::<usize>()
            }
        }
    }
}
