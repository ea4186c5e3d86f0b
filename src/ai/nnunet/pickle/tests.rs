//! Logs of long trainings, and pickles that would fill the memory.

use super::super::archive::tests::zip_each;
use super::super::checkpoint::{Checkpoint, CheckpointError};
use super::*;

/// Writes what is remembered under ever new numbers, as Python does.
struct Writer {
    bytes: Vec<u8>,
    remembered: u32,
}

impl Writer {
    fn write(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn remember(&mut self) -> u32 {
        let key = self.remembered;
        match u8::try_from(key) {
            Ok(key) => self.write(&[b'q', key]),
            Err(_) => self.write(&[&b"r"[..], &key.to_le_bytes()].concat()),
        }
        self.remembered += 1;
        key
    }

    fn recall(&mut self, key: u32) {
        match u8::try_from(key) {
            Ok(key) => self.write(&[b'h', key]),
            Err(_) => self.write(&[&b"j"[..], &key.to_le_bytes()].concat()),
        }
    }

    fn text(&mut self, text: &str) -> u32 {
        self.write(b"X");
        self.write(&u32::try_from(text.len()).unwrap().to_le_bytes());
        self.write(text.as_bytes());
        self.remember()
    }
}

/// What Python writes of `{"trainer_name": "T", "network_weights": {}, "log": [[numpy.float32, ...],
/// ...]}` in protocol 2, a number for each epoch and class.
fn log(epochs: usize, classes: usize) -> Vec<u8> {
    let mut own = Writer { bytes: b"\x80\x02}".to_vec(), remembered: 0 };
    own.remember();
    own.write(b"(");
    own.text("trainer_name");
    own.text("T");
    own.text("network_weights");
    own.write(b"}");
    own.remember();
    own.text("log");
    own.write(b"]");
    own.remember();
    // The names that every number is made by: scalar, its type, encode and its encoding.
    let mut names: Option<[u32; 4]> = None;
    let mut number = 0_u32;
    for epoch in 0..epochs {
        if epoch % 1000 == 0 {
            own.write(b"(");
        }
        own.write(b"]");
        own.remember();
        own.write(b"(");
        for _ in 0..classes {
            number += 1;
            #[expect(clippy::cast_precision_loss, reason = "any numbers will do")]
            let value: String = (number as f32).to_le_bytes().map(char::from).iter().collect();
            if let Some([scalar, kind, encode, _]) = names {
                [scalar, kind, encode].into_iter().for_each(|name| own.recall(name));
            } else {
                own.write(b"cnumpy._core.multiarray\nscalar\n");
                let scalar = own.remember();
                own.write(b"cnumpy\ndtype\n");
                own.remember();
                own.text("f4");
                own.write(b"\x89\x88\x87");
                own.remember();
                own.write(b"R");
                let kind = own.remember();
                own.write(b"(K\x03");
                own.text("<");
                own.write(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t");
                own.remember();
                own.write(b"bc_codecs\nencode\n");
                names = Some([scalar, kind, own.remember(), 0]);
            }
            own.text(&value);
            match &mut names {
                Some([.., latin]) if *latin == 0 => *latin = own.text("latin1"),
                Some([.., latin]) => own.recall(*latin),
                None => {}
            }
            for code in [0x86, b'R', 0x86, b'R'] {
                own.write(&[code]);
                own.remember();
            }
        }
        own.write(b"e");
        if epoch % 1000 == 999 || epoch + 1 == epochs {
            own.write(b"e");
        }
    }
    own.write(b"u.");
    own.bytes
}

#[test]
fn the_log_of_four_thousand_epochs_and_many_classes_is_read_and_hardly_kept() {
    let bytes = log(4000, 117);
    assert!(bytes.len() > 22_000_000, "as large as the real one: {}", bytes.len());
    let pickle = Pickle::read(&bytes).unwrap();
    let Some(Value::List(epochs)) = pickle.entry(pickle.root(), "log") else { panic!("no log") };
    assert_eq!(epochs.len(), 4000);
    for epoch in epochs {
        let Value::List(classes) = pickle.value(*epoch) else { panic!("no list") };
        assert_eq!(classes.len(), 117);
    }
    assert!(pickle.values.len() < 5000, "{} values are kept", pickle.values.len());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint_final.pth");
    std::fs::write(&path, zip_each(&[("a/data.pkl", &bytes, false)])).unwrap();
    assert_eq!(Checkpoint::read(&path).unwrap().trainer.as_deref(), Some("T"));
    // The same log deflated is far smaller than what it unpacks to.
    std::fs::write(&path, zip_each(&[("a/data.pkl", &log(10, 3), true)])).unwrap();
    let told = Checkpoint::read(&path).unwrap_err();
    assert!(matches!(told, CheckpointError::Unusable { .. }), "{told}");
    assert!(told.to_string().contains("(a/data.pkl) is compressed"), "{told}");
}

#[test]
fn what_is_come_back_to_outlives_what_was_made_beside_it() {
    // [scalar of f8 1.0 bytes, and again its bytes, its arguments and its text]
    let mut own = Writer { bytes: b"\x80\x02](".to_vec(), remembered: 0 };
    own.write(
        b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX\x02\x00\x00\x00i4\x89\x88\x87Rc_codecs\nencode\n",
    );
    let text = own.text("\x05\0\0\0");
    own.write(b"X\x06\x00\x00\x00latin1\x86");
    let pair = own.remember();
    own.write(b"R");
    let bytes = own.remember();
    own.write(b"\x86R");
    let scalar = own.remember();
    [scalar, bytes, pair, text].into_iter().for_each(|key| own.recall(key));
    own.write(b"e.");
    let pickle = Pickle::read(&own.bytes).unwrap();
    let Value::List(all) = pickle.root() else { panic!("no list") };
    let all: Vec<&Value> = all.iter().map(|id| pickle.value(*id)).collect();
    assert_eq!(all[..3], [&Value::Int(5), &Value::Int(5), &Value::Bytes(vec![5, 0, 0, 0])]);
    let Value::List(pair) = all[3] else { panic!("no pair") };
    assert_eq!(pickle.value(pair[0]), &Value::Text("\x05\0\0\0".to_owned()));
    assert_eq!(pickle.value(pair[1]), &Value::Text("latin1".to_owned()));
    assert_eq!(all[4], pickle.value(pair[0]));
}

#[test]
fn a_pickle_that_would_fill_the_memory_is_refused() {
    let many = 3 << 20;
    let after = |start: &[u8], again: &[u8], times: usize| {
        let bytes = [start, &again.repeat(times)].concat();
        let told = Pickle::read(&bytes).unwrap_err();
        assert_eq!(told, PickleError::Damaged("it holds too many values"), "{start:?} {again:?}");
    };
    // Empty lists, marks and one value again and again on the stack; one remembered under many numbers.
    after(b"\x80\x02", b"]", many);
    after(b"\x80\x02", b"(", many);
    after(b"\x80\x02]q\x00", b"h\x00", many);
    after(b"\x80\x02]", b"2", many);
    // A list that one value is put into, 512 times at once: 4096 bytes each.
    let part = [&b"("[..], &b"h\x01".repeat(512), b"e"].concat();
    after(b"\x80\x02]Nq\x010", &part, (256 << 20) / 4096 + 2);
    // A megabyte that is copied for each of these.
    let megabyte =
        [&b"\x80\x02c_codecs\nencode\nq\x00B\x00\x00\x10\x00"[..], &vec![b'a'; 1 << 20], b"q\x01"].concat();
    after(&megabyte, b"h\x00h\x01X\x01\x00\x00\x00l\x86R0", 300);
    let arguments = [&b"\x80\x02ctorch\ndevice\n("[..], &b"N".repeat(17), b"tR."].concat();
    assert!(
        matches!(Pickle::read(&arguments), Err(PickleError::Damaged(told)) if told.contains("arguments"))
    );
}
