//! The fault model, fault by fault.

use std::path::Path;
use std::sync::Arc;

use super::{Fault, PowerCut, SimFs};
use crate::storage::{File, Fs, Open};

fn file(fs: &SimFs, name: &str) -> Arc<dyn File> {
    fs.open(Path::new(name), Open::Create).unwrap()
}

fn content(fs: &SimFs, name: &str) -> Vec<u8> {
    crate::storage::read_file(fs, Path::new(name), 1 << 20).unwrap()
}

#[test]
fn w6_dsync_covers_its_own_write_only() {
    let fs = SimFs::new(1);
    let file = file(&fs, "/a");
    file.write_at(&[1; 1024], 0, false).unwrap();
    file.sync_all().unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
    file.write_at(&[2; 512], 0, false).unwrap();
    file.write_at(&[3; 512], 512, true).unwrap();
    fs.power_cut(PowerCut::LoseAll);
    let bytes = content(&fs, "/a");
    assert!(bytes[..512].iter().all(|&b| b == 1), "the plain write before was not synced by it");
    assert!(bytes[512..].iter().all(|&b| b == 3));
}

#[test]
fn f2_what_a_failed_sync_lost_no_later_sync_brings_back() {
    let fs = SimFs::new(1);
    let file = file(&fs, "/a");
    file.write_at(&[1; 512], 0, false).unwrap();
    file.sync_all().unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
    file.write_at(&[2; 512], 0, false).unwrap();
    fs.fail_nth(1, Fault::Eio);
    assert!(file.sync_all().is_err());
    file.sync_all().unwrap();
    assert_eq!(content(&fs, "/a")[0], 2, "reads still see it");
    fs.power_cut(PowerCut::KeepAll);
    assert_eq!(content(&fs, "/a")[0], 1);
}

#[test]
fn a_name_without_a_directory_sync_can_be_lost() {
    let fs = SimFs::new(1);
    file(&fs, "/a").sync_all().unwrap();
    fs.power_cut(PowerCut::LoseAll);
    assert!(!fs.exists(Path::new("/a")).unwrap());
}
