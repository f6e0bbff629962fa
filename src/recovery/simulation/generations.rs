//! What ends a generation of the log and begins another: barriers, rewrites, closing and opening, another policy.

use super::*;

impl World {
    pub(super) fn barrier(&mut self) {
        if !self.drain() {
            return;
        }
        let ends: Vec<_> = self.logs.iter().map(CoreLog::end).collect();
        let name = format!("b{}-{}", self.lives.len(), self.life().barriers.len());
        let effect = vec![b"SWAPDB".as_slice(), name.as_bytes()];
        let lsns = ends.iter().map(|end| end.last_lsn as usize).collect();
        self.life().barriers.push((name.clone(), lsns));
        let discards = self.rng.chance(30);
        let keeper = self.keeper.as_mut().expect("a server runs");
        match keeper.barrier(&[(3, effect)], discards, &ends, self.now_ms) {
            Ok(segments) => self.enter(segments),
            Err(error) => self.poison_if_unknown(&error),
        }
        if discards {
            self.rewrite = None;
        }
    }

    pub(super) fn rewrite(&mut self) {
        if let Some((rewrite, base)) = self.rewrite.take() {
            let keeper = self.keeper.as_mut().expect("a server runs");
            let path = self.dir.file(&keeper.rewrite_base_name(rewrite));
            let write = || {
                let file = self.dir.fs.open(&path, Open::Create)?;
                write_all_at(&*file, &base, 0)?;
                file.sync_all()
            };
            match write() {
                // Aborted by a flush, or failed: the log goes on as it is.
                Ok(()) => drop(keeper.rewrite_end(rewrite)),
                Err(_) => keeper.rewrite_abort(rewrite),
            }
            return;
        }
        if !self.drain() {
            return;
        }
        let ends: Vec<_> = self.logs.iter().map(CoreLog::end).collect();
        let framed = self.rng.chance(50);
        let keeper = self.keeper.as_mut().expect("a server runs");
        keeper.set_commands_base(framed);
        match keeper.rewrite_begin(&ends, self.now_ms) {
            Ok((rewrite, segments)) => {
                self.enter(segments);
                self.rewrite = Some((rewrite, self.encode_base(rewrite)));
            }
            Err(error) => self.poison_if_unknown(&error),
        }
    }

    /// `appendonly no`.
    pub(super) fn close(&mut self) {
        if !self.drain() {
            return;
        }
        let ends: Vec<_> = self.logs.iter().map(CoreLog::end).collect();
        let of_logs = |place: fn(&CoreLog) -> Lsn| self.logs.iter().map(place).collect();
        let (mut acknowledged, mut secured) = (of_logs(CoreLog::durable_lsn), of_logs(CoreLog::secure_lsn));
        if self.keeper.as_mut().expect("a server runs").close(Some(&ends)).is_ok() {
            (acknowledged, secured) = (of_logs(CoreLog::last_lsn), of_logs(CoreLog::last_lsn));
        }
        // If it failed the log is closed all the same, and its end is found as after a crash.
        let relaxed = self.logs.iter().any(CoreLog::is_relaxed);
        self.kept.get_or_insert((acknowledged, secured, relaxed));
        self.ops.iter_mut().for_each(VecDeque::clear);
        (self.closed, self.opening, self.rewrite) = (true, None, None);
    }

    /// `appendonly yes`: begins it, or ends it.
    pub(super) fn open(&mut self) {
        let keeper = self.keeper.as_mut().expect("a server runs");
        let Some((rewrite, base)) = self.opening.take() else {
            let (relaxed, framed) = (self.rng.chance(50), self.rng.chance(50));
            keeper.set_commands_base(framed);
            if let Ok((rewrite, segments)) = keeper.open_begin(relaxed, true, self.now_ms) {
                self.enter(segments);
                self.opening = Some((rewrite, self.encode_base(rewrite)));
                self.closed = false;
            }
            return;
        };
        let path = self.dir.file(&keeper.rewrite_base_name(rewrite));
        let write = || {
            let file = self.dir.fs.open(&path, Open::Create)?;
            write_all_at(&*file, &base, 0)?;
            file.sync_all()
        };
        match write().map_err(drop).and_then(|()| keeper.open_end(rewrite, self.now_ms).map_err(drop)) {
            Ok(()) => self.kept = None,
            Err(()) => self.close(),
        }
    }

    /// Another setting of `appendfsync`.
    pub(super) fn turn_policy(&mut self) {
        if !self.drain() {
            return;
        }
        let relaxed = !self.logs[0].is_relaxed();
        let ends: Vec<_> = self.logs.iter().map(CoreLog::end).collect();
        let keeper = self.keeper.as_mut().expect("a server runs");
        match keeper.turn(relaxed, &ends, self.now_ms) {
            Ok(segments) => self.enter(segments),
            Err(error) => self.poison_if_unknown(&error),
        }
    }
}
