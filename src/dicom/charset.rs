//! The characters of a data set's text (PS3.3 C.12.1.1.2, PS3.5 section 6.1).
//!
//! `dicom-rs` decodes with one character set, the first that Specific Character Set names. Here text
//! is decoded by all of them, following ISO 2022 escape sequences, before it gets there. What cannot
//! be decoded becomes U+FFFD, never another character.

use dicom::encoding::text::{SpecificCharacterSet, TextCodec as _};

const ESCAPE: u8 = 0x1B;

/// The character sets of a data set.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Charset {
    /// The value of Specific Character Set; empty when absent.
    pub stated: String,
    /// What bytes from 0x80 on are before the first escape sequence.
    high: High,
}

/// Decoded text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Decoded {
    pub text: String,
    /// What was odd, as a sentence without the file.
    pub doubt: Option<String>,
}

/// The set of the bytes from 0x80 on.
#[derive(Debug, Clone, Default, PartialEq)]
enum High {
    /// No set was stated.
    #[default]
    Unstated,
    Unicode,
    /// A term of Specific Character Set that dicom-rs decodes.
    Term(&'static str),
    /// Latin 5 and Latin 9: Latin 1 with some characters replaced.
    Latin(&'static [(char, char)]),
    /// A set that is not known.
    Unknown,
}

const LATIN_5: &[(char, char)] = &[('Ð', 'Ğ'), ('Ý', 'İ'), ('Þ', 'Ş'), ('ð', 'ğ'), ('ý', 'ı'), ('þ', 'ş')];
const LATIN_9: &[(char, char)] =
    &[('¤', '€'), ('¦', 'Š'), ('¨', 'š'), ('´', 'Ž'), ('¸', 'ž'), ('¼', 'Œ'), ('½', 'œ'), ('¾', 'Ÿ')];

/// The single-byte sets and the multi-byte sets that live in the high bytes: their number in
/// Specific Character Set, and the escape sequence that calls them (without the escape).
static SETS: [(&str, &[u8], High); 15] = [
    ("100", b"-A", High::Term("ISO_IR 100")),
    ("101", b"-B", High::Term("ISO_IR 101")),
    ("109", b"-C", High::Term("ISO_IR 109")),
    ("110", b"-D", High::Term("ISO_IR 110")),
    ("144", b"-L", High::Term("ISO_IR 144")),
    ("127", b"-G", High::Term("ISO_IR 127")),
    ("126", b"-F", High::Term("ISO_IR 126")),
    ("138", b"-H", High::Term("ISO_IR 138")),
    ("148", b"-M", High::Latin(LATIN_5)),
    ("203", b"-b", High::Latin(LATIN_9)),
    ("166", b"-T", High::Term("ISO_IR 166")),
    ("13", b")I", High::Term("ISO_IR 13")),
    ("149", b"$)C", High::Term("ISO_IR 149")),
    ("58", b"$)A", High::Term("GBK")),
    ("192", b"%G", High::Unicode),
];

impl Charset {
    /// From the value of Specific Character Set, all values of it.
    pub fn of(value: &str) -> Self {
        let stated = value.trim_matches([' ', '\0']).to_owned();
        let first = stated.split('\\').next().unwrap_or_default().trim();
        let number = ["ISO_IR ", "ISO_IR_", "ISO 2022 IR "].iter().find_map(|form| first.strip_prefix(form));
        let high = match (first, number) {
            ("GB18030", _) => High::Term("GB18030"),
            ("GBK" | "GB2312", _) => High::Term("GBK"),
            ("", _) | (_, Some("6")) => High::Unstated,
            // Escape sequences alone call these; nothing is in the high bytes.
            (_, Some("87" | "159")) => High::Unstated,
            (_, Some(number)) => SETS
                .iter()
                .find(|(known, ..)| *known == number)
                .map_or(High::Unknown, |(_, _, high)| high.clone()),
            _ => High::Unknown,
        };
        Self { stated, high }
    }

    /// The text of `bytes`.
    pub fn decode(&self, bytes: &[u8]) -> Decoded {
        let mut text = String::with_capacity(bytes.len());
        let mut doubt = None;
        let mut high = &self.high;
        // The escape sequence of the two-byte set in the low bytes (JIS X 0208 and 0212).
        let mut low: Option<&[u8]> = None;
        for (n, part) in bytes.split(|byte| *byte == ESCAPE).enumerate() {
            let mut part = part;
            if n > 0 {
                let escape =
                    [&b"(B"[..], b"(J", b"$B", b"$@", b"$(D"].into_iter().find(|e| part.starts_with(e));
                let set = SETS.iter().find(|(_, escape, _)| part.starts_with(escape));
                if let Some(escape) = escape {
                    part = &part[escape.len()..];
                    low = (escape[0] == b'$').then_some(escape);
                } else if let Some((_, escape, set)) = set {
                    part = &part[escape.len()..];
                    high = set;
                } else {
                    doubt.get_or_insert_with(|| self.sentence("has an unknown escape sequence"));
                }
            }
            match low {
                Some(escape) => {
                    let called = [&[ESCAPE][..], escape, part].concat();
                    text.push_str(&self.by_term("ISO 2022 IR 87", &called, &mut doubt));
                }
                None if part.is_ascii() => text.extend(part.iter().map(|byte| char::from(*byte))),
                None => text.push_str(&self.high_text(high, part, &mut doubt)),
            }
        }
        Decoded { text, doubt }
    }

    fn high_text(&self, high: &High, bytes: &[u8], doubt: &mut Option<String>) -> String {
        match high {
            High::Term(term) => self.by_term(term, bytes, doubt),
            High::Latin(replaced) => {
                let replace = |c: char| replaced.iter().find(|(from, _)| *from == c).map_or(c, |(_, to)| *to);
                bytes.iter().map(|byte| replace(char::from(*byte))).collect()
            }
            High::Unicode => {
                if std::str::from_utf8(bytes).is_err() {
                    doubt.get_or_insert_with(|| self.sentence("is not UTF-8"));
                }
                String::from_utf8_lossy(bytes).into_owned()
            }
            High::Unstated => {
                if let Ok(text) = std::str::from_utf8(bytes) {
                    return text.to_owned();
                }
                doubt.get_or_insert_with(|| {
                    "it states no SpecificCharacterSet; its text is read as Latin 1, which may be wrong"
                        .to_owned()
                });
                bytes.iter().map(|byte| char::from(*byte)).collect()
            }
            High::Unknown => {
                doubt.get_or_insert_with(|| self.sentence("is in a character set that is not known"));
                let shown =
                    |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { char::REPLACEMENT_CHARACTER };
                bytes.iter().map(shown).collect()
            }
        }
    }

    fn by_term(&self, term: &str, bytes: &[u8], doubt: &mut Option<String>) -> String {
        let decoded = SpecificCharacterSet::from_code(term).and_then(|set| set.decode(bytes).ok());
        let (text, whole) = match decoded {
            Some(text) => without_octal(&text, octal_count(bytes)),
            None => (char::REPLACEMENT_CHARACTER.to_string(), false),
        };
        if !whole {
            doubt.get_or_insert_with(|| self.sentence("cannot be decoded as a whole"));
        }
        text
    }

    fn sentence(&self, what: &str) -> String {
        format!(
            "its text {what} (SpecificCharacterSet {}); what cannot be read is shown as {}",
            self.stated.replace('\\', "/"),
            char::REPLACEMENT_CHARACTER
        )
    }
}

/// How often a backslash and the octal number of a high byte stand in text: that is what dicom-rs
/// writes for a byte that it cannot decode.
fn octal_count(bytes: &[u8]) -> usize {
    bytes.windows(4).filter(|four| is_octal(four)).count()
}

fn is_octal(four: &[u8]) -> bool {
    matches!(four, [b'\\', b'2'..=b'3', b'0'..=b'7', b'0'..=b'7'])
}

/// `text` with U+FFFD for what dicom-rs wrote as octal numbers, and whether there was none; `own` of
/// them are the text's own.
fn without_octal(text: &str, own: usize) -> (String, bool) {
    if octal_count(text.as_bytes()) <= own {
        return (text.to_owned(), true);
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if rest.as_bytes().get(..4).is_some_and(is_octal) {
            clean.push(char::REPLACEMENT_CHARACTER);
            rest = &rest[4..];
        } else {
            clean.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    (clean, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(stated: &str, bytes: &[u8]) -> String {
        let decoded = Charset::of(stated).decode(bytes);
        assert_eq!(decoded.doubt, None, "{stated}");
        decoded.text
    }

    /// The examples of PS3.5 annexes H, I and J.
    #[test]
    fn the_examples_of_the_standard_are_read() {
        let japanese =
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B";
        assert_eq!(decoded("\\ISO 2022 IR 87", japanese), "Yamada^Tarou=山田^太郎=やまだ^たろう");
        let katakana = b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J";
        assert_eq!(decoded("ISO 2022 IR 13\\ISO 2022 IR 87", katakana), "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎");
        let korean =
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf";
        assert_eq!(decoded("\\ISO 2022 IR 149", korean), "Hong^Gildong=洪^吉洞=홍^길동");
        let chinese = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=";
        assert_eq!(decoded("\\ISO 2022 IR 58", chinese), "Zhang^XiaoDong=张^小东=");
        assert_eq!(decoded("GB18030", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab="), "Wang^XiaoDong=王^小东=");
        assert_eq!(decoded("ISO_IR 144", b"\xbb\xee\xda"), "Люк");
    }

    #[test]
    fn single_byte_sets_change_within_a_text() {
        let text = b"\x1b-AM\xfcller \x1b-L\xb8\x1b-b\xa4";
        assert_eq!(decoded("ISO 2022 IR 100\\ISO 2022 IR 144", text), "Müller И€");
        assert_eq!(decoded("ISO_IR 148", b"\xdeahin"), "Şahin");
        assert_eq!(decoded("ISO_IR 192", "Åse".as_bytes()), "Åse");
        assert_eq!(decoded("", b"plain \\213"), "plain \\213");
    }

    #[test]
    fn what_cannot_be_read_is_replaced_and_said() {
        let unknown = Charset::of("ISO_IR 999").decode(b"M\xfcller");
        assert_eq!(unknown.text, "M\u{FFFD}ller");
        assert!(unknown.doubt.unwrap().contains("ISO_IR 999"));
        let broken = Charset::of("ISO_IR 192").decode(b"M\xfcller");
        assert_eq!(broken.text, "M\u{FFFD}ller");
        assert!(broken.doubt.unwrap().contains("UTF-8"));
        let cut = Charset::of("\\ISO 2022 IR 149").decode(b"\x1b$)C\xff\xff");
        assert!(cut.text.chars().all(|c| c == '\u{FFFD}') && cut.doubt.is_some(), "{}", cut.text);
        let unstated = Charset::of("").decode(b"M\xfcller");
        assert_eq!(unstated.text, "Müller");
        assert!(unstated.doubt.unwrap().contains("SpecificCharacterSet"));
    }
}
