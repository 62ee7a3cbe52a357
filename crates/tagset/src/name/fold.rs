//! Character by character: from raw to standard, from standard to loose.

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::NameError;

/// The standard form; the table is in the module's documentation.
pub(super) fn standard(raw: &str) -> Result<String, NameError> {
    if let Some(bad) = raw.chars().find(|c| is_no_text(*c)) {
        return Err(NameError::NotText(bad));
    }
    let visible = raw.chars().filter(|c| !is_invisible(*c)).map(before_width);
    // Folding can take letters apart, and what NFKC makes of them can again be something that it changes.
    let text: Vec<char> = visible.nfkc().flat_map(fold_case).nfkc().filter(|c| !is_invisible(*c)).collect();
    let mut writer = Writer::default();
    let mut rest = text.as_slice();
    while let Some((&c, after)) = rest.split_first() {
        let skip = trademark(rest).unwrap_or(0);
        if skip > 0 {
            writer.separate();
        } else {
            writer.take(c, after);
        }
        rest = rest.get(skip.max(1)..).unwrap_or_default();
    }
    writer.finish()
}

/// The loose form of a standard one.
pub(super) fn loose(standard: &str) -> String {
    let mut text = String::with_capacity(standard.len());
    let mut base = ' ';
    let mut gap = false;
    for c in standard.nfd() {
        if c == ' ' {
            gap = true;
            continue;
        }
        if is_mark(c) {
            let dropped = is_latin_or_greek(base) || (base == 'е' && c == '\u{308}');
            if !dropped {
                text.push(c);
            }
            continue;
        }
        if std::mem::take(&mut gap) && base.is_numeric() && c.is_numeric() {
            text.push(' ');
        }
        base = c;
        match plain(c) {
            Some(letters) => text.push_str(letters),
            None => text.push(c),
        }
    }
    text.nfc().collect()
}

/// Writes the standard form and knows what came before.
#[derive(Default)]
struct Writer {
    text: String,
    /// A separator came, and something must follow for it to be written.
    pending: bool,
    /// The last character written.
    last: Option<char>,
    /// A letter, digit or picture was written.
    names_something: bool,
}

impl Writer {
    fn take(&mut self, c: char, after: &[char]) {
        let next = after.first().copied();
        match c {
            '\'' | '\u{2018}' | '\u{2019}' | '\u{201B}' | '\u{02BC}' | '\u{02BB}' | '`' => {}
            '&' => {
                self.separate();
                "and".chars().for_each(|letter| self.letter(letter));
                self.separate();
            }
            '×' => self.letter('x'),
            '.' | ',' if is_digit(self.attached()) && is_digit(next) => self.letter(c),
            '-' | '\u{2212}' if is_digit(next) && self.may_be_negative() => self.sign(),
            '<' | '>' | '=' if is_bound(after) => self.symbol(c),
            '#' if self.attached().is_some_and(is_word) => self.symbol(c),
            '+' | '%' => self.symbol(c),
            c if is_mark(c) => self.mark(c),
            c if is_blank(c) => self.separate(),
            c if c.is_alphanumeric() => self.letter(c),
            c => match c.general_category() {
                GeneralCategory::CurrencySymbol => self.symbol(c),
                GeneralCategory::OtherSymbol => self.letter(c),
                _ => self.separate(),
            },
        }
    }

    fn separate(&mut self) {
        // Symbols stand without spaces around them, whatever was written.
        self.pending = !self.text.is_empty() && !self.last.is_some_and(is_symbol);
    }

    fn letter(&mut self, c: char) {
        if std::mem::take(&mut self.pending) {
            self.text.push(' ');
        }
        self.push(c);
        self.names_something |= c.is_alphanumeric() || c.general_category() == GeneralCategory::OtherSymbol;
    }

    fn symbol(&mut self, c: char) {
        self.pending = false;
        self.push(c);
    }

    fn sign(&mut self) {
        if std::mem::take(&mut self.pending) {
            self.text.push(' ');
        }
        self.push('-');
    }

    /// One that belongs to nothing is dropped: accents that stood alone become a space and a mark.
    fn mark(&mut self, c: char) {
        if self.attached().is_some_and(|last| is_mark(last) || is_word(last)) {
            self.push(c);
        }
    }

    fn push(&mut self, c: char) {
        self.text.push(c);
        self.last = Some(c);
    }

    /// "-5" and "score -5", but neither "18-24" nor "18 -24" nor "sub-5".
    fn may_be_negative(&self) -> bool {
        let in_word = self.attached().is_some_and(|c| is_word(c) || is_mark(c) || c == '-');
        !in_word && !is_digit(self.last)
    }

    /// What was written right before this, without a separator between.
    fn attached(&self) -> Option<char> {
        self.last.filter(|_| !self.pending)
    }

    fn finish(self) -> Result<String, NameError> {
        if !self.names_something {
            return Err(NameError::Empty);
        }
        // A mark that lost its neighbour can now compose with the letter before it.
        Ok(self.text.nfc().collect())
    }
}

/// How many characters "(tm)" and its like take at the start of this text.
fn trademark(text: &[char]) -> Option<usize> {
    const SIGNS: [&str; 4] = ["(r)", "(c)", "(tm)", "(sm)"];
    let starts = |sign: &&str| sign.chars().eq(text.iter().copied().take(sign.len()));
    SIGNS.into_iter().find(starts).map(str::len)
}

/// What NFKC would turn into letters or accents.
fn before_width(c: char) -> char {
    match c {
        '®' | '©' | '™' | '℠' | '℗' | 'Ⓡ' | 'ⓡ' | 'Ⓒ' | 'ⓒ' => ' ',
        '´' => '\'',
        c => c,
    }
}

/// Case folding by way of the capitals, which is where "ß", "ſ" and "ς" meet "SS", "S" and "Σ"; "ẞ" gets there by way of "ß".
fn fold_case(c: char) -> impl Iterator<Item = char> {
    let c = if c == 'İ' { 'I' } else { c };
    c.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

/// Whether "<", ">" or "=" in front of this text belongs to a number.
fn is_bound(after: &[char]) -> bool {
    let passed = |c: &&char| {
        c.is_whitespace()
            || matches!(c, '<' | '>' | '=' | '-' | '\u{2212}')
            || c.general_category() == GeneralCategory::CurrencySymbol
    };
    is_digit(after.iter().find(|c| !passed(c)).copied())
}

fn is_symbol(c: char) -> bool {
    matches!(c, '+' | '%' | '<' | '>' | '=' | '#') || c.general_category() == GeneralCategory::CurrencySymbol
}

fn is_digit(c: Option<char>) -> bool {
    c.is_some_and(char::is_numeric)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c.general_category() == GeneralCategory::OtherSymbol
}

fn is_mark(c: char) -> bool {
    use GeneralCategory::{EnclosingMark, NonspacingMark, SpacingMark};
    matches!(c.general_category(), NonspacingMark | SpacingMark | EnclosingMark)
}

/// Letters that show nothing: the fillers of Hangul, the blank of Braille.
fn is_blank(c: char) -> bool {
    matches!(c, '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' | '\u{2800}')
}

/// Format characters, and selectors of how the character before them is drawn.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{034F}' | '\u{180B}'..='\u{180F}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
        || c.general_category() == GeneralCategory::Format
}

/// The decoder's sign for what it could not read, and code points that no version of Unicode gave a meaning.
fn is_no_text(c: char) -> bool {
    use GeneralCategory::{PrivateUse, Unassigned};
    c == '\u{FFFD}' || matches!(c.general_category(), PrivateUse | Unassigned)
}

/// Latin and Greek letters, in which marks are diacritics that people leave out.
fn is_latin_or_greek(c: char) -> bool {
    matches!(c,
        'a'..='z' | '\u{00E0}'..='\u{024F}' | '\u{0250}'..='\u{02AF}' | '\u{1E00}'..='\u{1EFF}' | '\u{A720}'..='\u{A7FF}'
        | '\u{0370}'..='\u{03FF}' | '\u{1F00}'..='\u{1FFF}')
}

/// Letters whose stroke or ligature is no mark of its own.
fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        _ => return None,
    })
}
