//! The report in a real browser, light and dark, wide and narrow.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tagbid_loadtest::record::{Outcome, Record, Seen};
use tagbid_loadtest::results::{Machine, Results, Run, SCHEMA};

/// Looks at the page from within and leaves what it saw in it.
const PROBE: &str = r#"<script>
addEventListener("load", () => {
  const channel = (c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const parse = (text) => text.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const contrast = (element, property) => {
    const [a, b] = [luminance(parse(getComputedStyle(element)[property])), luminance(ground(element))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const all = (selector) => [...document.querySelectorAll(selector)];
  const least = (selector, property) => Math.min(...all(selector).map((e) => contrast(e, property)));
  const report = {
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    ground: luminance(ground(document.body)),
    text: least("h1, h2, p, dt, dd, th, td, figcaption, summary, li", "color"),
    labels: least("svg text", "fill"),
    lines: least("figure > svg .series", "stroke"),
    drawn: all("figure > svg").map((svg) => svg.querySelectorAll("path.series, path.area").length),
    wide: all("figure > svg path.series").map((path) => path.getBBox().width),
    outside: all("figure > svg text").filter((text) => {
      const [own, svg] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
      return own.left < svg.left - 1 || own.right > svg.right + 1 || own.bottom > svg.bottom + 1;
    }).length,
    overflow: document.documentElement.scrollWidth - innerWidth,
    loaded: performance.getEntriesByType("resource").length,
    named: all("figure > svg").every((svg) =>
      svg.getAttribute("aria-labelledby").split(" ").every((id) => document.getElementById(id).textContent)),
  };
  const out = document.createElement("pre");
  out.id = "report";
  out.textContent = JSON.stringify(report);
  document.body.append(out);
});
</script>"#;

const POLICY: &str = "<meta http-equiv=\"Content-Security-Policy\"";

fn browser() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|path| path.is_file());
    assert!(
        found.is_some() || std::env::var_os("CI").is_none(),
        "no Chromium: cargo xtask setup installs it"
    );
    if found.is_none() {
        println!("SKIPPED: the report was not tried in a browser; cargo xtask setup installs one");
    }
    found
}

/// What a browser makes of a page: its document after loading, and what it logged.
fn load(browser: &Path, page: &Path, width: u32, dark: bool) -> (String, String) {
    let folder = page.parent().unwrap();
    let files = ["dom", "log"].map(|name| std::fs::File::create(folder.join(name)).unwrap());
    let [dom, log] = files;
    let mut child = Command::new(browser)
        // Containers have no user namespaces for the sandbox, and the page is our own.
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--enable-logging=stderr",
        ])
        .arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!dark)))
        .arg(format!("--window-size={width},1000"))
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .args(["--virtual-time-budget=2000", "--dump-dom"])
        .arg(format!("file://{}", page.display()))
        .stdout(Stdio::from(dom))
        .stderr(Stdio::from(log))
        .spawn()
        .unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(180) {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    (read("dom"), read("log"))
}

/// What the probe saw.
fn seen(browser: &Path, page: &Path, width: u32, dark: bool) -> Value {
    let (dom, log) = load(browser, page, width, dark);
    let json = dom.split_once("<pre id=\"report\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let (json, _) =
        json.unwrap_or_else(|| panic!("no report in {} bytes; the browser said {log}", dom.len()));
    serde_json::from_str(json).unwrap()
}

/// Thirty seconds in which a server stalls once, sheds for a while and fails now and then.
fn stalled() -> Results {
    let second = Duration::from_secs(1);
    let mut record = Record::new(30);
    for n in 0..6_000_u64 {
        let due = Duration::from_millis(n * 5);
        let waited = Duration::from_secs(11).saturating_sub(due);
        let stalls = (10..11).contains(&due.as_secs());
        let corrected =
            Duration::from_micros(700 + n * n % 3_000) + if stalls { waited } else { Duration::ZERO };
        let outcome = match n {
            n if n % 500 == 7 => Outcome::Error,
            n if (20..24).contains(&due.as_secs()) && n % 3 == 0 => Outcome::Shed,
            _ if corrected > Duration::from_millis(100) => Outcome::Late,
            n if n % 3 == 1 => Outcome::Bid,
            _ => Outcome::NoBid,
        };
        record.plan(due, Duration::from_micros(9), false, second);
        record.see(Seen { due, corrected, raw: Duration::from_micros(900), outcome }, second);
        *record.statuses.entry(204).or_default() += 1;
    }
    record.plan(29 * second, Duration::ZERO, true, second);
    record.reason("no_match");
    record.error("connection broke");
    let machine = Machine {
        host: "generator-1.example".to_owned(),
        version: "0.1.0".to_owned(),
        started_ms: 1_795_000_000_000,
        rate: "200:30s".to_owned(),
        arrivals: "even".to_owned(),
        seed: 1,
        requests: 20_000,
        fingerprint: "f7e470a42639ba66".to_owned(),
        connections: 64,
        streams: 1,
        in_flight: 10_000,
        threads: 1,
        invalid: Vec::new(),
    };
    let run = Run {
        url: "http://bidder.example:8080/openrtb2/demo".to_owned(),
        encoding: "json".to_owned(),
        open_loop: true,
        duration_us: 30_000_000,
        warmup_us: 2_000_000,
        window_us: 1_000_000,
        tmax_us: 100_000,
        timeout_us: 2_000_000,
    };
    Results { schema: SCHEMA.to_owned(), run, machines: vec![machine], record, notices: None }
}

#[test]
fn the_report_is_readable_in_a_browser() {
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().unwrap();
    let html = tagbid_loadtest::report::html(&stalled());
    // As it is: nothing is refused and nothing fails.
    let page = folder.path().join("page.html");
    std::fs::write(&page, &html).unwrap();
    let (dom, log) = load(&browser, &page, 1_200, false);
    assert!(dom.contains("Latency by percentile"), "{log}");
    assert!(!log.contains("CONSOLE"), "{log}");
    // With a probe inside, which the page's own policy would refuse.
    let (before, policy) = html.split_once(POLICY).unwrap();
    let probed = format!("{before}{PROBE}{}", policy.split_once('>').unwrap().1);
    std::fs::write(&page, probed).unwrap();
    for (width, dark) in [(1_200, false), (1_200, true), (500, false)] {
        let seen = seen(&browser, &page, width, dark);
        let number = |name: &str| seen[name].as_f64().unwrap();
        assert_eq!(seen["dark"], dark, "{seen}");
        assert_eq!(number("ground") < 0.2, dark, "{seen}");
        // WCAG 2.2: 4.5 for text (1.4.3), 3 for the lines of a plot (1.4.11).
        assert!(number("text") >= 4.5 && number("labels") >= 4.5, "{seen}");
        assert!(number("lines") >= 3.0, "{seen}");
        assert_eq!((number("outside"), number("loaded")), (0.0, 0.0), "{seen}");
        assert!(number("overflow") <= 0.0, "{seen}");
        assert_eq!(
            (&seen["drawn"], &seen["named"]),
            (&serde_json::json!([2, 4, 3, 6]), &Value::Bool(true)),
            "{seen}"
        );
        assert!(seen["wide"].as_array().unwrap().iter().all(|wide| wide.as_f64() > Some(100.0)), "{seen}");
    }
}
