//! How much room a disk has.
//!
//! The standard library does not tell, so `df` is asked, which POSIX systems have. Where it is not
//! there, nothing is known, and a disk that is full is told when writing to it fails.

use std::path::Path;
use std::process::Command;

/// Bytes free for this person on the disk of `folder` (or of the nearest folder above that exists);
/// `None` where that cannot be told.
pub(in crate::ai) fn free_bytes(folder: &Path) -> Option<u64> {
    let existing = folder.ancestors().find(|folder| folder.is_dir())?;
    let output = Command::new("df").arg("-Pk").arg(existing).env("LC_ALL", "C").output().ok()?;
    if !output.status.success() {
        return None;
    }
    parse(&String::from_utf8_lossy(&output.stdout))
}

/// The column "Available" of POSIX's format: device, blocks, used, available, capacity, mount point;
/// a device's name may hold blanks, so it is counted from the column that ends in a per cent sign.
fn parse(text: &str) -> Option<u64> {
    let columns: Vec<&str> = text.lines().nth(1)?.split_whitespace().collect();
    let capacity = columns.iter().position(|column| column.ends_with('%'))?;
    columns.get(capacity.checked_sub(1)?)?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_column_is_found() {
        let text = "Filesystem 1024-blocks Used Available Capacity Mounted on\n\
                    map auto home 100 60 40 60% /mnt/a b\n";
        assert_eq!(parse(text), Some(40 * 1024));
        assert_eq!(parse("nonsense"), None);
    }

    #[test]
    fn a_folder_that_is_yet_to_be_made_is_on_its_parent_s_disk() {
        let folder = tempfile::tempdir().unwrap();
        let free = free_bytes(&folder.path().join("a/b"));
        assert!(free.is_none_or(|bytes| bytes > 0));
    }
}
