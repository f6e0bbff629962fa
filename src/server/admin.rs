//! What takes commands off the shortest path for the whole core: monitors, pauses, loading; and new connections.

use super::core::Core;
use super::instant::end_server;
use super::keeper::KeeperClient;
use super::memory::{OUT_OF_MEMORY, Room};
use super::participant::{Deferred, Waiter};
use crate::command::spec::Flags;
use crate::command::{Command, Flow};
use crate::net::{Accepted, ClientRecord, Closing, Conn, ConnRef, Special};
use crate::resp::{Args, Reply};
use crate::shard::locks::LockKey;
use crate::shard::message::Envelope;
use crate::shard::{NotAdmitted, Shard};
use std::sync::atomic::Ordering;

impl Core {
    /// Takes over a connection that was accepted for this core.
    pub fn adopt(&mut self, accepted: Accepted) {
        let (id, now_ms, me) = (self.everyone.registry.new_id(), self.now_ms, self.me() as u16);
        let Accepted { socket, peer } = accepted;
        let locked = self.settings.requirepass.is_some();
        let at = self.conns.insert(|place| {
            let mut conn = Box::new(Conn::new(place, id, None, socket, peer, now_ms));
            conn.special.set(Special::UNAUTHENTICATED, locked);
            conn
        });
        let registered = self.everyone.registry.add(ClientRecord { id, core: me, conn: at });
        if let Some(conn) = self.conns.get(at) {
            conn.registered = registered;
        }
        self.stats.connections += 1;
        self.arm.push(at);
    }

    /// Ends a connection.
    pub(super) fn close(&mut self, at: ConnRef) {
        if let Some(conn) = self.conns.get(at) {
            conn.closing = Closing::Now;
            if !conn.dirty {
                conn.dirty = true;
                self.dirty.push(at);
            }
        }
    }

    /// Takes over the shard that was loaded. Serves only when all cores have theirs: what one of them sent to another that still has
    /// its empty shard would be lost.
    pub(super) fn loaded(&mut self, shard: Shard, keeper: Option<KeeperClient>) {
        self.shard = shard;
        self.shard.set_settings(self.settings.clone());
        self.shard.set_now(self.now_ms);
        self.keeper = keeper;
        self.mesh.hold(self.shard.journal_ref().is_relaxed());
        if self.everyone.loaded.fetch_add(1, Ordering::AcqRel) + 1 == self.cores() {
            self.everyone.progress.loading.store(false, Ordering::Release);
            self.everyone.outsides.iter().for_each(|outside| outside.post(Envelope::Serve));
        }
    }

    /// Serves from here on.
    pub(super) fn serve(&mut self) {
        self.loading = false;
        self.apply_memory_limit();
        self.set_attention();
    }

    /// Works out whether [`Core::attend`] has to look at each command.
    pub(super) fn set_attention(&mut self) {
        self.attention = self.loading || self.is_monitored() || self.pause.is_active(self.now_ms);
    }

    /// Something concerns all commands of this core at the moment; `None`: this one may run all the same.
    #[cold]
    pub(super) fn attend(&mut self, conn: &mut Conn, command: &'static Command, args: Args) -> Option<Flow> {
        if self.loading && !command.spec.flags.has(Flags::LOADING) {
            return Some(self.refuse(conn, Some(command), b"LOADING Redis is loading the dataset in memory"));
        }
        if self.pause.is_on(self.now_ms, command) {
            conn.awaits_space = true;
            self.awaiting_pause.push(conn.place);
            return Some(Flow::Retry);
        }
        // A request that is put off comes again: it is shown once.
        if !conn.special.has(Special::SHOWN) {
            self.show_to_monitors(conn, command, args);
        }
        let flow = self.run(conn, command, args);
        conn.special.set(Special::SHOWN, flow == Flow::Retry);
        Some(flow)
    }

    /// A write found no room in the log, or is refused.
    #[cold]
    pub(super) fn not_admitted(&mut self, conn: &mut Conn, command: &'static Command, refusal: NotAdmitted) -> Flow {
        match refusal {
            NotAdmitted::Wait => {
                conn.awaits_space = true;
                self.awaiting_space.push(conn.place);
                Flow::Retry
            }
            NotAdmitted::Refused(text) => self.refuse(conn, Some(command), text.as_bytes()),
        }
    }

    /// Whether a command may run now: there is memory for it, and room in the log.
    #[inline]
    pub(super) fn admit(&mut self, command: &'static Command, args: Args) -> Result<(), NotAdmitted> {
        match self.room_for(command.spec.flags) {
            Room::Yes => {}
            Room::Later => return Err(NotAdmitted::Wait),
            Room::No => return Err(NotAdmitted::Refused(OUT_OF_MEMORY.into())),
        }
        if command.spec.flags.has(Flags::WRITE) { self.shard.admit(args) } else { Ok(()) }
    }

    /// Runs a command that waited for room in the log.
    pub(super) fn run_stalled(&mut self, deferred: Deferred) {
        let Deferred { command, session, to, args } = deferred;
        if !self.stalled.is_empty() {
            self.stalled.push_back(Deferred { command, session, to, args });
            return;
        }
        let admitted = self.admit(command, args.as_args());
        match admitted {
            Err(NotAdmitted::Wait) => self.stalled.push_back(Deferred { command, session, to, args }),
            Err(NotAdmitted::Refused(text)) => {
                let mut bytes = Vec::new();
                Reply::new(&mut bytes, session.proto).error(text);
                self.deliver(to, bytes, None);
            }
            Ok(()) => {
                self.queue_or_run(Deferred { command, session, to, args });
            }
        }
    }

    /// Queues a command behind the locks on its keys, if they are taken. Gives it back if it can run now.
    pub(super) fn queue_for_locks(&mut self, deferred: Deferred) -> Result<(), Deferred> {
        let keys: Vec<LockKey> =
            super::dispatch::lock_keys(deferred.command.spec, deferred.args.as_args(), deferred.session.db);
        let mode = super::dispatch::lock_mode(deferred.command.spec);
        if !keys.iter().any(|key| self.locks.blocks(key, mode)) {
            return Err(deferred);
        }
        let granted = self.locks.acquire_alone(keys, mode, Waiter::Command(Box::new(deferred)));
        debug_assert!(granted.is_none(), "a key that blocks cannot be taken at once");
        Ok(())
    }

    fn queue_or_run(&mut self, deferred: Deferred) {
        if let Err(deferred) = self.queue_for_locks(deferred) {
            self.run_deferred(deferred);
        }
    }

    /// Looks at what all cores share.
    pub(crate) fn look(&mut self) {
        self.refresh_settings();
        self.apply_settings();
        self.note_last_save();
        if self.everyone.ending.load(Ordering::Acquire) && !self.end_spawned {
            self.end_spawned = true;
            let everyone = self.everyone.clone();
            let options = *everyone.shutdown.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            self.tasks.spawn_conductor(move |handle| async move {
                if end_server(&handle, options).await.is_err() {
                    everyone.ending.store(false, Ordering::Release);
                    handle.with(|core| core.end_spawned = false);
                }
            });
        }
    }

    /// Brings in line with the settings what does not read them each time.
    fn apply_settings(&mut self) {
        if self.settings.requirepass.is_none() {
            self.conns.iter_mut().for_each(|conn| conn.special.set(Special::UNAUTHENTICATED, false));
        }
        let timestamps = self.settings.aof_timestamp_enabled;
        if let Some(log) = self.shard.journal().log() {
            log.set_timestamps(timestamps);
        }
        // A change that takes a new generation of the log is made by whoever set it.
        self.apply_fsync();
        if self.me() == 0 {
            crate::observe::set_background_purge(self.settings.jemalloc_bg_thread);
        }
    }

    /// Stops watching whatever a connection watches.
    pub(crate) fn unwatch_all(&mut self, conn: &mut Conn) {
        let watched = std::mem::take(&mut conn.profile.watched);
        let cores = self.cores();
        for watched in watched {
            let key = LockKey { db: watched.db, key: watched.key };
            let core = crate::shard::slot::core_of_key(&key.key, cores);
            self.tell(core, crate::shard::message::Request::Unwatch { keys: vec![key] });
        }
    }

    /// Tells a core something that has no answer, on behalf of no task.
    pub(super) fn tell(&mut self, core: usize, request: crate::shard::message::Request) {
        let tx = crate::shard::message::TxId { core: self.me() as u16, number: 0 };
        if core == self.me() {
            self.participate(tx, request);
        } else {
            self.mesh.send(core, crate::shard::message::Envelope::Request { tx, request });
        }
    }
}
