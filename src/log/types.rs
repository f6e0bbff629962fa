//! The log's small words: LSNs, sets of cores, marks, sync policies.

/// Position of a record in one core's log, counted from 1 in each incarnation; 0 stands before the first.
///
/// A record is one effect, or all effects of one transaction, or a mark without effect.
pub type Lsn = u64;

/// Most cores that a log may have: the width of [`CoreSet`].
pub const CORES_MAX: usize = 128;

/// A frame larger than this many bytes stands alone in a segment of its own.
pub const FRAME_BYTES_LARGE: usize = 8 << 20;

/// Smallest segment size in bytes.
pub const SEGMENT_BYTES_MIN: u64 = 64 << 10;

/// A set of cores.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct CoreSet(pub u128);

impl CoreSet {
    /// No core.
    pub const EMPTY: CoreSet = CoreSet(0);

    /// The set of one core.
    pub fn one(core: u16) -> Self {
        let mut set = CoreSet::EMPTY;
        set.insert(core);
        set
    }

    /// Adds a core.
    #[inline]
    pub fn insert(&mut self, core: u16) {
        assert!((core as usize) < CORES_MAX, "core numbers are checked when the log is made");
        self.0 |= 1 << core;
    }

    /// Takes a core out.
    pub fn remove(&mut self, core: u16) {
        self.0 &= !(1 << core);
    }

    /// Whether `core` is in it.
    pub fn contains(self, core: u16) -> bool {
        (core as usize) < CORES_MAX && self.0 >> core & 1 == 1
    }

    /// How many cores there are in it.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether it is empty.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its cores, ascending.
    pub fn iter(self) -> impl Iterator<Item = u16> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let core = (rest != 0).then(|| rest.trailing_zeros() as u16)?;
            rest &= rest - 1;
            Some(core)
        })
    }
}

impl FromIterator<u16> for CoreSet {
    fn from_iter<I: IntoIterator<Item = u16>>(cores: I) -> Self {
        let mut set = CoreSet::EMPTY;
        cores.into_iter().for_each(|core| set.insert(core));
        set
    }
}

impl std::fmt::Debug for CoreSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Names a multi-core write in the log of each core that took part (rule X2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Unique within the incarnation. The coordinator's core in the high bits and its counter in the low ones will do.
    pub tx_id: u64,
    /// Every core that logs a part, the one itself included.
    pub participants: CoreSet,
}

/// A mark where it stands in a core's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacedMark {
    /// Its record.
    pub lsn: Lsn,
    /// The transaction.
    pub mark: Mark,
    /// Whether the record has an effect.
    pub has_effect: bool,
}

/// Where every core's log stood when a round ended: everything up to there, and nothing else, happened before that moment (rule X7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundVector {
    /// The round's number; rises within an incarnation.
    pub round: u64,
    /// Each core's last record.
    pub lsns: Vec<Lsn>,
}

/// When a frame counts as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncPolicy {
    /// `appendfsync always`: every frame is written with `RWF_DSYNC`.
    #[default]
    Always,
    /// `appendfsync everysec`: frames count when the kernel has them; rounds are synced twice a second.
    EverySecond,
    /// `appendfsync no`: the same; segments are synced only when they end.
    Never,
}

impl SyncPolicy {
    /// Whether a write is acknowledged before it is on the medium, so that rounds say what survives (rule X7).
    pub fn is_relaxed(self) -> bool {
        self != SyncPolicy::Always
    }
}
