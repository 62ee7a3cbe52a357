//! Native markup: a Native Ads 1.2 response, against the request inside the bid request.

use serde_json::Value;

use crate::view::{flag, int, items, text, texts};

use super::Markup;

/// Every required asset is there, every asset was asked for under its id, and fits.
pub(super) fn read(adm: &str, offer: &Value) -> Result<Markup, String> {
    let outer: Value = serde_json::from_str(adm).map_err(|error| format!("not JSON: {error}"))?;
    let native = outer.get("native").unwrap_or(&outer);
    let wanted = inner_request(offer);
    let link = native.get("link").ok_or("no link")?;
    let mut markup =
        Markup { clicks: text(link, "url").map(str::to_owned).into_iter().collect(), ..Markup::default() };
    if markup.clicks.is_empty() {
        return Err("link has no url".to_owned());
    }
    markup.clicks.extend(texts(link, "clicktrackers").into_iter().map(str::to_owned));
    markup.impressions.extend(texts(native, "imptrackers").into_iter().map(str::to_owned));
    // Event 1 is the impression; method 1 a pixel.
    let trackers = items(native, "eventtrackers").iter().filter(|t| int(t, "event") == Some(1));
    markup.impressions.extend(trackers.filter_map(|t| text(t, "url")).map(str::to_owned));
    for asset in items(native, "assets") {
        check_asset(asset, wanted.as_ref())?;
        markup.resources.extend(asset.get("img").and_then(|img| text(img, "url")).map(str::to_owned));
    }
    if let Some(wanted) = &wanted {
        check_required(native, wanted)?;
    }
    Ok(markup)
}

/// The request inside `native.request`, with or without its old root; none when it cannot be read.
fn inner_request(offer: &Value) -> Option<Value> {
    let inner: Value = match offer.get("request")? {
        Value::String(text) => serde_json::from_str(text).ok()?,
        object => object.clone(),
    };
    Some(inner.get("native").cloned().unwrap_or(inner))
}

fn check_asset(asset: &Value, wanted: Option<&Value>) -> Result<(), String> {
    const KINDS: [&str; 4] = ["title", "img", "video", "data"];
    let kind = KINDS.into_iter().find(|kind| asset.get(kind).is_some()).ok_or("an asset without content")?;
    let filled = match kind {
        "title" => asset.pointer("/title/text"),
        "img" => asset.pointer("/img/url"),
        "video" => asset.pointer("/video/vasttag"),
        _ => asset.pointer("/data/value"),
    };
    if filled.and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(format!("a {kind} asset is empty"));
    }
    let Some(wanted) = wanted else { return Ok(()) };
    let id = int(asset, "id").ok_or("an asset without id")?;
    let asked = items(wanted, "assets")
        .iter()
        .find(|other| int(other, "id") == Some(id))
        .and_then(|other| other.get(kind))
        .ok_or_else(|| format!("asset {id} was not asked for as {kind}"))?;
    fits(asset, asked, kind).then_some(()).ok_or_else(|| format!("asset {id} does not fit"))
}

fn fits(asset: &Value, asked: &Value, kind: &str) -> bool {
    let given = asset.get(kind).unwrap_or(&Value::Null);
    let within = |text: Option<&str>| {
        int(asked, "len").is_none_or(|most| {
            text.is_none_or(|text| i64::try_from(text.chars().count()).is_ok_and(|length| length <= most))
        })
    };
    let at_least = |side, least| {
        int(asked, least).is_none_or(|least| int(given, side).is_some_and(|side| side >= least))
    };
    match kind {
        "title" => within(text(given, "text")),
        "data" => within(text(given, "value")),
        "img" => at_least("w", "wmin") && at_least("h", "hmin"),
        _ => true,
    }
}

fn check_required(native: &Value, wanted: &Value) -> Result<(), String> {
    let given: Vec<i64> = items(native, "assets").iter().filter_map(|asset| int(asset, "id")).collect();
    let missing = items(wanted, "assets")
        .iter()
        .filter(|asset| flag(asset, "required"))
        .filter_map(|asset| int(asset, "id"))
        .find(|id| !given.contains(id));
    match missing {
        Some(id) => Err(format!("required asset {id} is missing")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn offer() -> Value {
        let inner = json!({"native": {"assets": [
            {"id": 1, "required": 1, "title": {"len": 10}},
            {"id": 2, "img": {"type": 3, "wmin": 300}},
        ]}});
        json!({"request": inner.to_string()})
    }

    fn answer() -> Value {
        json!({"link": {"url": "https://a.example"}, "imptrackers": ["https://t.example/1"],
               "eventtrackers": [{"event": 1, "method": 1, "url": "https://t.example/2"}],
               "assets": [{"id": 1, "title": {"text": "Hello"}}]})
    }

    #[test]
    fn an_answer_with_the_required_assets_is_read() {
        let markup = read(&answer().to_string(), &offer()).unwrap();
        assert_eq!(markup.impressions, ["https://t.example/1", "https://t.example/2"]);
        assert_eq!(markup.clicks, ["https://a.example"]);
    }

    #[test]
    fn assets_that_miss_or_do_not_fit_are_refused() {
        let breaks = [
            ("/assets", json!([])),
            ("/assets/0/title/text", json!("Hello, world")),
            ("/assets/0/id", json!(9)),
            ("/assets/0", json!({"id": 2, "img": {"url": "https://i.example", "w": 100, "h": 1}})),
            ("/link", json!({})),
        ];
        for (pointer, value) in breaks {
            let mut broken = answer();
            *broken.pointer_mut(pointer).unwrap() = value;
            assert!(read(&broken.to_string(), &offer()).is_err(), "{pointer}");
        }
    }
}
