//! Whether structures and images are of one person. An ID alone does not tell: phantoms, anonymisers
//! and typing errors give one to two people.

use crate::patient::PatientInfo;

/// Whether both are one person.
///
/// With the same ID: unless family or given name differ, where only the same birth date makes them
/// one person of a new name. Without an ID on either side: by name and birth date, as far as they
/// are stated, and never a phantom with a person.
pub(crate) fn is_same_patient(a: &PatientInfo, b: &PatientInfo) -> bool {
    let (id, other_id) = (a.id.trim(), b.id.trim());
    let (birth, other_birth) = (a.birth_date.trim(), b.birth_date.trim());
    let births_known = !birth.is_empty() && !other_birth.is_empty();
    if id.is_empty() || other_id.is_empty() {
        let births_differ = births_known && birth != other_birth;
        return !names_differ(&a.name, &b.name) && !births_differ && a.synthetic == b.synthetic;
    }
    id == other_id && (!names_differ(&a.name, &b.name) || (births_known && birth == other_birth))
}

/// Whether two names (PN) are different people's: both stated, and family or given name differ when
/// case, accents and padding are set aside. An initial stands for every name that begins so, and the
/// first given names for all of them.
fn names_differ(a: &str, b: &str) -> bool {
    let (a, b) = (Name::of(a), Name::of(b));
    if a.is_empty() || b.is_empty() {
        return false;
    }
    let same_given = |x: &str, y: &str| {
        let initial = |x: &str, y: &str| x.chars().count() == 1 && y.starts_with(x);
        let mut words = x.split_whitespace().zip(y.split_whitespace());
        words.all(|(x, y)| x == y || initial(x, y) || initial(y, x))
    };
    // Both readings of letters such as the German umlauts are in use.
    let same = (0..2).any(|reading| {
        let (a, b) = (&a.readings[reading], &b.readings[reading]);
        (a[0] == b[0] && same_given(&a[1], &b[1])) || a.join(" ").trim() == b.join(" ").trim()
    });
    !same
}

/// Family and given name in two readings: without accents (Muller), and with them spelt out (Mueller).
struct Name {
    readings: [[String; 2]; 2],
}

impl Name {
    fn of(text: &str) -> Self {
        let group =
            text.split('=').find(|group| group.chars().any(char::is_alphanumeric)).unwrap_or_default();
        let mut parts = group.split('^');
        let parts = [parts.next().unwrap_or_default(), parts.next().unwrap_or_default()];
        Self { readings: [false, true].map(|spelt| parts.map(|part| folded(part, spelt))) }
    }

    fn is_empty(&self) -> bool {
        self.readings[0].iter().all(String::is_empty)
    }
}

/// Words in lower case without accents and punctuation, one space between.
fn folded(text: &str, spelt: bool) -> String {
    let mut out = String::new();
    for letter in text.to_lowercase().chars() {
        match (plain(letter), spelt) {
            (Some((_, long)), true) => out.push_str(long),
            (Some((short, _)), false) => out.push_str(short),
            (None, _) if letter.is_alphanumeric() => out.push(letter),
            // Accents as characters of their own.
            (None, _) if ('\u{300}'..='\u{36f}').contains(&letter) || letter == '\'' => {}
            (None, _) => out.push(' '),
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A lower-case Latin letter with an accent: without it, and spelt out.
fn plain(letter: char) -> Option<(&'static str, &'static str)> {
    Some(match letter {
        'ä' | 'æ' => ("a", "ae"),
        'ö' | 'ø' | 'œ' => ("o", "oe"),
        'ü' => ("u", "ue"),
        'å' => ("a", "aa"),
        'ß' => ("ss", "ss"),
        'à' | 'á' | 'â' | 'ã' | 'ā' | 'ă' | 'ą' => ("a", "a"),
        'ç' | 'ć' | 'č' | 'ĉ' | 'ċ' => ("c", "c"),
        'ď' | 'đ' | 'ð' => ("d", "d"),
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => ("e", "e"),
        'ğ' | 'ģ' | 'ĝ' | 'ġ' => ("g", "g"),
        'ì' | 'í' | 'î' | 'ï' | 'ī' | 'į' | 'ı' => ("i", "i"),
        'ķ' => ("k", "k"),
        'ł' | 'ľ' | 'ĺ' | 'ļ' => ("l", "l"),
        'ñ' | 'ń' | 'ň' | 'ņ' => ("n", "n"),
        'ò' | 'ó' | 'ô' | 'õ' | 'ō' | 'ő' => ("o", "o"),
        'ř' | 'ŕ' => ("r", "r"),
        'ś' | 'š' | 'ş' | 'ș' => ("s", "s"),
        'ť' | 'ţ' | 'ț' => ("t", "t"),
        'ù' | 'ú' | 'û' | 'ū' | 'ů' | 'ű' | 'ų' => ("u", "u"),
        'ý' | 'ÿ' => ("y", "y"),
        'ź' | 'ż' | 'ž' => ("z", "z"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: &str, name: &str, birth: &str) -> PatientInfo {
        PatientInfo { id: id.into(), name: name.into(), birth_date: birth.into(), ..PatientInfo::default() }
    }

    #[test]
    fn two_people_are_told_apart_and_one_person_is_recognised() {
        let a = person("17", "Doe^Jane", "19600101");
        assert!(is_same_patient(&a, &a));
        assert!(is_same_patient(&a, &person("17 ", "DOE^JANE^^", "")));
        assert!(is_same_patient(&a, &person("17", "Smith^Jane", "19600101")), "a new surname");
        assert!(is_same_patient(&a, &person("17", "Doe^Jane", "19600110")), "a mistyped birth date");
        assert!(!is_same_patient(&a, &person("18", "Doe^Jane", "19600101")));
        assert!(!is_same_patient(&a, &person("17", "Roe^Richard", "19700101")), "an ID used twice");
        assert!(is_same_patient(&person("", "Doe^Jane", ""), &a));
        assert!(!is_same_patient(&person("", "Doe^Jane", "19300101"), &a), "mother and daughter");
        assert!(!is_same_patient(&person("", "Roe^Richard", ""), &a));
        let phantom = PatientInfo { synthetic: true, ..person("", "", "") };
        assert!(!is_same_patient(&phantom, &person("", "Doe^Jane", "")));
    }

    #[test]
    fn an_id_used_twice_is_noticed_by_the_name_alone() {
        for birth in ["", "19600101"] {
            let a = person("17", "Doe^Jane", birth);
            for other in ["Roe^Richard", "Doe^John", "Smith^Jane", "Doe John"] {
                assert!(!is_same_patient(&a, &person("17", other, "")), "{other}");
                assert!(!is_same_patient(&person("17", other, ""), &a), "{other}");
            }
            for same in
                ["", "^^", "DOE^JANE", "Doe^Jane^Mary^Dr", "Doe^J", "Doe^J.", "Doe", "Doe Jane", "Doé^Jäne "]
            {
                assert!(is_same_patient(&a, &person("17", same, "")), "{same}");
                assert!(is_same_patient(&person("17", same, ""), &a), "{same}");
            }
        }
        for (a, b) in [
            ("Müller^Änne", "Mueller^Aenne"),
            ("MULLER^ANNE", "Müller^Änne"),
            ("O'Neill^Zoë", "ONEILL^ZOE"),
            ("Wałęsa^Łucja", "Walesa^Lucja"),
            ("Yamada^Tarou=山田^太郎=やまだ^たろう", "YAMADA^TAROU"),
            ("M\u{fc}ller^A\u{308}nne", "Mu\u{308}ller^Anne"),
        ] {
            assert!(is_same_patient(&person("1", a, ""), &person("1", b, "")), "{a} {b}");
        }
        assert!(!is_same_patient(&person("1", "山田^太郎", ""), &person("1", "山田^花子", "")));
    }
}
