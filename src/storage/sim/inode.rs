//! A file's bytes: those that reads see, those on the medium, and what lies between.

use std::collections::BTreeMap;

use super::PowerCut;
use super::random::Random;

/// What a sector holds at least: the unit that is written whole.
pub(super) const SECTOR: usize = 512;

#[derive(Default)]
pub(super) struct Inode {
    pub(super) live: Vec<u8>,
    pub(super) durable: Vec<u8>,
    /// Sectors not synced yet, each with the images that were overwritten meanwhile (the newest is in `live`).
    pub(super) pending: BTreeMap<usize, Vec<Vec<u8>>>,
    pub(super) length_pending: bool,
}

impl Inode {
    pub(super) fn sector(bytes: &[u8], sector: usize) -> Vec<u8> {
        let start = (sector * SECTOR).min(bytes.len());
        let mut image = bytes[start..bytes.len().min(start + SECTOR)].to_vec();
        image.resize(SECTOR, 0);
        image
    }

    pub(super) fn put(bytes: &mut Vec<u8>, sector: usize, image: &[u8], len: usize) {
        if bytes.len() < len {
            bytes.resize(len, 0);
        }
        let start = sector * SECTOR;
        if start < len {
            let end = len.min(start + SECTOR);
            bytes[start..end].copy_from_slice(&image[..end - start]);
        }
    }

    pub(super) fn write(&mut self, buf: &[u8], offset: usize, dsync: bool) {
        let end = offset + buf.len();
        let sectors = offset / SECTOR..end.div_ceil(SECTOR);
        if !dsync {
            for sector in sectors.clone() {
                match self.pending.get_mut(&sector) {
                    Some(images) => images.push(Self::sector(&self.live, sector)),
                    None => {
                        self.pending.insert(sector, Vec::new());
                    }
                }
            }
        }
        if end > self.live.len() {
            self.live.resize(end, 0);
            self.length_pending = true;
        }
        self.live[offset..end].copy_from_slice(buf);
        if dsync {
            let len = self.durable.len().max(end);
            for sector in sectors {
                self.pending.remove(&sector);
                Self::put(&mut self.durable, sector, &Self::sector(&self.live, sector), len);
            }
            self.length_pending = self.live.len() != self.durable.len();
        }
    }

    pub(super) fn set_len(&mut self, len: usize) {
        self.live.resize(len, 0);
        self.length_pending = true;
        let _ = self.pending.split_off(&len.div_ceil(SECTOR));
    }

    pub(super) fn sync(&mut self) {
        let len = self.live.len();
        self.durable.resize(len, 0);
        for sector in std::mem::take(&mut self.pending).into_keys() {
            Self::put(&mut self.durable, sector, &Self::sector(&self.live, sector), len);
        }
        self.length_pending = false;
    }

    pub(super) fn lose_sync(&mut self) {
        self.pending.clear();
        self.length_pending = false;
    }

    pub(super) fn power_cut(&mut self, how: PowerCut, random: &mut Random) {
        let mut after = std::mem::take(&mut self.durable);
        let chance = if how == PowerCut::Random { random.below(3) } else { 0 };
        let keep = |random: &mut Random| match how {
            PowerCut::LoseAll => false,
            PowerCut::KeepAll => true,
            PowerCut::Random => random.below(4) <= chance,
        };
        if self.length_pending && keep(random) {
            after.resize(self.live.len(), 0);
        }
        let len = after.len();
        for (sector, images) in std::mem::take(&mut self.pending) {
            if !keep(random) {
                continue;
            }
            let mut image = Self::sector(&self.live, sector);
            if how == PowerCut::Random && !images.is_empty() && random.below(2) == 0 {
                image = images[random.below(images.len() as u64) as usize].clone();
            }
            Self::put(&mut after, sector, &image, len);
        }
        self.live = after.clone();
        self.durable = after;
        self.length_pending = false;
    }
}
