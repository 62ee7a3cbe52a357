//! Readings of html: what its parts say once character references, and the escapes of scripts and styles, are taken
//! out. Escapes may hold others (`onclick` holds a script, which may write html), so readings are read again.

/// Most escapes within each other: html in a script in html.
const DEPTH: usize = 3;

type Decoder = fn(&str) -> String;

const DECODERS: [Decoder; 3] = [references, script_escapes, style_escapes];

/// All readings, the html itself among them; none when escapes are nested deeper than [`DEPTH`].
pub(super) fn readings(html: &str) -> Option<Vec<String>> {
    let mut readings = vec![html.to_owned()];
    let filled = without_macros(html);
    if filled != html {
        readings.push(filled);
    }
    let mut read = 0;
    for _ in 0..=DEPTH {
        let known = readings.len();
        if read == known {
            return Some(readings);
        }
        for index in read..known {
            for decode in DECODERS {
                let decoded = readings.get(index).map(|reading| decode(reading))?;
                if !readings.contains(&decoded) {
                    readings.push(decoded);
                }
            }
        }
        read = known;
    }
    (read == readings.len()).then_some(readings)
}

/// The html with nothing for the macros that may be filled in with nothing: the exchange's of OpenRTB (2.6, section
/// 4.4), and our pixel in what we take for a comment and a browser may not. Our other macros are never empty.
fn without_macros(html: &str) -> String {
    let html = html.replace("{IMPRESSION_PIXEL}", "");
    let mut filled = String::with_capacity(html.len());
    let mut rest = html.as_str();
    while let Some((before, from)) = rest.split_once("${AUCTION_") {
        filled.push_str(before);
        let after = from.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'));
        rest = match after.strip_prefix('}') {
            Some(after) => after,
            None => {
                filled.push_str("${AUCTION_");
                from
            }
        };
    }
    filled.push_str(rest);
    filled
}

/// The character that an escape means, if it means one, and the text after it.
type Meant<'t> = (Option<char>, &'t str);

/// Takes out the escapes that start with `mark`. `read` gets the text after the mark; none: the mark is only itself.
fn decode(text: &str, mark: char, read: fn(&str) -> Option<Meant<'_>>) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.split_once(mark) {
        decoded.push_str(before);
        rest = match read(from) {
            Some((meant, after)) => {
                decoded.extend(meant);
                after
            }
            None => {
                decoded.push(mark);
                from
            }
        };
    }
    decoded.push_str(rest);
    decoded
}

/// Character references of HTML.
fn references(text: &str) -> String {
    decode(text, '&', |from| {
        let Some(number) = from.strip_prefix('#') else {
            return named(from);
        };
        let (digits, radix) = match number.strip_prefix(['x', 'X']) {
            Some(hex) => (hex, 16),
            None => (number, 10),
        };
        let (meant, after) = number_of(digits, radix, usize::MAX)?;
        Some((Some(meant), after.strip_prefix(';').unwrap_or(after)))
    })
}

/// The characters of ASCII that have names (HTML, "Named character references"). Other names cannot hide anything: no
/// scheme or host that we accept holds what they mean.
const NAMES: [(&str, char); 45] = [
    ("Tab", '\t'),
    ("NewLine", '\n'),
    ("excl", '!'),
    ("quot", '"'),
    ("QUOT", '"'),
    ("num", '#'),
    ("dollar", '$'),
    ("percnt", '%'),
    ("amp", '&'),
    ("AMP", '&'),
    ("apos", '\''),
    ("lpar", '('),
    ("rpar", ')'),
    ("ast", '*'),
    ("midast", '*'),
    ("plus", '+'),
    ("comma", ','),
    ("period", '.'),
    ("sol", '/'),
    ("colon", ':'),
    ("semi", ';'),
    ("lt", '<'),
    ("LT", '<'),
    ("equals", '='),
    ("gt", '>'),
    ("GT", '>'),
    ("quest", '?'),
    ("commat", '@'),
    ("lsqb", '['),
    ("lbrack", '['),
    ("bsol", '\\'),
    ("rsqb", ']'),
    ("rbrack", ']'),
    ("Hat", '^'),
    ("lowbar", '_'),
    ("UnderBar", '_'),
    ("grave", '`'),
    ("DiacriticalGrave", '`'),
    ("lcub", '{'),
    ("lbrace", '{'),
    ("verbar", '|'),
    ("vert", '|'),
    ("VerticalLine", '|'),
    ("rcub", '}'),
    ("rbrace", '}'),
];

/// Those that browsers also take without the semicolon.
const OLD: [(&str, char); 8] = [
    ("quot", '"'),
    ("QUOT", '"'),
    ("amp", '&'),
    ("AMP", '&'),
    ("lt", '<'),
    ("LT", '<'),
    ("gt", '>'),
    ("GT", '>'),
];

fn named(from: &str) -> Option<Meant<'_>> {
    let terminated = |name: &str| from.strip_prefix(name)?.strip_prefix(';');
    let full = NAMES.iter().find_map(|(name, meant)| Some((Some(*meant), terminated(name)?)));
    full.or_else(|| OLD.iter().find_map(|(name, meant)| Some((Some(*meant), from.strip_prefix(name)?))))
}

/// Escapes in strings of JavaScript (ECMA-262, "String Literals").
fn script_escapes(text: &str) -> String {
    decode(text, '\\', |from| {
        let first = from.chars().next()?;
        let after = from.get(first.len_utf8()..)?;
        let number = match first {
            'x' => number_of(after, 16, 2),
            'u' => match after.strip_prefix('{') {
                Some(braced) => number_of(braced, 16, usize::MAX)
                    .and_then(|(meant, rest)| Some((meant, rest.strip_prefix('}')?))),
                None => number_of(after, 16, 4),
            },
            '4'..='7' => number_of(from, 8, 2),
            '0'..='3' => number_of(from, 8, 3),
            _ => None,
        };
        if let Some((meant, rest)) = number {
            return Some((Some(meant), rest));
        }
        let meant = match first {
            '\r' => return Some((None, after.strip_prefix('\n').unwrap_or(after))),
            '\n' | '\u{2028}' | '\u{2029}' => None,
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'b' | 'f' | 'v' => Some('\x0c'),
            other => Some(other),
        };
        Some((meant, after))
    })
}

/// Escapes of style sheets (CSS Syntax, "Consume an escaped code point").
fn style_escapes(text: &str) -> String {
    decode(text, '\\', |from| {
        let space = |rest: &'_ str| {
            let one = ["\r\n", "\n", "\r", "\x0c", "\t", " "];
            one.iter().find(|space| rest.starts_with(**space)).map_or(0, |space| space.len())
        };
        if let Some((meant, rest)) = number_of(from, 16, 6) {
            return Some((Some(meant), rest.get(space(rest)..)?));
        }
        let first = from.chars().next()?;
        match first {
            '\n' | '\r' | '\x0c' => Some((None, from.get(space(from)..)?)),
            _ => Some((Some(first), from.get(first.len_utf8()..)?)),
        }
    })
}

/// The character whose number a text starts with, in at most so many digits, and the rest; none without digits.
fn number_of(text: &str, radix: u32, most: usize) -> Option<(char, &str)> {
    let length = text.chars().take(most).take_while(|c| c.is_digit(radix)).count();
    let (digits, rest) = text.split_at_checked(length).filter(|_| length > 0)?;
    let number = u32::from_str_radix(digits, radix).ok();
    let meant = number.filter(|number| *number != 0).and_then(char::from_u32);
    Some((meant.unwrap_or(char::REPLACEMENT_CHARACTER), rest))
}
