//! Which node of a cluster has a key's slot: the cores of a Basalt server (`cluster-core-ports`), or the nodes of a Redis
//! or Valkey cluster.

use super::client::{Address, Client, Target, Value};
use super::error::BenchError;
use crate::shard::slot::{SLOTS, slot_of};

/// The nodes, and the node of each slot.
#[derive(Clone, Debug)]
pub struct Routes {
    nodes: Vec<Target>,
    slots: Vec<u16>,
}

/// No node has the slot.
const NOWHERE: u16 = u16::MAX;

impl Routes {
    /// All keys at one server.
    pub fn single(target: &Target) -> Self {
        Routes { nodes: vec![target.clone()], slots: Vec::new() }
    }

    /// Asks the server at `target` (CLUSTER SLOTS).
    pub fn ask(target: &Target) -> Result<Self, BenchError> {
        let wrong = |reply: String| BenchError::Unexpected { command: "CLUSTER SLOTS".into(), reply };
        let reply = Client::connect(target)?.call(&["CLUSTER", "SLOTS"])?;
        let ranges = match reply {
            Value::Array(ranges) if !ranges.is_empty() => ranges,
            Value::Array(_) => return Err(wrong("no slots are assigned".into())),
            Value::Error(text) => return Err(wrong(format!("{text} (--cluster needs a server in cluster mode)"))),
            other => return Err(wrong(format!("{other:?}"))),
        };
        let mut routes = Routes { nodes: Vec::new(), slots: vec![NOWHERE; SLOTS] };
        for range in &ranges {
            let (first, last, host, port) = read_range(range).ok_or_else(|| wrong(format!("{range:?}")))?;
            // An empty host is the one that was asked.
            let host = if host.is_empty() { target.address.host().to_string() } else { host };
            let address = join(&host, port);
            let node = routes.node(&address).unwrap_or_else(|| {
                routes.nodes.push(Target { address: Address::Tcp(address), ..target.clone() });
                (routes.nodes.len() - 1) as u16
            });
            routes.slots[first..=last].fill(node);
        }
        Ok(routes)
    }

    fn node(&self, address: &str) -> Option<u16> {
        let found = self.nodes.iter().position(|node| node.address.to_string() == address);
        found.map(|index| index as u16)
    }

    /// The nodes.
    pub fn nodes(&self) -> &[Target] {
        &self.nodes
    }

    /// The node for a key; one for requests without a key is drawn by turns with `turn`. None for a slot that no node has.
    #[inline]
    pub fn route(&self, key: Option<&[u8]>, turn: usize) -> Option<usize> {
        match key {
            _ if self.nodes.len() == 1 => Some(0),
            None => Some(turn % self.nodes.len()),
            Some(key) => match self.slots[slot_of(key) as usize] {
                NOWHERE => None,
                node => Some(node as usize),
            },
        }
    }

    /// The server said that a slot is elsewhere. False if no connection leads there.
    pub fn moved(&mut self, slot: u16, address: &str) -> bool {
        let address = match address.strip_prefix(':') {
            Some(port) => match port.parse() {
                Ok(port) => join(self.nodes[0].address.host(), port),
                Err(_) => return false,
            },
            None => address.to_string(),
        };
        match (self.node(&address), self.slots.get_mut(slot as usize)) {
            (Some(node), Some(place)) => {
                *place = node;
                true
            }
            _ => false,
        }
    }
}

fn join(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// First and last slot, host and port of one range, as the first node in it has them: the master.
fn read_range(range: &Value) -> Option<(usize, usize, String, u16)> {
    let Value::Array(parts) = range else { return None };
    let (first, last) = (parts.first()?.number()?, parts.get(1)?.number()?);
    let Value::Array(master) = parts.get(2)? else { return None };
    let host = match master.first()? {
        Value::Nil => String::new(),
        host => host.text()?,
    };
    let (first, last) = (usize::try_from(first).ok()?, usize::try_from(last).ok()?);
    let port = u16::try_from(master.get(1)?.number()?).ok()?;
    (first <= last && last < SLOTS).then_some((first, last, host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        let node = |port: u16| Target::new(Address::Tcp(format!("127.0.0.1:{port}")));
        let slots = (0..SLOTS).map(|slot| if slot < 8192 { 0 } else { 1 }).collect();
        Routes { nodes: vec![node(7000), node(7001)], slots }
    }

    #[test]
    fn keys_go_where_their_hash_tag_says() {
        let routes = routes();
        // CRC16 of "foo" is 12182, of "bar" 5061: the specification's examples.
        assert_eq!((routes.route(Some(b"foo"), 0), routes.route(Some(b"bar"), 0)), (Some(1), Some(0)));
        assert_eq!(routes.route(Some(b"x{foo}y"), 0), Some(1));
        assert_eq!((routes.route(None, 0), routes.route(None, 1)), (Some(0), Some(1)));
    }

    #[test]
    fn a_slot_that_moved_is_followed_if_its_new_node_is_known() {
        let mut routes = routes();
        assert!(routes.moved(12182, "127.0.0.1:7000"));
        assert_eq!(routes.route(Some(b"foo"), 0), Some(0));
        assert!(routes.moved(12182, ":7001"));
        assert_eq!(routes.route(Some(b"foo"), 0), Some(1));
        assert!(!routes.moved(12182, "10.0.0.1:7000"));
    }

    #[test]
    fn slots_are_read_as_servers_send_them() {
        let master = Value::Array(vec![Value::Text(b"::1".to_vec()), Value::Int(7000), Value::Text(b"id".to_vec())]);
        let range = Value::Array(vec![Value::Int(0), Value::Int(16383), master]);
        assert_eq!(read_range(&range), Some((0, 16383, "::1".into(), 7000)));
        assert_eq!(join("::1", 7000), "[::1]:7000");
        assert_eq!(read_range(&Value::Array(vec![Value::Int(5), Value::Int(16384)])), None);
    }
}
