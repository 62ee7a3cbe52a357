//! Banner markup: a scan over the tags of an HTML fragment.

use super::Markup;

/// Tags are closed, attributes quoted to their end, and something is shown.
pub(super) fn read(adm: &str) -> Result<Markup, String> {
    if adm.trim_start().starts_with("<?xml") || adm.trim_start().starts_with("<VAST") {
        return Err("a banner got XML".to_owned());
    }
    let mut markup = Markup::default();
    let mut rest = adm;
    let mut tags = 0;
    while let Some(start) = next_tag(rest) {
        let (tag, after) = split_tag(&rest[start..])?;
        tags += 1;
        note(tag, &mut markup);
        rest = after;
        if tag_name(tag) == "script" {
            // What a script says is not markup.
            let end = rest.find("</script").ok_or("a script does not end")?;
            rest = &rest[end..];
        }
    }
    if tags == 0 {
        return Err("a banner without a tag".to_owned());
    }
    Ok(markup)
}

/// Where the next tag begins; a `<` before anything but a letter, `/` or `!` is text.
fn next_tag(text: &str) -> Option<usize> {
    text.match_indices('<').map(|(start, _)| start).find(|start| {
        text[start + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!')
    })
}

/// The tag without its brackets, and what follows it.
fn split_tag(text: &str) -> Result<(&str, &str), String> {
    if let Some(comment) = text.strip_prefix("<!--") {
        let end = comment.find("-->").ok_or("a comment does not end")?;
        return Ok(("", &comment[end + 3..]));
    }
    let mut quote = None;
    for (position, c) in text.char_indices() {
        match (quote, c) {
            (None, '>') => return Ok((&text[1..position], &text[position + 1..])),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    Err(format!("a tag does not end: {}", text.chars().take(40).collect::<String>()))
}

fn tag_name(tag: &str) -> &str {
    tag.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default()
}

fn note(tag: &str, markup: &mut Markup) {
    let (key, list) = match tag_name(tag) {
        "img" => ("src", &mut markup.impressions),
        "a" => ("href", &mut markup.clicks),
        "script" | "iframe" | "video" | "source" => ("src", &mut markup.resources),
        "link" => ("href", &mut markup.resources),
        _ => return,
    };
    list.extend(attribute(tag, key));
}

/// An attribute's value with the entities that URLs need undone.
fn attribute(tag: &str, key: &str) -> Option<String> {
    let start = tag.match_indices(key).find_map(|(at, _)| {
        let starts = tag[..at].ends_with(|c: char| c.is_whitespace());
        let value = tag[at + key.len()..].trim_start().strip_prefix('=')?;
        starts.then(|| value.trim_start())
    })?;
    let quote = start.chars().next()?;
    let value = if matches!(quote, '"' | '\'') {
        start[1..].split(quote).next()
    } else {
        start.split(char::is_whitespace).next()
    };
    value.map(|value| value.replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_links_and_scripts_are_told_apart() {
        let adm = r#"<!-- <img src="no"> --><div data-src="no"><a href='https://a.example/?x=1&amp;y=2'>
            <img width=1 src="https://b.example/p"></a>1 < 2<script src="https://c.example/s.js">"<img"</script></div>"#;
        let markup = read(adm).unwrap();
        assert_eq!(markup.clicks, ["https://a.example/?x=1&y=2"]);
        assert_eq!(markup.impressions, ["https://b.example/p"]);
        assert_eq!(markup.resources, ["https://c.example/s.js"]);
    }

    #[test]
    fn what_does_not_end_is_refused() {
        for adm in ["", "text", "<a href=\"x>", "<!-- x", "<script>x", "<?xml version=\"1.0\"?><VAST/>"] {
            assert!(read(adm).is_err(), "{adm:?} was accepted");
        }
    }
}
