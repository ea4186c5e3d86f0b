//! Making DICOM unique identifiers under the root `2.25` (PS3.5 B.2: a UUID as one number), which
//! needs no registration.

use super::Uid;
use sha2::{Digest, Sha256};

/// A UID that nobody else has: `2.25.` and a random (version 4) UUID. At most 44 characters.
#[must_use]
pub fn new_uid() -> Uid {
    format!("2.25.{}", uuid::Uuid::new_v4().as_u128()).into()
}

/// The UID that belongs to `seed`: the same text always gives the same UID, and different texts
/// different ones (SHA-256, cut to the form of a version 8 UUID).
#[must_use]
pub fn uid_from_seed(seed: &str) -> Uid {
    let digest = Sha256::digest(seed.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    format!("2.25.{}", uuid::Builder::from_custom_bytes(bytes).into_uuid().as_u128()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_valid(uid: &str) -> bool {
        uid.len() <= 64 && uid.strip_prefix("2.25.").is_some_and(|n| n.parse::<u128>().is_ok_and(|n| n > 0))
    }

    #[test]
    fn fresh_uids_are_valid_and_differ() {
        let (a, b) = (new_uid(), new_uid());
        assert!(is_valid(&a) && is_valid(&b) && a != b);
    }

    #[test]
    fn a_seed_gives_one_uid() {
        assert_eq!(uid_from_seed("sample 1"), uid_from_seed("sample 1"));
        assert_ne!(uid_from_seed("sample 1"), uid_from_seed("sample 2"));
        assert!(is_valid(&uid_from_seed("")));
    }
}
