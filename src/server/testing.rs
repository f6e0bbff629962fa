//! A server without I/O for tests: all cores in one thread, clients that hand in bytes and take what would be sent.

use super::core::{Core, Everyone};
use super::outside::{Mailbox, mailbox};
use super::task::Runner;
use crate::config::Config;
use crate::keyspace::{Keyspace, SlabOptions};
use crate::net::{Accepted, ConnRef, Peer};
use crate::resp::OwnedArgs;
use crate::shard::Shard;
use crate::shard::mesh::Mesh;
use std::cell::RefCell;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;

/// Passes after which a server that is still busy is taken to run in circles.
const PASSES_MAX: usize = 10_000;

/// The cores and their clients.
pub(crate) struct Rig {
    cores: Vec<(Rc<RefCell<Core>>, Runner, Mailbox)>,
    pub(crate) everyone: Arc<Everyone>,
    next_port: u16,
    /// What was sent to each client and not looked at.
    sent: HashMap<(usize, ConnRef), Vec<u8>>,
}

/// A client of one core.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    core: usize,
    at: ConnRef,
}

impl Rig {
    /// So many cores, with these settings beside the defaults, without a log.
    pub(crate) fn new(cores: usize, settings: &[(&str, &str)]) -> Rig {
        let mut config = Config::defaults("/");
        let pairs: Vec<(&[u8], &[u8])> = settings.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        config.set(&[(b"appendonly", b"no")], Default::default()).unwrap();
        config.set(&pairs, Default::default()).unwrap();
        let (outsides, mailboxes): (Vec<_>, Vec<_>) = (0..cores).map(|_| mailbox().unwrap()).unzip();
        let everyone = Arc::new(Everyone::new(outsides, config));
        let made = Mesh::build(cores).into_iter().zip(mailboxes).enumerate().map(|(index, (mesh, mailbox))| {
            let settings = everyone.settings();
            let shard = || {
                let options = SlabOptions { reserve_bytes: 1 << 30, ..SlabOptions::default() };
                let keyspace = Keyspace::new(settings.databases as usize, crate::observe::unix_ms(), options).unwrap();
                Shard::new(index, cores, keyspace, settings.clone(), 1)
            };
            let mut core = Core::new(everyone.clone(), shard(), mesh);
            core.begin_pass();
            core.loaded(shard(), None);
            core.serve();
            let core = Rc::new(RefCell::new(core));
            (core.clone(), Runner::new(core), mailbox)
        });
        Rig { cores: made.collect(), everyone: everyone.clone(), next_port: 50_000, sent: HashMap::new() }
    }

    /// Has all cores take DEBUG, which no CONFIG SET can: until the next one.
    pub(crate) fn allow_debug(&mut self) {
        for (core, ..) in &self.cores {
            let mut settings = (*core.borrow().settings).clone();
            settings.enable_debug_command = crate::config::Allowed::Yes;
            core.borrow_mut().settings = Arc::new(settings);
        }
    }

    /// Connects a client to a core.
    pub(crate) fn connect(&mut self, core: usize) -> Client {
        let (socket, _) = UnixStream::pair().unwrap();
        self.next_port += 1;
        let peer = Peer::Tcp { remote: ([127, 0, 0, 1], self.next_port).into(), local: ([127, 0, 0, 1], 6379).into() };
        let mut owner = self.cores[core].0.borrow_mut();
        owner.adopt(Accepted { socket: OwnedFd::from(socket), peer });
        let at = owner.take_armed().pop().unwrap();
        Client { core, at }
    }

    /// Does something with a core.
    pub(crate) fn with<T>(&self, core: usize, run: impl FnOnce(&mut Core) -> T) -> T {
        run(&mut self.cores[core].0.borrow_mut())
    }

    /// Sends words as one request, without running it to its end.
    pub(crate) fn send(&mut self, client: Client, words: &[&str]) {
        let mut request = Vec::new();
        let owned = OwnedArgs::new(words);
        crate::resp::write_command(&mut request, owned.as_args().iter());
        let mut core = self.cores[client.core].0.borrow_mut();
        let mut conn = core.conns.take(client.at).expect("the client is connected");
        core.received(&mut conn, &request);
        core.conns.restore(conn);
    }

    /// Runs all cores until none has anything to do. Threads that were started may still be under way.
    pub(crate) fn settle(&mut self) {
        for _ in 0..PASSES_MAX {
            if !self.pass() {
                return;
            }
        }
        panic!("the cores do not come to rest");
    }

    /// Runs one pass of each core; says whether any had something to do.
    pub(crate) fn pass(&mut self) -> bool {
        let mut busy = false;
        for (shared, runner, mailbox) in &mut self.cores {
            let mut core = shared.borrow_mut();
            if core.is_ended() {
                continue;
            }
            core.begin_pass();
            let me = core.me();
            while let Some(message) = mailbox.next() {
                core.take_in(me, message);
                busy = true;
            }
            busy |= core.read_mail();
            let mut resume = Vec::new();
            core.take_resume(&mut resume);
            busy |= !resume.is_empty();
            resume.into_iter().for_each(|at| core.resume(at));
            if core.tasks.has_work() {
                busy = true;
                drop(core);
                runner.run();
                core = shared.borrow_mut();
            }
            busy |= core.serve_waiting();
            busy |= core.keep_memory();
            busy |= core.free_memory(false) == super::memory::Freeing::Ran;
            busy |= core.advance_snapshot(false) == super::snapshot::Slice::Ran;
            core.send_mail(|_| {});
            // As the loop does: whatever may be sent goes out at the end of each pass.
            let mut dirty = Vec::new();
            core.take_dirty(&mut dirty);
            for at in dirty {
                if core.next_send(at) {
                    core.conns.get(at).expect("it sends").send_in_flight = false;
                    let conn = core.conns.get(at).expect("it sends");
                    let bytes = std::mem::take(&mut conn.sending);
                    self.sent.entry((me, at)).or_default().extend(bytes);
                }
            }
        }
        busy
    }

    /// What would be sent to a client by now, line breaks as blanks.
    pub(crate) fn take(&mut self, client: Client) -> String {
        self.settle();
        let bytes = self.sent.remove(&(client.core, client.at)).unwrap_or_default();
        String::from_utf8(bytes).unwrap().replace("\r\n", " ").trim_end().to_owned()
    }

    /// Sends a request of words without blanks and returns the reply.
    pub(crate) fn ask(&mut self, client: Client, request: &str) -> String {
        self.ask_words(client, &request.split(' ').collect::<Vec<_>>())
    }

    /// Sends a request and returns the reply.
    pub(crate) fn ask_words(&mut self, client: Client, words: &[&str]) -> String {
        self.send(client, words);
        self.take(client)
    }

    /// Whether a client's connection is to be closed, or was.
    pub(crate) fn is_closing(&mut self, client: Client) -> bool {
        let mut core = self.cores[client.core].0.borrow_mut();
        core.conns.get(client.at).is_none_or(|conn| conn.closing != crate::net::Closing::No)
    }

    /// Takes a connection away, as when its socket was closed.
    pub(crate) fn disconnect(&mut self, client: Client) {
        self.cores[client.core].0.borrow_mut().drop_conn(client.at);
        self.settle();
    }
}
