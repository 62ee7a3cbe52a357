//! Where ads are seen: sites, apps and screens, each about one topic.

/// What a site, app or programme is about.
#[derive(Debug)]
pub struct Topic {
    /// A word for names and domains.
    pub word: &'static str,
    /// IAB content categories 1.0, the broad one first.
    pub categories: &'static [&'static str],
    /// What such pages carry as keywords.
    pub keywords: &'static [&'static str],
}

const fn topic(
    word: &'static str,
    categories: &'static [&'static str],
    keywords: &'static [&'static str],
) -> Topic {
    Topic { word, categories, keywords }
}

/// The topics, the commonest first.
#[rustfmt::skip]
pub static TOPICS: [Topic; 16] = [
    topic("news", &["IAB12", "IAB12-2"], &["politics", "economy", "elections", "world"]),
    topic("sports", &["IAB17", "IAB17-44"], &["football", "league", "running", "tennis"]),
    topic("games", &["IAB9", "IAB9-30"], &["puzzle", "strategy", "console", "esports"]),
    topic("weather", &["IAB15", "IAB15-10"], &["forecast", "rain", "snow", "pollen"]),
    topic("tech", &["IAB19", "IAB19-6"], &["smartphone", "laptop", "camera", "software"]),
    topic("travel", &["IAB20", "IAB20-3"], &["flights", "hotel", "beach", "city trip"]),
    topic("autos", &["IAB2", "IAB2-3"], &["electric car", "suv", "leasing", "test drive"]),
    topic("food", &["IAB8", "IAB8-5"], &["recipes", "vegan", "restaurant", "coffee"]),
    topic("finance", &["IAB13", "IAB13-7"], &["stocks", "mortgage", "savings", "crypto"]),
    topic("style", &["IAB18", "IAB18-3"], &["fashion", "shoes", "beauty", "jewelry"]),
    topic("health", &["IAB7", "IAB7-1"], &["fitness", "yoga", "sleep", "nutrition"]),
    topic("music", &["IAB1", "IAB1-6"], &["concert", "podcast", "playlist", "festival"]),
    topic("movies", &["IAB1", "IAB1-5"], &["cinema", "series", "trailer", "streaming"]),
    topic("family", &["IAB6", "IAB6-1"], &["baby", "school", "toys", "parenting"]),
    topic("home", &["IAB10", "IAB10-7"], &["garden", "furniture", "diy", "kitchen"]),
    topic("pets", &["IAB16", "IAB16-3"], &["dog", "cat", "training", "pet food"]),
];

/// Who sells the space.
#[derive(Clone, Debug)]
pub struct Publisher {
    /// `publisher.id`; also the seller id in `schain`.
    pub id: String,
    /// `publisher.name`.
    pub name: String,
    /// `publisher.domain`.
    pub domain: String,
}

/// A web site.
#[derive(Clone, Debug)]
pub struct Site {
    /// `site.id`.
    pub id: String,
    /// `site.name`.
    pub name: String,
    /// `site.domain`.
    pub domain: String,
    /// Its seller.
    pub publisher: Publisher,
    /// What it is about.
    pub topic: &'static Topic,
}

/// Where an app is installed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// Apple's: the bundle is a number.
    Apple,
    /// Google's: the bundle is a package name.
    Google,
    /// A television's.
    Television,
}

/// An app.
#[derive(Clone, Debug)]
pub struct App {
    /// `app.id`.
    pub id: String,
    /// `app.name`.
    pub name: String,
    /// `app.bundle`.
    pub bundle: String,
    /// `app.domain`.
    pub domain: String,
    /// Where it comes from.
    pub store: Store,
    /// Whether it is made for children (`regs.coppa`).
    pub for_children: bool,
    /// Its seller.
    pub publisher: Publisher,
    /// What it is about.
    pub topic: &'static Topic,
}

/// A screen in a public place.
#[derive(Clone, Debug)]
pub struct Screen {
    /// `dooh.id`.
    pub id: String,
    /// `dooh.name`.
    pub name: String,
    /// `dooh.venuetype` in the OpenOOH venue taxonomy (`venuetypetax` 1).
    pub venue: &'static str,
    /// Its seller.
    pub publisher: Publisher,
}

const SITE_WORDS: [&str; 6] = ["daily", "my", "open", "planet", "club", "north"];
const APP_WORDS: [&str; 3] = ["pocket", "live", "super"];
const VENUES: [&str; 4] = ["transit.airports", "retail.malls", "outdoor.billboards", "office_buildings"];

fn publisher(number: usize) -> Publisher {
    Publisher {
        id: format!("pub-{number:03}"),
        name: format!("Publisher {number}"),
        domain: format!("publisher-{number}.example"),
    }
}

/// One site for each word and topic, so that the head of a Zipf draw covers all topics. Two sites share a
/// publisher.
pub(super) fn sites() -> Vec<Site> {
    named(&SITE_WORDS)
        .map(|(number, word, topic)| Site {
            id: format!("site-{number:03}"),
            name: format!("{word} {}", topic.word),
            domain: format!("{word}-{}.example", topic.word),
            publisher: publisher(number.div_ceil(2)),
            topic,
        })
        .collect()
}

/// One app for each word and topic; the stores take turns.
pub(super) fn apps() -> Vec<App> {
    named(&APP_WORDS)
        .map(|(number, word, topic)| {
            let store = match number % 5 {
                0 => Store::Television,
                1 | 3 => Store::Apple,
                _ => Store::Google,
            };
            let bundle = match store {
                Store::Apple => format!("{}", 600_000_000 + number * 7_919),
                Store::Google => format!("com.example.{word}.{}", topic.word),
                Store::Television => format!("tv.example.{word}{}", topic.word),
            };
            App {
                id: format!("app-{number:03}"),
                name: format!("{word} {}", topic.word),
                bundle,
                domain: format!("{word}{}.example", topic.word),
                store,
                for_children: topic.word == "family" && store != Store::Television,
                publisher: publisher(100 + number.div_ceil(2)),
                topic,
            }
        })
        .collect()
}

pub(super) fn screens() -> Vec<Screen> {
    (1..)
        .zip(VENUES)
        .map(|(number, venue)| Screen {
            id: format!("screen-{number:03}"),
            name: format!("Screen {number}"),
            venue,
            publisher: publisher(200 + number),
        })
        .collect()
}

fn named(words: &'static [&'static str]) -> impl Iterator<Item = (usize, &'static str, &'static Topic)> {
    let pairs = words.iter().flat_map(|word| TOPICS.iter().map(move |topic| (*word, topic)));
    (1..).zip(pairs).map(|(number, (word, topic))| (number, word, topic))
}
